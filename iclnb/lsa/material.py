"""What is drawn for chapter 05: the models of a sweep, directions of the prior mean, prompts."""

from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Configuration(NamedTuple):
    """One model to train: number of heads, norm of the prior mean, and whether the guess is trained."""

    heads: int
    norm: float
    train_guess: bool = False


def numbers(text: str) -> tuple[float, ...]:
    """The numbers of a setting such as ``"0,1,2,4"``."""
    return tuple(float(part) for part in text.split(","))


def dimensions(text: str) -> list[tuple[int, int]]:
    """The pairs (d, C) of a setting such as ``"2x10,5x10"``."""
    return [tuple(int(part) for part in pair.split("x")) for pair in text.split(",")]


def sweep_models(heads: str, scales: str, d: int) -> list[Configuration]:
    """LSA without a guess for every number of heads (1, d and d + 1 always) and norm; then y_q-LSA."""
    counts, norms = sorted({1, d, d + 1} | {int(h) for h in numbers(heads)}), norms_of(scales, d)
    models = [Configuration(h, m) for h in counts for m in norms]
    return models + [Configuration(1, m, train_guess=True) for m in norms]


def norms_of(scales: str, d: int) -> list[float]:
    """Norms of w* from a setting of multiples of √d, which is how far w typically lies from w*."""
    return [scale * d**0.5 for scale in numbers(scales)]


def prior_means(
    configurations: Sequence[Configuration], d: int, seeds: Sequence[int], data_seed: int
) -> Float[np.ndarray, "seeds models d"]:
    """w* of each model: ‖w*‖ as configured, the direction uniform and drawn anew for each training seed."""
    directions = np.stack([np.random.default_rng((data_seed, seed)).normal(size=(1, d)) for seed in seeds])
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return directions * np.array([c.norm for c in configurations])[:, None]


@eqx.filter_jit
def draw_prompts(
    key: jax.Array, prompts: int, *, d: int, n_context: int, prior_mean: Float[Array, " d"]
) -> tuple[
    Float[Array, "prompts context d"],
    Float[Array, "prompts context"],
    Float[Array, "prompts d"],
    Float[Array, " prompts"],
]:
    """Noiseless prompts of paper B, section 2: examples x, labels y, query x_q and target wᵀx_q.

    x ~ N(0, I), w ~ N(w*, I) anew for each prompt.
    """
    draws = jax.random.normal(key, (prompts, n_context + 2, d))  # in one go: each draw takes long to compile
    x, query, weights = draws[:, :-2], draws[:, -2], prior_mean + draws[:, -1]
    return x, jnp.einsum("pcd,pd->pc", x, weights), query, jnp.einsum("pd,pd->p", query, weights)


class Prompts(NamedTuple):
    """Regression prompts: examples, their labels, and the weights behind them."""

    x: Float[np.ndarray, "prompts context d"]
    y: Float[np.ndarray, "prompts context"]
    weights: Float[np.ndarray, "prompts d"]


def noisy_prompts(
    prompts: int,
    *,
    d: int,
    n_context: int,
    prior_mean: Float[np.ndarray, " d"],
    seed: int | tuple[int, ...],
    noise_std: float = 0.0,
) -> Prompts:
    """Prompts with x ~ N(0, I), w ~ N(w*, I), y = wᵀx + ε, ε ~ N(0, σ²), in double precision."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(prompts, n_context, d))
    weights = np.asarray(prior_mean, dtype=float) + rng.normal(size=(prompts, d))
    y = np.einsum("pcd,pd->pc", x, weights) + noise_std * rng.normal(size=(prompts, n_context))
    return Prompts(x, y, weights)
