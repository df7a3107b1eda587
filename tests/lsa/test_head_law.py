"""The head law against searches over weights, exact least squares, sampled prompts, and its limit."""

import numpy as np
import pytest
from scipy.optimize import minimize

from iclnb.lsa.few_heads import _projected_risk, few_heads_risk, search
from iclnb.lsa.head_law import head_law_limit, head_law_risk, risk_at_angle
from iclnb.lsa.moments import population_risk, prompt_moments
from iclnb.lsa.optima import NoExactRisk, optimal_risk, risk_at_norm


@pytest.mark.parametrize("d", range(1, 5))
def test_no_search_does_better_and_every_search_gets_there(d):
    """168 settings: d up to 4, four levels of noise, every number of heads and one beyond."""
    rows = search(d, seed=0)
    assert len(rows) == 12 * (d + 1) and set(rows[:, 2]) == set(range(1, d + 2))
    for _, n_context, heads, noise_std, norm, found in rows:
        size = {"d": d, "n_context": int(n_context), "noise_std": noise_std}
        over = found / risk_at_norm("multihead", norm, heads=int(heads), **size) - 1
        assert -1e-11 < over < 1e-5, (size, heads, norm)


@pytest.mark.parametrize(("d", "n_context", "heads", "noise_std", "spread"), [
    (2, 3, 1, 0.0, 1.0), (2, 3, 1, 0.5, 4.0), (3, 2, 1, 2.0, 1.0), (3, 4, 2, 0.0, 4.0),
])  # fmt: skip
def test_the_search_ends_where_one_over_all_weights_does(d, n_context, heads, noise_std, spread):
    """Every entry of p_h and U_h is free, gradients by differences; inputs of equal variance or not."""
    rng = np.random.default_rng(1)
    w, covariance = 2.5 * np.linspace(-1, 1, d) / d**0.5, np.diag(np.linspace(1, spread, d))
    moments = prompt_moments(d, n_context, covariance=covariance, noise_std=noise_std)

    def risk(flat):
        rows = flat[: heads * (d + 1)].reshape(heads, d + 1)
        blocks = flat[heads * (d + 1) :].reshape(heads, d + 1, d)
        return population_risk(np.einsum("ha,hbj->abj", rows, blocks), np.zeros(d), w, moments)

    ends = [minimize(risk, rng.normal(size=heads * (d + 1) ** 2)).fun for _ in range(4)]
    assert few_heads_risk(moments, w, heads) == pytest.approx(min(ends), rel=1e-5)


@pytest.mark.parametrize("heads", [1, 2, 5])
@pytest.mark.parametrize(("angle", "noise_std"), [(-0.7, 0.0), (0.0, 3.0), (0.4, 1.0), (1.2, 0.5)])
def test_risk_at_an_angle_is_that_of_the_best_weights_for_these_rows(heads, angle, noise_std):
    """All U_h free, solved by exact least squares: nothing else than the features of the law is of use."""
    d, n_context, norm = 6, 4, 3.0
    moments, w = prompt_moments(d, n_context, noise_std=noise_std), norm * np.eye(d)[0]
    rows = np.zeros((d + 1, heads))
    rows[0, 0], rows[d, 0] = np.sin(angle), np.cos(angle)
    rows[1:heads, 1:] = np.eye(heads - 1)
    target = moments.cross + moments.mean[..., None] * w
    risk, _ = _projected_risk(rows, moments, target, d + norm**2)
    law = risk_at_angle(np.array([angle]), d, n_context, norm, heads, noise_std)
    assert law[0] == pytest.approx(risk, rel=1e-9)


@pytest.mark.parametrize("noise_std", [0.0, 2.0])
def test_limit_for_every_number_of_heads_and_any_noise(noise_std):
    size = {"d": 10, "n_context": 10, "noise_std": noise_std}
    floor = optimal_risk("gd", prior_mean=np.zeros(10), **size)
    for heads in range(1, 11):
        risk = optimal_risk("multihead", prior_mean=1e4 * np.eye(10)[3], heads=heads, **size)
        assert (risk - floor) / 1e8 == pytest.approx(2 / (10 * heads + 2), abs=1e-6)
        assert head_law_limit(10, heads) == pytest.approx(2 / (10 * heads + 2))
    enough = optimal_risk("multihead", prior_mean=1e4 * np.eye(10)[3], heads=11, **size)
    assert ((enough - floor) / 1e8 < head_law_limit(10, 10) - 1e-4) == (noise_std > 0)


def test_d_heads_are_the_closed_form_without_noise_and_more_heads_never_cost():
    setting = {"d": 5, "n_context": 3, "prior_mean": np.full(5, 0.8)}
    closed = optimal_risk("multihead", heads=6, **setting)
    assert head_law_risk(5, 3, 0.8 * 5**0.5, 5) == pytest.approx(closed, rel=1e-12)
    for noise_std in (0.0, 1.0):
        setting["noise_std"] = noise_std
        risks = [optimal_risk("multihead", heads=heads, **setting) for heads in range(1, 9)]
        assert np.all(np.diff(risks) < 1e-12) and risks[5] == risks[7]
    with pytest.raises(ValueError, match="1 to d"):
        head_law_risk(3, 4, 1.0, 4)


def test_inputs_of_equal_variance_are_covered_and_others_refused():
    setting = {"d": 3, "n_context": 4, "prior_mean": np.array([1.0, -2.0, 0.5])}
    moments = prompt_moments(3, 4, covariance=2.5 * np.eye(3), noise_std=0.7)
    law = optimal_risk("multihead", heads=2, covariance=2.5 * np.eye(3), noise_std=0.7, **setting)
    assert law == pytest.approx(few_heads_risk(moments, setting["prior_mean"], 2, restarts=8), rel=1e-6)
    uneven = np.diag([0.2, 1.0, 3.0])
    for heads, noise_std in ((2, 0.0), (1, 0.5), (3, 0.5)):
        with pytest.raises(NoExactRisk, match="few_heads_risk"):
            optimal_risk("multihead", heads=heads, covariance=uneven, noise_std=noise_std, **setting)
