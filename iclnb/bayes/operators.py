"""Operators T_x of token sequences, their second moments, and stable whitening."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from iclnb.bayes.hmm import HMMMixture

MAX_STATES = 16
"""Most states for which an exact second moment is computed: its recursion holds states⁵ numbers."""

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


def weighted_moment(
    features: Float[np.ndarray, "sequences features"], weights: Float[np.ndarray, " sequences"]
) -> Float[np.ndarray, "features features"]:
    """Σ_x w(x) φ(x) φ(x)ᵀ by plain summation."""
    return (features * weights[:, None]).T @ features


def moment_under(
    mixture: HMMMixture, p: Float[np.ndarray, " states"], length: int
) -> Float[np.ndarray, "features features"]:
    """Σ_{p,l} = Σ_x P(x | p) vec(T_x) vec(T_x)ᵀ over all sequences of a length, exactly.

    The recursion carries F[s, i, j, k, m] = Σ_x (pᵀT_x)[s] T_x[i, j] T_x[k, m]: states⁵ numbers however
    many sequences there are.

    Args:
        mixture: its transition and emission.
        p: distribution of the first state: p_pretrain, or the start of one task.
        length: l = abs(x).

    Returns:
        A matrix over states² features in row-major order of T_x.

    Raises:
        ValueError: with more than :data:`MAX_STATES` states.

    Source: Han et al. (2025), section 4, definition of Σ_{p,l}.
    """
    d, transition = _bounded(mixture), mixture.transition
    eye, emission = np.eye(d), mixture.emission
    emitted = np.einsum("so,jo,mo->sjm", emission, emission, emission)
    found = np.einsum("s,ij,km->sijkm", p, eye, eye)
    for _ in range(length):
        found = found * emitted[:, None, :, None, :]
        for axis in (0, 2, 4):
            found = np.moveaxis(np.tensordot(found, transition, axes=(axis, 0)), -1, axis)
    return found.sum(axis=0).reshape(d * d, d * d)


def unweighted_moment(mixture: HMMMixture, length: int) -> Float[np.ndarray, "features features"]:
    """Σ_0 = Σ_x vec(T_x) vec(T_x)ᵀ over all sequences of a length, each counted once, exactly.

    As a map of pairs of states, Σ_x T_x ⊗ T_x = (diag(vec(B Bᵀ)) (T ⊗ T))^l; Σ_0 is its reshuffle.

    Raises:
        ValueError: with more than :data:`MAX_STATES` states.
    """
    d = _bounded(mixture)
    together = (mixture.emission @ mixture.emission.T).reshape(-1)
    step = together[:, None] * np.kron(mixture.transition, mixture.transition)
    power = np.linalg.matrix_power(step, length).reshape(d, d, d, d)  # [i, k, j, m]
    return power.transpose(0, 2, 1, 3).reshape(d * d, d * d)


class Whitening(NamedTuple):
    """Result of :func:`whiten`: an orthonormal basis and what was cut off to get it."""

    basis: Float[np.ndarray, "sequences rank"]
    singular_values: Float[np.ndarray, " values"]
    rank: int
    cutoff: float


def whiten(
    features: Float[np.ndarray, "sequences features"], weights: Float[np.ndarray, " sequences"],
    cutoff: float | None = None,
) -> Whitening:  # fmt: skip
    """Orthonormal basis V of the columns of √w φ, without ever forming Σ = Σ_x w(x) φ(x) φ(x)ᵀ.

    With the singular value decomposition √w φ = V S Uᵀ the whitened kernel is

        φ(x)ᵀ Σ⁺ φ(x') = (V Vᵀ)[x, x'] / √(w(x) w(x')),

    so only the choice of rank is open to rounding: the spectrum of Σ, which squares the singular values, is
    never inverted.

    Args:
        features: φ(x), one row for each sequence, or :func:`coordinates` of them.
        weights: w(x), all positive.
        cutoff: singular values below this fraction of the largest are dropped; default: machine epsilon
            times the larger side, the usual numerical rank.

    Returns:
        Basis, singular values, rank and cut-off used.

    Raises:
        ValueError: if a weight is not positive.
    """
    if not (weights > 0).all():
        raise ValueError(f"weights must be positive, the smallest is {weights.min():.6g}")
    if cutoff is None:
        cutoff = max(features.shape) * np.finfo(float).eps
    basis, values, _ = scipy.linalg.svd(features * np.sqrt(weights)[:, None], full_matrices=False)
    rank = int((values > cutoff * values[0]).sum())
    return Whitening(basis[:, :rank], values, rank, float(cutoff))


def coordinates(features: Float[np.ndarray, "sequences features"]) -> Float[np.ndarray, "sequences rank"]:
    """The same inner products in as few coordinates as the features span, up to rounding.

    Rows are scaled to norm one before the singular value decomposition, so that what is dropped is at the
    level of rounding for every sequence, rare ones included.
    """
    support = features[:, features.any(axis=0)]
    norm = np.linalg.norm(support, axis=1, keepdims=True)
    left, values, _ = scipy.linalg.svd(support / norm, full_matrices=False)
    rank = (values > max(support.shape) * np.finfo(float).eps * values[0]).sum()
    return left[:, :rank] * values[:rank] * norm


def _bounded(mixture: HMMMixture) -> int:
    if mixture.states > MAX_STATES:
        raise ValueError(f"an exact second moment needs at most {MAX_STATES} states, got {mixture.states}")
    return mixture.states
