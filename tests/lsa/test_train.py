"""Training: the sweep against training each layer alone as the paper writes it, and its optima."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iclnb.lsa import layer, train
from iclnb.lsa.material import Configuration, draw_prompts
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import optimal_risk

D, CONTEXT = 3, 4
SWEEP = [
    Configuration(1, 2.0),
    Configuration(4, 2.0),
    Configuration(2, 0.0),
    Configuration(1, 2.0, True),
]
SHARED = {"d": D, "n_context": CONTEXT, "data_seed": 3, "init_seed": 4}


def unshifted_batch(key, mean, step):
    """The prompts of one training step of one model, in its own coordinates: y = ỹ + w*ᵀx."""
    draws = jax.random.normal(jax.random.fold_in(key, step), (D, CONTEXT + 2, 64))
    x, query, weights = jnp.moveaxis(draws[:, :CONTEXT], 2, 0).swapaxes(1, 2), draws[:, -2].T, draws[:, -1].T
    weights = weights + mean
    return x, jnp.einsum("pcd,pd->pc", x, weights), query, jnp.sum(query * weights, axis=1)


def layer_of(trained, seed, model):
    """One trained layer, without the padding."""
    used = slice(SWEEP[model].heads)
    rows, key_query, guess = (jnp.asarray(part[seed, model]) for part in trained.parameters)
    return layer.layer_from_rows(rows[used], key_query[used], guess)


RECIPE = train.Recipe(learning_rate=1e-2, steps=15, batch=64)


@pytest.fixture(scope="module")
def ends():
    """The sweep before and after a short training."""
    still = train.Recipe(learning_rate=0.0, steps=1, batch=64)
    return tuple(train.train(SWEEP, recipe, seeds=range(2), **SHARED) for recipe in (still, RECIPE))


@pytest.mark.parametrize("model", range(len(SWEEP)))
def test_sweep_trains_as_the_literal_layer_does(ends, model):
    """Shift lemma, padding, seeds and feature form change nothing: same prompts, same Adam, same weights."""
    start, end = ends
    key = jax.random.fold_in(jax.random.key(SHARED["data_seed"]), 1)
    mean = jnp.asarray(start.prior_means[1, model], jnp.float32)
    alone, optimiser = layer_of(start, 1, model), optax.adam(RECIPE.learning_rate)

    def loss(each, x, y, query, target):
        if not SWEEP[model].train_guess:
            each = replace(each, guess=jax.lax.stop_gradient(each.guess))
        return jnp.mean((layer.predict(each, x, y, query) - target) ** 2)

    @eqx.filter_jit
    def advance(alone, state, step):
        slopes = eqx.filter_grad(loss)(alone, *unshifted_batch(key, mean, step))
        updates, state = optimiser.update(slopes, state)
        return eqx.apply_updates(alone, updates), state

    state = optimiser.init(eqx.filter(alone, eqx.is_array))
    for step in range(RECIPE.steps):
        alone, state = advance(alone, state, jnp.asarray(step))
    together = layer_of(end, 1, model)
    for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
        assert np.asarray(a) == pytest.approx(np.asarray(b), abs=2e-4)
    assert not np.allclose(alone.key_query, layer_of(start, 1, model).key_query, atol=1e-2)


def test_the_converged_recipe_converges():
    trained = train.train(SWEEP, train.Recipe(1e-2, 1500, batch=None, decay=True), seeds=range(2), **SHARED)
    risks = train.exact_risks(trained, prompt_moments(D, CONTEXT))
    for m, configuration in enumerate(SWEEP):
        for s in range(2):
            mean = trained.prior_means[s, m]
            family = "yq" if configuration.train_guess else "multihead"
            best = optimal_risk(family, d=D, n_context=CONTEXT, prior_mean=mean, heads=configuration.heads)
            assert best - 1e-6 <= risks[s, m] <= best * 1.001


def test_single_precision_losses_are_the_exact_risks(ends):
    trained = ends[1]
    means, trains = jnp.asarray(trained.prior_means, jnp.float32), np.array([c.train_guess for c in SWEEP])
    losses = train.exact_losses(train.folded_moments(D, CONTEXT), means, trains, trained.parameters)
    assert np.asarray(losses) == pytest.approx(
        train.exact_risks(trained, prompt_moments(D, CONTEXT)), rel=1e-4
    )


def test_a_repetition_is_the_same_alone_and_others_differ(ends):
    alone = train.train(SWEEP, RECIPE, seeds=[1], **SHARED)
    assert np.asarray(alone.parameters.rows[0]) == pytest.approx(ends[1].parameters.rows[1], abs=1e-5)
    other = train.train(SWEEP, RECIPE, seeds=[1], **{**SHARED, "data_seed": 9})
    assert not np.allclose(alone.parameters.rows, other.parameters.rows, atol=1e-6)


def test_risk_is_what_fresh_prompts_show(ends):
    """Also for a context length other than that of training."""
    trained, context = ends[1], 7
    risks = train.exact_risks(trained, prompt_moments(D, context))
    for m, risk in enumerate(risks[0]):
        mean = jnp.asarray(trained.prior_means[0, m])
        *inputs, target = draw_prompts(jax.random.key(0), 100_000, d=D, n_context=context, prior_mean=mean)
        error = np.asarray(layer.predict_fast(layer_of(trained, 0, m), *inputs) - target) ** 2
        assert abs(error.mean() - risk) < 4 * error.std() / len(error) ** 0.5
