"""How nearly a trained layer is gradient descent, prompt by prompt (paper B, section 5.2)."""

import numpy as np
from jaxtyping import Float

from iclnb.lsa.material import noisy_prompts
from iclnb.lsa.optima import best_rate

Weights = Float[np.ndarray, "prompts d"]


def distances(first: Weights, second: Weights, query: Weights) -> tuple[float, float, float]:
    """Compare two predictors ŷ = ŵᵀx_q, whose weights ŵ are their sensitivities ∂ŷ/∂x_q, on the same prompts.

    Returns:
        √ mean (ŷ - ŷ')², in units of the label; mean ‖ŵ - ŵ'‖₂; one minus the mean cosine of ŵ and ŵ'.
    """
    apart = first - second
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (first, second))
    turned = np.sum((one - other) ** 2, axis=1) / 2  # 1 - cos, without the loss of digits
    predictions = np.sqrt(np.mean(np.sum(apart * query, axis=1) ** 2))
    return float(predictions), float(np.linalg.norm(apart, axis=1).mean()), float(turned.mean())


def beside_gd(
    layers: Float[np.ndarray, "layers size size size-1"],
    guesses: Float[np.ndarray, "layers size-1"],
    mean: Float[np.ndarray, " size-1"],
    *,
    n_context: int,
    prompts: int,
    seed: tuple[int, int],
) -> Float[np.ndarray, "predictors distances"]:
    """:func:`distances` from the best step of GD from w*: of layers trained with it, and of the step from 0."""
    d, rate = len(mean), best_rate(len(mean), n_context)
    drawn = noisy_prompts(prompts, d=d, n_context=n_context, prior_mean=mean, seed=seed)
    query = np.random.default_rng((*seed, 1)).normal(size=(prompts, d))
    tokens = np.concatenate([drawn.x, drawn.y[..., None]], axis=-1)
    seen = tokens.swapaxes(1, 2) @ tokens / n_context
    squares, products = seen[:, :d, :d], seen[:, :d, d]
    ours = [
        v + np.einsum("pab,abj->pj", seen, t, optimize=True) for t, v in zip(layers, guesses, strict=True)
    ]
    from_mean, from_zero = (start + rate * (products - squares @ start) for start in (mean, np.zeros(d)))
    return np.array([distances(each, from_mean, query) for each in (*ours, from_zero)])
