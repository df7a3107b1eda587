"""The linear self-attention layer of paper B: as written there, and its fast form."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from iclnb.lsa.features import factor_heads, gram

Embedding = Float[Array, "d+1 context+1"]


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
    train_guess: bool = eqx.field(static=True, default=False)
    """Whether gradients reach the guess (y_q-LSA) or it stays as given."""

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
    key: jax.Array, d: int, heads: int, *, scale: float = 0.1, train_guess: bool = False
) -> LinearSelfAttention:
    """Weights from N(0, ``scale``²); the guess likewise where it is trained, else zero."""
    shape = (2, heads, d + 1, d + 1)
    draws = scale * jax.random.normal(key, (np.prod(shape) + d,))
    value, key_query = draws[:-d].reshape(shape)
    guess = draws[-d:] if train_guess else jnp.zeros(d)
    return LinearSelfAttention(value, key_query, guess, train_guess)


def layer_from_rows(
    rows: Float[Array, "heads size"],
    key_query: Float[Array, "heads size size"],
    guess: Float[Array, " size-1"],
    *,
    train_guess: bool = False,
) -> LinearSelfAttention:
    """A layer whose W_PV^h is zero but for its last row p_h."""
    value = jnp.zeros_like(key_query).at[:, -1, :].set(rows)
    return LinearSelfAttention(value, key_query, guess, train_guess)


def embed(
    x: Float[Array, "context d"],
    y: Float[Array, " context"],
    query: Float[Array, " d"],
    guess: Float[Array, " d"],
) -> Embedding:
    """E = [[x_1 .. x_C, x_q], [y_1 .. y_C, y_q]] with y_q = vᵀx_q (paper B, section 2 and section 4)."""
    inputs = jnp.concatenate([x, query[None]]).T
    return jnp.concatenate([inputs, jnp.append(y, guess @ query)[None]])


def _guess(layer: LinearSelfAttention) -> Float[Array, " d"]:
    return layer.guess if layer.train_guess else jax.lax.stop_gradient(layer.guess)


@eqx.filter_jit
def predict(
    layer: LinearSelfAttention | Sequence[LinearSelfAttention],
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
) -> Float[Array, " prompts"]:
    """Predictions by the layer as written: entry (d+1, C+1) of f(E). A sequence of layers is a stack, fed
    with the guess of the first."""
    layers = layer if isinstance(layer, Sequence) else [layer]

    def one(x: Array, y: Array, query: Array) -> Array:
        embedding = embed(x, y, query, _guess(layers[0]))
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
    guess = _guess(layer)
    weights = guess + jnp.einsum("pab,abj->pj", gram(x, y), coefficient_tensor(layer))
    return jnp.einsum("pj,pj->p", weights, query)


def coefficient_tensor(layer: LinearSelfAttention) -> Float[Array, "size size size-1"]:
    """T = Σ_h p_h ⊗ U_h with ŷ = (v + T·G)ᵀ x_q: p_h the last row of W_PV^h, U_h = W_KQ^h [I; vᵀ]."""
    d, guess = layer.guess.shape[0], _guess(layer)
    blocks = layer.key_query[:, :, :d] + layer.key_query[:, :, d:] * guess
    return jnp.einsum("ha,hbj->abj", layer.value[:, -1], blocks)


def with_fewest_heads(layer: LinearSelfAttention) -> LinearSelfAttention:
    """A layer with at most d + 1 heads that makes the same predictions (the d + 1 bound)."""
    rows, blocks = factor_heads(coefficient_tensor(layer))
    key_query = jnp.concatenate([blocks, jnp.zeros_like(blocks[..., :1])], axis=-1)
    return layer_from_rows(rows, key_query, layer.guess, train_guess=layer.train_guess)
