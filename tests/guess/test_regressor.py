"""The small model, against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from iclnb.errors import IclnbError
from iclnb.guess import features, regressor

RNG = np.random.default_rng(0)
U, V = RNG.standard_normal((2, 60, 4))
COMPARED = features.compare(U, V)
SCORES = 2.5 + COMPARED @ RNG.standard_normal(8) + 0.3 * RNG.standard_normal(60)


def by_hand(scaled, scores, *, seed, epochs, batch_size, rate):
    """Adam on the mean squared error as its paper writes it, in NumPy."""
    weights = np.append(np.zeros(scaled.shape[1] - 1), scores.mean())
    first, second, step = np.zeros_like(weights), np.zeros_like(weights), 0
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        shuffled = torch.randperm(len(scores), generator=order).numpy()
        for start in range(0, len(scores), batch_size):
            rows = shuffled[start : start + batch_size]
            gradient = 2 * scaled[rows].T @ (scaled[rows] @ weights - scores[rows]) / len(rows)
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            weights = weights - rate * (first / (1 - 0.9**step)) / (
                np.sqrt(second / (1 - 0.999**step)) + 1e-8
            )
    return weights


def test_training_is_the_papers_recipe():
    model = regressor.train(COMPARED, SCORES, seed=3)
    expected = by_hand(
        features.Scaling.fit(COMPARED)(COMPARED), SCORES, seed=3, epochs=10, batch_size=8, rate=1e-3
    )
    np.testing.assert_allclose(model.weights, expected, rtol=1e-9, atol=1e-12)
    assert (regressor.train(COMPARED, SCORES, seed=3).weights == model.weights).all()
    assert (regressor.train(COMPARED, SCORES, seed=4).weights != model.weights).any()


def test_trained_to_the_end_it_is_least_squares():
    model = regressor.train(COMPARED, SCORES, seed=0, epochs=1500, batch_size=60, learning_rate=0.02)
    expected = LinearRegression().fit(COMPARED, SCORES).predict(COMPARED)
    np.testing.assert_allclose(model.predict(COMPARED), expected, atol=0.01)


def test_cross_fitted_guesses_never_saw_their_pair():
    """Another score for one pair changes the guesses of other folds, never its own."""
    settings = {"folds": 5, "seed": 1, "epochs": 2}
    before = regressor.cross_fitted(COMPARED, SCORES, **settings)
    changed = SCORES.copy()
    changed[7] += 100
    after = regressor.cross_fitted(COMPARED, changed, **settings)
    same = before == after
    assert same[7] and same.sum() == 60 / 5
    assert np.isfinite(before).all()


def test_too_few_pairs():
    with pytest.raises(IclnbError, match="parted in 5"):
        regressor.cross_fitted(COMPARED[:3], SCORES[:3], folds=5, seed=0)
    with pytest.raises(IclnbError, match="got none"):
        regressor.train(COMPARED[:0], SCORES[:0], seed=0)
