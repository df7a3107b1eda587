"""A small softmax transformer that reads demonstrations, and its training on prompts from HMMs.

A prompt of N demonstrations and a query becomes N demonstration tokens (x_i, y_i) and N + 1 query tokens
(x_i, ?), so that one pass answers every query i from the i demonstrations before it. A token sees the
demonstrations before its own place, and itself. There are no positions: demonstrations are exchangeable.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int


class Shape(NamedTuple):
    """Size of the transformer."""

    layers: int = 2
    heads: int = 4
    width: int = 32
    """Of the residual stream; each head has ``width / heads`` dimensions."""
    demonstrations: int = 64
    """N, demonstrations in a training prompt."""


class Weights(NamedTuple):
    """Everything that is trained; layers in front of the weights of a block."""

    tokens: Float[Array, "length observations width"]
    """Embedding of each observation at each place of x."""
    labels: Float[Array, "observations+1 width"]
    """Embedding of y; the last row stands for the unknown y of a query."""
    attend: Float[Array, "layers 3 width width"]
    """Query, key and value maps; a head is a block of columns."""
    merge: Float[Array, "layers width width"]
    widen: Float[Array, "layers width 4*width"]
    bias: Float[Array, "layers 4*width"]
    narrow: Float[Array, "layers 4*width width"]
    read: Float[Array, "width observations"]


def random_weights(seed: int | Sequence[int], shape: Shape, length: int, observations: int) -> Weights:
    """Gaussian weights of variance 1 / inputs, no bias."""
    width, layers, rng = shape.width, shape.layers, np.random.default_rng(seed)
    sizes = Weights(
        (length, observations, width), (observations + 1, width), (layers, 3, width, width),
        (layers, width, width), (layers, width, 4 * width), (layers, 4 * width),
        (layers, 4 * width, width), (width, observations),
    )  # fmt: skip
    inputs = Weights(length + 1, 2, width, width, width, np.inf, 4 * width, width)
    pairs = zip(sizes, inputs, strict=True)
    return Weights(*(np.float32(rng.standard_normal(size) / np.sqrt(n)) for size, n in pairs))


def forward(
    weights: Weights, heads: int, x: Int[Array, "queries length"], y: Int[Array, " queries-1"]
) -> Float[Array, "queries observations"]:
    """One prompt: log P(y | the i demonstrations before query i) for every query; the last x is a query alone."""
    n = len(y)
    inputs = jnp.einsum("tlo,low->tw", jax.nn.one_hot(x, weights.tokens.shape[1]), weights.tokens)
    labels = jax.nn.one_hot(y, len(weights.labels) - 1) @ weights.labels[:-1]
    stream = jnp.concatenate([inputs[:n] + labels, inputs + weights.labels[-1]])
    place = jnp.concatenate([jnp.arange(n), jnp.arange(n + 1)])
    seen = jnp.arange(n) < place[:, None]
    for layer in range(len(weights.merge)):
        normal = _normalise(stream)
        split = (len(stream), heads, -1)
        q, k, v = ((normal @ matrix).reshape(split).swapaxes(0, 1) for matrix in weights.attend[layer])
        weight, own = _attention(q, k, n, seen)
        mixed = jnp.einsum("htj,hjd->htd", weight, v[:, :n]) + own[..., None] * v
        stream += mixed.swapaxes(0, 1).reshape(stream.shape) @ weights.merge[layer]
        hidden = jax.nn.gelu(_normalise(stream) @ weights.widen[layer] + weights.bias[layer])
        stream += hidden @ weights.narrow[layer]
    return jax.nn.log_softmax(_normalise(stream[n:]) @ weights.read)


forward_all = jax.jit(jax.vmap(forward, in_axes=(None, None, 0, 0)), static_argnums=1)
""":func:`forward` on a batch of prompts."""


def _attention(q: Array, k: Array, n: int, seen: Array) -> tuple[Array, Array]:
    """Softmax over the demonstrations seen and the token itself: (heads, tokens, N) and (heads, tokens)."""
    scale = q.shape[-1] ** -0.5
    scores = jnp.where(seen, jnp.einsum("htd,hjd->htj", q, k[:, :n]) * scale, -jnp.inf)
    own = jnp.einsum("htd,htd->ht", q, k) * scale
    weight = jax.nn.softmax(jnp.concatenate([scores, own[..., None]], axis=-1), axis=-1)
    return weight[..., :-1], weight[..., -1]


def _normalise(rows: Float[Array, "tokens width"]) -> Float[Array, "tokens width"]:
    """Layer normalisation without weights."""
    apart = rows - rows.mean(axis=-1, keepdims=True)
    return apart / jnp.sqrt((apart**2).mean(axis=-1, keepdims=True) + 1e-6)


MOST_TASKS = 256
"""Tables of pairs are padded to so many tasks, so that training is compiled once for all corpora."""


def train(
    joint: Float[np.ndarray, "sequences tasks observations"],
    x: Int[np.ndarray, "sequences length"],
    shape: Shape,
    *,
    steps: int,
    batch: int,
    rate: float = 3e-3,
    data_seed: int | Sequence[int],
    init_seed: int | Sequence[int],
) -> tuple[Weights, Float[np.ndarray, " checkpoints"]]:
    """Train one transformer on prompts from an HMM mixture, by Adam on the label's cross-entropy.

    Tasks are equally likely, at most :data:`MOST_TASKS`. Each step has fresh prompts; the rate rises for a
    twentieth of the steps, at least 20, then falls along a cosine. Gives weights, and the loss (nats a label)
    of every twentieth.
    """
    tasks, observations = joint.shape[1:]
    table = np.ones((MOST_TASKS, joint[:, 0].size), np.float32)
    table[:tasks] = cumulative(joint)
    length = x.shape[1]
    run, start = _compiled(shape, length, observations, batch, steps, rate)
    weights = random_weights(init_seed, shape, length, observations)
    carry = (weights, start(weights))
    key = jax.random.key(int(np.random.default_rng(data_seed).integers(2**31)))
    curve = []
    for part in np.array_split(np.arange(steps), 20):
        carry, loss = run(carry, jnp.asarray(table), tasks, jnp.asarray(x), key, jnp.asarray(part))
        curve.append(float(loss))
    return jax.tree.map(np.asarray, carry[0]), np.array(curve)


def draw_pairs(
    table: Float[Array, "most_tasks pairs"], tasks: int | Array, key: jax.Array, count: int
) -> Int[Array, " count"]:
    """Pairs (x, y) of one of the first ``tasks``, drawn uniformly; places in the table of :func:`cumulative`."""
    which, where = jax.random.split(key)
    row = table[jax.random.randint(which, (), 0, tasks)]
    pairs = jnp.searchsorted(row, jax.random.uniform(where, (count,)), side="right")
    return jnp.minimum(pairs, len(row) - 1)


def cumulative(joint: Float[np.ndarray, "sequences tasks observations"]) -> Float[np.ndarray, "tasks pairs"]:
    """Cumulative probabilities of the pairs (x, y) of every task."""
    sums = np.cumsum(joint.swapaxes(0, 1).reshape(joint.shape[1], -1), axis=1)
    return sums / sums[:, -1:]


@functools.cache
def _compiled(
    shape: Shape, length: int, observations: int, batch: int, steps: int, rate: float
) -> tuple[Callable, Callable]:
    """``run(carry, table, tasks, x, key, numbers)``: the steps of those numbers and their mean loss; and the
    optimiser's first state."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, rate, max(steps // 20, 1), steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    def loss(weights: Weights, table: Array, tasks: Array, x: Array, key: jax.Array) -> Array:
        """Cross-entropy of a fresh batch of prompts, mean over all queries."""

        def one(key: jax.Array) -> Array:
            pairs = draw_pairs(table, tasks, key, shape.demonstrations + 1)
            labels = pairs % observations
            logs = forward(weights, shape.heads, x[pairs // observations], labels[:-1])
            return -logs[jnp.arange(len(labels)), labels].mean()

        return jax.vmap(one)(jax.random.split(key, batch)).mean()

    @jax.jit
    def run(carry: tuple, table: Array, tasks: Array, x: Array, key: jax.Array, numbers: Array) -> tuple:
        def step(carry: tuple, number: Array) -> tuple[tuple, Array]:
            weights, state = carry
            key_now = jax.random.fold_in(key, number)
            value, gradient = jax.value_and_grad(loss)(weights, table, tasks, x, key_now)
            updates, state = optimiser.update(gradient, state)
            return (optax.apply_updates(weights, updates), state), value

        carry, values = jax.lax.scan(step, carry, numbers)
        return carry, values.mean()

    return run, jax.jit(optimiser.init)
