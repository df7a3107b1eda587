"""Which prompts a comparison asks, and that its intervals are over sets and points."""

from types import SimpleNamespace

import numpy as np

from iclnb import stats
from iclnb.guess import comparison
from iclnb.guess.accuracy import mse, pearson
from iclnb.guess.comparison import over
from iclnb.guess.material import NONE, SMALL, Guess, PairRows
from iclnb.guess.pair_prompts import Style
from iclnb.guess.score_answers import ScoreAnswers
from iclnb.guess.scoring import Scorer

SETS, POINTS = 3, 7
RNG = np.random.default_rng(0)
TRUTH = RNG.uniform(0, 5, POINTS)
PAIRS = PairRows([{"score": 2.0}] * 4, [{"score": score} for score in TRUTH])
SHOWN = np.array([[0, 1], [2, 3], [1, 2]])
GUESSES = {NONE: None} | {
    name: Guess(RNG.uniform(0, 5, POINTS), RNG.uniform(0, 5, 4)) for name in (SMALL, "other")
}


class Echo(Scorer):
    """Answers with the guess it reads, or with its number of decimals where it reads none."""

    def answers(self, condition, points):
        assert (condition.shown == SHOWN).all() and condition.scores.tolist() == [2.0] * 4
        guess = np.full(POINTS, self.style.decimals) if condition.guess is None else condition.guess.test
        return ScoreAnswers(*[np.stack([guess[:points]] * SETS)] * 3)


def test_each_guess_is_asked_on_its_test_pairs_as_it_is_written():
    scorer = Echo(SimpleNamespace(), PAIRS, Style(decimals=1))
    compared = comparison.compare(scorer, SHOWN, GUESSES, subset=4, seed=0)
    assert {name: compared.answer(name).shape for name in GUESSES} == {
        NONE: (3, 7), SMALL: (3, 7), "other": (3, 4)
    }  # fmt: skip
    for name in (SMALL, "other"):
        np.testing.assert_allclose(
            compared.guess(name), np.round(GUESSES[name].test, 1)[: {SMALL: 7, "other": 4}[name]]
        )
        assert (compared.answer(name) == compared.guess(name)).all()
    summary = compared.summary()
    errors = [(guess - TRUTH[i]) ** 2 for i, guess in enumerate(compared.guess("other"))]
    assert np.isclose(summary["squared_error"]["other"], sum(errors) / 4)
    assert summary["pearson_guess_alone"].keys() == {SMALL, "other"}
    ways = comparison.by_style(scorer, {"a": Style(decimals=0), "b": Style()}, SHOWN, GUESSES, seed=0)
    assert (ways["a"].answer(NONE) == 0).all() and (ways["b"].answer(NONE) == 1).all()
    assert ways["a"].answer("other").shape == (3, 7)


def test_intervals_are_over_sets_and_points():
    answers = TRUTH + RNG.standard_normal((SETS, POINTS))
    expected = stats.interval(answers, design="sets x points", statistic=np.mean, seed=1)
    assert over(np.mean, answers, seed=1) == expected
    constant = over(lambda a, t: float((a - t).mean()), TRUTH + np.ones((SETS, 1)), TRUTH, seed=1)
    np.testing.assert_allclose(constant, [1, 1, 1])
    assert np.isnan(over(pearson, np.ones((SETS, POINTS)), TRUTH, seed=1)).all()


def test_a_difference_is_that_of_the_two_accuracies():
    scorer = Echo(SimpleNamespace(), PAIRS, Style())
    compared = comparison.compare(scorer, SHOWN, GUESSES, seed=0)
    one, other = TRUTH + RNG.standard_normal((2, SETS, POINTS))
    found = compared.difference(mse, one, other)
    by_hand = np.mean([(a - t) ** 2 - (b - t) ** 2 for a, b in zip(one, other, strict=True) for t in [TRUTH]])
    assert np.isclose(found.value, by_hand) and found.low < found.value < found.high
