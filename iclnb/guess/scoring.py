"""A language model scores test pairs under a condition; how its scores respond to moved guesses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from iclnb.guess.material import Condition, PairRows
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
