"""Layers of heads with normalised weights (softmax) in the setting of paper B, y_q = 0, trained beside GD.

ŷ = Σ_h Σ_i α_i^h p_hᵀ e_i with α^h = softmax_i(e_iᵀ U_h x_q) and tokens e_i = (x_i, y_i), i = 1..C; where the
query is in sight it is one more token, (x_q, 0). Arrays have the prompts last: operations run along them.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from iclnb.lsa.optima import best_rate

SCALE, LEARNING_RATE = 0.1, 1e-2
"""Standard deviation of the initial weights; first rate of Adam, which falls along a cosine."""
TEST_BATCHES = 100  # Fresh batches of prompts on which trained layers are judged


class Layer(NamedTuple):
    """What to train."""

    heads: int
    norm: float
    """‖w*‖."""
    in_sight: bool = False
    """Whether the query attends to its own token as well."""


class Heads(NamedTuple):
    """Weights of a layer."""

    rows: Float[Array, "heads size"]
    """p_h."""
    blocks: Float[Array, "heads size size-1"]
    """U_h."""


def predict(
    heads: Heads,
    x: Float[Array, "d context prompts"],
    y: Float[Array, "context prompts"],
    query: Float[Array, "d prompts"],
    *,
    in_sight: bool = False,
) -> Float[Array, " prompts"]:
    """Predictions of a layer of normalised heads."""
    tokens = jnp.concatenate([x, y[None]])
    if in_sight:
        own = jnp.concatenate([query, jnp.zeros_like(query[:1])])
        tokens = jnp.concatenate([tokens, own[:, None]], axis=1)
    logits = jnp.einsum("hap,acp->hcp", jnp.tensordot(heads.blocks, query, 1), tokens)
    weights = jnp.exp(logits - jax.lax.stop_gradient(logits.max(axis=1, keepdims=True)))
    values = jnp.tensordot(heads.rows, tokens, 1)
    return jnp.sum((weights * values).sum(axis=1) / weights.sum(axis=1), axis=0)


def train(
    layers: Sequence[Layer],
    *,
    d: int,
    n_context: int,
    steps: int,
    batch: int,
    data_seed: int,
    init_seed: int,
    repetition: int,
) -> Float[np.ndarray, " layers"]:
    """Train layers with Adam on one stream of prompts; their risks above that of the best GD step from w*.

    ``data_seed`` gives prompts and the direction of w*. Mean differences of squared errors on the same fresh
    prompts.
    """
    directions, weights = (np.random.default_rng((seed, repetition)) for seed in (data_seed, init_seed))
    direction = directions.normal(size=d)
    direction = jnp.asarray(direction / np.linalg.norm(direction), jnp.float32)
    shapes = [((layer.heads, d + 1), (layer.heads, d + 1, d)) for layer in layers]
    start = [Heads(*(jnp.asarray(weights.normal(0, SCALE, s), jnp.float32) for s in both)) for both in shapes]
    key = jax.random.fold_in(jax.random.key(data_seed), repetition)
    excess = _compiled(tuple(layers), n_context, steps, batch)(start, direction, key)
    return np.asarray(excess, dtype=float)


@cache
def _compiled(layers: tuple[Layer, ...], n_context: int, steps: int, batch: int) -> Callable:
    """``run(start, direction, key)``: training and judgement, compiled once for all repetitions."""
    optimiser = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, steps))

    def errors(weights: list[Heads], direction: Array, key: Array, prompts: int) -> tuple[Array, Array]:
        """Squared errors of the layers and of GD."""
        d = len(direction)
        draws = jax.random.normal(key, (d, n_context + 2, prompts))
        x, query, deviation = draws[:, :-2], draws[:, -2], draws[:, -1]
        shifted, target = jnp.sum(x * deviation[:, None], axis=0), jnp.sum(query * deviation, axis=0)
        along, onto = jnp.tensordot(direction, x, 1), direction @ query
        apart = [
            predict(each, x, shifted + layer.norm * along, query, in_sight=layer.in_sight)
            - (target + layer.norm * onto)
            for each, layer in zip(weights, layers, strict=True)
        ]
        step = best_rate(d, n_context) / n_context * jnp.einsum("jcp,cp,jp->p", x, shifted, query)
        return jnp.stack(apart) ** 2, (step - target) ** 2

    @jax.jit
    def run(start: list[Heads], direction: Array, key: Array) -> Float[Array, " layers"]:
        for_training, for_test = jax.random.split(key)

        def loss(weights: list[Heads], step: Array) -> Array:
            ours, _ = errors(weights, direction, jax.random.fold_in(for_training, step), batch)
            return ours.mean(axis=1).sum()

        def advance(carry: tuple, step: Array) -> tuple[tuple, None]:
            weights, state = carry
            updates, state = optimiser.update(jax.grad(loss)(weights, step), state)
            return (optax.apply_updates(weights, updates), state), None

        def judge(key: Array) -> Array:
            ours, gd = errors(weights, direction, key, batch)
            return (ours - gd).mean(axis=1)

        weights, _ = jax.lax.scan(advance, (start, optimiser.init(start)), jnp.arange(steps))[0]
        return jax.lax.map(judge, jax.random.split(for_test, TEST_BATCHES)).mean(axis=0)

    return run
