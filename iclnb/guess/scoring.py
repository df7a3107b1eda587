"""A language model scores test pairs under a condition; how its scores respond to moved guesses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from iclnb.guess.material import NONE, SMALL, Condition, Guess, PairRows
from iclnb.guess.pair_prompts import Pairs, Style, write_pairs, written_format
from iclnb.guess.score_answers import DIGITS, ScoreAnswers, digit_values, read_off
from iclnb.llm.data import tasks
from iclnb.llm.demonstrations import Prompts
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader

FORMAT = tasks.get("stsb").format
"""How a pair is written without a guess."""


@dataclass(frozen=True)
class Scorer:
    """A language model that scores pairs of sentences.

    Attributes:
        reader: the model.
        pairs: the pairs that conditions and test points number.
        style: how guesses and answers are written.
    """

    reader: Reader
    pairs: PairRows
    style: Style

    @property
    def values(self) -> Float[np.ndarray, " digits"]:
        """The score that each first digit of an answer stands for."""
        return digit_values(self.pairs.train_scores, self.style.answer_decimals)

    def prompts(self, condition: Condition, points: Sequence[int] | Int[np.ndarray, " points"]) -> Prompts:
        """The prompts of some test pairs under every demonstration set, (sets, points)."""
        pairs, guess, points = self.pairs, condition.guess, np.asarray(points, dtype=int)
        pool = Pairs(pairs.train, condition.scores, guess and guess.train)
        rows = [pairs.test[i] for i in points.tolist()]
        queries = Pairs(rows, pairs.truth[points], guess and guess.test[points])
        return write_pairs(self.reader.tokenizer, FORMAT, self.style, pool, condition.shown, queries)

    def answers(self, condition: Condition, points: int | Int[np.ndarray, " points"]) -> ScoreAnswers:
        """The model's scores of some test pairs under every demonstration set, (sets, points).

        Args:
            condition: what the prompts say.
            points: numbers of test pairs, or how many of the first.

        Raises:
            IclnbError: if the digits or the chat template cannot be used with this tokeniser.
        """
        points = np.arange(points) if isinstance(points, int) else points
        format, _ = written_format(
            self.reader.tokenizer, FORMAT, self.style, guess=condition.guess is not None
        )
        prompts = self.prompts(condition, points)
        return read_off(self.reader.answers(prompts, Wording(format, DIGITS)), self.values)


def by_template(
    scorer: Scorer, shown: Int[np.ndarray, "sets k"], guess: Guess, points: int
) -> dict[str, dict[str, Float[np.ndarray, "sets points"]]]:
    """Answers in plain text and, where the model has one, in its chat template; without and with a guess."""
    without = Condition(shown, scorer.pairs.train_scores)
    conditions = {NONE: without, SMALL: replace(without, guess=guess)}
    ways = {"plain": False, "chat": True}
    if scorer.reader.tokenizer.chat_template is None:
        ways.pop("chat")
    scorers = {way: replace(scorer, style=replace(scorer.style, chat=chat)) for way, chat in ways.items()}
    return {
        way: {name: each.answers(condition, points).expected for name, condition in conditions.items()}
        for way, each in scorers.items()
    }


class Written(NamedTuple):
    """Answers to a guess written in one way.

    Attributes:
        answers: expected scores.
        guess: as it is written.
    """

    answers: Float[np.ndarray, "sets points"]
    guess: Float[np.ndarray, " points"]


def by_style(
    scorer: Scorer, styles: Mapping[str, Style], condition: Condition, points: int
) -> dict[str, Written]:
    """Answers with guess and scores written in each of several ways."""
    return {
        name: Written(
            replace(scorer, style=style).answers(condition, points).expected,
            np.round(condition.guess.test[:points], style.decimals),
        )
        for name, style in styles.items()
    }


class Dose(NamedTuple):
    """Answers by quality of the guess, worst first.

    Attributes:
        guess: of each grade.
        answers: expected scores with it.
    """

    guess: Float[np.ndarray, "grades points"]
    answers: Float[np.ndarray, "grades sets points"]


def dose(scorer: Scorer, without: Condition, graded: Sequence[Guess], points: int) -> Dose:
    """The answers to the first test pairs with each of several guesses.

    Args:
        scorer: of the pairs.
        without: demonstrations without a guess.
        graded: the guesses, worst first.
        points: how many test pairs.
    """
    answers = [scorer.answers(replace(without, guess=guess), points).expected for guess in graded]
    return Dose(np.stack([guess.test[:points] for guess in graded]), np.stack(answers))


RESPONSES = {
    "query guess": ("query_guess",),
    "shown guesses": ("shown_guess",),
    "all guesses": ("query_guess", "shown_guess"),
    "shown scores": ("scores",),
}
"""What :func:`responses` moves, as arguments of :meth:`iclnb.guess.material.Condition.moved`."""


def responses(
    scorer: Scorer, condition: Condition, points: Int[np.ndarray, " points"], delta: float
) -> dict[str, Float[np.ndarray, "sets points"]]:
    """How the expected answer moves with what the prompt says: central differences, per point of the scale.

    A model that copies the guess answers by 1, 0, 1, 0 in the order of :data:`RESPONSES`; one that ignores
    guesses by 0 to the first three; gradient descent from the guess by 1, -κ, 1 - κ, κ with κ the kernel
    weight of the demonstrations (:func:`iclnb.guess.descent.kernel_mean` of residuals of 1).

    Args:
        scorer: of the pairs.
        condition: with guesses; those of the pairs shown and asked, and the scores shown, at least
            ``delta`` from the scale's ends (:func:`iclnb.guess.material.movable`).
        points: numbers of test pairs.
        delta: how far to move, in points of the scale, up and down.
    """
    found = {}
    for name, parts in RESPONSES.items():
        up, down = (
            scorer.answers(condition.moved(**dict.fromkeys(parts, step)), points).expected
            for step in (delta, -delta)
        )
        found[name] = (up - down) / (2 * delta)
    return found
