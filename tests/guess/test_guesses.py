"""Guesses that need no model, against scikit-learn and SciPy."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression

from iclnb.guess import guesses

RNG = np.random.default_rng(0)


def test_word_overlap():
    pairs = [("A man, a plan!", "the Man"), ("x", "y"), ("", "..."), ("one two", "TWO one.")]
    rows = [{"sentence1": a, "sentence2": b} for a, b in pairs]
    assert guesses.word_overlap(rows).tolist() == [1 / 4, 0, 0, 1]


def test_rescaling_is_least_squares_and_stays_on_the_scale():
    feature, scores = RNG.random(30), RNG.uniform(0, 5, 30)
    asked = np.array([0.2, 0.9, 40.0, -40.0])
    model = LinearRegression().fit(feature[:, None], scores)
    expected = np.clip(model.predict(asked[:, None]), 0, 5)
    np.testing.assert_allclose(guesses.rescaled(asked, feature, scores), expected)
    assert set(expected[2:]) == {0.0, 5.0}


def test_random_guesses_are_train_scores_without_information():
    train, truth = np.array([1.0, 2.0, 4.0]), RNG.uniform(0, 5, 20_000)
    found = guesses.random(20_000, train, seed=0)
    assert set(found) == {1.0, 2.0, 4.0}
    assert np.mean(found) == pytest.approx(train.mean(), abs=0.05)
    assert abs(pearsonr(found, truth).statistic) < 0.03
    assert (found != guesses.random(20_000, train, seed=1)).any()


def test_the_adversarial_guess_is_the_mirror_image():
    assert guesses.reflected(np.array([0.0, 1.5, 5.0])).tolist() == [5.0, 3.5, 0.0]


def test_graded_guesses_have_the_shape_of_the_truth_and_the_quality_asked_for():
    truth = np.round(RNG.beta(0.8, 0.7, 4000) * 5, 1)  # ties, mass at both ends, as in the benchmark
    found = {q: guesses.graded(truth, q, seed=2) for q in (0.0, 0.3, 0.6, 0.9, 1.0)}
    for quality, guess in found.items():
        assert (np.sort(guess) == np.sort(truth)).all()
        assert pearsonr(guess, truth).statistic == pytest.approx(quality, abs=0.06)
    assert (found[1.0] == truth).all()
    assert (guesses.graded(truth, 0.3, seed=2) == found[0.3]).all()
    assert (guesses.graded(truth, 0.3, seed=5) != found[0.3]).any()
    with pytest.raises(ValueError, match="from 0 to 1"):
        guesses.graded(truth, 1.2, seed=0)
