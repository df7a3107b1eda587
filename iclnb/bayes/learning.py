"""How fast Bayes, kernel regression and others learn a task, of the corpus or not; measured and predicted.

All are judged by their L1 distance to P(y | x_test, θ*), the right answer for the task θ* that the
demonstrations come from. HMMs are small, every sequence is enumerated and every (x, y) is possible.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from iclnb.bayes.kernels import Kernels
from iclnb.bayes.sequences import joint
from iclnb.kernel_regression import regression_from_counts

BAYES, IGNORING = "Bayes", "demonstrations ignored"
FITTED, TUNED = "start fitted", "best kernel, tuned"

FOLLOWED = ("printed", "ratio", "belief", "operator cosine")  # Kernels that are followed one by one

LEARNERS = (BAYES, IGNORING, FITTED, *FOLLOWED, TUNED)
"""Bayes over the tasks of the corpus; the same without demonstrations; the start of the task fitted by maximum
likelihood, T and B given; kernels; and at every n the best of many kernels (:func:`tuned_error`)."""

BANDWIDTHS, PSEUDO_COUNTS = (5.0, 10.0, 20.0, 40.0, 80.0), (0.0, 0.5, 2.0, 8.0)

Pairs = Float[np.ndarray, "sequences labels"]  # P(x, y) of demonstrations

Counts = Float[np.ndarray, "streams sequences labels"]
"""How often each (x, y) was shown, in several independent streams."""

Answers = Counts  # ŷ for every x_test

Joint = Float[np.ndarray, "sequences tasks labels"]


def learn(
    kernels: Kernels, start: Float[np.ndarray, " states"], ns: Sequence[int], streams: int,
    seed: int | Sequence[int],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Every learner on the same streams of demonstrations, which come from a start of the corpus or another.

    Every (x, y) must be possible under every task. ``start`` is that of the task shown; ``ns`` increase.

    Returns:
        One HMM's part of :class:`iclnb.bayes.findings.Learning` by field. An answer counts at most 2, the largest
        distance between distributions, since ŷ has no mean where a normaliser is nearly zero. Predicted are
        Bayes (:func:`predicted_posterior_error`) and kernels (:func:`predicted_error`); the limit of Bayes is
        the distance of the KL projection (:func:`projection`).
    """
    mixture, by_task = kernels.mixture, kernels.joint
    by_state = joint(mixture, kernels.x, np.eye(mixture.states))
    pairs = np.einsum("s,xso->xo", start, by_state)
    weight = pairs.sum(axis=1)
    truth = pairs / weight[:, None]

    def error(answers: Float[np.ndarray, "... sequences labels"]) -> float:
        apart = np.minimum(np.abs(answers - truth).sum(axis=-1), 2)
        return float((apart @ weight).mean())

    grams = {name: kernels.gram(name) for name in FOLLOWED}
    rng, counts = np.random.default_rng(seed), np.zeros((streams, *pairs.shape))
    errors = []
    for more in np.diff(ns, prepend=0):
        counts += rng.multinomial(more, pairs.ravel() / pairs.sum(), size=streams).reshape(counts.shape)
        answers = [
            posterior_from_counts(mixture.prior, by_task, counts), kernels.alone, fitted(by_state, counts),
            *(regression_from_counts(gram, counts) for gram in grams.values()),
        ]  # fmt: skip
        errors.append([*map(error, answers), tuned_error(kernels, counts, error)])
    nearest, divergences = projection(by_task, pairs)
    silent = np.full(len(ns), np.nan)
    predicted = [
        predicted_posterior_error(mixture.prior, by_task, pairs, ns),
        np.full(len(ns), error(kernels.alone)),
        silent,
        *(predicted_error(gram, pairs, ns) for gram in grams.values()),
        silent,
    ]
    of_nearest = by_task[:, nearest] / by_task[:, nearest].sum(axis=1, keepdims=True)
    ends = [error(regression_from_counts(gram, pairs)) for gram in grams.values()]
    limit = [error(of_nearest), error(kernels.alone), np.nan, *ends, np.nan]
    return {
        "error": np.array(errors).T, "predicted": np.array(predicted), "limit": np.array(limit),
        "divergence": np.delete(divergences, nearest).mean(), "rank": np.array(kernels.basis("ratio").shape[1]),
    }  # fmt: skip


def posterior_from_counts(prior: Float[np.ndarray, " tasks"], joint: Joint, counts: Counts) -> Answers:
    """P(y | demonstrations, x_test) for every x_test, from counts of demonstrations."""
    tasks = joint.shape[1]
    logs = np.log(joint.transpose(0, 2, 1).reshape(-1, tasks))
    return _mixed(np.log(prior) + counts.reshape(len(counts), -1) @ logs, joint)


def _mixed(log_weight: Float[np.ndarray, "streams tasks"], joint: Joint) -> Answers:
    """Answers of the tasks, weighted by their log-probability before x_test is seen."""
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    answers = np.einsum("st,xto->sxo", weight, joint, optimize=True)
    return answers / answers.sum(axis=-1, keepdims=True)


def fitted(by_state: Joint, counts: Counts, steps: int = 100) -> Answers:
    """P(y | x_test) under the start of largest likelihood, by expectation maximisation from the uniform start."""
    states = by_state.shape[1]
    rows = by_state.transpose(0, 2, 1).reshape(-1, states)
    shown = counts.reshape(len(counts), -1)
    start = np.full((len(shown), states), 1 / states)
    for _ in range(steps):
        start *= (shown / (start @ rows.T)) @ rows / shown.sum(axis=1, keepdims=True)
    answers = np.einsum("sk,xko->sxo", start, by_state, optimize=True)
    return answers / answers.sum(axis=-1, keepdims=True)


def tuned_error(kernels: Kernels, counts: Counts, error: Callable[[Answers], float]) -> float:
    """The least ``error`` of many kernels on these very streams: a rival that no real kernel can be.

    Candidates are repairs (i) and (ii), the printed, cosine, prediction and belief kernels, the last with
    each of :data:`BANDWIDTHS`, all with each of :data:`PSEUDO_COUNTS`: so many demonstrations are added that
    answer as the posterior without demonstrations does.
    """
    beliefs = (Kernels(kernels.mixture, kernels.x, bandwidth) for bandwidth in BANDWIDTHS)
    names = ("ratio", "unweighted", "printed", "operator cosine", "prediction")
    least = np.inf
    for gram in (*map(kernels.gram, names), *(each.gram("belief") for each in beliefs)):
        added = (gram @ kernels.probability)[:, None] * kernels.alone
        shown = gram @ counts
        for pseudo in PSEUDO_COUNTS:
            sums = shown + pseudo * added
            total = sums.sum(axis=-1, keepdims=True)
            answers = np.where(np.abs(total) > 1e-9, sums, kernels.alone)
            least = min(least, error(answers / answers.sum(axis=-1, keepdims=True)))
    return least


def projection(joint: Joint, pairs: Pairs) -> tuple[int, Float[np.ndarray, " tasks"]]:
    """The task that the posterior tends to, and the KL divergence of every task from the demonstrations.

    The posterior odds of two tasks are a sum of independent terms whose mean is the difference of their
    divergences (nats for each demonstration), so all weight goes to the task of least divergence, the KL
    projection of the demonstrations on the corpus.

    Source: Berk (1966) for a finite number of tasks.
    """
    terms = pairs[:, None] * (np.log(pairs)[:, None] - np.log(joint))
    divergences = terms.sum(axis=(0, 2))
    return int(divergences.argmin()), divergences


def predicted_posterior_error(
    prior: Float[np.ndarray, " tasks"], joint: Joint, pairs: Pairs, ns: Sequence[int], draws: int = 500
) -> Float[np.ndarray, " n"]:
    """Expected L1 error of Bayes if log-likelihoods are normal: mean n E log P, covariance n Cov log P.

    The central limit theorem for the sum over demonstrations; tasks may be in the corpus or not.
    """
    weight, tasks = pairs.sum(axis=1), joint.shape[1]
    truth = pairs / weight[:, None]
    logs, p = np.log(joint.transpose(0, 2, 1).reshape(-1, tasks)), pairs.ravel()
    mean = p @ logs
    values, vectors = np.linalg.eigh((logs * p[:, None]).T @ logs - np.outer(mean, mean))
    normal = np.random.default_rng(0).standard_normal((draws, tasks))
    normal = normal * np.sqrt(np.maximum(values, 0)) @ vectors.T
    errors = []
    for n in ns:
        answers = _mixed(np.log(prior) + n * mean + np.sqrt(n) * normal, joint)
        errors.append((np.abs(answers - truth).sum(axis=-1) @ weight).mean())
    return np.array(errors)


def sharp_variance(
    gram: Float[np.ndarray, "queries sequences"], pairs: Pairs
) -> Float[np.ndarray, "queries labels"]:
    """n Var ŷ_y for many demonstrations: Σ P(x, y') K(x_test, x)² (1[y' = y] - ŷ∞_y)² / Z², Z = E K.

    By the central limit theorem for a ratio of means (delta method), for any fixed kernel.
    """
    marginal = pairs.sum(axis=1)
    end = regression_from_counts(gram, pairs)
    square = gram**2
    spread = (square @ pairs) * (1 - 2 * end) + (square @ marginal)[:, None] * end**2
    return spread / ((gram @ marginal) ** 2)[:, None]


def predicted_error(
    gram: Float[np.ndarray, "sequences sequences"], pairs: Pairs, ns: Sequence[int]
) -> Float[np.ndarray, " n"]:
    """Expected L1 error of a kernel, x_test from the task, if ŷ is normal about its limit (sharp law)."""
    marginal = pairs.sum(axis=1)
    bias = regression_from_counts(gram, pairs) - pairs / marginal[:, None]
    spread = np.sqrt(np.maximum(sharp_variance(gram, pairs), 0))
    by_n = [np.minimum(folded_mean(bias, spread / np.sqrt(n)).sum(axis=1), 2) for n in ns]
    return np.array(by_n) @ marginal


def folded_mean(
    mean: Float[np.ndarray, "*shape"], deviation: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """E abs(X) of a normal X."""
    z = mean / np.where(deviation > 0, deviation, 1)
    spread = 2 * deviation * norm.pdf(z) + mean * (1 - 2 * norm.cdf(-z))
    return np.where(deviation > 0, spread, np.abs(mean))
