"""The scores that a language model gives test pairs under a condition, and how they respond to moved guesses."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from iclnb.guess.material import Condition, PairRows
from iclnb.guess.pair_prompts import DIGITS, Pairs, Style, write_pairs
from iclnb.llm.data import tasks
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader

FORMAT = tasks.get("stsb").format  # How a pair is written without a guess


class ScoreAnswers(NamedTuple):
    """The scores that a model answered a table of prompts with."""

    # Σ_d p(d) value(d), with p the probabilities of the six digits among themselves
    expected: Float[np.ndarray, "*shape"]
    greedy: Float[np.ndarray, "*shape"]  # the value of the most probable digit
    mass: Float[np.ndarray, "*shape"]  # the probability that the next token is one of the six digits at all


def digit_values(train_scores: Float[np.ndarray, " train"], decimals: int) -> Float[np.ndarray, " digits"]:
    """The score that a first digit stands for.

    With whole answers in the demonstrations a digit is its own value. With decimals the first digit fixes
    the score only to within one (3 begins 3.0 and 3.9 alike), and stands for the mean of the train scores
    that, written so, begin with it (for its own value plus a half, but 5 for 5, where there are none).
    """
    if decimals == 0:
        return np.arange(6.0)
    first = np.array([int(f"{score:.{decimals}f}"[0]) for score in train_scores])
    default = [digit + 0.5 if digit < 5 else 5.0 for digit in range(6)]
    return np.array([
        train_scores[first == d].mean() if (first == d).any() else default[d] for d in range(6)
    ])  # fmt: skip


@dataclass(frozen=True)
class Scorer:
    """A language model that scores pairs of sentences."""

    reader: Reader  # the model
    pairs: PairRows  # the pairs that conditions and test points number
    style: Style  # how guesses and answers are written

    def answers(self, condition: Condition, points: int | Int[np.ndarray, " points"]) -> ScoreAnswers:
        """The model's scores of some test pairs under every demonstration set, (sets, points).

        ``points``: numbers of test pairs, or how many of the first.

        Raises IclnbError if the digits or the chat template cannot be used with this tokeniser.
        """
        points = np.arange(points) if isinstance(points, int) else points
        pairs, guess = self.pairs, condition.guess
        pool = Pairs(pairs.train, condition.scores, guess and guess.train)
        asked = [pairs.test[i] for i in points.tolist()]
        queries = Pairs(asked, pairs.truth[points], guess and guess.test[points])
        prompts, format = write_pairs(
            self.reader.tokenizer, FORMAT, self.style, pool, condition.shown, queries
        )
        values = digit_values(pairs.train_scores, self.style.answer_decimals)
        said = self.reader.answers(prompts, Wording(format, DIGITS))
        return ScoreAnswers(softmax(said, axis=-1) @ values, values[said.argmax(-1)], np.exp(said).sum(-1))


_PARTS = (("query_guess",), ("shown_guess",), ("query_guess", "shown_guess"), ("scores",))
"""For each of :data:`iclnb.guess.findings.MOVED` the arguments of :meth:`Condition.moved`."""


def responses(
    scorer: Scorer, condition: Condition, points: Int[np.ndarray, " points"], delta: float
) -> Float[np.ndarray, "moved sets points"]:
    """How the expected answer moves with what the prompt says: central differences, per point of the scale.

    A model that copies the guess answers by 1, 0, 1, 0 in the order of :data:`iclnb.guess.findings.MOVED`; one
    that ignores guesses by 0 to the first three; gradient descent from the guess by 1, -κ, 1 - κ, κ
    (:func:`iclnb.guess.descent.kernel_weights`).

    All that moves must lie at least ``delta`` points from the scale's ends (:func:`iclnb.guess.material.movable`).
    """
    found = []
    for parts in _PARTS:
        up, down = (
            scorer.answers(condition.moved(**dict.fromkeys(parts, step)), points).expected
            for step in (delta, -delta)
        )
        found.append((up - down) / (2 * delta))
    return np.stack(found)
