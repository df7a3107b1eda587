"""How many demonstrations Bayes and kernel regression need, measured and predicted, on enumerated HMMs.

Both are judged by their L1 distance to P(y | x_test, θ*), which both may tend to, and against the posterior
without demonstrations, that is, against ignoring them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from iclnb.bayes.experiment import limits
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.theory import counts_drawn, posterior_from_counts
from iclnb.kernel_regression import regression_from_counts

BAYES = "Bayes"


class Learning(NamedTuple):
    """What one HMM gives, averaged over tasks: errors against n, and what theory predicts.

    - ``ignoring``: error of the posterior without demonstrations
    - ``errors``: of Bayes and of every kernel, by n
    - ``end``: of every kernel as n → ∞; ``predicted``: by n, by the sharp law (:func:`predicted_error`)
    - ``apart``, ``law``: RMS distance of ŷ from its own limit at the largest n, measured and by the sharp
      law, at the x_test that make up 99 % of the probability
    - ``tasks``, ``divergence`` (nats for each demonstration, between tasks), ``rank`` of the printed moment
    """

    ns: tuple[int, ...]
    ignoring: float
    errors: dict[str, Float[np.ndarray, " n"]]
    end: dict[str, float]
    predicted: dict[str, Float[np.ndarray, " n"]]
    apart: dict[str, float]
    law: dict[str, float]
    tasks: int
    divergence: float
    rank: int

    def needed(self, learner: str, share: float = 0.5) -> float:
        """Demonstrations that bring the error down to a share of that of ignoring them, or infinity."""
        errors = self.errors[learner]
        if share < 1 and errors[0] < self.ignoring:
            return crossing((0, *self.ns), (self.ignoring, *errors), share * self.ignoring)
        return crossing(self.ns, errors, share * self.ignoring)  # the first demonstration does harm

    def needed_in_theory(self, learner: str, share: float = 0.5) -> float:
        """The same predicted: log(tasks) / divergence for Bayes, the sharp law for kernels."""
        if learner == BAYES:
            return np.log(self.tasks) / self.divergence
        return crossing(self.ns, self.predicted[learner], share * self.ignoring)


def sharp_variance(
    gram: Float[np.ndarray, "queries sequences"], joint: Float[np.ndarray, "sequences labels"]
) -> Float[np.ndarray, "queries labels"]:
    """n Var ŷ_y for many demonstrations: Σ P(x, y') K(x_test, x)² (1[y' = y] - ŷ∞_y)² / Z², Z = E K.

    By the central limit theorem for a ratio of means (delta method), for any fixed kernel.

    Args:
        gram: K(x_test, x).
        joint: P(x, y | θ) of the demonstrations.
    """
    marginal = joint.sum(axis=1)
    end = regression_from_counts(gram, joint)
    square = gram**2
    spread = (square @ joint) * (1 - 2 * end) + (square @ marginal)[:, None] * end**2
    return spread / ((gram @ marginal) ** 2)[:, None]


def predicted_error(
    gram: Float[np.ndarray, "sequences sequences"],
    joint: Float[np.ndarray, "sequences labels"],
    ns: Sequence[float],
) -> Float[np.ndarray, " n"]:
    """Expected L1 distance to P(y | x_test, θ), x_test from θ, if ŷ is normal about its limit (sharp law)."""
    marginal = joint.sum(axis=1)
    possible = marginal > 0
    truth = joint[possible] / marginal[possible, None]
    bias = regression_from_counts(gram[possible], joint) - truth
    spread = np.sqrt(np.maximum(sharp_variance(gram[possible], joint), 0))
    by_n = [np.minimum(folded_mean(bias, spread / np.sqrt(n)).sum(axis=1), 2) for n in ns]
    return np.array(by_n) @ marginal[possible]


def folded_mean(
    mean: Float[np.ndarray, "*shape"], deviation: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """E abs(X) of a normal X."""
    z = mean / np.where(deviation > 0, deviation, 1)
    spread = 2 * deviation * norm.pdf(z) + mean * (1 - 2 * norm.cdf(-z))
    return np.where(deviation > 0, spread, np.abs(mean))


def crossing(ns: Sequence[float], errors: Sequence[float], level: float) -> float:
    """Where errors are first down to a level, linear in log(1 + n) between neighbours; or infinity."""
    below = np.flatnonzero(np.asarray(errors) <= level)
    if not len(below):
        return np.inf
    i = below[0]
    if i == 0:
        return float(ns[0])
    share = (errors[i - 1] - level) / (errors[i - 1] - errors[i])
    ends = np.log1p(np.asarray(ns[i - 1 : i + 1], dtype=float))
    return float(np.expm1(ends[0] + share * (ends[1] - ends[0])))


def divergence(joint: Float[np.ndarray, "sequences tasks labels"]) -> float:
    """Mean over ordered pairs of tasks of KL(P(x, y | θ) ‖ P(x, y | θ')), in nats for each demonstration."""
    flat = joint.transpose(1, 0, 2).reshape(joint.shape[1], -1)
    logs = np.log(np.where(flat > 0, flat, 1))
    pairs = (flat[:, None] * (logs[:, None] - logs[None])).sum(axis=-1)
    return float(pairs.sum() / (len(flat) * (len(flat) - 1)))


def learn(
    kernels: Kernels, names: Sequence[str], ns: Sequence[int], streams: int, seed: int | Sequence[int]
) -> Learning:
    """Errors of Bayes and of kernels against n, for streams of demonstrations of every task in turn.

    An error counts at most 2, the largest L1 distance between distributions: where a normaliser is nearly
    zero ŷ has no mean.

    Args:
        kernels: on all sequences of a length; every (x, y) must be possible under every task.
        names: kernels.
        ns: increasing numbers of demonstrations.
        streams: independent streams for each task.
        seed: seeds the streams.
    """
    rng, grams = np.random.default_rng(seed), {name: kernels.gram(name) for name in names}
    tasks = [_learn_task(kernels, grams, task, ns, streams, rng) for task in range(kernels.mixture.tasks)]

    def mean(key: str) -> dict:
        return {name: np.mean([task[key][name] for task in tasks], axis=0) for name in tasks[0][key]}

    return Learning(
        tuple(ns), float(np.mean([task["ignoring"] for task in tasks])), mean("errors"), mean("end"),
        mean("predicted"), mean("apart"), mean("law"), len(tasks), divergence(kernels.joint),
        kernels.whitening("printed").rank,
    )  # fmt: skip


def _learn_task(
    kernels: Kernels, grams: dict, task: int, ns: Sequence[int], streams: int, rng: np.random.Generator
) -> dict:
    """The fields of :class:`Learning` that depend on the task, for one of them."""
    prior, joint, pairs = kernels.mixture.prior, kernels.joint, kernels.joint[:, task]
    weight = pairs.sum(axis=1)
    truth, common = pairs / weight[:, None], _common(weight)

    def error(answer: np.ndarray) -> float:
        return float(weight @ np.minimum(np.abs(answer - truth).sum(axis=1), 2))

    end = {name: limits(gram, joint, task) for name, gram in grams.items()}
    errors = {name: np.zeros(len(ns)) for name in (BAYES, *grams)}
    apart = dict.fromkeys(grams, 0.0)
    for _ in range(streams):
        counts = np.zeros(pairs.shape)
        for i, more in enumerate(np.diff(ns, prepend=0)):
            counts += counts_drawn(pairs, more, rng)
            errors[BAYES][i] += error(posterior_from_counts(prior, joint, counts)) / streams
            answers = {name: regression_from_counts(gram, counts) for name, gram in grams.items()}
            for name, answer in answers.items():
                errors[name][i] += error(answer) / streams
        for name, answer in answers.items():
            apart[name] += common @ ((answer - end[name]) ** 2).sum(axis=1) / streams
    law = {name: common @ sharp_variance(gram, pairs).sum(axis=1) / ns[-1] for name, gram in grams.items()}
    return {
        "ignoring": error(posterior_from_counts(prior, joint, np.zeros(pairs.shape))),
        "errors": errors,
        "end": {name: error(answer) for name, answer in end.items()},
        "predicted": {name: predicted_error(gram, pairs, ns) for name, gram in grams.items()},
        "apart": {name: np.sqrt(apart[name]) for name in grams},
        "law": {name: np.sqrt(law[name]) for name in grams},
    }


def _common(weight: Float[np.ndarray, " sequences"], share: float = 0.99) -> Float[np.ndarray, " sequences"]:
    """Weights of the likeliest sequences that together have a share of the weight; zero for the others."""
    order = np.argsort(-weight)
    before = np.cumsum(weight[order]) - weight[order]
    kept = np.zeros(len(weight))
    kept[order] = np.where(before < share, weight[order], 0)
    return kept
