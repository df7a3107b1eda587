"""Exact population risk of the best member of each family of predictors (proofs in notebook 05a)."""

import math
from numbers import Integral

import numpy as np
from jaxtyping import Float

from iclnb.errors import IclnbError, unknown
from iclnb.lsa.head_law import head_law_risk
from iclnb.lsa.moments import Matrix, as_covariance, label_energy_variance

FAMILIES = ("gd", "gd_zero", "multihead", "yq")
"""One preconditioned step from w*; one best scalar step from 0; multi-head LSA with y_q = 0; y_q-LSA."""

Vector = Float[np.ndarray, " d"]


class NoExactRisk(IclnbError, ValueError):
    """No exact risk is known for the combination; the message says what gives a number instead."""


def optimal_risk(
    family: str,
    *,
    d: int,
    n_context: int,
    prior_mean: Vector,
    heads: int | None = None,
    covariance: Matrix | None = None,
    noise_std: float = 0.0,
) -> float:
    """Population risk E (ŷ - wᵀx_q)² of the best member of a family (paper B, sections 2 to 4).

    Args:
        family: one of :data:`FAMILIES`.
        d: number of inputs.
        n_context: C, examples in a prompt.
        prior_mean: w*, with w ~ N(w*, I).
        heads: H, for ``"multihead"`` alone (the other families have no heads, or gain nothing by more).
        covariance: Λ of the inputs; the identity where ``None``.
        noise_std: σ, standard deviation of the noise on the context labels (the target has none).

    Returns:
        The exact risk. For ``"multihead"`` with up to d heads it is the head law (:mod:`iclnb.lsa.head_law`),
        with more the closed form; both are proved.

    Raises:
        IclnbError: for an unknown family.
        NoExactRisk: where no exact answer is known, as of few heads for inputs of unequal variance.
        ValueError: for arguments of the wrong shape or sign.
    """
    w, cov = np.asarray(prior_mean, dtype=float), as_covariance(d, covariance)
    _check(family, d, n_context, w, heads, noise_std)
    if family == "gd_zero":
        return _scalar_step_risk(cov, n_context, w, noise_std)
    risk = _preconditioned_risk(cov, n_context, noise_std)
    if family != "multihead" or not w.any():
        return risk
    scale = cov[0, 0]
    if heads > d or (heads == d and noise_std == 0):
        return risk + float(w @ cov @ w) * _intercept_loss(cov, n_context, noise_std)
    if not np.allclose(cov, scale * np.eye(d), rtol=1e-12, atol=0):
        raise NoExactRisk(
            f"no exact risk is known for {heads} heads and inputs of unequal variance; take d + 1 heads, a "
            "covariance c I, or iclnb.lsa.few_heads.few_heads_risk, an upper bound by numerical search"
        )
    norm = float(np.linalg.norm(w))  # inputs √c z: labels, noise and errors are all divided by √c
    return scale * head_law_risk(d, n_context, norm, heads, noise_std / math.sqrt(scale))


def risk_at_norm(
    family: str, norm: float, *, d: int, n_context: int, heads: int | None = None, noise_std: float = 0.0
) -> float:
    """:func:`optimal_risk` for a prior mean of that norm: for Λ = I every direction gives the same."""
    w = np.full(d, norm / np.sqrt(d))
    return optimal_risk(family, d=d, n_context=n_context, prior_mean=w, heads=heads, noise_std=noise_std)


def gap_law(norm: float, *, d: int, n_context: int) -> float:
    """2‖w*‖² / (Cd + 2): what y_q = 0 costs in risk beside one step of GD from w*, heads unlimited."""
    return 2 * norm**2 / (n_context * d + 2)


def gap_share(d: int, n_context: int, scale: float, heads: int) -> float:
    """What y_q = 0 costs beside one step of GD from w*, over the risk of that step; ‖w*‖ = ``scale`` · √d."""
    size = {"d": d, "n_context": n_context}
    gd = risk_at_norm("gd", 0.0, **size)
    return risk_at_norm("multihead", scale * d**0.5, heads=heads, **size) / gd - 1


def best_rate(d: int, n_context: int) -> float:
    """η* = 1 / (1 + (d + 1) / C), the best step for Λ = I without noise."""
    return 1 / (1 + (d + 1) / n_context)


def best_preconditioner(
    d: int, n_context: int, *, covariance: Matrix | None = None, noise_std: float = 0.0
) -> Matrix:
    """Γ of the best step ŵ = w* + Γ b̃: Γ = E[u b̃ᵀ] E[b̃b̃ᵀ]⁻¹ = ((1 + 1/C) Λ + (tr Λ + σ²) I / C)⁻¹.

    For Λ = I it is η* I with η* = 1 / (1 + (d + 1 + σ²) / C).
    """
    cov = as_covariance(d, covariance)
    spread = (np.trace(cov) + noise_std**2) / n_context
    return np.linalg.inv((1 + 1 / n_context) * cov + spread * np.eye(d))


def _check(family: str, d: int, n_context: int, w: Vector, heads: int | None, noise_std: float) -> None:
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    counts = {"d": d, "n_context": n_context} | ({"heads": heads} if family == "multihead" else {})
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {count}")
    if w.shape != (d,) or not np.isfinite(w).all():
        raise ValueError(f"prior_mean must be {d} finite numbers, got {w}")
    if not (np.isfinite(noise_std) and noise_std >= 0):
        raise ValueError(f"noise_std must be finite and not negative, got {noise_std}")


def _preconditioned_risk(cov: Matrix, n_context: int, noise_std: float) -> float:
    """tr Λ - tr(Λ Γ Λ), one preconditioned step from the prior mean."""
    step = best_preconditioner(len(cov), n_context, covariance=cov, noise_std=noise_std)
    return float(np.trace(cov) - np.sum((cov @ step) * cov))


def _scalar_step_risk(cov: Matrix, n_context: int, w: Vector, noise_std: float) -> float:
    """E‖w‖²_Λ - (E wᵀΛb)² / E bᵀΛb, one step η b from zero with the best η."""
    second = np.eye(len(cov)) + np.outer(w, w)  # E w wᵀ
    square, cube = cov @ cov, cov @ cov @ cov
    spread = cube + (cube + np.trace(square) * cov) / n_context  # E S Λ S
    gain = np.sum(second * square)
    energy = np.sum(second * spread) + noise_std**2 * np.trace(square) / n_context
    return float(np.sum(second * cov) - gain**2 / energy)


def _intercept_loss(cov: Matrix, n_context: int, noise_std: float) -> float:
    """The gap to GD per unit of w*ᵀΛw*: least E (a(S, c̃) - 1)² over linear a, 2 / (Cd + 2) without noise.

    tr(Λ⁻¹S) ~ χ²_{Cd} / C has mean d and variance 2d / C; c̃ - tr S has mean σ² and scatters by V,
    uncorrelated with it. Every other direction of (S, c̃) has mean zero and is uncorrelated with both.
    """
    energy = label_energy_variance(cov, n_context, noise_std)
    return 1 / (1 + n_context * len(cov) / 2 + noise_std**4 / energy)
