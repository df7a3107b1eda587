"""Gradient descent on the squared error of a prompt, and the LSA weights that realise it."""

from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from iclnb.lsa.layer import LinearSelfAttention, layer_from_rows

Preconditioner = float | Float[Array, "d d"]


def gd_step(
    weights: Float[Array, "prompts d"],
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    step: Preconditioner,
) -> Float[Array, "prompts d"]:
    """One step w + Γ Σ_i (y_i - wᵀx_i) x_i / C (paper B, section 2; Γ = η I for a rate η)."""
    residual = y - jnp.einsum("pcd,pd->pc", x, weights)
    direction = jnp.einsum("pc,pcd->pd", residual, x) / x.shape[1]
    return weights + (direction @ jnp.asarray(step).T if jnp.ndim(step) == 2 else step * direction)


@eqx.filter_jit
def gd_predict(
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
    start: Float[Array, " d"],
    steps: Sequence[Preconditioner],
) -> Float[Array, " prompts"]:
    """Predictions after gradient descent from ``start``, one step for each entry of ``steps``."""
    weights = jnp.broadcast_to(start, query.shape)
    for step in steps:
        weights = gd_step(weights, x, y, step)
    return jnp.einsum("pd,pd->p", weights, query)


def gd_layer(
    start: Float[Array, " d"], step: Preconditioner, *, train_guess: bool = True
) -> LinearSelfAttention:
    """The single-head y_q-LSA that is one step of GD from ``start`` (paper B, section 4).

    v = w_0, last row of W_PV = (-w_0, 1), W_KQ = [[Γᵀ, 0], [0, 0]]: then ŷ = w_0ᵀx_q + (b - S w_0)ᵀ Γᵀ x_q.
    """
    start = jnp.asarray(start)
    d = start.shape[0]
    key_query = jnp.zeros((1, d + 1, d + 1)).at[0, :d, :d].set(_matrix(step, d).T)
    return layer_from_rows(jnp.append(-start, 1.0)[None], key_query, start, train_guess=train_guess)


def gd_stack(start: Float[Array, " d"], steps: Sequence[Preconditioner]) -> list[LinearSelfAttention]:
    """L layers of one head that take L steps of GD from ``start``; the prediction is minus their output.

    The last row of column j holds y_j - (w_l - w_0)ᵀx_j, so that p = (-w_0, 1) reads the residual after l
    steps; the query enters as -w_0ᵀx_q and leaves as -w_Lᵀx_q. All columns move by the same weights, hence
    the sign.
    """
    start = jnp.asarray(start)
    rows = jnp.append(-start, 1.0)[None]

    def layer(step: Preconditioner) -> LinearSelfAttention:
        d = start.shape[0]
        key_query = jnp.zeros((1, d + 1, d + 1)).at[0, :d, :d].set(-_matrix(step, d).T)
        return layer_from_rows(rows, key_query, -start, train_guess=True)

    return [layer(step) for step in steps]


def _matrix(step: Preconditioner, d: int) -> Float[Array, "d d"]:
    return jnp.asarray(step) if jnp.ndim(step) == 2 else step * jnp.eye(d)
