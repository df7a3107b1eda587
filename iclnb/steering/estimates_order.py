"""The evidence on order: how often it changes the answer, what the last label does, calibration."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from iclnb.claims import Evidence
from iclnb.criteria import above, below
from iclnb.stats import Estimate
from iclnb.steering import measures
from iclnb.steering.calibration import METHODS, RAW, Ordered
from iclnb.steering.estimates import over
from iclnb.steering.measures import Choices

NO_ORDER = "kernel regression, which has no order"
ELSEWHERE = "priors of another set's prompts"

Table = Float[np.ndarray, "sets points"]


def flips(found: Choices, ordered: Ordered) -> Table:
    """How often two orders of a set get different answers."""
    return measures.flips(np.moveaxis(found.chosen, 1, -1))


def accuracy(found: Choices, ordered: Ordered) -> Table:
    """Accuracy, mean over orders."""
    return found.correct.mean(1)


def last_label(found: Choices, ordered: Ordered) -> Table:
    """Effect of the last label on the log-odds less the mean effect of the labels before it, in nats."""
    profile = measures.recency_profile(np.moveaxis(found.log_odds, 1, -1), ordered.labels)
    return profile[..., -1] - profile[..., :-1].mean(-1)


Measure = Callable[[Choices, Ordered], Table]


def value(ordered: Ordered, measure: Measure, method: str = RAW, *, seed: int) -> Estimate:
    """A measure under a method of calibration, over sets and points."""
    return over(measure(ordered.calibrated(method), ordered), seed=seed)


def order(ordered: Ordered, measure: Measure, *, seed: int) -> Evidence:
    """A measure of the answers as they are, which is 0 for whatever does not depend on the order."""
    return Evidence(value(ordered, measure, seed=seed), 0.0, NO_ORDER)


def after_less_before(ordered: Ordered, measure: Measure, method: str, *, seed: int) -> Evidence:
    """A measure after calibration less before it; the control divides by the priors of another set."""
    before = measure(ordered.raw, ordered)
    after, null = (measure(ordered.calibrated(method, elsewhere=other), ordered) for other in (False, True))
    return Evidence(over(after - before, seed=seed), float(np.nanmean(null - before)), ELSEWHERE)


CALIBRATION_AIMS = (
    ("steadies", flips, "makes two orders of a set get different answers less often", below(0)),
    ("helps", accuracy, "makes more answers right", above(0)),
)
"""What calibration is for: the ending of the claim's name, what is measured, in words, and the criterion."""


def summary(found: Mapping[int, Ordered]) -> dict[str, dict[str, dict[str, float]]]:
    """Means by k and method of calibration, for the record of a run."""
    return {
        f"k = {k}": {
            method: {
                each.__name__: float(np.nanmean(each(ordered.calibrated(method), ordered)))
                for each in (accuracy, flips, last_label)
            }
            for method in (RAW, *METHODS)
        }
        for k, ordered in found.items()
    }
