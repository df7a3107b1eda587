"""The loss of a whole sweep of LSA models at once, and its gradient on sampled prompts.

The shift lemma lets every model learn from one stream of shifted prompts (w = u, labels ỹ): its prediction
error is ⟨fold(T̃), vech(G̃) ⊗ x_q⟩ + (v - w*)ᵀx_q - uᵀx_q. Heads are padded with zeros to the largest
number; a head of zeros has zero gradient and stays zero.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from iclnb.lsa.moments import prompt_moments

Trains = Bool[np.ndarray, " models"]


class Parameters(NamedTuple):
    """Weights of all models of a sweep; the other rows of W_PV never reach the prediction."""

    rows: Float[Array, "seeds models heads size"]
    key_query: Float[Array, "seeds models heads size size"]
    guess: Float[Array, "seeds models size-1"]


def _coefficients(
    parameters: Parameters, means: Float[Array, "*batch d"], trains: Trains
) -> tuple[Float[Array, "*batch pairs d"], Float[Array, "*batch d"]]:
    """Coefficients on vech(G̃), and v - w*, in the coordinates shifted by w*."""
    rows, key_query, guess = parameters
    guess = guess * trains[:, None]
    *batch, heads, size, _ = key_query.shape
    outer = jnp.swapaxes(rows, -1, -2) @ key_query.reshape(*batch, heads, size * size)  # Σ_h p_h ⊗ W_KQ^h
    outer = outer.reshape(*batch, size, size, size)
    tensor = outer[..., :-1] + outer[..., -1:] * guess[..., None, None, :]  # T = Σ_h p_h ⊗ U_h
    # T̃: in each of the first two indices the label's entry is added to the inputs' in proportion to w*
    last = tensor[..., -1:, :, :] * means[..., :, None, None]
    tensor = jnp.concatenate([tensor[..., :-1, :, :] + last, tensor[..., -1:, :, :]], axis=-3)
    last = tensor[..., -1:, :] * means[..., None, :, None]
    tensor = jnp.concatenate([tensor[..., :-1, :] + last, tensor[..., -1:, :]], axis=-2)
    return fold(tensor), guess - means


def fold(tensor: Float[Array, "*batch size size d"]) -> Float[Array, "*batch pairs d"]:
    """Coefficients θ on vech(G), its distinct entries, with θ·vech(G) = T·G for every symmetric G."""
    size, d = tensor.shape[-2:]
    rows, columns = np.triu_indices(size)
    chosen = np.zeros((len(rows), size, size), dtype=np.float32)  # a product, as a gather's gradient is slow
    index = np.arange(len(rows))
    chosen[index, rows, columns] = chosen[index, columns, rows] = 1
    return chosen.reshape(len(rows), -1) @ tensor.reshape(*tensor.shape[:-3], size * size, d)


def folded_moments(d: int, n_context: int) -> tuple[Array, Array, Array]:
    """Second moments, means and cross moments of vech(G̃), in single precision."""
    moments, (rows, columns) = prompt_moments(d, n_context), np.triu_indices(d + 1)
    second = moments.second[rows, columns][:, rows, columns]
    parts = (second, moments.mean[rows, columns], moments.cross[rows, columns])
    return tuple(jnp.asarray(part, jnp.float32) for part in parts)


def exact_losses(
    moments: tuple[Array, Array, Array], means: Array, trains: Trains, parameters: Parameters
) -> Float[Array, "seeds models"]:
    """Population risk of every model (for Λ = I and no noise, as in training)."""
    second, mean, cross = moments
    theta, bias = _coefficients(parameters, means, trains)
    flat = jnp.moveaxis(theta, -2, 0).reshape(theta.shape[-2], -1)  # pairs first: one matrix product for all
    spread = jnp.sum((flat * (second @ flat)).reshape(-1, *bias.shape), axis=(0, -1))
    offset = jnp.einsum("p,smpj->smj", mean, theta) + bias
    offset_energy = jnp.sum(2 * offset * bias - bias**2, axis=-1)
    return spread + offset_energy - 2 * jnp.einsum("pj,smpj->sm", cross, theta) + bias.shape[-1]


def batch_gradient(
    batch: int, n_context: int, keys: Array, means: Array, trains: Trains, parameters: Parameters, step: Array
) -> Parameters:
    """Gradient of the mean squared error on fresh prompts; each seed has its own, its models share them."""

    def losses(parameters: Parameters, means: Array, phi: Array, query: Array, target: Array) -> Array:
        theta, bias = _coefficients(parameters, means, trains)
        error = theta.reshape(len(theta), -1) @ phi + bias @ query - target
        return jnp.mean(error**2, axis=1).sum()

    def one_seed(arguments: tuple[Parameters, Array, Array]) -> Parameters:
        parameters, means, key = arguments
        prompts = _shifted_batch(jax.random.fold_in(key, step), batch, means.shape[-1], n_context)
        return jax.grad(losses)(parameters, means, *prompts)

    return jax.lax.map(one_seed, (parameters, means, keys))


def _shifted_batch(
    key: Array, batch: int, d: int, n_context: int
) -> tuple[Float[Array, "features prompts"], Float[Array, "d prompts"], Float[Array, " prompts"]]:
    """vech(G̃) ⊗ x_q, x_q and uᵀx_q of fresh prompts, prompts last so that each operation runs along them."""
    draws = jax.random.normal(key, (d, n_context + 2, batch))
    x, query, weights = draws[:, :n_context], draws[:, n_context], draws[:, n_context + 1]
    tokens = jnp.concatenate([x, jnp.sum(x * weights[:, None], axis=0, keepdims=True)])
    # row by row of the upper triangle, the order of vech, the sums written out: XLA fuses these into one pass
    rows = [sum(tokens[a, i] * tokens[a:, i] for i in range(n_context)) for a in range(d + 1)]
    gram = jnp.concatenate(rows) / n_context
    return (gram[:, None] * query[None]).reshape(-1, batch), query, jnp.sum(query * weights, axis=0)
