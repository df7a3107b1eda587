"""How nearly a trained layer is gradient descent, prompt by prompt."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Predictor = Callable[[Array, Array, Array], Float[Array, " prompts"]]


class Agreement(NamedTuple):
    """Means over prompts (paper B, section 5.2)."""

    prediction_gap: float
    """√ mean (ŷ - ŷ_GD)², in units of the label."""
    sensitivity_gap: float
    """Mean ‖∂ŷ/∂x_q - ∂ŷ_GD/∂x_q‖₂."""
    cosine: float
    """Mean cosine of the two sensitivities."""


def agreement(
    first: Predictor,
    second: Predictor,
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
) -> Agreement:
    """Compare two predictors ``(x, y, query) -> predictions`` on the same prompts."""

    def sensitivity(predictor: Predictor) -> np.ndarray:
        return np.asarray(jax.grad(lambda q: predictor(x, y, q).sum())(query))  # prompts do not interact

    a, b = sensitivity(first), sensitivity(second)
    cosine = np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    apart = jnp.sqrt(jnp.mean((first(x, y, query) - second(x, y, query)) ** 2))
    return Agreement(float(apart), float(np.linalg.norm(a - b, axis=1).mean()), float(cosine.mean()))
