"""Stacks of y_q-LSA layers beside as many steps of gradient descent, and of GD++ (von Oswald et al. 2023)."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.optimize import minimize

from iclnb.lsa.layer import LinearSelfAttention, gd_predict, gd_stack, gram
from iclnb.lsa.material import draw_prompts

BATCH, LEARNING_RATE = 512, 2e-3  # Prompts an update; Adam's first rate, which falls to zero along a cosine
TEST_PROMPTS = 20_000
PERTURBATION = 1e-3  # Standard deviation of what is added to the construction at the start


def eigenvalues(d: int, n_context: int, prompts: int, seed: int) -> Float[np.ndarray, "prompts values"]:
    """Those of S for sampled prompts (x ~ N(0, I)); where C < d the other d - C are zero."""
    x = np.random.default_rng(seed).normal(size=(prompts, n_context, d))
    return np.linalg.svd(x, compute_uv=False) ** 2 / n_context


def risk_of_steps(
    rates: Float[np.ndarray, " steps"],
    shrinkage: Float[np.ndarray, " steps"],
    values: Float[np.ndarray, "prompts values"],
    d: int,
) -> float:
    """Risk after steps of GD++ from the prior mean (Λ = I, no noise).

    Step l takes the rate η_l on inputs that the steps before have multiplied by Π_k<l (I - γ_k S). So the error
    of w is Π_l (I - η_l S Π_k<l (I - γ_k S)²) u; all γ = 0 is GD.

    The last shrinkage γ has no effect.
    """
    left, inputs = np.ones_like(values), np.ones_like(values)
    for eta, gamma in zip(rates, shrinkage, strict=True):
        left = left * (1 - eta * values * inputs**2)
        inputs = inputs * (1 - gamma * values)
    return float(np.mean(np.sum(left**2, axis=1))) + d - values.shape[1]


def best_steps(
    steps: int, *, d: int, n_context: int, plus: bool = False, prompts: int = 5_000, seed: int = 0
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " steps"]]:
    """Rates (and, for GD++, shrinkage) of steps from the prior mean that are best together, on sampled S."""
    values, zeros = eigenvalues(d, n_context, prompts, seed), np.zeros(steps)
    start = np.linspace(0.5, 1.5, steps) / (1 + (d + 1) / n_context)
    options = {"xatol": 1e-5, "fatol": 1e-8, "maxiter": 4000 * steps}
    rates = minimize(
        lambda eta: risk_of_steps(eta, zeros, values, d), start, method="Nelder-Mead", options=options
    ).x
    if not plus or steps == 1:
        return np.sort(rates), zeros
    both = minimize(
        lambda x: risk_of_steps(x[:steps], np.append(x[steps:], 0), values, d),
        np.append(rates, np.full(steps - 1, 0.1)), method="Nelder-Mead", options=options,
    ).x  # fmt: skip
    return both[:steps], np.append(both[steps:], 0)


def train_stack(
    layers: int, prior_mean: Float[np.ndarray, " d"], *, n_context: int, updates: int, seed: tuple[int, int]
) -> Float[np.ndarray, "2"]:
    """Risks of tuned GD and of a trained stack, which starts as GD slightly perturbed, on the same prompts."""
    mean, d = jnp.asarray(prior_mean, jnp.float32), len(prior_mean)
    rates = best_steps(layers, d=d, n_context=n_context, seed=seed[0])[0].tolist()
    schedule = optax.cosine_decay_schedule(LEARNING_RATE, updates)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))
    for_start, for_data, for_test = jax.random.split(jax.random.fold_in(jax.random.key(seed[0]), seed[1]), 3)

    def draw(key: Array, prompts: int) -> tuple:
        return draw_prompts(key, prompts, d=d, n_context=n_context, prior_mean=mean)

    def advance(carry: tuple, key: Array) -> tuple[tuple, None]:
        stack, state = carry
        changes, state = optimiser.update(jax.grad(_loss)(stack, draw(key, BATCH)), state)
        return (eqx.apply_updates(stack, changes), state), None

    @jax.jit
    def both() -> tuple[Array, Array]:
        flat, unravel = ravel_pytree(gd_stack(mean, rates))
        stack = unravel(flat + PERTURBATION * jax.random.normal(for_start, flat.shape))
        keys = jax.random.split(for_data, updates)
        (stack, _), _ = jax.lax.scan(advance, (stack, optimiser.init(stack)), keys)
        *inputs, target = test = draw(for_test, TEST_PROMPTS)
        return jnp.mean((gd_predict(*inputs, mean, rates) - target) ** 2), _loss(stack, test)

    return np.array(both(), dtype=float)


def predict_stack(
    stack: Sequence[LinearSelfAttention],
    x: Float[Array, "prompts context d"],
    y: Float[Array, "prompts context"],
    query: Float[Array, "prompts d"],
) -> Float[Array, " prompts"]:
    """What :func:`iclnb.lsa.layer.predict` gives, without the columns of the examples.

    A layer multiplies every column by I + Σ_h W_PV^h G W_KQ^h, so G and the query's column are all it needs.
    """
    seen = gram(x, y)
    column = jnp.concatenate([query, (query @ stack[0].guess)[:, None]], axis=1)
    for layer in stack:
        moved = jnp.eye(column.shape[1]) + jnp.einsum("hab,pbc,hcd->pad", layer.value, seen, layer.key_query)
        column = jnp.einsum("pab,pb->pa", moved, column)
        seen = moved @ seen @ moved.swapaxes(1, 2)
    return column[:, -1]


def _loss(stack: list, prompts: tuple) -> Array:
    """Mean squared error; the output of a stack is minus its prediction (:func:`iclnb.lsa.layer.gd_stack`)."""
    *inputs, target = prompts
    return jnp.mean((-predict_stack(stack, *inputs) - target) ** 2)
