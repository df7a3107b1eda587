"""Operators T_x of token sequences, and whitening that never forms a second moment."""

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from iclnb.bayes.hmm import HMMMixture

NEGLIGIBLE = 1e-100
"""Entries of T_x below this become zero: their squares would be subnormal, which slows arithmetic tenfold."""


def operators(
    mixture: HMMMixture, x: Int[np.ndarray, "sequences length"]
) -> Float[np.ndarray, "sequences states states"]:
    """T_x = Π_t diag(p_{x_t}) T, so that P(x, y | p) = pᵀ T_x p_y with p_o = P(o | ·).

    Prefixes that sequences share are computed once.

    Source: Han et al. (2025), section 3.
    """
    transition = np.where(mixture.transition < NEGLIGIBLE, 0, mixture.transition)
    found = np.eye(mixture.states)[None]
    parent = np.zeros(len(x), dtype=np.int64)
    for t in range(x.shape[1]):
        steps, place = np.unique(np.column_stack([parent, x[:, t]]), axis=0, return_inverse=True)
        emitted = found[steps[:, 0]] * mixture.emission[:, steps[:, 1]].T[:, None, :]
        found, parent = emitted @ transition, place.reshape(-1)
        found[found < NEGLIGIBLE] = 0
    return found[parent]


def whiten(
    features: Float[np.ndarray, "sequences features"], weights: Float[np.ndarray, " sequences"]
) -> Float[np.ndarray, "sequences rank"]:
    """Orthonormal basis V of the columns of √w φ, without ever forming Σ = Σ_x w(x) φ(x) φ(x)ᵀ.

    With the singular value decomposition √w φ = V S Uᵀ the whitened kernel is

        φ(x)ᵀ Σ⁺ φ(x') = (V Vᵀ)[x, x'] / √(w(x) w(x')),

    so only the choice of rank is open to rounding: the spectrum of Σ, which squares the singular values, is
    never inverted. Singular values below the usual fraction of the largest, machine epsilon times the larger
    side, are dropped.

    Raises ValueError if a weight is not positive.
    """
    if not (weights > 0).all():
        raise ValueError(f"weights must be positive, the smallest is {weights.min():.6g}")
    basis, values, _ = scipy.linalg.svd(features * np.sqrt(weights)[:, None], full_matrices=False)
    return basis[:, : _rank(values, features)]


def coordinates(features: Float[np.ndarray, "sequences features"]) -> Float[np.ndarray, "sequences rank"]:
    """The same inner products in as few coordinates as the features span, up to rounding.

    Rows are scaled to norm one before the singular value decomposition, so that what is dropped is at the
    level of rounding for every sequence, rare ones included.
    """
    support = features[:, features.any(axis=0)]
    norm = np.linalg.norm(support, axis=1, keepdims=True)
    left, values, _ = scipy.linalg.svd(support / norm, full_matrices=False)
    rank = _rank(values, support)
    return left[:, :rank] * values[:rank] * norm


def _rank(values: Float[np.ndarray, " values"], matrix: Float[np.ndarray, "rows columns"]) -> int:
    """The numerical rank of a matrix with these singular values, largest first."""
    return int((values > max(matrix.shape) * np.finfo(float).eps * values[0]).sum())
