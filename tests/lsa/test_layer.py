"""The layer, its fast forms and gradient descent, against the definition written out in NumPy."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclnb.lsa import layer, material, train


def make(d=4, n_context=6, heads=3, prompts=32, **options):
    model = layer.random_layer(jax.random.key(0), d, heads, scale=0.3, **options)
    drawn = material.draw_prompts(
        jax.random.key(1), prompts, d=d, n_context=n_context, prior_mean=jnp.arange(d) / d
    )
    return model, drawn


def definition(model, x, y, query):
    """f(E) of paper B by matrix products of NumPy, one prompt and one head at a time."""
    predictions = []
    for xs, ys, q in zip(np.asarray(x), np.asarray(y), np.asarray(query), strict=True):
        embedding = np.column_stack([np.vstack([xs.T, ys]), np.append(q, np.asarray(model.guess) @ q)])
        mask = np.diag([1.0] * len(ys) + [0.0])
        total = embedding.copy()
        for value, key_query in zip(np.asarray(model.value), np.asarray(model.key_query), strict=True):
            total += value @ embedding @ mask @ embedding.T @ key_query @ embedding / len(ys)
        predictions.append(total[-1, -1])
    return np.array(predictions)


def near(a, b, tolerance):
    return np.abs(np.asarray(a) - np.asarray(b)).max() <= tolerance * max(1.0, np.abs(np.asarray(b)).max())


@pytest.mark.parametrize(("double", "tolerance"), [(False, 1e-6), (True, 1e-12)])
def test_forms_agree(double, tolerance):
    with jax.enable_x64(double):
        model, (x, y, query, _) = make(guess=True)
        exact = definition(model, x, y, query)
        assert exact.dtype == (np.float64 if double else np.float32)
        assert near(layer.predict(model, x, y, query), exact, tolerance)
        assert near(layer.predict_fast(model, x, y, query), exact, tolerance)
        theta = train.fold(layer.coefficient_tensor(model)).ravel()
        rows, columns = np.triu_indices(x.shape[-1] + 1)
        phi = layer.gram(x, y)[:, rows, columns, None] * query[:, None]
        assert near(phi.reshape(len(phi), -1) @ theta + query @ model.guess, exact, tolerance)


@pytest.mark.parametrize("heads", [1, 20])
def test_d_plus_one_heads_say_all(heads):
    with jax.enable_x64(True):
        model, (x, y, query, _) = make(d=4, heads=heads, guess=True)
        reduced = layer.with_fewest_heads(model)
        assert reduced.value.shape[0] == 5
        assert near(layer.predict(reduced, x, y, query), definition(model, x, y, query), 1e-12)


def test_gradient_descent_and_the_layers_that_take_its_steps():
    with jax.enable_x64(True):
        _, (x, y, query, _) = make()
        start, asymmetric = jnp.array([0.5, -1.0, 0.0, 2.0]), jnp.arange(16.0).reshape(4, 4) / 16
        slopes = jax.vmap(jax.grad(lambda w, x, y: 0.5 * jnp.mean((y - x @ w) ** 2)), (None, 0, 0))(
            start, x, y
        )
        for step, matrix in ((0.37, 0.37 * jnp.eye(4)), (asymmetric, asymmetric)):
            expected = jnp.sum((start - slopes @ matrix.T) * query, axis=1)
            assert near(layer.gd_predict(x, y, query, start, [step]), expected, 1e-12)
            assert near(layer.predict(layer.gd_layer(start, step), x, y, query), expected, 1e-12)
        steps = [0.3, asymmetric, 0.2]
        stacked = layer.predict(layer.gd_stack(start, steps), x, y, query)
        assert near(-stacked, layer.gd_predict(x, y, query, start, steps), 1e-12)


@pytest.mark.wrong_arguments
def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"key_query must have shape \(1, 4, 4\), got \(1, 3, 3\)"):
        layer.LinearSelfAttention(jnp.zeros((1, 4, 4)), jnp.zeros((1, 3, 3)), jnp.zeros(3))


def test_import_leaves_the_precision_alone():
    code = """
import iclnb.lsa.optima, sys
assert "jax" not in sys.modules
import iclnb.lsa.train, jax, jax.numpy as jnp
assert not jax.config.jax_enable_x64 and jnp.ones(1).dtype == jnp.float32
"""
    subprocess.run([sys.executable, "-c", code], check=True)
