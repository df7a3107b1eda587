"""Exact population risk of the best member of each family of predictors (proofs in notebook 05a)."""

import math
from numbers import Integral

import numpy as np
from jaxtyping import Float

from iclnb.errors import IclnbError, unknown
from iclnb.lsa.few_heads import few_heads_risk
from iclnb.lsa.head_law import head_law_risk
from iclnb.lsa.moments import Matrix, as_covariance, label_energy_variance, prompt_moments

FAMILIES = ("gd", "gd_zero", "multihead", "yq", "ols", "bayes")
"""One preconditioned step from w*; one best scalar step from 0; multi-head LSA with y_q = 0; y_q-LSA;
ordinary least squares (least norm where C < d); the posterior mean."""

LARGEST_SEARCH = 64
"""Largest d for which the search below d heads is offered: its moments take 8 (d + 1)⁴ bytes."""

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
        The exact risk (``inf`` where least squares has none). For ``"multihead"`` with fewer than d heads
        it is the head law (:func:`iclnb.lsa.head_law.head_law_risk`) for Λ = I and no noise; with a
        covariance or noise, the best value of a numerical search
        (:func:`iclnb.lsa.few_heads.few_heads_risk`).

    Raises:
        IclnbError: for an unknown family.
        NoExactRisk: where no exact answer is known.
        ValueError: for arguments of the wrong shape or sign.
    """
    w, cov = np.asarray(prior_mean, dtype=float), as_covariance(d, covariance)
    _check(family, d, n_context, w, heads, noise_std)
    if family == "gd_zero":
        return _scalar_step_risk(cov, n_context, w, noise_std)
    if family in ("ols", "bayes"):
        return _least_squares_risk(family, cov, n_context, w, noise_std)
    risk = _preconditioned_risk(cov, n_context, noise_std)
    if family != "multihead" or not w.any():
        return risk
    if heads > d or (heads == d and _label_row_dispensable(cov, n_context, w, noise_std)):
        return risk + float(w @ cov @ w) * _intercept_loss(cov, n_context, noise_std)
    if noise_std == 0 and np.array_equal(cov, np.eye(d)):
        return head_law_risk(d, n_context, float(np.linalg.norm(w)), heads)
    if d > LARGEST_SEARCH:
        message = f"no exact risk for {heads} heads at d = {d}; the search for it is offered up to d = {{}}"
        raise NoExactRisk(message.format(LARGEST_SEARCH) + "; take a smaller d, or at least d + 1 heads")
    return few_heads_risk(prompt_moments(d, n_context, covariance=cov, noise_std=noise_std), w, heads)


def risk_at_norm(
    family: str, norm: float, *, d: int, n_context: int, heads: int | None = None, noise_std: float = 0.0
) -> float:
    """:func:`optimal_risk` for a prior mean of that norm: for Λ = I every direction gives the same."""
    w = np.full(d, norm / np.sqrt(d))
    return optimal_risk(family, d=d, n_context=n_context, prior_mean=w, heads=heads, noise_std=noise_std)


def gap_law(norm: float, *, d: int, n_context: int) -> float:
    """2‖w*‖² / (Cd + 2): what y_q = 0 costs in risk beside one step of GD from w*, heads unlimited."""
    return 2 * norm**2 / (n_context * d + 2)


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


def _least_squares_risk(family: str, cov: Matrix, n_context: int, w: Vector, noise_std: float) -> float:
    """Least squares and, without noise, the posterior mean: what the examples leave undetermined."""
    d, isotropic = len(cov), bool(np.allclose(cov, np.eye(len(cov))))
    if family == "bayes" and noise_std > 0:
        raise NoExactRisk("the posterior mean under noise has no closed-form risk here; use monte_carlo_risk")
    if n_context < d and not isotropic:
        raise NoExactRisk(
            f"{n_context} examples of {d} inputs with a covariance have no closed form; use monte_carlo_risk"
        )
    unseen = max(0.0, 1 - n_context / d) * (d + (float(w @ w) if family == "ols" else 0.0))
    if noise_std == 0:
        return unseen
    margin = abs(n_context - d) - 1  # of the inverse Wishart matrix, whose mean exists where it is positive
    return unseen + noise_std**2 * min(d, n_context) / margin if margin > 0 else math.inf


def _intercept(cov: Matrix, n_context: int, noise_std: float) -> tuple[float, float, float]:
    """Best constant out of G̃: α, β and E (α tr(Λ⁻¹S) + β (c̃ - tr S) - 1)².

    t = tr(Λ⁻¹S) is χ²_{Cd} / C, so E t = d, E t² = d² + 2d/C. Given the inputs, q = c̃ - tr S has mean σ²
    and expected variance V. No other linear function of (S, c̃) helps: it has mean zero and is
    uncorrelated with t and q.
    """
    d, noise = len(cov), noise_std**2
    mean = np.array([d, noise], dtype=float)
    second = np.outer(mean, mean)
    second += np.diag([2 * d / n_context, label_energy_variance(cov, n_context, noise_std)])
    alpha, beta = np.linalg.solve(second, mean)
    return alpha, beta, 1 - alpha * mean[0] - beta * mean[1]


def _intercept_loss(cov: Matrix, n_context: int, noise_std: float) -> float:
    """The gap to GD per unit of w*ᵀΛw*: 2 / (Cd + 2) without noise."""
    if noise_std == 0:
        return 2 / (n_context * len(cov) + 2)
    return _intercept(cov, n_context, noise_std)[2]


def _label_row_dispensable(cov: Matrix, n_context: int, w: Vector, noise_std: float) -> bool:
    """Whether d heads reach the optimum of d + 1.

    The optimum is fixed only through the symmetric matrices A_j of the quadratic forms
    (α w_j Λ⁻¹ - β w_j I, Γ/2, β w_j). A tensor of rank d with those symmetric parts exists just if some
    z ≠ 0 has zᵀA_j z = 0 for every j. Either z = (z', 0) with z' on the cone of αΛ⁻¹ - βI, or
    z = (-s Γ⁻¹w*, 1) with β - s + κ s² = 0.
    """
    if noise_std == 0:
        return True  # β = 0
    alpha, beta, _ = _intercept(cov, n_context, noise_std)
    form = alpha * np.linalg.inv(cov) - beta * np.eye(len(cov))
    values = np.linalg.eigvalsh(form)
    if values[0] <= 0 <= values[-1]:
        return True
    step = best_preconditioner(len(cov), n_context, covariance=cov, noise_std=noise_std)
    direction = np.linalg.solve(step, w)
    return bool(4 * beta * (direction @ form @ direction) <= 1)
