"""Stacks of y_q-LSA layers beside as many steps of gradient descent."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.optimize import minimize
from tqdm import tqdm

from iclnb.lsa.gd import gd_predict, gd_stack
from iclnb.lsa.layer import predict
from iclnb.lsa.material import draw_prompts, numbers


class Comparison(NamedTuple):
    """Risks of tuned gradient descent and of the stacks trained from it, on the same fresh prompts."""

    gd: Float[np.ndarray, " seeds"]
    trained: Float[np.ndarray, " seeds"]


def best_rates(steps: int, *, d: int, n_context: int, prompts: int = 5_000, seed: int = 0) -> list[float]:
    """Rates of ``steps`` steps of GD from the prior mean that are best together (Λ = I, no noise).

    After the steps ŵ - w = -Π_l (I - η_l S) u, hence the risk E Σ_i Π_l (1 - η_l λ_i)² over the eigenvalues
    λ_i of S, minimised here over sampled S.
    """
    x = np.random.default_rng(seed).normal(size=(prompts, n_context, d))
    values = np.linalg.svd(x, compute_uv=False) ** 2 / n_context  # where C < d the other d - C are zero

    def risk(rates: np.ndarray) -> float:
        return float(np.mean(np.sum(np.prod(1 - rates[:, None, None] * values, axis=0) ** 2, axis=1)))

    start = np.linspace(0.5, 1.5, steps) / (1 + (d + 1) / n_context)
    return sorted(
        minimize(risk, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-8}).x.tolist()
    )


def train_stacks(
    depths: str, norm: float, *, d: int, n_context: int, steps: int, seeds: int, seed: int
) -> dict[int, Comparison]:
    """:func:`train_stack` for every depth of a setting such as ``"1,2,3"``, with w* of equal components."""
    mean = np.full(d, norm / np.sqrt(d))
    shared = {"n_context": n_context, "steps": steps, "seeds": max(2, seeds), "seed": seed}
    return {depth: train_stack(depth, mean, **shared) for depth in map(int, numbers(depths))}


def train_stack(
    layers: int,
    prior_mean: Float[np.ndarray, " d"],
    *,
    n_context: int,
    steps: int,
    seeds: int,
    seed: int,
    batch: int = 512,
    learning_rate: float = 2e-3,
    test_prompts: int = 20_000,
) -> Comparison:
    """Train stacks that start as the GD construction, slightly perturbed, and compare them with GD.

    Args:
        layers: L.
        prior_mean: w*.
        n_context: C.
        steps: updates of Adam, its rate falling to zero along a cosine; gradients are clipped to norm 1.
        seeds: independent repetitions of perturbation, data and test prompts.
        seed: of them all.
        batch: prompts an update.
        learning_rate: at the start.
        test_prompts: fresh prompts for each repetition.
    """
    mean, d = jnp.asarray(prior_mean, jnp.float32), len(prior_mean)
    rates = best_rates(layers, d=d, n_context=n_context, seed=seed)
    start = gd_stack(mean, rates)
    schedule = optax.cosine_decay_schedule(learning_rate, steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))

    def draw(key: Array, prompts: int) -> tuple:
        return draw_prompts(key, prompts, d=d, n_context=n_context, prior_mean=mean)

    def advance(carry: tuple, key: Array) -> tuple[tuple, None]:
        stack, state = carry
        updates, state = optimiser.update(jax.grad(_loss)(stack, draw(key, batch)), state)
        return (eqx.apply_updates(stack, updates), state), None

    @jax.jit
    def one(key: Array) -> tuple[Array, Array]:
        for_start, for_data, for_test = jax.random.split(key, 3)
        stack = _perturbed(start, for_start, 1e-3)
        carry = (stack, optimiser.init(stack))
        stack = jax.lax.scan(advance, carry, jax.random.split(for_data, steps))[0][0]
        *inputs, target = test = draw(for_test, test_prompts)
        return jnp.mean((gd_predict(*inputs, mean, rates) - target) ** 2), _loss(stack, test)

    keys = jax.random.split(jax.random.key(seed), seeds)
    risks = np.array([one(key) for key in tqdm(keys, unit="stack", disable=None)], dtype=float)
    return Comparison(*risks.T)


def _loss(stack: list, prompts: tuple) -> Array:
    """Mean squared error; the output of a stack is minus its prediction (:func:`iclnb.lsa.gd.gd_stack`)."""
    *inputs, target = prompts
    return jnp.mean((-predict(stack, *inputs) - target) ** 2)


def _perturbed(stack: list, key: Array, scale: float) -> list:
    flat, unravel = ravel_pytree(stack)
    return unravel(flat + scale * jax.random.normal(key, flat.shape))
