"""Exact risks against rational arithmetic on Gaussian polynomials, numerical optimisation, Monte Carlo."""

import itertools
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sympy import QQ, ring

from iclnb.errors import IclnbError
from iclnb.lsa import measure_beyond as baselines
from iclnb.lsa.few_heads import few_heads_risk
from iclnb.lsa.material import noisy_prompts
from iclnb.lsa.moments import population_risk, prompt_moments
from iclnb.lsa.optima import best_preconditioner, optimal_risk
from iclnb.lsa.sight import gap_to_gd
from iclnb.stats import interval


def expectation(polynomial):
    """Of a polynomial in independent N(0, 1) variables: E z^k = (k - 1)!! for even k, else 0."""
    even = ((m, v) for m, v in polynomial.terms() if not any(k % 2 for k in m))
    return float(sum(v * prod(prod(range(1, k, 2)) for k in m) for m, v in even))


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def prompt(d, n_context, prior_mean, noise_std, root):
    """G (without masked query), x_q and the target wᵀx_q as polynomials, straight from the definition."""
    variables = iter(ring([f"z{i}" for i in range(n_context * d + n_context + 2 * d)], QQ)[1:])

    def draw():
        z = [next(variables) for _ in range(d)]
        return [dot(z, row) for row in root]

    x, query = [draw() for _ in range(n_context)], draw()
    w = [next(variables) + mean for mean in prior_mean]
    y = [dot(w, xi) + next(variables) * noise_std for xi in x]
    tokens = [[*xi, yi] for xi, yi in zip(x, y, strict=True)]
    gram = [
        [dot(a, b) * QQ(1, n_context) for b in zip(*tokens, strict=True)] for a in zip(*tokens, strict=True)
    ]
    return gram, query, dot(w, query)


CASES = [  # d, C, w*, σ, root of Λ
    (1, 1, [2], 0, [[1]]),
    (1, 3, [-1], 2, [[2]]),
    (2, 1, [1, 2], 1, [[1, 0], [0, 1]]),
    (2, 2, [1, -1], 0, [[1, 0], [1, 2]]),
]


@pytest.mark.parametrize(("d", "n_context", "w", "noise_std", "root"), CASES)
def test_population_risk_is_exact(d, n_context, w, noise_std, root):
    gram, query, target = prompt(d, n_context, w, noise_std, root)
    rng = np.random.default_rng(0)
    tensor, guess = rng.integers(-2, 3, (d + 1, d + 1, d)) * 1.0, rng.integers(-2, 3, d) * 1.0
    error = dot(query, [int(v) for v in guess]) + target * -1
    for a, b, j in itertools.product(range(d + 1), range(d + 1), range(d)):
        error = error + gram[a][b] * query[j] * int(tensor[a, b, j])
    covariance = np.array(root, dtype=float) @ np.array(root, dtype=float).T
    moments = prompt_moments(d, n_context, covariance=covariance, noise_std=noise_std)
    found = population_risk(tensor, guess, np.array(w, dtype=float), moments)
    assert found == pytest.approx(expectation(error * error), rel=1e-12)


@pytest.mark.parametrize(("d", "n_context", "w", "noise_std", "root"), CASES)
def test_optima_solve_exact_least_squares(d, n_context, w, noise_std, root):
    gram, query, target = prompt(d, n_context, w, noise_std, root)
    shared = {"d": d, "n_context": n_context, "prior_mean": np.array(w, dtype=float), "noise_std": noise_std}
    shared["covariance"] = np.array(root, dtype=float) @ np.array(root).T

    def least(features, goal):
        second = np.array([[expectation(f * g) for g in features] for f in features])
        cross = np.array([expectation(f * goal) for f in features])
        return expectation(goal * goal) - cross @ np.linalg.pinv(second, rcond=1e-12) @ cross

    pairs = [(a, b) for a in range(d + 1) for b in range(a, d + 1)]
    every = [gram[a][b] * q for a, b in pairs for q in query]
    centred = [gram[a][d] + dot([gram[a][b] for b in range(d)], w) * -1 for a in range(d)]  # b - S w*
    from_mean = target + dot(query, w) * -1
    best = least([s * q for s in centred for q in query], from_mean)
    assert optimal_risk("gd", **shared) == pytest.approx(best, abs=1e-9)
    assert optimal_risk("yq", **shared) == pytest.approx(least([*every, *query], target), abs=1e-9)
    assert optimal_risk("multihead", heads=d + 1, **shared) == pytest.approx(least(every, target), abs=1e-9)
    step = dot([gram[a][d] for a in range(d)], query)
    assert optimal_risk("gd_zero", **shared) == pytest.approx(least([step], target), abs=1e-9)


@given(
    st.integers(1, 5), st.integers(1, 12), st.integers(0, 10**6), st.floats(0, 6), st.floats(0, 2), st.booleans()
)  # fmt: skip
def test_gap_law_against_least_squares_over_all_tensors(d, n_context, seed, norm, noise_std, isotropic):
    rng = np.random.default_rng(seed)
    w = norm * rng.normal(size=d)
    mixing = np.eye(d) if isotropic else rng.normal(size=(d, d))
    covariance = mixing @ mixing.T + 0.1 * np.eye(d)
    moments = prompt_moments(d, n_context, covariance=covariance, noise_std=noise_std)
    target = (moments.cross + moments.mean[..., None] * w).reshape(-1, d)
    second = moments.second.reshape(len(target), -1)
    explained = np.trace(covariance @ target.T @ np.linalg.pinv(second, rcond=1e-12) @ target)
    best = np.trace(covariance) + w @ covariance @ w - explained
    shared = {"d": d, "n_context": n_context, "prior_mean": w, "covariance": covariance}
    risk = optimal_risk("multihead", heads=d + 1, noise_std=noise_std, **shared)
    assert risk == pytest.approx(best, rel=1e-7)
    gap = optimal_risk("multihead", heads=d + 1, **shared) - optimal_risk("gd", **shared)
    assert gap == pytest.approx(2 * w @ covariance @ w / (n_context * d + 2), abs=1e-9)
    assert optimal_risk("yq", **shared) == optimal_risk("gd", **shared)


@pytest.mark.parametrize("covariance", [None, np.diag([0.2, 1.0, 3.0])])
def test_d_heads_suffice_without_noise_and_fewer_do_not(covariance):
    w, d, n_context = np.array([1.0, -2.0, 0.5]), 3, 4
    moments = prompt_moments(d, n_context, covariance=covariance)
    shared = {"d": d, "n_context": n_context, "prior_mean": w, "covariance": covariance}
    unlimited = optimal_risk("multihead", heads=d + 1, **shared)
    assert few_heads_risk(moments, w, d) == pytest.approx(unlimited, abs=1e-9)
    assert few_heads_risk(moments, w, d - 1) > unlimited + 1e-3


def test_best_preconditioner_is_a_minimum_over_matrices():
    d, n_context, covariance, noise_std = 3, 5, np.diag([0.3, 1.0, 2.0]), 0.7
    w = np.array([1.0, -1.0, 2.0])
    moments = prompt_moments(d, n_context, covariance=covariance, noise_std=noise_std)

    def risk(step):
        tensor = np.zeros((d + 1, d + 1, d))
        tensor[-1, :d] = step.reshape(d, d).T
        tensor[:d, :d] = -w[:, None, None] * step.reshape(d, d).T
        return population_risk(tensor, w, w, moments)

    found = minimize(risk, np.zeros(d * d))
    best = best_preconditioner(d, n_context, covariance=covariance, noise_std=noise_std)
    assert found.x.reshape(d, d) == pytest.approx(best, abs=1e-4)
    setting = {"d": d, "n_context": n_context, "prior_mean": w, "covariance": covariance}
    assert optimal_risk("gd", **setting, noise_std=noise_std) == pytest.approx(found.fun, abs=1e-7)


def test_least_squares_and_bayes_leave_what_the_examples_do_not_determine():
    """Without noise both know w on the span of the examples: a share 1 - C / d of their uncertainty is left."""
    w = np.arange(1.0, 7)
    prompts = noisy_prompts(40_000, d=6, n_context=2, prior_mean=w, seed=3)
    ways = {
        6 + w @ w: baselines.least_squares,
        6: lambda x, y: baselines.posterior_mean(x, y, w, 0.0),
    }
    for energy, way in ways.items():
        measured = interval(baselines.sampled_risk(way, prompts), seed=0)
        assert abs(energy * 2 / 3 - measured.value) <= measured.high - measured.low


def test_bayes_beats_ridge_and_the_best_step_under_noise():
    w = np.ones(4)
    prompts = noisy_prompts(20_000, d=4, n_context=6, prior_mean=w, seed=0, noise_std=1.0)
    ways = (lambda x, y: baselines.posterior_mean(x, y, w, 1.0), lambda x, y: baselines.ridge(x, y, 1.0))
    bayes, ridge = (interval(baselines.sampled_risk(way, prompts), seed=0) for way in ways)
    assert bayes.high < ridge.low
    assert bayes.high < optimal_risk("gd", d=4, n_context=6, prior_mean=w, noise_std=1.0)


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("sgd", {}, "unknown family 'sgd'"),
        ("multihead", {"heads": 1.5}, "heads must be a whole number"),
        ("gd", {"prior_mean": np.ones(2)}, "prior_mean must be 3 finite numbers"),
        ("gd", {"covariance": -np.eye(3)}, "positive definite"),
        ("gd", {"n_context": 0}, "at least 1"),
        ("gd", {"n_context": True}, "n_context must be a whole number"),
        ("gd", {"noise_std": -1.0}, "noise_std"),
    ],
)
def test_wrong_arguments(family, changes, message):
    with pytest.raises((IclnbError, ValueError), match=message):
        optimal_risk(family, **{"d": 3, "n_context": 5, "prior_mean": np.ones(3), **changes})


def test_a_query_in_sight_widens_the_gap_of_linear_heads():
    shared = {"d": 4, "n_context": 4, "prior_mean": 3 * np.eye(4)[0], "prompts": 200_000, "seed": 0}
    masked, seen = (interval(gap_to_gd(in_sight=each, **shared), seed=0) for each in (False, True))
    assert masked.low < 2 * 9 / (4 * 4 + 2) < masked.high < seen.low
