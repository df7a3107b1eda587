"""What decides the claims of appendix 01c about trained transformers; HMMs are the units."""

from collections.abc import Sequence

import numpy as np
from IPython.display import Markdown
from jaxtyping import Float

from iclnb import display
from iclnb.bayes.crossing import BAYES
from iclnb.bayes.following import IGNORING, REFERENCES, SIMILARITIES, Following, Read
from iclnb.bayes.kernels import KERNELS
from iclnb.claims import INCONCLUSIVE, SUPPORTED, Claim, Evidence
from iclnb.stats import Estimate, interval

RANDOM = "random weights, same prompts"


def distances(reads: Sequence[Read], reference: str) -> Float[np.ndarray, "hmms n"]:
    """Mean L1 distance of the predictions to a reference."""
    return np.array([one.distance[REFERENCES.index(reference)] for one in reads])


def nearest_kernel(reads: Sequence[Read]) -> Float[np.ndarray, "hmms n"]:
    """Distance to the regression that is nearest, chosen anew for each HMM and n."""
    return np.min([distances(reads, kernel) for kernel in KERNELS], axis=0)


def nearer_to_bayes(found: Following, *, seed: int) -> Evidence:
    """Distance to Bayes over that to the nearest kernel regression, at the largest n."""
    own, blind = (
        distances(reads, BAYES)[:, -1] / nearest_kernel(reads)[:, -1]
        for reads in (found.trained, found.random)
    )
    return Evidence(interval(own, seed=seed), float(blind.mean()), RANDOM)


def follows_bayes(found: Following, *, seed: int) -> Evidence:
    """Distance to Bayes over the distance between Bayes and ignoring the demonstrations, at the largest n."""
    whole = found.bayes[:, REFERENCES.index(IGNORING), -1]
    own, blind = (distances(reads, BAYES)[:, -1] / whole for reads in (found.trained, found.random))
    return Evidence(interval(own, seed=seed), float(blind.mean()), RANDOM)


def chosen_correlation(one: Read, kernel: int | None = None) -> float:
    """Correlation on the second half of the prompts, of the head (and kernel) that is best on the first."""
    first, second = one.correlation if kernel is None else one.correlation[..., [kernel]]
    place = np.unravel_index(np.nanargmax(first), first.shape)
    return float(second[place])


def correlations(reads: Sequence[Read], kernel: int | None = None) -> Float[np.ndarray, " hmms"]:
    """:func:`chosen_correlation` of every HMM."""
    return np.array([chosen_correlation(one, kernel) for one in reads])


def heads_match(found: Following, *, seed: int) -> Evidence:
    """Best head's correlation with its kernel above that of random weights; control: other random weights."""
    trained, blind, again = map(correlations, (found.trained, found.random, found.again))
    above = interval(trained - blind, seed=seed)
    return Evidence(above, float((again - blind).mean()), "other random weights, above the first")


def chosen_regression(one: Read) -> float:
    """As :attr:`Read.regression`, on the second half, of the head that is best on the first."""
    return float(one.regression[1, np.nanargmin(one.regression[0])])


def heads_regress(found: Following, *, seed: int) -> Evidence:
    """Distance of the best head's own regression to the prediction, over that of label frequencies."""
    own, blind = (
        np.array([chosen_regression(one) for one in reads]) for reads in (found.trained, found.random)
    )
    return Evidence(interval(own, seed=seed), float(blind.mean()), "random weights, their own predictions")


def by_kernel(found: Following, *, seed: int) -> dict[str, tuple[Estimate, Estimate]]:
    """For each kernel the correlation of the head that matches it best: trained, and random weights."""
    return {
        name: tuple(interval(correlations(reads, k), seed=seed) for reads in (found.trained, found.random))
        for k, name in enumerate(SIMILARITIES)
    }


def along(found: Following) -> Markdown:
    """Mean distances of the trained transformer's prediction, by n."""
    trained, random = found.trained, found.random
    columns = (
        distances(trained, BAYES), nearest_kernel(trained), distances(trained, IGNORING),
        found.bayes[:, REFERENCES.index(IGNORING)], distances(random, BAYES),
    )  # fmt: skip
    rows = [[n, *(column[:, i].mean() for column in columns)] for i, n in enumerate(found.ns)]
    header = ["n", "to Bayes", "to the nearest kernel", "to ignoring", "Bayes to ignoring", "random to Bayes"]
    return display.table(header, rows)


def loss(found: Following) -> str:
    """Training loss at the end beside that of Bayes (Markdown)."""
    end, least = found.curve[-1].mean(), found.entropy.mean()
    return (
        f"Loss at the end of training {end:.3f} nats a label, from {found.curve[0].mean():.3f} in the first "
        f"twentieth; Bayes has {least:.3f} on the evaluation prompts."
    )


def answer(claims: Sequence[Claim]) -> str:
    """The appendix's answer in plain sentences (Markdown), worded from the verdicts of its claims."""
    of = {claim.id: claim for claim in claims}

    def say(id: str, holds: str, fails: str) -> str:
        verdict = of[id].verdict
        if verdict == INCONCLUSIVE:
            return f"This run does not decide between “{holds}” and “{fails}”"
        return holds if verdict == SUPPORTED else fails

    nearer = say(
        "transformer-nearer-bayes",
        "Its prediction is nearer to Bayes than to every kernel regression of the chapter.",
        "Its prediction is not nearer to Bayes than to every kernel regression.",
    )
    follows = say(
        "transformer-follows-bayes",
        "It covers more than half of the way from ignoring the demonstrations to Bayes.",
        "It stays further than half of the way from Bayes.",
    )
    match = say(
        "transformer-heads-kernel",
        "Training gives some head weights that resemble a kernel of the chapter.",
        "Its heads resemble the kernels of the chapter hardly more than heads with random weights.",
    )
    regress = say(
        "transformer-heads-regress",
        "Regression with one head's weights comes nearer to its prediction than label frequencies do.",
        "Regression with one head's weights comes no nearer to its prediction than label frequencies do.",
    )
    return f"**Bayes or kernel?** {nearer} {follows}\n\n**Are its heads kernels?** {match} {regress}"
