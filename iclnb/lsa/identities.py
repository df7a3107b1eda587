"""What chapter 05 and its appendices prove, checked by computer in double precision.

Every check gives two numbers: the largest relative deviation from what is proved, and that of a variant which
lacks something that the proof needs.
"""

from collections.abc import Callable, Sequence
from functools import wraps

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from iclnb.lsa import layer, softmax
from iclnb.lsa.head_law import head_law_limit
from iclnb.lsa.layer import gd_layer, gd_predict, gd_stack
from iclnb.lsa.material import noisy_prompts
from iclnb.lsa.moments import population_risk, prompt_moments
from iclnb.lsa.optima import best_preconditioner, best_rate, gap_law, risk_at_norm

PROMPTS = 200  # Prompts on which an identity is checked

Check = tuple[float, float]
Deviations = tuple[Float[Array, ""], Float[Array, ""]]
Predictions = Float[Array, " prompts"]


def in_double(check: Callable[..., Deviations]) -> Callable[..., Check]:
    """The check in double precision, compiled as a whole."""

    @wraps(check)
    def checked(*args: object, **options: object) -> Check:
        with jax.enable_x64(True):
            deviation, lacking = jax.jit(lambda: check(*args, **options))()
            return float(deviation), float(lacking)

    return checked


@in_double
def heads_bound(d: int, n_context: int, seed: int) -> Deviations:
    """20 random heads against the d + 1 that make the same predictions; without the last of these."""
    some = layer.random_layer(jax.random.key(seed), d, heads=20, guess=True)
    reduced, inputs = layer.with_fewest_heads(some), _inputs(d, n_context, seed)
    short = layer.LinearSelfAttention(reduced.value[:d], reduced.key_query[:d], some.guess)
    written, full, less = (layer.predict(each, *inputs) for each in (some, reduced, short))
    return _apart(full, written), _apart(less, written)


def unlimited_heads(d: int, n_context: int, norm: float) -> Check:
    """The gap law against exact least squares over all tensors T, relative to the risk; GD's own risk."""
    moments, w = prompt_moments(d, n_context), np.full(d, norm / np.sqrt(d))
    target = (moments.cross + moments.mean[..., None] * w).reshape(-1, d)
    second = moments.second.reshape(len(target), -1)
    least = d + norm**2 - np.sum(target * (np.linalg.pinv(second, rcond=1e-12, hermitian=True) @ target))
    floor = risk_at_norm("gd", norm, d=d, n_context=n_context)
    return abs(least / (floor + gap_law(norm, d=d, n_context=n_context)) - 1), least / floor - 1


@in_double
def one_step(d: int, n_context: int, seed: int) -> Deviations:
    """One head with a guess against a preconditioned step (not even symmetric); the guess alone."""
    start, inputs = jnp.linspace(-1.0, 1.0, d), _inputs(d, n_context, seed)
    step = best_preconditioner(d, n_context) + jnp.triu(jnp.full((d, d), 0.05))
    stepped = gd_predict(*inputs, start, [step])
    return _apart(layer.predict(gd_layer(start, step), *inputs), stepped), _apart(inputs[2] @ start, stepped)


@in_double
def constant_coordinate(d: int, n_context: int, seed: int) -> Deviations:
    """Two heads without a guess on tokens (1, x, y) against the best step from w*; without the first."""
    start, (x, y, query) = jnp.linspace(-1.0, 1.0, d), _inputs(d, n_context, seed)
    seen = layer.gram(jnp.concatenate([jnp.ones_like(x[..., :1]), x], axis=-1), y)
    rate = best_rate(d, n_context)
    rows = jnp.stack([jnp.eye(d + 2)[0], jnp.concatenate([jnp.zeros(1), -start, jnp.ones(1)])])
    blocks = jnp.zeros((2, d + 2, d)).at[0, 0].set(start).at[1, 1 : d + 1].set(rate * jnp.eye(d))
    by_head = jnp.einsum("pab,ha,hbj,pj->hp", seen, rows, blocks, query)
    stepped = gd_predict(x, y, query, start, [rate])
    return _apart(by_head.sum(0), stepped), _apart(by_head[1], stepped)


@in_double
def one_length(d: int, n_context: int, seed: int) -> Deviations:
    """LSA without a guess on inputs of length √d against a step from w*; on Gaussian inputs."""
    start, rate, found = jnp.linspace(-1.0, 1.0, d), best_rate(d, n_context), []
    x, _, query = _inputs(d, n_context, seed)
    tensor = jnp.zeros((d + 1, d + 1, d)).at[jnp.arange(d), jnp.arange(d)].set(start / d)
    tensor = tensor.at[:d, :d].add(-rate * start[:, None, None] * jnp.eye(d)).at[d, :d].set(rate * jnp.eye(d))
    for inputs in (x * jnp.sqrt(d) / jnp.linalg.norm(x, axis=-1, keepdims=True), x):
        y = jnp.sum(inputs, axis=-1)  # w = (1, .., 1)
        ours = jnp.einsum("pab,abj,pj->p", layer.gram(inputs, y), tensor, query)
        found.append(_apart(ours, gd_predict(inputs, y, query, start, [rate])))
    return found[0], found[1]


@in_double
def centred(d: int, n_context: int, seed: int) -> Deviations:
    """H + 1 normalised heads with small logits against H linear heads on centred tokens; on tokens as they are."""
    some = layer.random_layer(jax.random.key(seed), d, heads=2)
    x, y, query = _inputs(d, n_context, seed)
    rows, blocks, small = some.value[:, -1], some.key_query[..., :d], 1e-6
    rows = jnp.concatenate([rows, -rows.sum(0, keepdims=True)]) / small
    blocks = jnp.concatenate([small * blocks, jnp.zeros_like(blocks[:1])])
    ours = softmax.predict(softmax.Heads(rows, blocks), jnp.moveaxis(x, 0, -1).swapaxes(0, 1), y.T, query.T)
    apart = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    return _apart(ours, layer.predict_fast(some, *apart, query)), _apart(
        ours, layer.predict_fast(some, x, y, query)
    )


def elsewhere(d: int, n_context: int) -> Check:
    """The best step's risk on prompts of other lengths and means against its formula; against its risk at home."""
    rate, w, layer_risks, formula = best_rate(d, n_context), np.linspace(-1, 1, d), [], []
    tensor = np.zeros((d + 1, d + 1, d))
    tensor[d, :d], tensor[:d, :d] = rate * np.eye(d), -rate * w[:, None, None] * np.eye(d)
    for examples in (1, n_context, 40 * n_context):
        for shift in (0.0, 2.0):
            mean = w + shift / np.sqrt(d)
            layer_risks.append(population_risk(tensor, w, mean, prompt_moments(d, examples)))
            formula.append((d + shift**2) * (1 - 2 * rate + rate**2 * (1 + (d + 1) / examples)))
    apart = np.array(layer_risks) / np.array(formula) - 1
    own = np.array(layer_risks) / (d * (1 - rate)) - 1
    return float(np.abs(apart).max()), float(np.abs(own).max())


def large_mean(d: int, n_context: int, noises: Sequence[float], norm: float = 1e4) -> Check:
    """gap / ‖w*‖² of the head law against its limit 2 / (CH + 2), H up to d; against that of d heads."""
    heads, apart = np.arange(1, d + 1), []
    for noise_std in noises:
        setting = {"d": d, "n_context": n_context, "noise_std": noise_std}
        floor = risk_at_norm("gd", 0.0, **setting)
        gaps = [risk_at_norm("multihead", norm, heads=int(h), **setting) - floor for h in heads]
        for limit in (head_law_limit(n_context, heads), head_law_limit(n_context, d)):
            apart.append(float(np.abs(np.array(gaps) / norm**2 - limit).max()))
    return max(apart[::2]), min(apart[1::2])


@in_double
def stacked_steps(d: int, n_context: int, rates: Sequence[float], seed: int) -> Deviations:
    """As many layers with a guess as rates against as many steps of GD; one step less."""
    start, inputs = jnp.linspace(-1.0, 1.0, d), _inputs(d, n_context, seed)
    stepped = gd_predict(*inputs, start, list(rates))
    stacked = -layer.predict(gd_stack(start, list(rates)), *inputs)
    return _apart(stacked, stepped), _apart(gd_predict(*inputs, start, list(rates[:-1])), stepped)


def _inputs(d: int, n_context: int, seed: int) -> tuple[Array, Array, Array]:
    """Examples, labels and queries; drawn by NumPy, as JAX compiles a draw for seconds."""
    drawn = noisy_prompts(PROMPTS, d=d, n_context=n_context, prior_mean=np.ones(d), seed=seed)
    query = np.random.default_rng((seed, 1)).normal(size=(PROMPTS, d))
    return tuple(map(jnp.asarray, (drawn.x, drawn.y, query)))


def _apart(first: Predictions, second: Predictions) -> Float[Array, ""]:
    """Largest difference, relative to the largest of the second."""
    return jnp.abs(first - second).max() / jnp.abs(second).max()
