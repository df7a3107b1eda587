"""Scores, stacking and gradient descent from the guess, against scikit-learn, SciPy and autograd."""

import numpy as np
import pytest
import torch
from scipy import stats as scipy_stats
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from iclnb.guess import descent, scores, stacking

RNG = np.random.default_rng(0)
SETS, POINTS = 3, 40
TRUTH = RNG.uniform(0, 5, POINTS)
GUESS = TRUTH + RNG.standard_normal(POINTS)
ANSWER = np.round(0.6 * GUESS + 0.3 * TRUTH + 0.4 * RNG.standard_normal((SETS, POINTS)), 1)  # with ties
REPEATED = np.broadcast_to(TRUTH, ANSWER.shape)


def test_scores_are_means_over_sets_of_the_libraries():
    rows = list(ANSWER)
    assert scores.pearson(ANSWER, REPEATED) == pytest.approx(
        np.mean([scipy_stats.pearsonr(row, TRUTH).statistic for row in rows])
    )
    assert scores.spearman(ANSWER, REPEATED) == pytest.approx(
        np.mean([scipy_stats.spearmanr(row, TRUTH).statistic for row in rows])
    )
    assert scores.mse(ANSWER, REPEATED) == pytest.approx(
        np.mean([mean_squared_error(TRUTH, row) for row in rows])
    )


def test_what_is_undefined_is_not_a_number():
    assert np.isnan(scores.pearson(np.ones_like(ANSWER), REPEATED))
    assert np.isnan(scores.copying(ANSWER, 2 * REPEATED + 1, REPEATED)).all()


def test_copying_is_a_regression():
    design = np.stack([GUESS, TRUTH], axis=1)
    expected = np.mean([LinearRegression().fit(design, row).coef_ for row in ANSWER], axis=0)
    guess = np.broadcast_to(GUESS, ANSWER.shape)
    np.testing.assert_allclose(scores.copying(ANSWER, guess, REPEATED), expected)
    np.testing.assert_allclose(scores.copying(guess, guess, REPEATED), [1, 0], atol=1e-12)


def test_held_out_errors_are_scikit_learns():
    fold = stacking.fold_of(POINTS, 5, seed=0)
    assert np.bincount(fold).tolist() == [8] * 5
    found = stacking.held_out_errors(TRUTH, [np.broadcast_to(GUESS, ANSWER.shape), ANSWER], fold)
    for row, errors in zip(ANSWER, found, strict=True):
        design = np.stack([GUESS, row], axis=1)
        predicted = cross_val_predict(LinearRegression(), design, TRUTH, cv=PredefinedSplit(fold))
        np.testing.assert_allclose(errors, (TRUTH - predicted) ** 2)


def test_answers_are_exchanged_among_similar_guesses_only():
    shuffled = stacking.exchanged(np.stack([GUESS, TRUTH]), GUESS, block=5, rng=np.random.default_rng(0))
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
    observed, null = stacking.gain(truth, guess, answer, seed=0)
    return observed.mean(), null.mean()


def test_news_is_told_from_noise():
    """A second measurement of the truth gains what theory says, its null nothing."""
    observed, null = big(lambda truth, guess, rng: truth + rng.standard_normal(600))
    spread = 25 / 12  # variance of the truth; residual variance after one and after two measurements:
    assert observed == pytest.approx(1 / (1 / spread + 1) - 1 / (1 / spread + 2), abs=0.05)
    assert abs(null) < 0.02
    observed, null = big(lambda truth, guess, rng: rng.standard_normal(600))
    assert abs(observed) < 0.02 and abs(null) < 0.02


def test_a_bent_copy_is_no_news():
    """Where the truth is the cube root of the guess, taking the root pays, and pays the null as much."""
    truth = np.random.default_rng(1).uniform(-2, 2, 600)
    guess = (truth + 0.1 * np.random.default_rng(2).standard_normal(600)) ** 3
    observed, null = stacking.gain(truth, guess, np.stack([np.cbrt(guess)] * 2), seed=0)
    assert observed.mean() > 0.15 and null.mean() == pytest.approx(observed.mean(), rel=0.05)


def one_step(start, inputs, targets, query, rate):
    """Gradient descent by autograd on half the mean squared error."""
    weights = torch.tensor(start, requires_grad=True)
    loss = 0.5 * ((torch.tensor(targets) - torch.tensor(inputs) @ weights) ** 2).mean()
    loss.backward()
    return query @ (weights - rate * weights.grad).detach().numpy()


def test_kernel_mean_is_a_gradient_step():
    inputs, queries = RNG.standard_normal((2, 6, 4)), RNG.standard_normal((5, 4))
    start, targets = RNG.standard_normal(4), RNG.standard_normal((2, 6))
    found = queries @ start + 0.3 * descent.kernel_mean(inputs, targets - inputs @ start, queries)
    for s in range(2):
        np.testing.assert_allclose(found[s], one_step(start, inputs[s], targets[s], queries, 0.3))


def test_best_step_is_least_squares_through_the_origin():
    residual, direction = RNG.standard_normal((2, 30))
    expected = LinearRegression(fit_intercept=False).fit(direction[:, None], residual).coef_[0]
    assert descent.best_step(residual, direction) == pytest.approx(expected)


def test_step_on_train_is_the_best_of_a_fine_grid():
    """Over prompts one by one, each by autograd, with and without errors that a prompt shares."""
    inputs, start = np.column_stack([RNG.standard_normal((50, 3)), np.ones(50)]), RNG.standard_normal(4)
    scores_ = inputs @ (start + 0.5) + 0.2 * RNG.standard_normal(50)
    drawn = np.stack([RNG.choice(50, 7, replace=False) for _ in range(40)])
    again = np.tile(drawn, (6, 1))  # more than are computed at a time
    assert descent.step_on_train(inputs, scores_, again, np.zeros(240)) == pytest.approx(
        descent.step_on_train(inputs, scores_, drawn, np.zeros(40))
    )
    for shifts in (np.zeros(40), RNG.standard_normal(40)):
        found = descent.step_on_train(inputs, scores_ - inputs @ start, drawn, shifts)
        losses = {}
        for rate in np.linspace(found - 0.2, found + 0.2, 41):
            losses[rate] = np.mean([
                (
                    scores_[rows[-1]] + shift
                    - one_step(start, inputs[rows[:-1]], scores_[rows[:-1]] + shift, inputs[rows[-1]], rate)
                ) ** 2
                for rows, shift in zip(drawn, shifts, strict=True)
            ])  # fmt: skip
        assert min(losses, key=losses.get) == pytest.approx(found, abs=1e-9)
