"""Plain kernel regression on a prompt's demonstrations: what the kernel view has to be held against."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, special

from iclnb.errors import IclnbError


def gaussian_weights(
    distance: Float[np.ndarray, "*prompts k"], bandwidth: float
) -> Float[np.ndarray, "*prompts k"]:
    """Weights exp(-d² / 2h²), normalised over the demonstrations.

    Args:
        distance: d, of the query from each demonstration.
        bandwidth: h > 0, on the scale of ``distance``; ``inf`` weighs all alike.
    """
    return special.softmax(-0.5 * np.square(distance / bandwidth), axis=-1)


def regress(
    weights: Float[np.ndarray, "*prompts k"], labels: Int[np.ndarray, "*prompts k"], classes: int
) -> Float[np.ndarray, "*prompts classes"]:
    """Kernel regression of the labels: ŷ = Σ_i e(y_i) a_i / Σ_i a_i (Nadaraya-Watson; paper A, theorem 1).

    Args:
        weights: a_i, not negative and not all zero in a prompt.
        labels: y_i, class indices.
        classes: how many classes there are.

    Returns:
        A distribution over classes for each prompt; it does not depend on the order of demonstrations.
    """
    one_hot = np.eye(classes)[labels]
    return (weights[..., None] * one_hot).sum(-2) / weights.sum(-1, keepdims=True)


def effective_number(weights: Float[np.ndarray, "*prompts k"]) -> Float[np.ndarray, " *prompts"]:
    """Kish's effective number of demonstrations, (Σ a)² / Σ a²: k for equal weights, 1 for a single one."""
    return np.square(weights.sum(-1)) / np.square(weights).sum(-1)


def narrowing(
    weights: Float[np.ndarray, "*prompts k"], distance: Float[np.ndarray, "*prompts k"]
) -> Float[np.ndarray, " *prompts"]:
    """Weighted minus plain mean distance of the demonstrations, Σ_i a_i d_i / Σ_i a_i - Σ_i d_i / k.

    Below 0 where near demonstrations weigh more, as under any kernel that falls with distance.

    Args:
        weights: a_i, not negative and not all zero in a prompt.
        distance: d_i, of the query from the same demonstrations.
    """
    return (weights * distance).sum(-1) / weights.sum(-1) - distance.mean(-1)


class Bandwidth(NamedTuple):
    """A bandwidth with the log-loss on held-out rows that chose it."""

    value: float
    log_loss: float


def choose_bandwidth(
    distance: Float[np.ndarray, "rows k"],
    labels: Int[np.ndarray, "rows k"],
    truths: Int[np.ndarray, " rows"],
    grid: Float[np.ndarray, " bandwidths"],
    classes: int,
) -> Bandwidth:
    """The bandwidth of a grid with the least log-loss on held-out rows (ties: the first).

    A class without a demonstration has probability 0; to keep the loss finite every prediction is mixed with
    a hundredth of the uniform distribution.

    Args:
        distance: of held-out rows, none of them a test point, from demonstrations of their own.
        labels: of those demonstrations.
        truths: labels of the held-out rows.
        grid: candidate bandwidths.
        classes: how many classes there are.

    Raises:
        IclnbError: if there is no held-out row.
    """
    if not len(truths):
        raise IclnbError(
            "the kernel's bandwidth is chosen on held-out rows, and there is none; hold some out"
        )
    losses = []
    for bandwidth in grid:
        predicted = regress(gaussian_weights(distance, bandwidth), labels, classes)
        hit = np.take_along_axis(predicted, truths[:, None], 1)[:, 0]
        losses.append(-np.log(0.99 * hit + 0.01 / classes).mean())
    best = int(np.argmin(losses))
    return Bandwidth(float(grid[best]), float(losses[best]))


def effective_bandwidth(
    weights: Float[np.ndarray, "prompts k"], distance: Float[np.ndarray, "prompts k"], narrowest: float = 0.01
) -> float:
    """The bandwidth of the Gaussian kernel that comes closest to given weights, over all prompts.

    Closest by Kullback-Leibler divergence from the weights to the kernel's, which is convex in 1 / 2h².

    Args:
        weights: a_i of a head, say; normalised here.
        distance: d_i of the same demonstrations.
        narrowest: the smallest bandwidth considered.

    Returns:
        The bandwidth; ``inf`` if weights do not fall with distance at all.
    """
    share = weights / weights.sum(-1, keepdims=True)
    squares = np.square(distance)

    def divergence(rate: float) -> float:
        return float((rate * share * squares).sum() + special.logsumexp(-rate * squares, axis=-1).sum())

    slope = (share * squares).sum() - squares.mean(-1).sum()  # of the divergence at rate 0
    if slope >= 0:
        return np.inf
    found = optimize.minimize_scalar(
        lambda log_rate: divergence(np.exp(log_rate)),
        bounds=(np.log(1e-6), np.log(0.5 / narrowest**2)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    return float(np.sqrt(0.5 / np.exp(found.x)))
