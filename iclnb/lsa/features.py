"""What LSA sees of a prompt: the matrix G, its distinct entries vech(G), and tensors of coefficients on them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Tensor = Float[Array, "d+1 d+1 d"]


def gram(
    x: Float[Array, "*batch context d"], y: Float[Array, "*batch context"]
) -> Float[Array, "*batch d+1 d+1"]:
    """G = E M Eᵀ / C of prompts, the query column masked out: [[S, b], [bᵀ, c]]."""
    tokens = jnp.concatenate([x, y[..., None]], axis=-1)
    return jnp.einsum("...ca,...cb->...ab", tokens, tokens) / x.shape[-2]


def pairs(size: int) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Row and column of each distinct entry of a symmetric matrix (half-vectorisation, vech)."""
    return np.triu_indices(size)


def fold(tensor: Float[Array, "*batch size size d"]) -> Float[Array, "*batch pairs d"]:
    """Coefficients θ on vech(G) with θ·vech(G) = T·G for every symmetric G."""
    size, d = tensor.shape[-2:]
    rows, columns = pairs(size)
    chosen = np.zeros((len(rows), size, size), dtype=np.float32)
    index = np.arange(len(rows))
    chosen[index, rows, columns] = chosen[index, columns, rows] = (
        1  # a product, as a gather's gradient is slow
    )
    return chosen.reshape(len(rows), -1) @ tensor.reshape(*tensor.shape[:-3], size * size, d)


def factor_heads(
    tensor: Float[Array, "size size size-1"],
) -> tuple[Float[Array, "heads size"], Float[Array, "heads size size-1"]]:
    """At most d + 1 heads with T = Σ_h p_h ⊗ U_h, by singular value decomposition of the unfolding.

    Each head adds rank 1 to the (d+1) × (d+1)d unfolding of T, whose rank is at most d + 1.
    """
    size, _, d = tensor.shape
    left, values, right = jnp.linalg.svd(tensor.reshape(size, -1), full_matrices=False)
    scale = jnp.sqrt(values)
    return (left * scale).T, (scale[:, None] * right).reshape(-1, size, d)
