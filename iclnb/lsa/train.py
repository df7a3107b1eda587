"""Training of LSA: heads, prior means and seeds together in one compiled program.

The shift lemma lets every configuration learn from one stream of shifted prompts (w = u, labels ỹ): its
prediction error is ⟨fold(T̃), φ̃⟩ + (v - w*)ᵀx_q - uᵀx_q. Heads are padded with zeros to the largest
number; a head of zeros has zero gradient and stays zero.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from tqdm import tqdm

from iclnb.lsa.features import fold, pairs
from iclnb.lsa.layer import LinearSelfAttention, layer_from_rows
from iclnb.lsa.moments import Moments, population_risk, prompt_moments

CHECKPOINTS = 20
"""Points of a learning curve, and updates of the progress bar."""


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
CONVERGED = Recipe(learning_rate=5e-3, steps=5000, batch=None, decay=True)


class Configuration(NamedTuple):
    """One model to train: number of heads, norm of the prior mean, and whether the guess is trained."""

    heads: int
    norm: float
    train_guess: bool = False


class Parameters(NamedTuple):
    """Weights of all models of a sweep; the other rows of W_PV never reach the prediction."""

    rows: Float[Array, "seeds models heads d+1"]
    key_query: Float[Array, "seeds models heads d+1 d+1"]
    guess: Float[Array, "seeds models d"]


@dataclass(frozen=True)
class Trained:
    """The outcome of a sweep."""

    configurations: tuple[Configuration, ...]
    parameters: Parameters
    prior_means: Float[np.ndarray, "seeds models d"]
    steps: np.ndarray = field(repr=False)
    """Steps taken at each checkpoint, the start included."""
    curve: Float[np.ndarray, "checkpoints seeds models"] = field(repr=False)
    """Exact population risk at each checkpoint, in single precision."""

    def layer(self, seed: int, model: int) -> LinearSelfAttention:
        """One trained layer (``seed`` counts from 0), without the padding."""
        configuration = self.configurations[model]
        rows, key_query, guess = (np.asarray(part[seed, model]) for part in self.parameters)
        return layer_from_rows(
            jnp.asarray(rows[: configuration.heads]), jnp.asarray(key_query[: configuration.heads]),
            jnp.asarray(guess), train_guess=configuration.train_guess,
        )  # fmt: skip


def exact_risks(
    trained: Trained, moments: Moments, prior_means: Float[np.ndarray, "seeds models d"] | None = None
) -> Float[np.ndarray, "seeds models"]:
    """Exact population risk of every trained model, in double precision.

    Args:
        trained: the sweep.
        moments: of the prompts to judge on (:func:`iclnb.lsa.moments.prompt_moments`); their context may be
            longer or shorter than in training.
        prior_means: w* of those prompts; that of training where ``None``.
    """
    rows, key_query, guess = (np.asarray(part, dtype=float) for part in trained.parameters)
    d, means = guess.shape[-1], trained.prior_means if prior_means is None else prior_means
    blocks = key_query[..., :d] + key_query[..., d:] * guess[..., None, None, :]
    tensors = np.einsum("smha,smhbj->smabj", rows, blocks, optimize=True)
    risks = [
        population_risk(tensors[index], guess[index], means[index], moments)
        for index in np.ndindex(guess.shape[:2])
    ]
    return np.reshape(risks, guess.shape[:2])


def prior_means(configurations: Sequence[Configuration], d: int, seeds: int, seed: int) -> np.ndarray:
    """w* of each model: ‖w*‖ as configured, the direction uniform and drawn anew for each training seed."""
    directions = np.random.default_rng(seed).normal(size=(seeds, 1, d))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return directions * np.array([c.norm for c in configurations])[:, None]


def train(
    configurations: Sequence[Configuration],
    recipe: Recipe = PAPER,
    *,
    d: int,
    n_context: int,
    seeds: int,
    data_seed: int,
    init_seed: int,
) -> Trained:
    """Train every configuration for every seed, with Adam on the squared error.

    Args:
        configurations: the models.
        recipe: learning rate, steps, batch.
        d: number of inputs.
        n_context: C, examples in a prompt.
        seeds: number of independent repetitions: initial weights, direction of w* and data.
        data_seed: of prompts and directions of w*.
        init_seed: of the initial weights.

    Returns:
        Trained weights and learning curves; judge them by :func:`exact_risks`.
    """
    configurations = tuple(configurations)
    means = prior_means(configurations, d, seeds, data_seed)
    trains = np.array([c.train_guess for c in configurations])
    parameters = _initial(configurations, recipe, d, seeds, init_seed)
    rate = (
        optax.cosine_decay_schedule(recipe.learning_rate, recipe.steps)
        if recipe.decay
        else recipe.learning_rate
    )
    optimiser = optax.adam(rate)
    exact = partial(_exact_losses, _folded_moments(d, n_context), jnp.asarray(means, jnp.float32), trains)
    keys = jax.random.split(jax.random.key(data_seed), seeds)
    if recipe.batch is None:
        gradient = jax.grad(lambda parameters, step: exact(parameters).sum())
    else:
        gradient = partial(
            _batch_gradient, recipe.batch, n_context, keys, jnp.asarray(means, jnp.float32), trains
        )

    def advance(carry: tuple, step: Array) -> tuple[tuple, None]:
        parameters, state = carry
        updates, state = optimiser.update(gradient(parameters, step), state)
        return (optax.apply_updates(parameters, updates), state), None

    run = jax.jit(lambda carry, steps: jax.lax.scan(advance, carry, steps)[0], donate_argnums=0)
    chunk = -(-recipe.steps // CHECKPOINTS)  # of equal length but for the last: each length is compiled anew
    edges = np.append(np.arange(0, recipe.steps, chunk), recipe.steps)
    measure, carry = jax.jit(exact), (parameters, optimiser.init(parameters))
    curve = [np.asarray(measure(parameters))]
    with tqdm(total=recipe.steps, unit="step", disable=None) as bar:
        for start, stop in itertools.pairwise(edges):
            carry = run(carry, jnp.arange(start, stop))
            curve.append(np.asarray(measure(carry[0])))
            bar.update(stop - start)
    return Trained(configurations, carry[0], means, edges, np.stack(curve))


def _initial(
    configurations: tuple[Configuration, ...], recipe: Recipe, d: int, seeds: int, seed: int
) -> Parameters:
    """N(0, scale²) for every head in use and every trained guess; zero elsewhere."""
    most, rng = max(c.heads for c in configurations), np.random.default_rng(seed)
    used = np.array([[h < c.heads for h in range(most)] for c in configurations])
    trains = np.array([c.train_guess for c in configurations])
    shapes = (most, d + 1), (most, d + 1, d + 1), (d,)
    masks = used[..., None], used[..., None, None], trains[:, None]
    return Parameters(*(
        jnp.asarray(mask * rng.normal(0, recipe.scale, (seeds, len(configurations), *shape)), jnp.float32)
        for mask, shape in zip(masks, shapes, strict=True)
    ))  # fmt: skip


def _coefficients(
    parameters: Parameters, means: Float[Array, "*batch d"], trains: Array
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


def _folded_moments(d: int, n_context: int) -> tuple[Array, Array, Array]:
    """Second moments, means and cross moments of vech(G̃), in single precision."""
    moments, (rows, columns) = prompt_moments(d, n_context), pairs(d + 1)
    second = moments.second[rows, columns][:, rows, columns]
    parts = (second, moments.mean[rows, columns], moments.cross[rows, columns])
    return tuple(jnp.asarray(part, jnp.float32) for part in parts)


def _exact_losses(
    moments: tuple[Array, Array, Array], means: Array, trains: Array, parameters: Parameters
) -> Float[Array, "seeds models"]:
    """Population risk of every model (for Λ = I and no noise, as in training)."""
    second, mean, cross = moments
    theta, bias = _coefficients(parameters, means, trains)
    flat = jnp.moveaxis(theta, -2, 0).reshape(theta.shape[-2], -1)  # pairs first: one matrix product for all
    spread = jnp.sum((flat * (second @ flat)).reshape(-1, *bias.shape), axis=(0, -1))
    offset = jnp.einsum("p,smpj->smj", mean, theta) + bias
    offset_energy = jnp.sum(2 * offset * bias - bias**2, axis=-1)
    return spread + offset_energy - 2 * jnp.einsum("pj,smpj->sm", cross, theta) + bias.shape[-1]


def _batch_gradient(
    batch: int, n_context: int, keys: Array, means: Array, trains: Array, parameters: Parameters, step: Array
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
