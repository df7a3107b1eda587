"""The gap to GD from w* under label noise, other inputs and other priors: exact, heads unlimited."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from iclnb.lsa.moments import Matrix
from iclnb.lsa.optima import optimal_risk

Curve = Float[np.ndarray, " places"]
Vector = Float[np.ndarray, " d"]


class Conditions(NamedTuple):
    """Gaps in multiples of 2‖w*‖² / (Cd + 2)."""

    noise: Curve
    """σ."""
    by_noise: Curve
    condition: Curve
    """Largest over smallest eigenvalue of the covariance (trace d)."""
    widest: Curve
    """Inputs of that covariance, w* along the widest input."""
    narrowest: Curve
    by_prior: Curve
    """Weights of that covariance, w* along the widest; inputs N(0, I)."""


def gap(
    d: int,
    n_context: int,
    prior_mean: Vector,
    *,
    noise_std: float = 0.0,
    inputs: Matrix | None = None,
    prior: Matrix | None = None,
) -> float:
    """Risk of unlimited heads with y_q = 0 above the best step of GD from w*.

    Args:
        d: number of inputs.
        n_context: C.
        prior_mean: w*.
        noise_std: σ of the labels.
        inputs: Λ; the identity where ``None``.
        prior: Σ of w ~ N(w*, Σ). Inputs Σ^½ x and weights Σ^-½ w make the same labels, with prior
            covariance I, input covariance Σ^½ Λ Σ^½ and mean Σ^-½ w*.
    """
    inputs, prior = (np.eye(d) if each is None else each for each in (inputs, prior))
    values, vectors = np.linalg.eigh(prior)
    root = vectors * np.sqrt(values) @ vectors.T
    setting = {
        "d": d, "n_context": n_context, "prior_mean": np.linalg.solve(root, prior_mean),
        "covariance": root @ inputs @ root, "noise_std": noise_std,
    }  # fmt: skip
    return optimal_risk("multihead", heads=d + 1, **setting) - optimal_risk("gd", **setting)


def vary_conditions(d: int, n_context: int, norm: float, places: int = 13) -> Conditions:
    """Every condition by itself, from that of the paper on."""
    noise, condition = np.linspace(0, 4, places), np.geomspace(1, 100, places)
    law = 2 * norm**2 / (n_context * d + 2)
    first, last = norm * np.eye(d)[0], norm * np.eye(d)[-1]
    spectra = [np.geomspace(1, 1 / c, d) for c in condition]
    wide = [np.diag(d * spectrum / spectrum.sum()) for spectrum in spectra]
    curves = (
        [gap(d, n_context, first, noise_std=sigma) for sigma in noise],
        [gap(d, n_context, first, inputs=each) for each in wide],
        [gap(d, n_context, last, inputs=each) for each in wide],
        [gap(d, n_context, first, prior=each) for each in wide],
    )
    by_noise, widest, narrowest, by_prior = (np.array(curve) / law for curve in curves)
    return Conditions(noise, by_noise, condition, widest, narrowest, by_prior)
