"""Kernel regression ŷ = Σ_i e(y_i) K_i / Σ_i K_i (paper A, theorem 1), and Gaussian kernels to do it with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num
from scipy import special

from iclnb.errors import IclnbError


def kernel_regression(
    similarity: Float[np.ndarray, "*prompts k"],
    labels: Int[np.ndarray, "*#prompts k"] | Sequence[int],
    n_labels: int,
) -> Float[np.ndarray, "*prompts labels"]:
    """ŷ = Σ_i e(y_i) K(x_test, x_i) / Σ_i K(x_test, x_i), for one prompt or for a batch of them.

    - The entries sum to one. For non-negative similarities they are a distribution.
    - A negative normaliser Σ_i K divides as printed: no repair, so entries may be negative or exceed one.
    - A normaliser of zero, or one no larger than the rounding error of the sum, makes the formula 0/0. The
      kernel then says nothing, and ŷ is what a constant kernel gives: the frequencies of the labels.

    It does not depend on the order of the demonstrations, nor on the scale of the similarities.

    Args:
        similarity: K(x_test, x_i); any sign, any scale; in float32 if given so, else in float64.
        labels: y_i, from 0 to ``n_labels`` - 1; leading axes may be of length 1, as for one label of each
            demonstration under the weights of many heads.
        n_labels: number of labels m.

    Returns:
        ŷ, with leading axes as in ``similarity``.

    Raises:
        ValueError: if shapes do not fit, there are no demonstrations, a similarity is not finite or a label
            is out of range.

    Source: Han et al. (2025), theorem 1 (Nadaraya-Watson).
    """
    similarity, labels = np.asarray(similarity), np.asarray(labels)
    if similarity.dtype != np.float32:
        similarity = similarity.astype(float)
    _check(similarity, labels, n_labels)
    weights = _rescaled(similarity)
    usable = normaliser_sign(similarity) != 0
    weights = np.where(usable[..., None], weights, weights.dtype.type(1))
    one_hot = np.eye(n_labels, dtype=weights.dtype)[labels]
    if labels.ndim > 1 and labels.shape[-2] == 1:  # many rows of weights on the same labels
        sums = weights @ one_hot[..., 0, :, :]
    else:
        sums = np.einsum("...k,...km->...m", weights, one_hot)
    return sums / weights.sum(axis=-1, keepdims=True)


def regression_from_counts(
    similarity: Float[np.ndarray, "queries k"], counts: Num[np.ndarray, "*streams k labels"]
) -> Float[np.ndarray, "*streams queries labels"]:
    """:func:`kernel_regression` on counted demonstrations: x_i was shown counts[i, y] times with label y.

    With probabilities P(x_i, y) in the place of counts it is E[e(y) K(x_test, x)] / E[K(x_test, x)], the
    limit of kernel regression for many demonstrations.

    Counts may be of several streams of demonstrations at once, at least one of them positive.
    """
    weights = _rescaled(np.asarray(similarity))
    shown = counts.sum(axis=-1, keepdims=True)
    total, size = weights @ shown, np.abs(weights) @ shown
    usable = np.abs(total) > weights.shape[-1] * np.finfo(weights.dtype).eps * size
    sums = np.where(usable, weights @ counts, counts.sum(axis=-2, keepdims=True))
    return sums / sums.sum(axis=-1, keepdims=True)


def normaliser_sign(similarity: Float[np.ndarray, "*prompts k"]) -> Int[np.ndarray, "*prompts"]:
    """Sign of Σ_i K(x_test, x_i): 0 where it is no larger than the rounding error of the sum."""
    weights = _rescaled(np.asarray(similarity))
    total, size = weights.sum(axis=-1), np.abs(weights).sum(axis=-1)
    rounding = weights.shape[-1] * np.finfo(weights.dtype).eps * size
    return np.where(np.abs(total) > rounding, np.sign(total), 0).astype(np.int64)


def _rescaled(similarity: Float[np.ndarray, "*prompts k"]) -> Float[np.ndarray, "*prompts k"]:
    """The same up to a factor for each prompt, at most 1 in size, so that no sum can overflow or vanish."""
    largest = np.abs(similarity).max(axis=-1, keepdims=True)
    return similarity / np.where(largest > 0, largest, 1)


def _check(similarity: np.ndarray, labels: np.ndarray, n_labels: int) -> None:
    try:
        fits = np.broadcast_shapes(similarity.shape, labels.shape) == similarity.shape
    except ValueError:
        fits = False
    if not fits or similarity.shape[-1:] != labels.shape[-1:]:
        raise ValueError(f"similarity has shape {similarity.shape}, labels {labels.shape}; expected the same")
    if similarity.ndim == 0 or similarity.shape[-1] == 0:
        raise ValueError(f"similarity has shape {similarity.shape}, expected at least one demonstration")
    if not np.isfinite(similarity).all():
        raise ValueError("similarity holds an entry that is not finite")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels have dtype {labels.dtype}, expected integers")
    if labels.size and not (labels.min() >= 0 and labels.max() < n_labels):
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, expected 0 to {n_labels - 1}")


def gaussian_weights(
    distance: Float[np.ndarray, "*prompts k"], bandwidth: float
) -> Float[np.ndarray, "*prompts k"]:
    """Weights exp(-d² / 2h²), normalised over the demonstrations; h > 0, and ``inf`` weighs all alike."""
    return special.softmax(-0.5 * np.square(distance / bandwidth), axis=-1)


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
    """The bandwidth with the least log-loss on held-out rows with demonstrations of their own (ties: the first).

    A class without a demonstration has probability 0; to keep the loss finite every prediction is mixed with
    a hundredth of the uniform distribution.

    Raises IclnbError if there is no held-out row.
    """
    if not len(truths):
        raise IclnbError(
            "the kernel's bandwidth is chosen on held-out rows, and there is none; hold some out"
        )
    losses = []
    for bandwidth in grid:
        predicted = kernel_regression(gaussian_weights(distance, bandwidth), labels, classes)
        hit = np.take_along_axis(predicted, truths[:, None], 1)[:, 0]
        losses.append(-np.log(0.99 * hit + 0.01 / classes).mean())
    best = int(np.argmin(losses))
    return Bandwidth(float(grid[best]), float(losses[best]))
