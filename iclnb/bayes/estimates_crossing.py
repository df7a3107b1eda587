"""What decides the claims of chapter 01 about how many demonstrations are needed; HMMs are the units."""

from collections.abc import Mapping, Sequence

import numpy as np

from iclnb.bayes.crossing import BAYES, Learning
from iclnb.claims import Evidence
from iclnb.stats import interval

Learned = Mapping[str, Sequence[Learning]]
"""HMMs by design."""

REPAIRED = "ratio"
"""The repaired kernel that is followed."""


def every(learned: Learned) -> list[Learning]:
    """The HMMs of all designs."""
    return [one for group in learned.values() for one in group]


def bayes_needs_fewer(learned: Learned, *, seed: int) -> Evidence:
    """log10 of demonstrations needed to halve the error, of the best kernel over Bayes; mean over HMMs."""
    logs = [
        np.log10(min(one.needed(kernel) for kernel in one.end) / one.needed(BAYES)) for one in every(learned)
    ]
    return Evidence(interval(np.array(logs), seed=seed), 0.0, "as many as Bayes")


def needed_as_predicted(learned: Learned, *, seed: int) -> Evidence:
    """Demonstrations needed by the repaired kernel over the sharp law's; control: over the rank."""
    ones = every(learned)
    ratios = np.array([one.needed(REPAIRED) / one.needed_in_theory(REPAIRED) for one in ones])
    ranks = np.array([one.needed(REPAIRED) / one.rank for one in ones])
    return Evidence(interval(ratios, seed=seed), float(ranks.mean()), "rank of the second moment as the law")


def spread_as_predicted(learned: Learned, *, seed: int) -> Evidence:
    """RMS distance of the repaired kernel from its limit over the sharp law's; control: over √(1 / n)."""
    ones = every(learned)
    apart, law = (np.array([getattr(one, key)[REPAIRED] for one in ones]) for key in ("apart", "law"))
    plain = np.sqrt([one.ns[-1] for one in ones]) * apart
    return Evidence(interval(apart / law, seed=seed), float(plain.mean()), "√(1 / n) as the law")


def summary(learned: Learned) -> dict[str, dict[str, float]]:
    """Demonstrations that halve the error by design and learner, medians over HMMs (for the record)."""
    return {
        name: {
            learner: float(np.median([one.needed(learner) for one in group])) for learner in group[0].errors
        }
        for name, group in learned.items()
    }
