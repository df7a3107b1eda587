"""What decides the claims of chapter 05 that follow from algebra or from exact optima."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from iclnb.claims import Evidence
from iclnb.lsa import features, layer
from iclnb.lsa.few_heads import few_heads_risk
from iclnb.lsa.gd import gd_layer, gd_predict, gd_stack
from iclnb.lsa.head_law import head_law_limit, head_law_risk
from iclnb.lsa.material import draw_prompts
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import best_preconditioner, best_rate, risk_at_norm
from iclnb.stats import exact

PROMPTS = 1000
"""Prompts on which an identity is checked."""


def _inputs(d: int, n_context: int, seed: int) -> tuple[Array, Array, Array]:
    key = jax.random.key(seed)
    return draw_prompts(key, PROMPTS, d=d, n_context=n_context, prior_mean=jnp.ones(d))[:3]


def _apart(first: Float[Array, " prompts"], second: Float[Array, " prompts"]) -> float:
    """Largest difference, relative to the largest of the second."""
    return float(jnp.abs(first - second).max() / jnp.abs(second).max())


def forms(d: int, n_context: int, *, init_seed: int, seed: int) -> float:
    """Largest relative difference between the layer as written, its fast form and its feature form."""
    with jax.enable_x64(True):
        some = layer.random_layer(jax.random.key(init_seed), d, heads=20, train_guess=True)
        x, y, query = _inputs(d, n_context, seed)
        written = layer.predict(some, x, y, query)
        folded = features.fold(layer.coefficient_tensor(some)).ravel()
        others = (
            layer.predict_fast(some, x, y, query),
            features.features(x, y, query) @ folded + query @ some.guess,
        )
        return max(_apart(each, written) for each in others)


def fewest_heads(d: int, n_context: int, *, init_seed: int, seed: int) -> Evidence:
    """20 random heads against d + 1 that make the same predictions; control: without the last of these."""
    with jax.enable_x64(True):
        some = layer.random_layer(jax.random.key(init_seed), d, heads=20, train_guess=True)
        inputs = _inputs(d, n_context, seed)
        reduced = layer.with_fewest_heads(some)
        short = layer.LinearSelfAttention(reduced.value[:d], reduced.key_query[:d], some.guess, True)
        written, full, less = (layer.predict(each, *inputs) for each in (some, reduced, short))
        return Evidence(exact(_apart(full, written)), _apart(less, written), f"the best {d} of these heads")


def construction(d: int, n_context: int, *, seed: int) -> Evidence:
    """One head with a guess against a preconditioned step (not even symmetric); control: the guess alone."""
    with jax.enable_x64(True):
        start, inputs = jnp.linspace(-1.0, 1.0, d), _inputs(d, n_context, seed)
        step = best_preconditioner(d, n_context) + jnp.triu(jnp.full((d, d), 0.05))
        stepped = gd_predict(*inputs, start, [step])
        built = layer.predict(gd_layer(start, step), *inputs)
        alone = _apart(inputs[2] @ start, stepped)
        return Evidence(exact(_apart(built, stepped)), alone, "the guess alone, without the step")


def stack_construction(d: int, n_context: int, rates: list[float], *, seed: int) -> Evidence:
    """As many layers as rates against as many steps of GD; control: one step less."""
    with jax.enable_x64(True):
        start, inputs = jnp.linspace(-1.0, 1.0, d), _inputs(d, n_context, seed)
        stepped = gd_predict(*inputs, start, rates)
        stacked = -layer.predict(gd_stack(start, rates), *inputs)
        fewer = _apart(gd_predict(*inputs, start, rates[:-1]), stepped)
        return Evidence(exact(_apart(stacked, stepped)), fewer, "one step less")


def constant_coordinate(d: int, n_context: int, *, seed: int) -> Evidence:
    """LSA without a guess on tokens (1, x, y), of two heads, against the best step of GD from w*.

    The control drops the head that reads the constant.
    """
    with jax.enable_x64(True):
        start, (x, y, query) = jnp.linspace(-1.0, 1.0, d), _inputs(d, n_context, seed)
        seen = features.gram(jnp.concatenate([jnp.ones_like(x[..., :1]), x], axis=-1), y)
        rate = best_rate(d, n_context)
        rows = jnp.stack([jnp.eye(d + 2)[0], jnp.concatenate([jnp.zeros(1), -start, jnp.ones(1)])])
        blocks = jnp.zeros((2, d + 2, d)).at[0, 0].set(start).at[1, 1 : d + 1].set(rate * jnp.eye(d))
        by_head = jnp.einsum("pab,ha,hbj,pj->hp", seen, rows, blocks, query)
        stepped = gd_predict(x, y, query, start, [rate])
        without = _apart(by_head[1], stepped)
        return Evidence(exact(_apart(by_head.sum(0), stepped)), without, "without the head that reads it")


def head_law(d: int, n_context: int, norms: Sequence[float]) -> Evidence:
    """Largest relative difference of the search's best risk from the head law, H below d.

    The control takes the risk of unlimited heads in the place of the law.
    """
    moments, law, off = prompt_moments(d, n_context), [], []
    for norm in norms:
        along = np.full(d, norm / np.sqrt(d))
        unlimited = risk_at_norm("multihead", norm, d=d, n_context=n_context, heads=d)
        for heads in range(1, d):
            searched = few_heads_risk(moments, along, heads)
            law.append(abs(searched / head_law_risk(d, n_context, norm, heads) - 1))
            off.append(searched / unlimited - 1)
    return Evidence(exact(max(law)), max(off), "risk of unlimited heads instead of the law")


def head_law_end(d: int, n_context: int, norm: float) -> Evidence:
    """Largest difference of gap / ‖w*‖² from 2 / (CH + 2), H up to d; control: d in the place of H."""
    floor = risk_at_norm("gd", 0.0, d=d, n_context=n_context)
    heads = np.arange(1, d + 1)
    gaps = np.array([head_law_risk(d, n_context, norm, int(h)) - floor for h in heads]) / norm**2
    apart = np.abs(gaps - head_law_limit(n_context, heads)).max()
    control = np.abs(gaps - head_law_limit(n_context, d)).max()
    return Evidence(exact(float(apart)), float(control), "d in the place of H")


def last_head(d: int, n_context: int, norm: float) -> Evidence:
    """What d heads lose beside d + 1 at the optimum, by the search; control: what d - 1 heads lose."""
    moments, along = prompt_moments(d, n_context), np.full(d, norm / np.sqrt(d))
    unlimited = risk_at_norm("multihead", norm, d=d, n_context=n_context, heads=d + 1)
    short, enough = (few_heads_risk(moments, along, heads) - unlimited for heads in (d - 1, d))
    return Evidence(exact(enough), short, "excess risk with d-1 heads")


def last_head_under_noise(d: int, n_context: int, norm: float, noise_std: float) -> Evidence:
    """What the (d+1)th head gains under label noise; control: what it gains without."""

    def gain(sigma: float) -> float:
        few, all_ = (
            risk_at_norm("multihead", norm, d=d, n_context=n_context, heads=heads, noise_std=sigma)
            for heads in (d, d + 1)
        )
        return few - all_

    return Evidence(exact(gain(noise_std)), gain(0.0), "no noise")


def gap_share(d: int, n_context: int, norm: float) -> Evidence:
    """The gap of unlimited heads as a share of the risk of GD; control: GD that starts at 0."""
    floor = risk_at_norm("gd", norm, d=d, n_context=n_context)
    many = risk_at_norm("multihead", norm, d=d, n_context=n_context, heads=d + 1)
    zero = risk_at_norm("gd_zero", norm, d=d, n_context=n_context)
    return Evidence(exact(many / floor - 1), zero / floor - 1, "GD from 0 instead of w*")
