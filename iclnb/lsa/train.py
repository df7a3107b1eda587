"""Training of LSA: heads, prior means and seeds together in one compiled program.

The shift lemma lets every model learn from one stream of shifted prompts (w = u, labels ỹ): its prediction
error is ⟨fold(T̃), vech(G̃) ⊗ x_q⟩ + (v - w*)ᵀx_q - uᵀx_q. Heads are padded with zeros to the largest
number; a head of zeros has zero gradient and stays zero.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from iclnb.lsa.material import Configuration, prior_means
from iclnb.lsa.moments import Moments, population_risk, prompt_moments

Trains = Bool[np.ndarray, " models"]


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are the paper's settings (paper B, section 5)."""

    learning_rate: float = 5e-4
    steps: int = 5000
    batch: int | None = 2048
    """Prompts a step; ``None`` for the exact gradient of the population risk."""
    decay: bool = False
    """Whether the learning rate falls to zero along a cosine."""
    scale: float = 0.1
    """Standard deviation of the initial weights."""


PAPER = Recipe()
CONVERGED = Recipe(learning_rate=5e-3, batch=None, decay=True)


class Parameters(NamedTuple):
    """Weights of all models of a sweep; the other rows of W_PV never reach the prediction."""

    rows: Float[Array, "seeds models heads size"]
    key_query: Float[Array, "seeds models heads size size"]
    guess: Float[Array, "seeds models size-1"]


class Trained(NamedTuple):
    """The outcome of a sweep."""

    configurations: tuple[Configuration, ...]
    parameters: Parameters
    prior_means: Float[np.ndarray, "seeds models d"]


def tensors(trained: Trained) -> Float[np.ndarray, "seeds models size size size-1"]:
    """T = Σ_h p_h ⊗ U_h of every trained layer, in double precision."""
    rows, key_query, guess = (np.asarray(part, dtype=float) for part in trained.parameters)
    d = guess.shape[-1]
    blocks = key_query[..., :d] + key_query[..., d:] * guess[..., None, None, :]
    return np.einsum("smha,smhbj->smabj", rows, blocks, optimize=True)


def exact_risks(trained: Trained, moments: Moments) -> Float[np.ndarray, "seeds models"]:
    """Exact population risk of every trained layer, in double precision."""
    every, guess = tensors(trained), np.asarray(trained.parameters.guess, dtype=float)
    risks = [
        population_risk(every[index], guess[index], trained.prior_means[index], moments)
        for index in np.ndindex(guess.shape[:2])
    ]
    return np.reshape(risks, guess.shape[:2])


def train(
    configurations: Sequence[Configuration],
    recipe: Recipe = PAPER,
    *,
    d: int,
    n_context: int,
    seeds: Sequence[int],
    data_seed: int,
    init_seed: int,
) -> Trained:
    """Train every configuration for every seed, with Adam on the squared error.

    A repetition (weights, direction of w*, data) is the same beside whichever others it is trained.
    """
    program = compile_sweep(configurations, recipe, d, n_context, seeds, data_seed, init_seed)
    parameters, _ = program.run(program.start, jnp.arange(recipe.steps))
    return Trained(tuple(configurations), Parameters(*map(np.asarray, parameters)), program.prior_means)


class Program(NamedTuple):
    """A sweep ready to run."""

    start: tuple[Parameters, optax.OptState]
    """Initial weights and state of the optimiser."""
    run: Callable
    """``run(carry, steps)``: the carry after the steps of those numbers; it consumes the carry."""
    prior_means: Float[np.ndarray, "seeds models d"]


def compile_sweep(
    configurations: Sequence[Configuration],
    recipe: Recipe,
    d: int,
    n_context: int,
    seeds: Sequence[int],
    data_seed: int,
    init_seed: int,
) -> Program:
    """The program behind :func:`train`, for those who take its steps themselves (the benchmark does)."""
    means = prior_means(configurations, d, seeds, data_seed)
    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(data_seed)))(jnp.asarray(seeds))
    optimiser, steps = _compiled(tuple(configurations), replace(recipe, scale=0.0), d, n_context)
    parameters = _initial(configurations, recipe, d, seeds, init_seed)
    run = partial(steps, jnp.asarray(means, jnp.float32), keys)
    return Program((parameters, optimiser.init(parameters)), run, means)


@cache
def _compiled(
    configurations: tuple[Configuration, ...], recipe: Recipe, d: int, n_context: int
) -> tuple[optax.GradientTransformation, Callable]:
    """The optimiser, and ``steps(means, keys, carry, steps)``; compiled once for all initial weights and seeds."""
    trains, moments = np.array([c.train_guess for c in configurations]), folded_moments(d, n_context)
    rate = recipe.learning_rate
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, recipe.steps) if recipe.decay else rate)

    def gradient(means: Array, keys: Array, parameters: Parameters, step: Array) -> Parameters:
        if recipe.batch is None:
            return jax.grad(lambda each: exact_losses(moments, means, trains, each).sum())(parameters)
        return batch_gradient(recipe.batch, n_context, keys, means, trains, parameters, step)

    @partial(jax.jit, donate_argnums=2)
    def run(means: Array, keys: Array, carry: tuple, steps: Array) -> tuple:
        def advance(carry: tuple, step: Array) -> tuple[tuple, None]:
            parameters, state = carry
            updates, state = optimiser.update(gradient(means, keys, parameters, step), state)
            return (optax.apply_updates(parameters, updates), state), None

        return jax.lax.scan(advance, carry, steps)[0]

    return optimiser, run


def _initial(
    configurations: Sequence[Configuration], recipe: Recipe, d: int, seeds: Sequence[int], init_seed: int
) -> Parameters:
    """N(0, scale²) for every head in use and every trained guess; zero elsewhere."""
    most = max(c.heads for c in configurations)
    used = np.array([[h < c.heads for h in range(most)] for c in configurations])
    trains = np.array([c.train_guess for c in configurations])
    shapes = (most, d + 1), (most, d + 1, d + 1), (d,)
    masks = used[..., None], used[..., None, None], trains[:, None]
    rngs = [np.random.default_rng((init_seed, seed)) for seed in seeds]

    def part(mask: np.ndarray, shape: tuple[int, ...]) -> Array:
        draws = np.stack([rng.normal(0, recipe.scale, (len(configurations), *shape)) for rng in rngs])
        return jnp.asarray(mask * draws, jnp.float32)

    return Parameters(*map(part, masks, shapes))


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
