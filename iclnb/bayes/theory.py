"""Theorem 1 of paper A on small HMMs: exact limits, the bound, and error against n."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from iclnb.bayes.experiment import limits
from iclnb.bayes.kernels import Kernels
from iclnb.kernel_regression import regression_from_counts


class Bound(NamedTuple):
    """The asymptotic part of theorem 1's bound, η² ε_θ."""

    eta: float
    epsilon: float
    value: float


class Floor(NamedTuple):
    """L∞ distance between the limit of kernel regression and P(y | x_test, θ).

    ``median`` is over x_test drawn from the task, ``worst`` the largest over all x_test.
    """

    median: float
    worst: float


class Convergence(NamedTuple):
    """Median L∞ error over prompts, for each n: to the kernel's own limit, and to the exact posterior."""

    to_limit: dict[str, Float[np.ndarray, " n"]]
    to_posterior: dict[str, Float[np.ndarray, " n"]]


def bound(kernels: Kernels, task: int) -> Bound:
    """η² ε_θ with ε_θ = ρ(Σ_pretrain⁻¹ - Σ_{s_θ}⁻¹) and η = max_x norm of T_x (Frobenius).

    Args:
        kernels: on all sequences of a length.
        task: θ.

    Raises:
        numpy.linalg.LinAlgError: if a second moment is singular, for then the bound is not defined.

    Source: Han et al. (2025), theorem 1.
    """
    starts = np.stack([kernels.mixture.prior, np.eye(kernels.mixture.tasks)[task]])
    inverses = [_inverse_moment(kernels, np.einsum("t,xto->x", weights, kernels.joint)) for weights in starts]
    difference = inverses[0] - inverses[1]
    epsilon = float(np.abs(np.linalg.eigvalsh((difference + difference.T) / 2)).max())
    eta = float(np.linalg.norm(kernels.features, axis=1).max())
    return Bound(eta, epsilon, eta**2 * epsilon)


def _inverse_moment(kernels: Kernels, probability: np.ndarray) -> Float[np.ndarray, "features features"]:
    """Σ⁻¹ from the singular values of √P φ, which keeps twice the digits that inverting Σ would."""
    possible = probability > 0
    scaled = kernels.features[possible] * np.sqrt(probability[possible])[:, None]
    _, values, right = np.linalg.svd(scaled, full_matrices=False)
    if len(values) < scaled.shape[1] or values[-1] < max(scaled.shape) * np.finfo(float).eps * values[0]:
        raise np.linalg.LinAlgError("a second moment is singular: its inverse, and so ε, does not exist")
    return (right.T / values**2) @ right


def floor(kernels: Kernels, kernel: str, task: int) -> Floor:
    """How far kernel regression with infinitely many demonstrations of a task stays from the truth.

    By the law of large numbers the limit is a ratio of two expectations, summed here over all x: nothing is
    sampled. The posterior of a long prompt tends to P(y | x_test, θ) if the tasks are told apart.
    """
    marginal = kernels.joint[:, task].sum(axis=1)
    possible = marginal > 0
    truth = kernels.joint[possible, task] / marginal[possible, None]
    error = np.abs(limits(kernels.gram(kernel)[possible], kernels.joint, task) - truth).max(axis=1)
    return Floor(weighted_median(error, marginal[possible]), float(error.max()))


def converge(
    kernels: Kernels,
    names: Sequence[str],
    task: int,
    ns: Sequence[int],
    replicates: int,
    seed: int | Sequence[int],
) -> Convergence:
    """Error of kernel regression against n, for demonstrations of one task.

    Each replicate is one stream of demonstrations; every x_test of the task is tried on it, weighted by its
    probability, and the median is over both.

    Args:
        kernels: on all sequences of a length.
        names: kernels.
        task: θ*, the task that the demonstrations come from.
        ns: increasing numbers of demonstrations.
        replicates: independent streams.
        seed: seeds the streams.
    """
    rng = np.random.default_rng(seed)
    joint, grams = kernels.joint, {name: kernels.gram(name) for name in names}
    goal = {name: limits(gram, joint, task) for name, gram in grams.items()}
    errors = {name: np.empty((2, len(ns), replicates, len(joint))) for name in names}
    for r in range(replicates):
        counts = np.zeros(joint[:, task].shape)
        for i, more in enumerate(np.diff(ns, prepend=0)):
            counts += counts_drawn(joint[:, task], more, rng)
            posterior = posterior_from_counts(kernels.mixture.prior, joint, counts)
            for name, gram in grams.items():
                estimate = regression_from_counts(gram, counts)
                for j, target in enumerate((goal[name], posterior)):
                    errors[name][j, i, r] = np.abs(estimate - target).max(axis=1)
    weights = np.tile(joint[:, task].sum(axis=1), replicates)
    medians = {
        name: [[weighted_median(at_n.ravel(), weights) for at_n in part] for part in error]
        for name, error in errors.items()
    }
    return Convergence(*({name: np.array(medians[name][j]) for name in names} for j in range(2)))


def slope(ns: Sequence[int], errors: Float[np.ndarray, " n"]) -> float:
    """Least-squares slope of log error against log n."""
    return float(np.polyfit(np.log(ns), np.log(errors), 1)[0])


def weighted_median(values: Float[np.ndarray, " values"], weights: Float[np.ndarray, " values"]) -> float:
    """The value below which half of the weight lies."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


def counts_drawn(
    probability: Float[np.ndarray, "sequences labels"], size: int, rng: np.random.Generator
) -> np.ndarray:
    """How often each (x, y) occurs among ``size`` independent demonstrations."""
    drawn = rng.multinomial(size, probability.ravel() / probability.sum())
    return drawn.reshape(probability.shape)


def posterior_from_counts(
    prior: np.ndarray, joint: np.ndarray, counts: np.ndarray
) -> Float[np.ndarray, "sequences labels"]:
    """P(y | demonstrations, x_test) for every x_test, from counts of demonstrations."""
    seen = counts > 0
    with np.errstate(divide="ignore"):
        log_weight = np.log(prior) + (np.log(joint.transpose(1, 0, 2)[:, seen]) * counts[seen]).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    predictive = np.einsum("t,xto->xo", weight, joint)
    total = predictive.sum(axis=1, keepdims=True)
    return np.divide(predictive, total, out=np.zeros_like(predictive), where=total > 0)
