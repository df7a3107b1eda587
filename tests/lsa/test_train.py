"""Training: the sweep against training each layer alone as the paper writes it, and its optima."""

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


RECIPE = train.Recipe(learning_rate=1e-2, steps=15, batch=64)


@pytest.fixture(scope="module")
def ends():
    """The sweep before and after a short training."""
    still = train.Recipe(learning_rate=0.0, steps=1, batch=64)
    return tuple(train.train(SWEEP, recipe, seeds=2, **SHARED) for recipe in (still, RECIPE))


@pytest.mark.parametrize("model", range(len(SWEEP)))
def test_sweep_trains_as_the_literal_layer_does(ends, model):
    """Shift lemma, padding, seeds and feature form change nothing: same prompts, same Adam, same weights."""
    start, end = ends
    key = jax.random.split(jax.random.key(SHARED["data_seed"]), 2)[1]
    mean = jnp.asarray(start.prior_means[1, model], jnp.float32)
    alone, optimiser = start.layer(1, model), optax.adam(RECIPE.learning_rate)

    def loss(each, x, y, query, target):
        return jnp.mean((layer.predict(each, x, y, query) - target) ** 2)

    @eqx.filter_jit
    def advance(alone, state, step):
        slopes = eqx.filter_grad(loss)(alone, *unshifted_batch(key, mean, step))
        updates, state = optimiser.update(slopes, state)
        return eqx.apply_updates(alone, updates), state

    state = optimiser.init(eqx.filter(alone, eqx.is_array))
    for step in range(RECIPE.steps):
        alone, state = advance(alone, state, jnp.asarray(step))
    together = end.layer(1, model)
    for a, b in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
        assert np.asarray(a) == pytest.approx(np.asarray(b), abs=2e-4)
    assert not np.allclose(alone.key_query, start.layer(1, model).key_query, atol=1e-2)


def test_learning_curve_is_the_exact_risk_and_the_recipe_converges():
    trained = train.train(SWEEP, train.Recipe(1e-2, 1500, batch=None, decay=True), seeds=2, **SHARED)
    risks = train.exact_risks(trained, prompt_moments(D, CONTEXT))
    assert trained.curve[-1] == pytest.approx(risks, rel=1e-4)
    for m, configuration in enumerate(SWEEP):
        for s in range(2):
            family = "yq" if configuration.train_guess else "multihead"
            best = optimal_risk(
                family,
                d=D,
                n_context=CONTEXT,
                prior_mean=trained.prior_means[s, m],
                heads=configuration.heads,
            )
            assert best - 1e-6 <= risks[s, m] <= best * 1.001
    assert trained.steps[0] == 0 and trained.steps[-1] == 1500 and len(trained.curve) == len(trained.steps)


def test_padding_stays_zero_and_untrained_guesses_too(ends):
    rows, key_query, guess = ends[1].parameters
    assert rows.shape == (2, 4, 4, D + 1)
    assert not rows[:, 0, 1:].any() and not key_query[:, 0, 1:].any()
    assert not guess[:, :3].any() and guess[:, 3].any()


def test_same_seeds_same_weights_and_other_seeds_other_weights(ends):
    again = train.train(SWEEP, RECIPE, seeds=2, **SHARED)
    assert np.array_equal(ends[1].parameters.rows, again.parameters.rows)
    other = train.train(SWEEP, RECIPE, seeds=2, **{**SHARED, "data_seed": 9})
    assert not np.allclose(ends[1].parameters.rows, other.parameters.rows, atol=1e-6)


def test_risk_is_what_fresh_prompts_show(ends):
    """Also for a context length and a prior mean other than those of training."""
    trained, context, mean = ends[1], 7, np.array([0.5, -1.0, 2.0])
    means = np.broadcast_to(mean, trained.prior_means.shape)
    risks = train.exact_risks(trained, prompt_moments(D, context), means)
    x, y, query, target = draw_prompts(
        jax.random.key(0), 100_000, d=D, n_context=context, prior_mean=jnp.asarray(mean)
    )
    for m, risk in enumerate(risks[0]):
        error = np.asarray(layer.predict_fast(trained.layer(0, m), x, y, query) - target) ** 2
        assert abs(error.mean() - risk) < 4 * error.std() / len(error) ** 0.5
