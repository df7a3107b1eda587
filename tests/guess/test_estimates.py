"""The evidence of claims, against SciPy, scikit-learn and models whose answers are known."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression

from iclnb import claims, stats
from iclnb.guess import estimates
from iclnb.guess.accuracy import mse, pearson
from iclnb.guess.comparison import Comparison
from iclnb.guess.material import NONE, SMALL, Guess
from iclnb.guess.score_answers import ScoreAnswers

RNG = np.random.default_rng(0)
SETS, POINTS, FEW = 3, 24, 10
TRUTH = RNG.uniform(0, 5, POINTS)
GOOD = Guess(TRUTH + 0.7 * RNG.standard_normal(POINTS), None)
GUESSES = {
    SMALL: GOOD,
    "random": Guess(RNG.uniform(0, 5, POINTS), None),
    "adversarial": Guess(5 - GOOD.test, None),
}


def noisy(scores, count=POINTS, noise=0.5):
    return scores[:count] + noise * RNG.standard_normal((SETS, count))


ANSWERS = {
    NONE: noisy(0.4 * TRUTH, noise=1.0),
    SMALL: noisy(0.7 * GOOD.test + 0.2 * TRUTH),
    "random": noisy(GUESSES["random"].test, FEW),
    "adversarial": noisy(GUESSES["adversarial"].test, FEW),
}
COMPARED = Comparison(
    {name: ScoreAnswers(answer, answer, 0 * answer + 0.9) for name, answer in ANSWERS.items()},
    GUESSES,
    TRUTH,
    4,
)


def r(answer):
    """Mean over sets of SciPy's Pearson correlation with the truth."""
    return np.mean([pearsonr(row, TRUTH[: len(row)]).statistic for row in answer])


def error(answer):
    return np.mean([(row - TRUTH[: len(row)]) ** 2 for row in answer])


def brackets(estimate):
    return estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize(("statistic", "by_hand"), [(pearson, r), (mse, error)])
def test_a_guess_helps_by_a_difference_of_accuracies(statistic, by_hand):
    estimate, control, _ = estimates.guess_helps(COMPARED, statistic)
    assert estimate.value == pytest.approx(by_hand(ANSWERS[SMALL]) - by_hand(ANSWERS[NONE]))
    assert control == pytest.approx(by_hand(ANSWERS["random"]) - by_hand(ANSWERS[NONE][:, :FEW]))
    assert brackets(estimate)


def test_the_answer_against_its_guess():
    estimate, control, _ = estimates.beats_guess(COMPARED)
    assert estimate.value == pytest.approx(error(ANSWERS[SMALL]) - error(GOOD.test[None]))
    # among similar guesses the answer's own noise stays and its link with the truth goes
    assert control > estimate.value
    copied = Comparison({SMALL: ScoreAnswers(np.stack([GOOD.test] * SETS), None, None)}, GUESSES, TRUTH, 0)
    np.testing.assert_allclose(estimates.beats_guess(copied).estimate, 0, atol=1e-12)


def test_copies_is_a_difference_of_slopes():
    def slopes(answer):
        design = np.column_stack([GOOD.test, TRUTH])
        return np.mean([LinearRegression().fit(design, row).coef_ for row in answer], axis=0)

    estimate, control, _ = estimates.copies(COMPARED)
    assert estimate.value == pytest.approx(np.subtract(*slopes(ANSWERS[SMALL])))
    assert control == pytest.approx(np.subtract(*slopes(ANSWERS[NONE])))
    assert estimates.lean(GOOD.test[None], GOOD.test[None], TRUTH[None]) == pytest.approx(1)
    assert estimates.lean(TRUTH[None], GOOD.test[None], TRUTH[None]) == pytest.approx(-1)


def test_what_answers_add_is_gain_beyond_the_null():
    added = estimates.gains(COMPARED, 5)
    estimate, control, _ = estimates.adds_to_guess(added, seed=4)
    assert estimate.value == pytest.approx((added[SMALL].observed - added[SMALL].null).mean())
    assert control == pytest.approx((added[NONE].observed - added[NONE].null).mean())
    guess, held_out = GOOD.test, np.empty(POINTS)
    fold = np.random.default_rng(4).permutation(np.arange(POINTS) % 5)
    for f in range(5):
        line = np.polyfit(guess[fold != f], TRUTH[fold != f], 1)
        held_out[fold == f] = (TRUTH[fold == f] - np.polyval(line, guess[fold == f])) ** 2
    np.testing.assert_allclose(added[NONE].guess_error, np.stack([held_out] * SETS))


def test_bad_guesses():
    estimate, control, _ = estimates.adversarial_turns(COMPARED)
    assert estimate.value == pytest.approx(r(ANSWERS["adversarial"])) and estimate.value < 0
    assert control == pytest.approx(r(ANSWERS[NONE][:, :FEW]))
    grades = [noisy(RNG.uniform(0, 5, FEW), FEW) for _ in range(3)]
    answers = {str(i): ScoreAnswers(answer, None, None) for i, answer in enumerate(grades)}
    estimate, control, _ = estimates.useless_hurts(COMPARED, Comparison(answers, {}, TRUTH, 4))
    assert estimate.value == pytest.approx(r(grades[0]) - r(ANSWERS[NONE][:, :FEW]))
    assert control == pytest.approx(r(grades[2]) - r(ANSWERS[NONE][:, :FEW]))


def test_chat_against_plain():
    ways = [
        Comparison({n: ScoreAnswers(noisy(TRUTH), None, None) for n in (NONE, SMALL)}, GUESSES, TRUTH, 4)
        for _ in range(2)
    ]
    estimate, control, _ = estimates.helps_in_chat(*ways)
    assert estimate.value == pytest.approx(r(ways[0].answer(SMALL)) - r(ways[0].answer(NONE)))
    assert control == pytest.approx(r(ways[1].answer(SMALL)) - r(ways[1].answer(NONE)))


@pytest.mark.parametrize(("interval", "word"), [((1, 2), "Yes"), ((-2, -1), "No"), ((-1, 1), "Undecided")])
def test_the_answer_follows_the_verdicts(interval, word):
    ids = (
        "guess-helps-correlation", "better-than-guess", "adds-to-guess", "copies", "corrects-shown-guesses",
        "corrects-common-shift", "only-residuals-matter", "follows-own-reading", "beats-mixture",
        "trust-is-learned",
    )  # fmt: skip
    evidence = stats.Estimate(np.mean(interval), *interval)
    made = [claims.Claim(id, "ours", "", "", claims.above(0), evidence, 0.0, "") for id in ids]
    text = estimates.answer(COMPARED, made)
    assert text.count(word) == 10 and "nan" not in text
    assert f"{r(ANSWERS[SMALL]):.3g} [" in text and f"{error(GOOD.test[None]):.3g}" in text
