"""Exact Gaussian moments of a regression prompt, and the exact risk of given weights.

Setting (paper B, section 2): x_i, x_q ~ N(0, Λ), w = w* + u with u ~ N(0, I), y_i = wᵀx_i + ε_i,
ε_i ~ N(0, σ²), i = 1..C. In shifted coordinates, ỹ_i = y_i - w*ᵀx_i, the prompt enters LSA only through

    G̃ = [[S, b̃], [b̃ᵀ, c̃]],  S = Σ x_i x_iᵀ / C,  b̃ = Σ ỹ_i x_i / C,  c̃ = Σ ỹ_i² / C,

so that these moments decide every risk. All of them follow from Isserlis' theorem.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Matrix = Float[np.ndarray, "d d"]
Tensor = Float[np.ndarray, "d+1 d+1 d"]


class Moments(NamedTuple):
    """Moments of G̃ (indices 0..d-1: inputs; index d: shifted label) and of the deviation u = w - w*."""

    covariance: Matrix
    """Λ, covariance of an input."""
    mean: Float[np.ndarray, "d+1 d+1"]
    """E G̃."""
    second: Float[np.ndarray, "d+1 d+1 d+1 d+1"]
    """E G̃ ⊗ G̃."""
    cross: Tensor
    """E G̃ ⊗ u."""


def as_covariance(d: int, covariance: Matrix | None) -> Matrix:
    """Λ as an array (``None``: identity). Raises ValueError if not symmetric, positive definite and d × d."""
    if covariance is None:
        return np.eye(d)
    matrix = np.asarray(covariance, dtype=float)
    if matrix.shape != (d, d):
        raise ValueError(f"covariance must have shape {(d, d)}, got {matrix.shape}")
    try:
        np.linalg.cholesky(matrix)
        fit = np.allclose(matrix, matrix.T)
    except np.linalg.LinAlgError:
        fit = False
    if not fit:
        raise ValueError("covariance must be symmetric and positive definite")
    return matrix


def label_energy_variance(covariance: Matrix, n_context: int, noise_std: float) -> float:
    """V = E Var(c̃ | x_1..x_C): how far c̃ scatters about tr S + σ², its mean given the inputs.

    Given the inputs, (ỹ_1..ỹ_C) ~ N(0, XᵀX + σ²I), hence Var(c̃ | X) = 2 tr((XᵀX + σ²I)²) / C².
    """
    trace, square = np.trace(covariance), np.sum(covariance**2)
    energy = square * (1 + 1 / n_context) + trace**2 / n_context  # E tr S²
    return 2 * (energy + 2 * noise_std**2 * trace / n_context + noise_std**4 / n_context)


def prompt_moments(
    d: int, n_context: int, *, covariance: Matrix | None = None, noise_std: float = 0.0
) -> Moments:
    """Exact moments of G̃ and u for prompts of C = ``n_context`` examples with d inputs.

    Raises ValueError if d or C is not positive, or the covariance is not fit.
    """
    if d < 1 or n_context < 1:
        raise ValueError(f"d and n_context must be at least 1, got {d} and {n_context}")
    cov, noise = as_covariance(d, covariance), noise_std**2
    trace = np.trace(cov)
    mean = np.zeros((d + 1, d + 1))
    mean[:d, :d], mean[d, d] = cov, trace + noise
    second = np.zeros((d + 1,) * 4)
    second[:d, :d, :d, :d] = _inputs_second(cov, n_context)
    step = _step_second(cov, n_context, noise)
    for rows in ((slice(d), d), (d, slice(d))):  # b̃ stands in the last column and in the last row of G̃
        for columns in ((slice(d), d), (d, slice(d))):
            second[(*rows, *columns)] = step
    energy = cov * (trace + noise) + 2 * cov @ cov / n_context  # E S c̃ = E S (tr S + σ²)
    second[:d, :d, d, d] = second[d, d, :d, :d] = energy
    spread = 2 * np.sum(cov**2) / n_context + label_energy_variance(cov, n_context, noise_std)
    second[d, d, d, d] = (trace + noise) ** 2 + spread
    cross = np.zeros((d + 1, d + 1, d))
    cross[:d, d, :] = cross[d, :d, :] = cov  # E b̃ uᵀ = E S u uᵀ
    return Moments(cov, mean, second, cross)


def _inputs_second(cov: Matrix, n_context: int) -> Float[np.ndarray, "d d d d"]:
    """E S ⊗ S = Λ ⊗ Λ + (Λ_ac Λ_be + Λ_ae Λ_bc) / C."""
    pairs = np.einsum("ac,be->abce", cov, cov) + np.einsum("ae,bc->abce", cov, cov)
    return np.einsum("ab,ce->abce", cov, cov) + pairs / n_context


def _step_second(cov: Matrix, n_context: int, noise: float) -> Matrix:
    """E b̃b̃ᵀ = E S² + σ²Λ/C = (1 + 1/C) Λ² + (tr Λ + σ²) Λ / C."""
    return (1 + 1 / n_context) * cov @ cov + (np.trace(cov) + noise) * cov / n_context


def shifted(tensor: Float[np.ndarray, "size size size-1"], prior_mean: Float[np.ndarray, " d"]) -> Tensor:
    """The coefficient tensor T̃ with T̃·G̃ = T·G (the shift lemma)."""
    shift = np.eye(len(prior_mean) + 1)  # L with G = L G̃ Lᵀ: a token (x, y) is L (x, y - w*ᵀx)
    shift[-1, :-1] = prior_mean
    return np.einsum("abj,ac,be->cej", tensor, shift, shift)


def population_risk(
    tensor: Float[np.ndarray, "size size size-1"],
    guess: Float[np.ndarray, " size-1"],
    prior_mean: Float[np.ndarray, " size-1"],
    moments: Moments,
) -> float:
    """Exact E (ŷ - wᵀx_q)² of the predictor ŷ = (v + T·G)ᵀ x_q.

    T = Σ_h p_h ⊗ U_h is in the prompt's own coordinates (:func:`iclnb.lsa.layer.coefficient_tensor`), v the guess;
    w* and the moments are those of the prompts which judge. It is E eᵀΛe with e = T̃·G̃ + (v - w*) - u.
    """
    d = len(moments.covariance)
    flat = shifted(np.asarray(tensor, dtype=float), prior_mean).reshape(-1, d)
    bias = np.asarray(guess, dtype=float) - np.asarray(prior_mean, dtype=float)
    mean, cross = flat.T @ moments.mean.ravel(), flat.T @ moments.cross.reshape(-1, d)
    second = flat.T @ moments.second.reshape(len(flat), -1) @ flat
    error = second + 2 * np.outer(mean, bias) - 2 * cross + np.outer(bias, bias) + np.eye(d)
    return float(np.sum(error * moments.covariance))
