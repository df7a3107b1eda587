"""Regressions of answers and truth, against scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

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


def test_held_out_errors_are_scikit_learns():
    fold = regression.fold_of(POINTS, 5, seed=0)
    assert np.bincount(fold).tolist() == [8] * 5
    found = regression.held_out_errors(TRUTH, [np.broadcast_to(GUESS, ANSWER.shape), ANSWER], fold)
    for row, errors in zip(ANSWER, found, strict=True):
        design = np.stack([GUESS, row], axis=1)
        predicted = cross_val_predict(LinearRegression(), design, TRUTH, cv=PredefinedSplit(fold))
        np.testing.assert_allclose(errors, (TRUTH - predicted) ** 2)


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


def big(answer_of):
    truth = np.random.default_rng(1).uniform(0, 5, 600)
    guess = truth + np.random.default_rng(2).standard_normal(600)
    answer = np.stack([answer_of(truth, guess, np.random.default_rng(s)) for s in (3, 4)])
    gain = regression.gain(truth, guess, answer, seed=0)
    return gain.observed.mean(), gain.null.mean()


def test_a_second_measurement_adds_and_noise_does_not():
    """A second measurement of the truth gains what theory says, its null nothing."""
    observed, null = big(lambda truth, guess, rng: truth + rng.standard_normal(600))
    spread = 25 / 12  # variance of the truth; residual variance after one and after two measurements:
    assert observed == pytest.approx(1 / (1 / spread + 1) - 1 / (1 / spread + 2), abs=0.05)
    assert abs(null) < 0.02
    observed, null = big(lambda truth, guess, rng: rng.standard_normal(600))
    assert abs(observed) < 0.02 and abs(null) < 0.02


def test_a_nonlinear_copy_adds_nothing_beyond_its_null():
    """Where the truth is the cube root of the guess, taking the root pays, and pays the null as much."""
    truth = np.random.default_rng(1).uniform(-2, 2, 600)
    guess = (truth + 0.1 * np.random.default_rng(2).standard_normal(600)) ** 3
    _, observed, null = regression.gain(truth, guess, np.stack([np.cbrt(guess)] * 2), seed=0)
    assert observed.mean() > 0.15 and null.mean() == pytest.approx(observed.mean(), rel=0.05)
