"""Training of LSA: heads, prior means and seeds together in one compiled program."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from tqdm import tqdm

from iclnb.lsa.layer import LinearSelfAttention, layer_from_rows
from iclnb.lsa.losses import Parameters, batch_gradient, exact_losses, folded_moments
from iclnb.lsa.material import Configuration, prior_means
from iclnb.lsa.moments import Moments, population_risk

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
    program = compile_sweep(configurations, recipe, d, n_context, seeds, data_seed, init_seed)
    carry, chunk = program.start, -(-recipe.steps // CHECKPOINTS)
    edges = np.append(
        np.arange(0, recipe.steps, chunk), recipe.steps
    )  # each length of chunk is compiled anew
    curve = [np.asarray(program.measure(carry[0]))]
    with tqdm(total=recipe.steps, unit="step", disable=None) as bar:
        for start, stop in itertools.pairwise(edges):
            carry = program.run(carry, jnp.arange(start, stop))
            curve.append(np.asarray(program.measure(carry[0])))
            bar.update(stop - start)
    return Trained(tuple(configurations), carry[0], program.prior_means, edges, np.stack(curve))


class Program(NamedTuple):
    """A sweep ready to run."""

    start: tuple[Parameters, optax.OptState]
    """Initial weights and state of the optimiser."""
    run: Callable
    """``run(carry, steps)``: the carry after the steps of those numbers; it consumes the carry."""
    measure: Callable
    """``measure(parameters)``: exact risks (seeds × models) in single precision."""
    prior_means: Float[np.ndarray, "seeds models d"]


def compile_sweep(
    configurations: Sequence[Configuration],
    recipe: Recipe,
    d: int,
    n_context: int,
    seeds: int,
    data_seed: int,
    init_seed: int,
) -> Program:
    """The program behind :func:`train`, for those who take its steps themselves (the benchmark does)."""
    means = prior_means(configurations, d, seeds, data_seed)
    single, trains = jnp.asarray(means, jnp.float32), np.array([c.train_guess for c in configurations])
    exact = partial(exact_losses, folded_moments(d, n_context), single, trains)
    if recipe.batch is None:
        gradient = jax.grad(lambda parameters, step: exact(parameters).sum())
    else:
        keys = jax.random.split(jax.random.key(data_seed), seeds)
        gradient = partial(batch_gradient, recipe.batch, n_context, keys, single, trains)
    rate = recipe.learning_rate
    optimiser = optax.adam(optax.cosine_decay_schedule(rate, recipe.steps) if recipe.decay else rate)

    def advance(carry: tuple, step: Array) -> tuple[tuple, None]:
        parameters, state = carry
        updates, state = optimiser.update(gradient(parameters, step), state)
        return (optax.apply_updates(parameters, updates), state), None

    parameters = _initial(configurations, recipe, d, seeds, init_seed)
    run = jax.jit(lambda carry, steps: jax.lax.scan(advance, carry, steps)[0], donate_argnums=0)
    return Program((parameters, optimiser.init(parameters)), run, jax.jit(exact), means)


def _initial(
    configurations: Sequence[Configuration], recipe: Recipe, d: int, seeds: int, seed: int
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
