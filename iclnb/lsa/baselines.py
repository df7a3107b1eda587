"""Estimators that see the whole prompt, and their risk on sampled prompts where no closed form is."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from iclnb.lsa.material import Prompts
from iclnb.lsa.moments import Matrix, as_covariance

BATCHES = 100  # Batches of prompts whose means are the units of an interval

Inputs = Float[np.ndarray, "prompts context d"]
Labels = Float[np.ndarray, "prompts context"]
Weights = Float[np.ndarray, "prompts d"]
Vector = Float[np.ndarray, " d"]


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


def sampled_risk(
    estimator: Callable[[Inputs, Labels], Weights], prompts: Prompts, covariance: Matrix | None = None
) -> Float[np.ndarray, " batches"]:
    """Risk E (ŷ - wᵀx_q)² of an estimator, the query integrated out exactly: means over :data:`BATCHES` batches."""
    error = np.asarray(estimator(prompts.x, prompts.y)) - prompts.weights
    draws = np.einsum("pi,ij,pj->p", error, as_covariance(error.shape[1], covariance), error)
    return np.array([batch.mean() for batch in np.array_split(draws, BATCHES)])
