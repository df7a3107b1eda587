"""What LSA sees of a prompt: the matrix G, its distinct entries, and tensors of coefficients on them."""

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
    """Row and column of each distinct entry of a symmetric matrix, in the order of :func:`vech`."""
    return np.triu_indices(size)


def vech(matrix: Float[Array, "*batch size size"]) -> Float[Array, "*batch pairs"]:
    """The distinct entries of symmetric matrices (half-vectorisation)."""
    rows, columns = pairs(matrix.shape[-1])
    return matrix[..., rows, columns]


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


def features(
    x: Float[Array, "*batch context d"], y: Float[Array, "*batch context"], query: Float[Array, "*batch d"]
) -> Float[Array, "*batch features"]:
    """φ = vech(G) ⊗ x_q, with f = ⟨fold(T), φ⟩; (d+1)(d+2)/2 · d numbers a prompt."""
    product = vech(gram(x, y))[..., :, None] * query[..., None, :]
    return product.reshape(*product.shape[:-2], -1)


def factor_heads(tensor: Tensor) -> tuple[Float[Array, "heads d+1"], Float[Array, "heads d+1 d"]]:
    """At most d + 1 heads with T = Σ_h p_h ⊗ U_h, by singular value decomposition of the unfolding.

    Each head adds rank 1 to the (d+1) × (d+1)d unfolding of T, whose rank is at most d + 1.
    """
    size, _, d = tensor.shape
    left, values, right = jnp.linalg.svd(tensor.reshape(size, -1), full_matrices=False)
    scale = jnp.sqrt(values)
    return (left * scale).T, (scale[:, None] * right).reshape(-1, size, d)
