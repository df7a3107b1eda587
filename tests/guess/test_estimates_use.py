"""Use or copy: planted models whose mixing and trust are known, and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from iclnb.guess import estimates_use, regression
from iclnb.guess.comparison import Comparison
from iclnb.guess.material import MISLEADING, NONE, SMALL, Guess
from iclnb.guess.score_answers import ScoreAnswers

RNG = np.random.default_rng(0)
SETS, POINTS, FEW = 4, 60, 30
TRUTH = RNG.uniform(0, 5, POINTS)
GUESS = TRUTH + RNG.standard_normal(POINTS)
OWN = TRUTH + 1.2 * RNG.standard_normal((SETS, POINTS))
"""What the model says without a guess: it knows something of its own."""

BEST = 1.44 / 2.44
"""Weight of the guess in the best mixture: in inverse proportion to the variance of the errors."""


def compared(answer, own=OWN):
    answers = {NONE: own, SMALL: np.broadcast_to(answer, own.shape)}
    made = {name: ScoreAnswers(each, each, 0 * each + 0.9) for name, each in answers.items()}
    return Comparison(made, {NONE: None, SMALL: Guess(GUESS, None)}, TRUTH, 0)


def noise(size=0.1):
    return size * RNG.standard_normal((SETS, POINTS))


MODELS = {
    "copier": lambda: 0.8 * GUESS + noise(),
    "mixer": lambda: BEST * GUESS + (1 - BEST) * OWN + noise(),
    "knows more": lambda: BEST * GUESS + (1 - BEST) * OWN + 0.5 * (TRUTH - GUESS) + noise(),
    "ignorer": lambda: OWN + noise(),
}


@pytest.mark.parametrize(
    ("model", "follows", "beats"),
    [("copier", 0, 1), ("mixer", 1 - BEST, None), ("knows more", None, -1), ("ignorer", 1, 1)],
)
def test_models_are_told_apart(model, follows, beats):
    found = compared(MODELS[model]())
    estimate, control, _ = estimates_use.follows_own_reading(found)
    if follows is not None:
        assert estimate.low - 0.02 < follows < estimate.high + 0.02
        assert abs(control) < 0.25  # one in five stays where it is
        assert (estimate.low > 0) == (follows > 0)
    estimate, control, _ = estimates_use.beats_mixture(estimates_use.held_out(found, 5), seed=0)
    assert control > 0.1
    if beats is None:
        assert abs(estimate.value) < 0.1
    else:
        assert np.sign(estimate.low) == np.sign(estimate.high) == beats


def test_held_out_errors_are_scikit_learns():
    errors = estimates_use.held_out(compared(MODELS["mixer"]()), 5)
    split = PredefinedSplit(regression.fold_of(POINTS, 5, seed=0))
    for own, error in zip(OWN, errors[estimates_use.MIXTURE], strict=True):
        design = np.stack([GUESS, own], axis=1)
        predicted = cross_val_predict(LinearRegression(), design, TRUTH, cv=split)
        np.testing.assert_allclose(error, (TRUTH - predicted) ** 2)
    assert errors[estimates_use.MIXTURE].mean() < min(errors[n].mean() for n in ("guess", "own reading"))


def graded(answers, guesses):
    made = {name: ScoreAnswers(each, each, each) for name, each in answers.items()}
    return Comparison(made, {name: Guess(each, None) for name, each in guesses.items()}, TRUTH, 0)


def test_weights_of_a_copier_are_one_at_every_grade_and_deserved_at_the_best():
    guesses = {"useless": RNG.permutation(TRUTH)[:FEW], "perfect": TRUTH[:FEW]}
    copied = {name: np.tile(guess, (SETS, 1)) for name, guess in guesses.items()}
    found = estimates_use.weights(compared(GUESS), graded(copied, guesses))
    assert [float(given.value) for given, _ in found.values()] == pytest.approx([1, 1])
    useless, perfect = (deserved for _, deserved in found.values())
    expected = [
        LinearRegression().fit(np.stack([guesses["useless"], own], 1), TRUTH[:FEW]).coef_[0]
        for own in OWN[:, :FEW]
    ]
    assert useless == pytest.approx(np.mean(expected)) and perfect == pytest.approx(1)


@pytest.mark.parametrize(("trust", "learned"), [((0.8, 0.8), 0), ((0.0, 0.0), 0), ((0.1, 0.9), 0.8)])
def test_trust_is_learned_if_it_changes_with_the_demonstrations_alone(trust, learned):
    useless = RNG.permutation(TRUTH)[:FEW]
    own = OWN[:, :FEW]
    answers = [t * useless + (1 - t) * own + noise(0.05)[:, :FEW] for t in trust]
    # what the model says without a guess is the same in both, so that it cancels only if trust is the same
    grades = graded({"useless": answers[0], "perfect": own}, {"useless": useless, "perfect": TRUTH[:FEW]})
    misled = graded({MISLEADING: answers[1]}, {MISLEADING: useless})
    estimate, control, _ = estimates_use.learns_trust(grades, misled)
    slope = [np.mean([np.polyfit(useless, row, 1)[0] for row in each]) for each in answers]
    assert estimate.value == pytest.approx(slope[1] - slope[0])
    assert (estimate.low > 0) == (learned > 0) and abs(control) < abs(learned) / 2 + 0.05
