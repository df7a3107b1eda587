"""Answers with different guesses, compared with the truth on the same pairs and demonstration sets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from iclnb import stats
from iclnb.guess.accuracy import Table, mse, pearson
from iclnb.guess.material import NONE, SMALL, Condition, Guess
from iclnb.guess.pair_prompts import Style
from iclnb.guess.score_answers import ScoreAnswers
from iclnb.guess.scoring import Scorer
from iclnb.stats import Estimate

Accuracy = Callable[[Table, Table], float]
"""Of a table of answers against a table of the truth: :mod:`iclnb.guess.accuracy`."""


def over(statistic: Callable[..., float], *tables: np.ndarray, seed: int) -> Estimate:
    """A statistic with its interval over demonstration sets and test pairs; not a number where it is none.

    Args:
        statistic: of tables of sets x points.
        tables: one of them (sets, points); (points,) is repeated along the sets.
        seed: of the interval's method.
    """
    sets = max(len(table) for table in tables if np.ndim(table) == 2)
    tables = [np.broadcast_to(table, (sets, np.shape(table)[-1])) for table in tables]
    if np.isnan(statistic(*tables)):
        return stats.exact(np.nan)
    return stats.interval(*tables, design="sets x points", statistic=statistic, seed=seed)


@dataclass(frozen=True)
class Comparison:
    """Answers with each of several guesses, or with none, beside the guess and the truth.

    Attributes:
        answers: name of a guess -> the model's answers to the first test pairs, (sets, points).
        guesses: each guess, as it is written; ``None`` for no guess.
        truth: human scores of the test pairs.
        seed: of intervals and nulls.
    """

    answers: Mapping[str, ScoreAnswers]
    guesses: Mapping[str, Guess | None]
    truth: Float[np.ndarray, " test"]
    seed: int

    def answer(self, name: str) -> Table:
        """Expected scores."""
        return self.answers[name].expected

    def guess(self, name: str) -> Float[np.ndarray, " points"]:
        """The guess of the pairs that were scored with it."""
        return self.guesses[name].test[: self.answer(name).shape[-1]]

    def accuracy(self, statistic: Accuracy, answer: Table) -> Estimate:
        """Of answers to the first test pairs."""
        return over(statistic, answer, self.truth[: answer.shape[-1]], seed=self.seed)

    def plain(self, statistic: Accuracy, answer: np.ndarray) -> float:
        """The same without an interval: of controls, and of guesses alone."""
        answer = np.atleast_2d(answer)
        return float(statistic(answer, np.broadcast_to(self.truth[: answer.shape[-1]], answer.shape)))

    def summary(self) -> dict[str, dict[str, float]]:
        """For the record: accuracy with each guess, of the guess alone, and the mass on digits."""
        found = {"mass_on_digits": {name: each.mass.mean() for name, each in self.answers.items()}}
        for label, statistic in (("pearson", pearson), ("squared_error", mse)):
            found[label] = {name: self.plain(statistic, self.answer(name)) for name in self.answers}
            found[f"{label}_guess_alone"] = {
                name: self.plain(statistic, self.guess(name)) for name, guess in self.guesses.items() if guess
            }
        return found

    def difference(self, statistic: Accuracy, one: np.ndarray, other: np.ndarray) -> Estimate:
        """Accuracy of one table less that of another, on the same first test pairs."""
        truth = self.truth[: np.shape(one)[-1]]
        return over(lambda a, b, t: statistic(a, t) - statistic(b, t), one, other, truth, seed=self.seed)


def compare(
    scorer: Scorer,
    shown: Int[np.ndarray, "sets k"],
    guesses: Mapping[str, Guess | None],
    *,
    subset: int | None = None,
    seed: int,
) -> Comparison:
    """Ask for the scores of test pairs with each guess.

    Args:
        scorer: of the pairs.
        shown: demonstration sets, the same for every guess.
        guesses: ``None`` for no guess; rounded as they are written.
        subset: how many test pairs, for guesses other than none and the small model's; ``None`` for all.
        seed: of intervals and nulls.
    """
    pairs = scorer.pairs
    written = {name: guess and guess.rounded(scorer.style.decimals) for name, guess in guesses.items()}
    answers = {
        name: scorer.answers(
            Condition(shown, pairs.train_scores, guess),
            len(pairs.test) if name in (NONE, SMALL) else min(subset or len(pairs.test), len(pairs.test)),
        )
        for name, guess in written.items()
    }
    return Comparison(answers, written, pairs.truth, seed)


def by_style(
    scorer: Scorer,
    styles: Mapping[str, Style],
    shown: Int[np.ndarray, "sets k"],
    guesses: Mapping[str, Guess | None],
    *,
    seed: int,
) -> dict[str, Comparison]:
    """The same comparison with guess and scores written in each of several ways."""
    return {
        name: compare(replace(scorer, style=style), shown, guesses, seed=seed)
        for name, style in styles.items()
    }
