"""Training of LSA: heads, prior means and seeds together in one compiled program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from iclnb.lsa.losses import Parameters, batch_gradient, exact_losses, folded_moments
from iclnb.lsa.material import Configuration, prior_means
from iclnb.lsa.moments import Moments, population_risk


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
