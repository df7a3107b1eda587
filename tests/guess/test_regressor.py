"""The small model: what it sees of a pair, and its training, against NumPy and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from iclnb.errors import IclnbError
from iclnb.guess import regressor

RNG = np.random.default_rng(0)
U, V = RNG.standard_normal((2, 60, 4))
COMPARED = regressor.compare(U, V)
SCORES = 2.5 + COMPARED @ RNG.standard_normal(8) + 0.3 * RNG.standard_normal(60)


class Encoder:
    """Counts letters: enough of an encoder to see which sentence went where."""

    def __init__(self):
        self.seen = []

    def encode(self, texts, **_):
        self.seen += texts
        return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)


def test_pairs_are_compared_sentence_by_sentence():
    encoder = Encoder()
    rows = [{"sentence1": "aab", "sentence2": "c"}, {"sentence1": "c", "sentence2": "abcc"}]
    found = regressor.encode_pairs(encoder, rows)
    assert found.tolist() == [[2, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 2]]
    assert sorted(encoder.seen) == ["aab", "abcc", "c"]  # "c" once


def test_scaling_gives_each_half_the_same_size():
    scaled = regressor.Scaling.fit(COMPARED)(COMPARED)
    np.testing.assert_allclose(scaled[:, :-1].mean(0), 0, atol=1e-12)
    for half in (scaled[:, :4], scaled[:, 4:8]):
        assert np.mean(np.linalg.norm(half, axis=1) ** 2) == pytest.approx(1)
    assert (scaled[:, -1] == 1).all()


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
        regressor.Scaling.fit(COMPARED)(COMPARED), SCORES, seed=3, epochs=10, batch_size=8, rate=1e-3
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
    settings = {"folds": 5, "seed": 1}
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
