"""Gradient descent from the guess, against autograd and a fine grid of rates."""

import numpy as np
import pytest
import torch

from iclnb.guess import descent, findings
from iclnb.guess.material import Guess, SmallModel

RNG = np.random.default_rng(0)


def one_step(start, inputs, targets, query, rate):
    """Gradient descent by autograd on half the mean squared error."""
    weights = torch.tensor(start, requires_grad=True)
    loss = 0.5 * ((torch.tensor(targets) - torch.tensor(inputs) @ weights) ** 2).mean()
    loss.backward()
    return query @ (weights - rate * weights.grad).detach().numpy()


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


def test_one_step_and_the_responses_it_predicts_are_autograds():
    """Step, and change of the step when guesses or scores are raised by a point, prompt by prompt."""
    inputs, queries, start = RNG.standard_normal((9, 3)), RNG.standard_normal((5, 3)), RNG.standard_normal(3)
    small = SmallModel(start, queries, inputs, None)
    guess, scores = (
        Guess(2.5 + 0.1 * queries @ start, inputs @ start),
        inputs @ start + RNG.uniform(0, 0.3, 9),
    )
    shown, points = np.array([[0, 4, 2], [8, 1, 3]]), np.array([1, 3, 4])
    rate = 0.2

    def step(scores, shown_guess, query_guess):
        residuals, zero = scores - shown_guess, np.zeros(3)
        moves = [[one_step(zero, inputs[r], residuals[r], q, rate) for q in queries] for r in shown]
        return query_guess + np.array(moves)

    base = step(scores, guess.train, guess.test)
    found = descent.one_step(small, guess, scores, shown, rate)
    np.testing.assert_allclose(found, np.clip(base, 0, 5))
    changes = [
        step(scores, guess.train, guess.test + 1), step(scores, guess.train + 1, guess.test),
        step(scores, guess.train + 1, guess.test + 1), step(scores + 1, guess.train, guess.test),
    ]  # fmt: skip
    expected = [(after - base)[:, points].mean() for after in changes]
    rates = {name: rate * (1 + i) for i, name in enumerate(findings.RATES)}
    kappa, twice = descent.kernel_weights(small, shown, points, rates)
    np.testing.assert_allclose([1, -kappa, 1 - kappa, kappa], expected)
    assert twice == pytest.approx(2 * kappa)


def test_a_common_shift_calls_for_a_larger_rate():
    """Residuals of independent noise: the best rate is near 0; with a shared shift, the constant pays."""
    inputs = np.column_stack([0.1 * RNG.standard_normal((300, 2)), np.ones(300)])
    rates = descent.tuned_rates(inputs, RNG.standard_normal(300), 5, delta=2, seed=0)
    # for a shift of variance 4 and noise of variance 1 the mean of 5 residuals predicts with 4 / (4 + 1/5)
    assert rates[descent.COMMON_SHIFT] == pytest.approx(4 / 4.2, abs=0.08)
    assert abs(rates[descent.AS_THEY_ARE]) < 0.2
