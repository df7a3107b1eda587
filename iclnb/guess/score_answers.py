"""The score that a model answers with, read off its distribution over the six digits."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

DIGITS = tuple("012345")


class ScoreAnswers(NamedTuple):
    """The scores that a model answered a table of prompts with.

    Attributes:
        expected: Σ_d p(d) value(d), with p the probabilities of the six digits among themselves.
        greedy: the value of the most probable digit.
        mass: the probability that the next token is one of the six digits at all.
    """

    expected: Float[np.ndarray, "*shape"]
    greedy: Float[np.ndarray, "*shape"]
    mass: Float[np.ndarray, "*shape"]

    def first(self, points: int) -> "ScoreAnswers":
        """The answers to the first test points alone (the last axis)."""
        return ScoreAnswers(*(part[..., :points] for part in self))


def read_off(
    log_probabilities: Float[np.ndarray, "*shape digits"], values: Float[np.ndarray, " digits"]
) -> ScoreAnswers:
    """Scores from the log-probabilities of the digits 0 to 5 as the next token.

    Args:
        log_probabilities: over the whole vocabulary, of the six digits.
        values: the score that each digit stands for, see :func:`digit_values`.
    """
    among_themselves = softmax(log_probabilities, axis=-1)
    return ScoreAnswers(
        expected=among_themselves @ values,
        greedy=values[log_probabilities.argmax(-1)],
        mass=np.exp(log_probabilities).sum(-1),
    )


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
