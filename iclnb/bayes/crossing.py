"""How many demonstrations Bayes and kernel regression need, measured and predicted, on HMMs that are enumerated.

Both are judged by their L1 distance to P(y | x_test, θ*), which both may tend to, and against the posterior
without demonstrations: n* is where a learner has removed half of the error of ignoring the demonstrations.
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
    - ``errors``: of Bayes and of every kernel, by n; ``end``: as n → ∞
    - ``predicted``: the same errors by the sharp law (:func:`predicted_error`), kernels only
    - ``tasks``, ``divergence`` (nats for each demonstration, between tasks), ``rank`` of the printed moment
    """

    ns: tuple[int, ...]
    ignoring: float
    errors: dict[str, Float[np.ndarray, " n"]]
    end: dict[str, float]
    predicted: dict[str, Float[np.ndarray, " n"]]
    tasks: int
    divergence: float
    rank: int

    def needed(self, learner: str) -> float:
        """n* of a learner, measured; infinite if it does not get there."""
        return crossing((0, *self.ns), (self.ignoring, *self.errors[learner]), self.ignoring / 2)

    def needed_in_theory(self, learner: str) -> float:
        """n* predicted: log(tasks) / divergence for Bayes, by the sharp law for kernels."""
        if learner == BAYES:
            return np.log(self.tasks) / self.divergence
        return crossing(self.ns, self.predicted[learner], self.ignoring / 2)


def sharp_variance(
    gram: Float[np.ndarray, "queries sequences"], joint: Float[np.ndarray, "sequences labels"]
) -> Float[np.ndarray, "queries labels"]:
    """n Var ŷ_y for many demonstrations: Σ P(x, y') K(x_test, x)² (1[y' = y] - ŷ∞_y)² / Z², Z = E K(x_test, x).

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
    """Expected L1 error to P(y | x_test, θ), x_test drawn from θ, if ŷ is normal about its limit (sharp law)."""
    marginal = joint.sum(axis=1)
    possible = marginal > 0
    truth = joint[possible] / marginal[possible, None]
    bias = regression_from_counts(gram[possible], joint) - truth
    spread = np.sqrt(np.maximum(sharp_variance(gram[possible], joint), 0))
    return np.array(
        [marginal[possible] @ folded_mean(bias, spread / np.sqrt(n)).sum(axis=1) for n in ns]
    )


def folded_mean(
    mean: Float[np.ndarray, "*shape"], deviation: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """E abs(X) of a normal X."""
    z = mean / np.where(deviation > 0, deviation, 1)
    spread = 2 * deviation * norm.pdf(z) + mean * (1 - 2 * norm.cdf(-z))
    return np.where(deviation > 0, spread, np.abs(mean))


def crossing(ns: Sequence[float], errors: Sequence[float], level: float) -> float:
    """The first n at which errors are down to a level, linear between neighbours in log(1 + n); inf if none is."""
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

    Args:
        kernels: on all sequences of a length; every (x, y) must be possible under every task.
        names: kernels.
        ns: increasing numbers of demonstrations.
        streams: independent streams for each task.
        seed: seeds the streams.
    """
    rng, joint = np.random.default_rng(seed), kernels.joint
    tasks, grams = joint.shape[1], {name: kernels.gram(name) for name in names}
    marginals = joint.sum(axis=2)
    errors = {name: np.zeros(len(ns)) for name in (BAYES, *names)}
    nothing = posterior_from_counts(kernels.mixture.prior, joint, np.zeros(joint[:, 0].shape))
    ignoring, ends, predicted = 0.0, dict.fromkeys(names, 0.0), {name: np.zeros(len(ns)) for name in names}
    for task in range(tasks):
        weight, truth = marginals[:, task], joint[:, task] / marginals[:, task, None]

        def error(estimate, weight=weight, truth=truth):
            return float(weight @ np.minimum(np.abs(estimate - truth).sum(axis=1), 2))

        ignoring += error(nothing) / tasks
        for name, gram in grams.items():
            ends[name] += error(limits(gram, joint, task)) / tasks
            predicted[name] += predicted_error(gram, joint[:, task], ns) / tasks
        for _ in range(streams):
            counts = np.zeros(truth.shape)
            for i, more in enumerate(np.diff(ns, prepend=0)):
                counts += counts_drawn(joint[:, task], more, rng)
                answers = {BAYES: posterior_from_counts(kernels.mixture.prior, joint, counts)}
                answers |= {name: regression_from_counts(gram, counts) for name, gram in grams.items()}
                for name, answer in answers.items():
                    errors[name][i] += error(answer) / (tasks * streams)
    rank = kernels.whitening("printed").rank
    return Learning(tuple(ns), ignoring, errors, ends, predicted, tasks, divergence(joint), rank)
