"""Regressions of answers and truth, against scikit-learn."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

from iclnb.guess import regression

RNG = np.random.default_rng(0)
SETS, POINTS = 3, 40
TRUTH = RNG.uniform(0, 5, POINTS)
GUESS = TRUTH + RNG.standard_normal(POINTS)
ANSWER = np.round(0.6 * GUESS + 0.3 * TRUTH + 0.4 * RNG.standard_normal((SETS, POINTS)), 1)  # with ties
REPEATED = np.broadcast_to(TRUTH, ANSWER.shape)


def test_slopes_of_collinear_predictors_are_not_numbers():
    assert np.isnan(regression.slopes(ANSWER, 2 * REPEATED + 1, REPEATED)).all()


def test_slopes_are_a_regression():
    design = np.stack([GUESS, TRUTH], axis=1)
    expected = np.mean([LinearRegression().fit(design, row).coef_ for row in ANSWER], axis=0)
    guess = np.broadcast_to(GUESS, ANSWER.shape)
    np.testing.assert_allclose(regression.slopes(ANSWER, guess, REPEATED), expected)
    np.testing.assert_allclose(regression.slopes(guess, guess, REPEATED), [1, 0], atol=1e-12)


def test_answers_are_permuted_among_similar_guesses_only():
    shuffled = regression.permuted_among_similar(
        np.stack([GUESS, TRUTH]), GUESS, block=5, rng=np.random.default_rng(0)
    )
    rank = {value: i // 5 for i, value in enumerate(sorted(GUESS))}
    assert [rank[value] for value in shuffled[0]] == [rank[value] for value in GUESS]
    assert (shuffled[0] != GUESS).mean() > 0.5
    assert sorted(shuffled[0]) == sorted(GUESS)
    partner = dict(zip(GUESS, TRUTH, strict=True))
    assert [partner[value] for value in shuffled[0]] == shuffled[1].tolist()  # the same way in every set


def test_accuracy_is_the_mean_over_sets_of_the_libraries():
    rows = list(ANSWER)
    expected = np.mean([scipy_stats.pearsonr(row, TRUTH).statistic for row in rows])
    assert regression.pearson(ANSWER, REPEATED) == pytest.approx(expected)
    assert regression.mse(ANSWER, REPEATED) == pytest.approx(
        np.mean([mean_squared_error(TRUTH, row) for row in rows])
    )
    assert np.isnan(regression.pearson(np.ones_like(ANSWER), REPEATED))


def test_slopes_on_several_others_at_once_are_those_one_by_one():
    others = np.stack([REPEATED, np.square(REPEATED)])
    guess = np.broadcast_to(GUESS, ANSWER.shape)
    found = regression.slopes(ANSWER, guess, others)
    np.testing.assert_allclose(found.T, [regression.slopes(ANSWER, guess, other) for other in others])
    assert regression.slope(ANSWER, guess) == pytest.approx(
        np.mean([np.polyfit(GUESS, row, 1)[0] for row in ANSWER])
    )
