"""The evidence on gradient descent, on answers that are gradient descent or a copy by construction."""

import numpy as np
import pytest
import torch

from iclnb.guess import estimates_descent
from iclnb.guess.comparison import Comparison
from iclnb.guess.descent import COMMON_SHIFT
from iclnb.guess.material import SMALL, Guess, SmallModel
from iclnb.guess.score_answers import ScoreAnswers

RNG = np.random.default_rng(0)
INPUTS, QUERIES, START = RNG.standard_normal((9, 3)), RNG.standard_normal((20, 3)), RNG.standard_normal(3)
SHOWN = np.array([[0, 4, 2], [8, 1, 3]])
SCORES = INPUTS @ START + RNG.standard_normal(9)
PREDICTED = {COMMON_SHIFT: [1.0, -0.6, 0.4, 0.6]}


def kernel_weighted(residuals):
    """h_q = (1/k) Σ_i r_i φ_iᵀφ_q, one number at a time."""
    return np.array([
        [np.mean([residuals[s][i] * INPUTS[row] @ q for i, row in enumerate(rows)]) for q in QUERIES]
        for s, rows in enumerate(SHOWN)
    ])  # fmt: skip


SMALL_MODEL = SmallModel(START, QUERIES, INPUTS, None)
GUESS = Guess(QUERIES @ START, INPUTS @ START)


def test_lsa_is_one_step_of_autograds_descent():
    estimate, control, _ = estimates_descent.lsa_is_descent(SMALL_MODEL, SCORES, SHOWN, 0.3)
    assert estimate.value < 1e-12 and estimate.low == estimate.high == estimate.value
    moves = []
    for rows, query in zip(SHOWN, QUERIES, strict=False):
        weights = torch.tensor(START, requires_grad=True)
        (0.5 * ((torch.tensor(SCORES[rows]) - torch.tensor(INPUTS[rows]) @ weights) ** 2).mean()).backward()
        moves.append(abs(query @ (-0.3 * weights.grad).numpy()))
    assert control == pytest.approx(max(moves))


@pytest.mark.parametrize(("kappa", "share"), [(0.0, 0.0), (0.6, 0.6)])
def test_responses_of_a_copier_and_of_descent(kappa, share):
    """With noise that differs between sets and points; the copier has κ = 0."""
    noise = 0.01 * RNG.standard_normal((4, 3, 8))
    means = {"query guess": 1, "shown guesses": -kappa, "all guesses": 1 - kappa, "shown scores": kappa}
    tables = {name: mean + noise[i] for i, (name, mean) in enumerate(means.items())}
    found = estimates_descent.response_means(tables, seed=0)
    for name, table in tables.items():
        assert found[name].value == pytest.approx(sum(table.ravel()) / 24)
        assert found[name].low < found[name].value < found[name].high
    evidence = estimates_descent.of_responses(tables, PREDICTED, seed=0)
    for name in ("query guess", "shown guesses"):
        assert evidence[name].estimate == found[name] and evidence[name].control == 0
    both = evidence["residuals"]
    assert both.estimate.value == pytest.approx((tables["shown guesses"] + tables["shown scores"]).mean())
    assert both.control == pytest.approx(tables["shown scores"].mean())
    assert evidence["common shift"].estimate.value == pytest.approx(share, abs=0.02)
    assert evidence["shown guesses"].control_is == "a copier; GD -0.60"
    assert evidence["common shift"].control_is == "a copier; GD 0.60"


def test_share_undone_is_a_ratio_of_means():
    """Not a mean of ratios: the sets (1, 3) and (1, 1) undo 1 - 4/2."""
    own, everything = np.ones((2, 4)), np.repeat([[1.0], [3.0]], 4, axis=1)
    assert estimates_descent.share_undone(everything, own) == pytest.approx(1 - 4 / 2)


def test_descent_follows_its_residuals_at_its_rate():
    """Answers made by descent at the rate 0.25: that slope comes back; permuted residuals do worse."""
    direction = kernel_weighted((SCORES - GUESS.train)[SHOWN])
    answer = 0.8 * GUESS.test + 0.25 * direction + np.array([[0.3], [-0.2]])
    compared = Comparison({SMALL: ScoreAnswers(answer, None, None)}, {SMALL: GUESS}, GUESS.test, 4)
    estimate, control, _ = estimates_descent.follows_residuals(compared, SMALL_MODEL, SCORES, SHOWN)
    np.testing.assert_allclose(estimate, 0.25)
    assert abs(control) < 0.2

    rng, null = np.random.default_rng(4), []
    for _ in range(20):
        elsewhere = kernel_weighted(rng.permuted((SCORES - GUESS.train)[SHOWN], axis=1))
        designs = [np.column_stack([np.ones(20), GUESS.test, row]) for row in elsewhere]
        fits = [np.linalg.lstsq(x, y, rcond=None)[0][2] for x, y in zip(designs, answer, strict=True)]
        null.append(np.mean(fits))
    assert control == pytest.approx(np.mean(null))
