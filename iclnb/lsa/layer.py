"""The linear self-attention layer of paper B, as written and in its fast form; gradient descent, and as layers."""

from collections.abc import Sequence
from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Preconditioner = float | Float[Array, "d d"]


class LinearSelfAttention(eqx.Module):
    """f(E) = E + Σ_h W_PV^h E M Eᵀ W_KQ^h E / C, without softmax or normalisation (paper B, section 2).

    M masks the query column out of E Eᵀ.
    """

    value: Float[Array, "heads size size"]
    """W_PV of each head; the prediction reads its last row alone."""
    key_query: Float[Array, "heads size size"]
    """W_KQ of each head."""
    guess: Float[Array, " size-1"]
    """v of the initial guess y_q = vᵀx_q; zeros for LSA without a guess."""

    def __check_init__(self) -> None:
        heads, size = self.value.shape[0], self.guess.shape[0] + 1
        for name in ("value", "key_query"):
            shape = getattr(self, name).shape
            if shape != (heads, size, size):
                raise ValueError(f"{name} must have shape {(heads, size, size)}, got {shape}")

    def __call__(self, embedding: Float[Array, "size tokens"]) -> Float[Array, "size tokens"]:
        """The layer on one prompt, every column of it, head by head."""
        context = embedding.shape[1] - 1
        seen = jnp.arange(context + 1) < context

        def head(value: Array, key_query: Array) -> Array:
            return value @ (embedding * seen) @ embedding.T @ key_query @ embedding

        return embedding + jax.vmap(head)(self.value, self.key_query).sum(0) / context


def random_layer(
    key: jax.Array, d: int, heads: int, *, scale: float = 0.1, guess: bool = False
) -> LinearSelfAttention:
    """Weights from N(0, ``scale``²); with a ``guess`` likewise, or without."""
    shape = (2, heads, d + 1, d + 1)
    draws = scale * jax.random.normal(key, (np.prod(shape) + d,))
    value, key_query = draws[:-d].reshape(shape)
    return LinearSelfAttention(value, key_query, draws[-d:] if guess else jnp.zeros(d))


def layer_from_rows(
    rows: Float[Array, "heads size"],
    key_query: Float[Array, "heads size size"],
    guess: Float[Array, " size-1"],
) -> LinearSelfAttention:
    """A layer whose W_PV^h is zero but for its last row p_h."""
    value = jnp.zeros_like(key_query).at[:, -1, :].set(rows)
    return LinearSelfAttention(value, key_query, guess)


def gram(
    x: Float[Array, "*batch context d"], y: Float[Array, "*batch context"]
) -> Float[Array, "*batch d+1 d+1"]:
    """G = E M Eᵀ / C of prompts, the query column masked out: [[S, b], [bᵀ, c]]."""
    tokens = jnp.concatenate([x, y[..., None]], axis=-1)
    return jnp.einsum("...ca,...cb->...ab", tokens, tokens) / x.shape[-2]


@eqx.filter_jit
def predict(
    layer: LinearSelfAttention | Sequence[LinearSelfAttention],
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
) -> Float[Array, " prompts"]:
    """Predictions by the layer as written: entry (d+1, C+1) of f(E).

    E = [[x_1 .. x_C, x_q], [y_1 .. y_C, y_q]] with y_q = vᵀx_q (paper B, section 2 and section 4). A sequence of
    layers is a stack, fed with the guess of the first.
    """
    layers = layer if isinstance(layer, Sequence) else [layer]

    def one(x: Array, y: Array, query: Array) -> Array:
        inputs, labels = jnp.concatenate([x, query[None]]).T, jnp.append(y, layers[0].guess @ query)
        embedding = jnp.concatenate([inputs, labels[None]])
        for each in layers:
            embedding = each(embedding)
        return embedding[-1, -1]

    return jax.vmap(one)(x, y, query)


@eqx.filter_jit
def predict_fast(
    layer: LinearSelfAttention,
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
) -> Float[Array, " prompts"]:
    """The same predictions with G computed once for all heads, and only the last entry of f(E)."""
    weights = layer.guess + jnp.einsum("pab,abj->pj", gram(x, y), coefficient_tensor(layer))
    return jnp.einsum("pj,pj->p", weights, query)


def coefficient_tensor(layer: LinearSelfAttention) -> Float[Array, "size size size-1"]:
    """T = Σ_h p_h ⊗ U_h with ŷ = (v + T·G)ᵀ x_q: p_h the last row of W_PV^h, U_h = W_KQ^h [I; vᵀ]."""
    d = layer.guess.shape[0]
    blocks = layer.key_query[:, :, :d] + layer.key_query[:, :, d:] * layer.guess
    return jnp.einsum("ha,hbj->abj", layer.value[:, -1], blocks)


def with_fewest_heads(layer: LinearSelfAttention) -> LinearSelfAttention:
    """A layer with at most d + 1 heads that makes the same predictions (the d + 1 bound).

    Each head adds rank 1 to the (d+1) × (d+1)d unfolding of T, whose rank is at most d + 1; its singular value
    decomposition gives T = Σ_h p_h ⊗ U_h.
    """
    tensor = coefficient_tensor(layer)
    left, values, right = jnp.linalg.svd(tensor.reshape(len(tensor), -1), full_matrices=False)
    scale = jnp.sqrt(values)
    blocks = (scale[:, None] * right).reshape(-1, *tensor.shape[1:])
    key_query = jnp.concatenate([blocks, jnp.zeros_like(blocks[..., :1])], axis=-1)
    return layer_from_rows((left * scale).T, key_query, layer.guess)


@eqx.filter_jit
def gd_predict(
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
    start: Float[Array, " d"],
    steps: Sequence[Preconditioner],
) -> Float[Array, " prompts"]:
    """Predictions after gradient descent from ``start``, one step for each entry of ``steps``.

    A step is w + Γ Σ_i (y_i - wᵀx_i) x_i / C (paper B, section 2; Γ = η I for a rate η).
    """
    weights = jnp.broadcast_to(start, query.shape)
    for step in steps:
        residual = y - jnp.einsum("pcd,pd->pc", x, weights)
        direction = jnp.einsum("pc,pcd->pd", residual, x) / x.shape[1]
        weights = weights + (direction @ jnp.asarray(step).T if jnp.ndim(step) == 2 else step * direction)
    return jnp.einsum("pd,pd->p", weights, query)


def gd_layer(start: Float[Array, " d"], step: Preconditioner) -> LinearSelfAttention:
    """The single-head y_q-LSA that is one step of GD from ``start`` (paper B, section 4).

    v = w_0, last row of W_PV = (-w_0, 1), W_KQ = [[Γᵀ, 0], [0, 0]]: then ŷ = w_0ᵀx_q + (b - S w_0)ᵀ Γᵀ x_q.
    """
    d, start = len(start), jnp.asarray(start)
    matrix = jnp.asarray(step) if jnp.ndim(step) == 2 else step * jnp.eye(d)
    key_query = jnp.zeros((1, d + 1, d + 1)).at[0, :d, :d].set(matrix.T)
    return layer_from_rows(jnp.append(-start, 1.0)[None], key_query, start)


def gd_stack(start: Float[Array, " d"], steps: Sequence[Preconditioner]) -> list[LinearSelfAttention]:
    """L layers of one head that take L steps of GD from ``start``; the prediction is minus their output.

    The last row of column j holds y_j - (w_l - w_0)ᵀx_j, so that p = (-w_0, 1) reads the residual after l
    steps; the query enters as -w_0ᵀx_q and leaves as -w_Lᵀx_q. All columns move by the same weights, hence
    the signs.
    """
    return [replace(gd_layer(start, -step), guess=-jnp.asarray(start)) for step in steps]
