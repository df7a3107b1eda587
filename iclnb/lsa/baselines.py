"""Estimators that see the whole prompt; Monte Carlo risks with an interval where no closed form is."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from iclnb.lsa.moments import Matrix, as_covariance
from iclnb.stats import Estimate

Inputs = Float[np.ndarray, "prompts context d"]
Labels = Float[np.ndarray, "prompts context"]
Weights = Float[np.ndarray, "prompts d"]
Vector = Float[np.ndarray, " d"]


class Prompts(NamedTuple):
    """Regression prompts: examples, their labels, and the weights behind them."""

    x: Inputs
    y: Labels
    weights: Weights


def sample_prompts(
    prompts: int,
    *,
    d: int,
    n_context: int,
    prior_mean: Vector,
    seed: int,
    covariance: Matrix | None = None,
    noise_std: float = 0.0,
) -> Prompts:
    """Prompts with x ~ N(0, Λ), w ~ N(w*, I), y = wᵀx + ε, in double precision."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(as_covariance(d, covariance))
    x = rng.normal(size=(prompts, n_context, d)) @ root.T
    weights = np.asarray(prior_mean, dtype=float) + rng.normal(size=(prompts, d))
    y = np.einsum("pcd,pd->pc", x, weights) + noise_std * rng.normal(size=(prompts, n_context))
    return Prompts(x, y, weights)


def least_squares(x: Inputs, y: Labels) -> Weights:
    """Ordinary least squares (OLS); the solution of least norm where C < d."""
    return np.einsum("pdc,pc->pd", np.linalg.pinv(x), y)


def ridge(x: Inputs, y: Labels, penalty: float) -> Weights:
    """(XᵀX + λI)⁻¹ Xᵀy with λ = ``penalty`` > 0."""
    gram = np.einsum("pca,pcb->pab", x, x) + penalty * np.eye(x.shape[-1])
    return np.linalg.solve(gram, np.einsum("pca,pc->pa", x, y)[..., None])[..., 0]


def posterior_mean(x: Inputs, y: Labels, prior_mean: Vector, noise_std: float) -> Weights:
    """E[w | prompt] under w ~ N(w*, I): ridge on the shifted labels with λ = σ²; the limit for σ = 0."""
    shifted = y - x @ prior_mean
    return prior_mean + (ridge(x, shifted, noise_std**2) if noise_std > 0 else least_squares(x, shifted))


def monte_carlo_risk(
    estimator: Callable[[Inputs, Labels], Weights],
    prompts: Prompts,
    covariance: Matrix | None = None,
    level: float = 0.95,
) -> Estimate:
    """Risk E (ŷ - wᵀx_q)² of an estimator of the weights, the query integrated out exactly.

    Returns:
        Mean of (ŵ - w)ᵀΛ(ŵ - w) over prompts with its normal interval (the prompts are independent).
    """
    error = np.asarray(estimator(prompts.x, prompts.y)) - prompts.weights
    return mean_estimate(
        np.einsum("pi,ij,pj->p", error, as_covariance(error.shape[1], covariance), error), level
    )


def mean_estimate(draws: Float[np.ndarray, " draws"], level: float = 0.95) -> Estimate:
    """Mean of many independent draws with its normal interval."""
    half = norm.ppf((1 + level) / 2) * draws.std(ddof=1) / np.sqrt(len(draws))
    return Estimate(float(draws.mean()), float(draws.mean() - half), float(draws.mean() + half))
