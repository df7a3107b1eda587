"""The head law against the numerical search, the best weights for its rows, Monte Carlo, and its limit."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from iclnb.lsa.few_heads import _projected_risk, few_heads_risk
from iclnb.lsa.head_law import head_law_limit, head_law_risk, risk_at_angle
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import optimal_risk

PAPER = prompt_moments(10, 10)


def law(norm, heads, d=10, n_context=10):
    return optimal_risk("multihead", d=d, n_context=n_context, prior_mean=norm * np.eye(d)[0], heads=heads)


@pytest.mark.parametrize("norm", [0.5, 1.0, 2.0, 4.0, 10.0, 50.0])
def test_no_search_does_better_and_every_search_gets_there(norm):
    for heads in range(1, 10):
        searched = few_heads_risk(PAPER, norm * np.eye(10)[0], heads, restarts=1)
        assert -1e-9 < searched / law(norm, heads) - 1 < 2e-6, heads


@pytest.mark.parametrize(("d", "n_context", "heads"), [(3, 1, 1), (4, 30, 3), (6, 2, 4), (2, 5, 1)])
def test_other_dimensions_against_a_search_from_many_starts(d, n_context, heads):
    searched = few_heads_risk(prompt_moments(d, n_context), np.full(d, 1.5), heads, restarts=10)
    assert law(1.5 * d**0.5, heads, d, n_context) == pytest.approx(searched, rel=1e-6)


@pytest.mark.parametrize("heads", [1, 2, 5])
@pytest.mark.parametrize("angle", [-0.7, 0.0, 0.4, 1.2])
def test_risk_at_an_angle_is_that_of_the_best_weights_for_these_rows(heads, angle):
    """All U_h free, solved by exact least squares: nothing else than the features of the law is of use."""
    d, n_context, norm = 6, 4, 3.0
    moments, w = prompt_moments(d, n_context), norm * np.eye(d)[0]
    rows = np.zeros((d + 1, heads))
    rows[0, 0], rows[d, 0] = np.sin(angle), np.cos(angle)
    rows[1:heads, 1:] = np.eye(heads - 1)
    target = moments.cross + moments.mean[..., None] * w
    risk, _ = _projected_risk(rows, moments, target, d + norm**2)
    assert risk_at_angle(np.array([angle]), d, n_context, norm, heads)[0] == pytest.approx(risk, rel=1e-9)


def test_one_head_by_monte_carlo():
    """H = 1: three features of sampled prompts, least squares on one half, the error on the other."""
    d, n_context, norm, prompts = 10, 10, 2.0, 40_000
    rng = np.random.default_rng(0)
    x, u = rng.normal(size=(prompts, n_context, d)), rng.normal(size=(prompts, d))
    second = np.einsum("pca,pcb->pab", x, x, optimize=True) / n_context
    step = np.einsum("pab,pb->pa", second, u)
    energy, half = np.einsum("pa,pa->p", step, u), prompts // 2

    def draws(angle):
        sin, cos = np.sin(angle), np.cos(angle)
        mixed = sin * second[:, 0] + cos * step  # sin θ S_w + cos θ b̃
        along = np.stack([mixed[:, 0], sin * step[:, 0] + cos * energy], axis=1)
        target = norm + u[:, 0]
        best = np.linalg.lstsq(along[:half], target[:half], rcond=None)[0]
        rate = (mixed[:half, 1:] * u[:half, 1:]).sum() / (mixed[:half, 1:] ** 2).sum()
        rest = ((u - rate * mixed)[half:, 1:] ** 2).sum(axis=1)
        return (along[half:] @ best - target[half:]) ** 2 + rest

    best = draws(minimize_scalar(lambda a: draws(a).mean(), bounds=(0, np.pi / 2), method="bounded").x)
    assert abs(best.mean() - law(norm, 1)) < 4 * best.std() / len(best) ** 0.5


@pytest.mark.parametrize("heads", range(1, 10))
def test_limit(heads):
    gap = law(1e4, heads) - optimal_risk("gd", d=10, n_context=10, prior_mean=np.zeros(10))
    assert gap / 1e8 == pytest.approx(2 / (10 * heads + 2), abs=1e-6)
    assert head_law_limit(10, heads) == pytest.approx(2 / (10 * heads + 2))


def test_d_heads_are_the_closed_form_and_more_heads_never_cost():
    assert head_law_risk(5, 3, 2.0, 5) == pytest.approx(law(2.0, 6, 5, 3), rel=1e-9)
    risks = [law(2.0, heads) for heads in range(1, 13)]
    assert np.all(np.diff(risks) < 1e-12) and risks[9] == risks[11]
    with pytest.raises(ValueError, match="1 to d"):
        head_law_risk(3, 4, 1.0, 4)
