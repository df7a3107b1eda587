"""The evidence of claims, against SciPy, scikit-learn and models whose use of the guess is known."""

import numpy as np
import pytest
from made_guess import FEW, PAIRS, SETS, guesses, styles
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from iclnb import stats
from iclnb.claims import NothingToMeasure
from iclnb.guess import estimates, regression
from iclnb.guess.estimates import over
from iclnb.guess.findings import LESSONS, MIRRORED, NONE, OTHERS, PERFECT, SHIFTED, SMALL, USELESS
from iclnb.guess.regression import mse, pearson

ONE = guesses()
WITHOUT, WITH = ONE.answers


def r(answers):
    """Mean over sets of SciPy's Pearson correlation with the truth."""
    return np.mean([pearsonr(row, ONE.truth[: len(row)]).statistic for row in answers])


def error(answers):
    return np.mean([(row - ONE.truth[: len(row)]) ** 2 for row in np.atleast_2d(answers)])


def test_intervals_are_over_sets_and_pairs_and_possible():
    expected = stats.interval(WITH, design="sets x points", statistic=np.mean, seed=1)
    assert over(np.mean, WITH, seed=1) == expected
    assert np.isnan(over(pearson, np.ones((SETS, PAIRS)), ONE.truth, seed=1)).all()
    near = ONE.truth + 0.05 * np.random.default_rng(0).standard_normal((3, PAIRS))
    assert 0.9 < over(pearson, near, ONE.truth, seed=1).high <= 1
    assert over(mse, near, ONE.truth, seed=1).low >= 0


def test_a_guess_helps_and_is_beaten_by_differences_of_accuracy():
    estimate, control, _ = estimates.guess_helps(ONE, seed=0)
    assert estimate.value == pytest.approx(r(WITH) - r(WITHOUT), abs=1e-6)
    random = ONE.other_answers[OTHERS.index("random")]
    assert control == pytest.approx(r(random) - r(WITHOUT[:, :FEW]), abs=1e-6)
    assert estimate.low < estimate.value < estimate.high
    estimate, control, _ = estimates.beats_guess(ONE, seed=0)
    assert estimate.value == pytest.approx(error(WITH) - error(ONE.guess), abs=1e-5)
    assert control == pytest.approx(error(ONE.descended) - error(ONE.guess), abs=1e-5)
    estimate, control, _ = estimates.useless_hurts(ONE, seed=0)
    assert estimate.value == pytest.approx(r(ONE.graded_answers[0]) - r(WITHOUT[:, :FEW]), abs=1e-6)
    assert control == pytest.approx(r(ONE.graded_answers[-1]) - r(WITHOUT[:, :FEW]), abs=1e-6)


def test_copies_is_a_difference_of_slopes():
    def slopes(answers):
        design = np.column_stack([ONE.guess, ONE.truth])
        return np.mean([LinearRegression().fit(design, row).coef_ for row in answers], axis=0)

    estimate, control, _ = estimates.copies(ONE, seed=0)
    assert estimate.value == pytest.approx(np.subtract(*slopes(WITH)), abs=1e-5)
    assert control == pytest.approx(np.subtract(*slopes(WITHOUT)), abs=1e-5)
    assert estimates.lean(ONE.guess[None], ONE.guess[None], ONE.truth[None]) == pytest.approx(1)
    assert estimates.lean(ONE.truth[None], ONE.guess[None], ONE.truth[None]) == pytest.approx(-1)


BEST = 1.44 / 2.44
"""Weight of the guess in the best mixture: in inverse proportion to the variance of the errors."""


@pytest.mark.parametrize(
    ("weight", "knows", "follows", "beats"),
    [(1.0, 0.0, 0.0, 1), (BEST, 0.0, 1 - BEST, None), (BEST, 0.5, None, -1), (0.0, 0.0, 1.0, 1)],
    ids=["copier", "mixer", "knows more", "ignorer"],
)
def test_models_are_told_apart(weight, knows, follows, beats):
    one = guesses(weight=weight, knows=knows, noise=0.1)
    estimate, control, _ = estimates.follows_own_reading(one, seed=0)
    if follows is not None:
        assert (
            estimate.low - 0.25 < follows < estimate.high + 0.25 and control == 0
        )  # one in five stays in place
        assert (estimate.low > 0) == (follows > 0)
    estimate, control, _ = estimates.beats_mixture(one, seed=0)
    assert control > 0.1
    if beats is None:
        assert abs(estimate.value) < 0.1
    else:
        assert np.sign(estimate.low) == np.sign(estimate.high) == beats


def test_follows_own_reading_is_a_slope_less_that_of_permuted_readings():
    found = estimates.follows_own_reading(ONE, permutations=3, seed=4).estimate.value
    rng, designs = np.random.default_rng((4, 1)), [WITHOUT.astype(float)]
    repeated = np.asarray(ONE.guess, dtype=float)
    designs += [regression.permuted_among_similar(WITHOUT.astype(float), repeated, rng=rng) for _ in range(3)]
    fitted = [
        np.mean(
            [
                LinearRegression().fit(np.stack([repeated, o], 1), a).coef_[1]
                for o, a in zip(own, WITH, strict=True)
            ]
        )
        for own in designs
    ]
    assert found == pytest.approx(fitted[0] - np.mean(fitted[1:]), abs=1e-5)


def test_held_out_errors_are_scikit_learns():
    errors = estimates.held_out(ONE, seed=0)
    split = PredefinedSplit(regression.fold_of(PAIRS, 5, seed=0))
    for own, found in zip(WITHOUT, errors["mixture"], strict=True):
        design = np.stack([ONE.guess, own], axis=1)
        predicted = cross_val_predict(LinearRegression(), design, ONE.truth, cv=split)
        np.testing.assert_allclose(found, (ONE.truth - predicted) ** 2, rtol=1e-3, atol=1e-5)
    assert errors["mixture"].mean() < min(errors[name].mean() for name in ("guess", "own reading"))


def test_weights_of_a_copier_are_one_at_every_grade_and_deserved_at_the_best():
    copied = np.repeat(ONE.graded_guesses[:, None], SETS, axis=1)
    (given, useless), (perfectly, perfect) = estimates.grade_weights(guesses(graded_answers=copied), seed=0)
    assert (float(given.value), float(perfectly.value), perfect) == pytest.approx((1, 1, 1), abs=1e-5)
    expected = [
        LinearRegression().fit(np.stack([ONE.graded_guesses[0], own], 1), ONE.truth[:FEW]).coef_[0]
        for own in WITHOUT[:, :FEW]
    ]
    assert useless == pytest.approx(np.mean(expected), abs=1e-5)


@pytest.mark.parametrize(
    ("trust", "copies", "shifted", "mirrored"),
    [
        ((0.9, 0.9, 0.9, 0.9), 0, 0, 0),  # a copier, or gradient descent
        ((0.9, 0.3, 0.3, 0.3), 0.6, 0, 0),  # writes a guess again where the demonstrations did
        ((0.9, 0.1, -0.8, 0.9), 0.8, 0.8, -0.9),  # learns what guesses are worth
    ],
)
def test_copying_the_string_and_learning_its_worth_are_told_apart(trust, copies, shifted, mirrored):
    one = guesses(trust=trust, noise=0.1)
    for lesson, learned in ((PERFECT, copies), (SHIFTED, shifted), (MIRRORED, mirrored)):
        estimate, control, _ = estimates.learns_trust(one, lesson, seed=0)
        slopes = [
            np.mean(
                [np.polyfit(one.taught_guess, row, 1)[0] for row in one.taught_answers[LESSONS.index(name)]]
            )
            for name in (lesson, USELESS)
        ]
        assert estimate.value == pytest.approx(slopes[0] - slopes[1], abs=1e-5) and control == 0
        assert estimate.low < learned < estimate.high or abs(estimate.value - learned) < 0.05
        assert (estimate.low > 0, estimate.high < 0) == (learned > 0, learned < 0)
    assert estimates.trust(one, USELESS, seed=0).value == pytest.approx(slopes[1], abs=1e-5)


@pytest.mark.parametrize("kappa", [0.0, 0.6, 1.0])
def test_responses_of_a_copier_and_of_descent(kappa):
    one = guesses(kappa=kappa)
    assert estimates.response(one, "query guess", seed=0).value == pytest.approx(
        one.responses[0].mean(), abs=1e-6
    )
    shown = estimates.corrects_shown_guesses(one, seed=0)
    assert shown.estimate.value == pytest.approx(-kappa, abs=0.02) and "-0.90" in shown.control_is
    undone = estimates.common_shift_undone(one, seed=0)
    assert undone.estimate.value == pytest.approx(kappa, abs=0.02) and undone.control == 0
    if kappa:
        assert estimates.scores_undone(one, seed=0).estimate.value == pytest.approx(1, abs=0.05)


def test_shares_are_ratios_of_means():
    """Not means of ratios: sets that undo 0 and 2/3 of a response of 1 and 3 undo a half together."""
    alone, both = np.repeat([[1.0], [3.0]], 4, axis=1), np.ones((2, 4))
    one = guesses(responses=np.stack([alone, -both, both, alone]))
    assert estimates.common_shift_undone(one, seed=0).estimate.value == pytest.approx(1 - 2 / 4)
    assert estimates.scores_undone(one, seed=0).estimate.value == pytest.approx(2 / 4)


def test_chat_against_plain_text():
    made = styles()
    without, given = (
        [np.mean([pearsonr(row, made.truth).statistic for row in made.answers[way, at]]) for way in (0, 1)]
        for at in (0, 1)
    )
    gains = np.subtract(given, without)
    found = estimates.helps_in(made, "chat template", seed=0)
    assert found.estimate.value == pytest.approx(gains[1], abs=1e-5)
    assert found.control == pytest.approx(gains[0], abs=1e-5)
    with pytest.raises(NothingToMeasure, match="chat template"):
        estimates.helps_in(styles(chat=False), "chat template", seed=0)
    assert (estimates.answer(ONE, NONE) == WITHOUT).all() and (estimates.answer(ONE, SMALL) == WITH).all()
