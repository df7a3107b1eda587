"""The evidence of claims, against SciPy, scikit-learn and models whose use of the guess is known."""

import numpy as np
import pytest
from drawn import rows, shows
from scipy import special
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression

from iclnb import stats
from iclnb.claims import NothingToMeasure
from iclnb.guess import estimates, findings, pictures, regression
from iclnb.guess.estimates import over
from iclnb.guess.findings import GIVEN, MOVED, NONE, SMALL, STYLES, USELESS, Guesses, Styles
from iclnb.guess.regression import mse, pearson

SETS, PAIRS, FEW = 5, 60, 30


def guesses(seed=0, *, weight=0.6, knows=0.2, trust=(0.6, 0.1, -0.2, 0.5), kappa=0.0, noise=0.2, **changes):
    """Answers that mix guess, own reading and, by ``knows``, truth beyond both; slopes on the query's guess by
    lesson (``trust``); responses of gradient descent of kernel weight ``kappa``, or of a copier."""
    rng = np.random.default_rng(seed)

    def noisy(table, size=noise):
        table = np.expand_dims(table, -2)
        return table + size * rng.standard_normal((*table.shape[:-2], SETS, table.shape[-1]))

    truth = rng.uniform(0, 5, PAIRS)
    guess = truth + rng.standard_normal(PAIRS)
    own = noisy(truth, 1.2)
    others, taught = rng.uniform(0, 5, (3, FEW)), rng.uniform(1, 4, FEW)
    graded = np.stack([rng.permutation(truth[:FEW]), truth[:FEW]])
    moves = np.array([1, -kappa, 1 - kappa, kappa])[:, None] * np.ones(8)
    mixed = weight * guess + (1 - weight) * own
    made = {
        "truth": truth, "guess": guess,
        "answers": np.stack([own, mixed + knows * (truth - guess) + noisy(0 * guess)]),
        "greedy": rng.uniform(0, 5, (2, SETS, PAIRS)), "mass": rng.random((2, SETS, PAIRS)),
        "descended": noisy(guess, 0.1), "other_guesses": others, "other_answers": noisy(others),
        "graded_guesses": graded, "graded_answers": noisy(0.7 * graded), "taught_guess": taught,
        "taught_answers": noisy(np.outer(trust, taught)), "responses": noisy(moves, 0.01),
        "kernel_weight": np.array([0.1, 0.9]),
    }  # fmt: skip
    return Guesses(**made | changes)


def styles(seed=0, chat=True):
    """Random answers in all styles, without the chat template perhaps."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 5, FEW)
    answers = rng.uniform(0.2, 0.9, (len(STYLES), len(GIVEN), 1, 1)) * truth + rng.standard_normal(
        (SETS, FEW)
    )
    mass = special.expit(rng.normal(size=(len(STYLES), len(GIVEN))))
    if not chat:
        answers[1], mass[1] = np.nan, np.nan
    return Styles(truth=truth, guess=np.tile(truth, (len(STYLES), 1)), answers=answers, mass=mass)


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
    random = ONE.of("other_answers", "random")
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
    for lesson, learned in (
        (findings.PERFECT, copies),
        (findings.SHIFTED, shifted),
        (findings.MIRRORED, mirrored),
    ):
        estimate, control, _ = estimates.learns_trust(one, lesson, seed=0)
        slopes = []
        for name in (lesson, USELESS):
            answers = one.of("taught_answers", name)
            slopes.append(np.mean([np.polyfit(one.taught_guess, row, 1)[0] for row in answers]))
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


def test_slopes_of_collinear_predictors_are_not_numbers():
    truth = np.broadcast_to(ONE.truth, WITH.shape)
    assert np.isnan(regression.slopes(WITH, 2 * truth + 1, truth)).all()


def test_answers_are_permuted_among_similar_guesses_only():
    guess, truth = ONE.guess, ONE.truth
    shuffled = regression.permuted_among_similar(
        np.stack([guess, truth]), guess, block=5, rng=np.random.default_rng(0)
    )
    rank = {value: i // 5 for i, value in enumerate(sorted(guess))}
    assert [rank[value] for value in shuffled[0]] == [rank[value] for value in guess]
    assert (shuffled[0] != guess).mean() > 0.5 and sorted(shuffled[0]) == sorted(guess)
    partner = dict(zip(guess, truth, strict=True))
    assert [partner[value] for value in shuffled[0]] == shuffled[1].tolist()  # the same way in every set


def test_pictures_show_what_is_estimated():
    ladder = {"small 1M": guesses(1), "this run": guesses(2)}
    accuracies, doses = (
        getattr(pictures, name)(ladder, seed=0).figure.axes for name in ("accuracies", "doses")
    )
    for name, one in ladder.items():
        shown = [*one.answers, one.other_answers[2], one.guess, one.other_guesses[0]]
        for axes, statistic in zip(accuracies, (pearson, mse), strict=True):
            assert shows(axes, *(estimates.plain(one, statistic, each) for each in shown))
        line = next(line for line in doses[0].lines if line.get_label() == name)
        np.testing.assert_allclose(
            line.get_ydata(), [estimates.plain(one, pearson, each) for each in one.graded_answers]
        )
        assert line.get_xdata()[-1] == pytest.approx(1)
    lessons = pictures.lessons(ladder, seed=0).figure.axes[0]
    assert shows(lessons, *(estimates.trust(one, "shifted", seed=0).value for one in ladder.values()), -1.0)
    picture = pictures.responses(ladder, seed=0)
    assert rows(picture.figure.axes[0]) == list(MOVED) and "shown guesses: small 1M" in picture.alt
    assert shows(picture.figure.axes[0], ladder["small 1M"].responses[1].mean(), -0.9, 0.1)
    styled = pictures.styles({"small 1M": styles(1, chat=False), "this run": styles(2)}, seed=0)
    assert "chat template: this run" in styled.alt and "plain text: small 1M" in styled.alt
