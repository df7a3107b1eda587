"""The evidence of appendix 04a: other retrievers, perturbed demonstrations, calibration."""

import numpy as np

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.kernel_regression import kernel_regression
from iclnb.stats import Estimate
from iclnb.steering.calibration import calibrate
from iclnb.steering.estimates import answers, beyond_counts, flips, mean, right
from iclnb.steering.findings import EMBEDDINGS, LIKE_NEAREST, MEASURES, METHODS, NEAREST, RANDOM, Details

ELSEWHERE = "priors of another set's prompts"


def retrieval_helps(one: Details, by: str, *, seed: int) -> Evidence:
    """Probability of the right word with the nearest demonstrations less that with random ones that carry the
    same labels; embeddings in place of the retriever as control."""
    gain, control = (
        right(one, f"{NEAREST}, {m}") - right(one, f"{LIKE_NEAREST}, {m}") for m in (by, EMBEDDINGS)
    )
    return Evidence(
        mean(gain, "difference", seed=seed), float(control.mean()), "the nearest by sentence embeddings"
    )


def tells_more(one: Details, by: str, *, seed: int) -> Evidence:
    """How much more of the answer a similarity tells, beyond counts of labels and the truth, than embeddings
    do: :func:`iclnb.steering.estimates.beyond_counts` with one kernel less that with the other."""
    given, mine, embedded, counts, truth = _tables(one, by)

    def more(given, mine, embedded, counts, truth) -> float:
        return beyond_counts(given, mine, counts, truth) - beyond_counts(given, embedded, counts, truth)

    found = stats.interval(given, mine, embedded, counts, truth, statistic=more, seed=seed)
    control = beyond_counts(given, embedded, counts, truth)
    return Evidence(found, control, "the kernel of sentence embeddings alone")


def tells(one: Details, by: str, *, seed: int) -> Estimate:
    """:func:`iclnb.steering.estimates.beyond_counts` with one kernel."""
    given, mine, _, counts, truth = _tables(one, by)
    return stats.interval(given, mine, counts, truth, statistic=beyond_counts, range="correlation", seed=seed)


def _tables(one: Details, by: str) -> tuple[np.ndarray, ...]:
    """Answers, votes by a similarity and by embeddings, counts and truth. (points, 1, words)"""
    given, words = answers(one, RANDOM), one.answers.shape[-1]
    of = (one.weights[MEASURES.index(name)].astype(float) for name in (by, EMBEDDINGS))
    votes = [kernel_regression(weights, one.labels, words) for weights in of]
    counts = np.eye(words)[one.labels].mean(-2)
    tables = (given - given.mean(-1, keepdims=True), *votes, counts, np.eye(words)[one.truth])
    return tuple(table[:, None] for table in tables)


def demonstrations_count(one: Details, condition: str, *, seed: int) -> Evidence:
    """Probability of the right word with perturbed demonstrations less that with the same as they are."""
    found = mean(right(one, condition) - right(one, RANDOM), "difference", seed=seed)
    return Evidence(found, 0.0, "whatever sees the labels of the demonstrations alone")


def flips_after(one: Details, method: str | None, *, elsewhere: bool = False) -> np.ndarray:
    """How often two orders of a set get different answers after calibration. (sets, points)

    ``elsewhere``: whether every set's answers are divided by the priors of the next set: the null, which
    corrects what all prompts prefer and not what this one does.
    """
    given = one.ordered.astype(float)
    if method is not None:
        prior = one.prior[METHODS.index(method)].astype(float)
        given = calibrate(given, (np.roll(prior, -1, axis=0) if elsewhere else prior)[..., None, :])
    return flips(np.moveaxis(given.argmax(-1), 1, -1))


def flips_estimate(one: Details, method: str | None, *, seed: int) -> Estimate:
    """:func:`flips_after` calibration, over sets and points."""
    return stats.interval(flips_after(one, method), design="sets x points", range="rate", seed=seed)


def steadies(one: Details, method: str, *, seed: int) -> Evidence:
    """:func:`flips_after` calibration, less that by the priors of another set."""
    own, other = (flips_after(one, method, elsewhere=elsewhere) for elsewhere in (False, True))
    found = stats.interval(own - other, design="sets x points", range="difference", seed=seed)
    return Evidence(found, float(other.mean()), ELSEWHERE)
