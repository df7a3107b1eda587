"""The findings of chapter 06 and of its appendix."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from iclnb.findings import Findings, variable

NONE, SMALL = "none", "small model"
GIVEN = (NONE, SMALL)  # No guess, or that of the small model
OTHERS = ("word overlap", "train mean", "random")  # Other guesses (`iclnb.guess.material.other_guesses`)

PERFECT, USELESS, MIRRORED, SHIFTED = "perfect", "useless", "mirrored", "shifted"
LESSONS = (PERFECT, USELESS, MIRRORED, SHIFTED)
"""What demonstrations teach about a guess (:func:`iclnb.guess.material.lessons`)."""

MOVED = ("query guess", "shown guesses", "all guesses", "shown scores")
"""What is raised in a prompt to see how the answer moves (:func:`iclnb.guess.scoring.responses`)."""

AS_THEY_ARE, COMMON_SHIFT = "rate for guesses as they are", "rate for a common shift"
RATES = (AS_THEY_ARE, COMMON_SHIFT)  # Rates of gradient descent (`iclnb.guess.descent.tuned_rates`)

STYLES = (
    "plain text", "chat template", "both whole", "guess with a decimal, scores whole", "guess before the sentences",
    "guess between the sentences",
)  # fmt: skip
"""Ways to write guess and scores; the last four are otherwise as the chapter writes them."""

_ANSWER = "expected score that the model answers with"
_POINTS = "points of 5"


@dataclass(frozen=True, kw_only=True)
class Guesses(Findings):
    """Scores of sentence pairs with an initial guess in the prompt (chapter 06)."""

    coordinates: ClassVar = {
        "given": GIVEN, "other": OTHERS, "lesson": LESSONS, "moved": MOVED, "rate": RATES
    }  # fmt: skip
    truth: Float[np.ndarray, " pair"] = variable("human score of each test pair", unit=_POINTS)
    guess: Float[np.ndarray, " pair"] = variable("the small model's guess, as it is written", unit=_POINTS)
    answers: Float[np.ndarray, "given set pair"] = variable(_ANSWER, unit=_POINTS)
    greedy: Float[np.ndarray, "given set pair"] = variable("score of the most probable digit", unit=_POINTS)
    mass: Float[np.ndarray, "given set pair"] = variable(
        "probability that the next token is a digit", unit="1"
    )
    descended: Float[np.ndarray, "set pair"] = variable(
        "one step of gradient descent from the small model on the demonstrations", unit=_POINTS
    )
    other_guesses: Float[np.ndarray, "other first_pair"] = variable("other guesses, as written", unit=_POINTS)
    other_answers: Float[np.ndarray, "other set first_pair"] = variable(
        f"{_ANSWER}, given those", unit=_POINTS
    )
    graded_guesses: Float[np.ndarray, "grade first_pair"] = variable(
        "guesses from useless to perfect, as written", unit=_POINTS
    )
    graded_answers: Float[np.ndarray, "grade set first_pair"] = variable(
        f"{_ANSWER}, given those, beside demonstrations of the same grade", unit=_POINTS
    )
    taught_guess: Float[np.ndarray, " first_pair"] = variable(
        "a query's guess that says nothing about it, the same under every lesson", unit=_POINTS
    )
    taught_answers: Float[np.ndarray, "lesson lesson_set first_pair"] = variable(
        f"{_ANSWER}, given that guess, by what the demonstrations teach", unit=_POINTS
    )
    responses: Float[np.ndarray, "moved moved_set moved_pair"] = variable(
        "change of the answer when something in the prompt is raised by a point", unit="1"
    )
    kernel_weight: Float[np.ndarray, " rate"] = variable(
        "what gradient descent would lower the answer by if all guesses shown rose by a point", unit="1"
    )

    def of(self, name: str, place: str) -> np.ndarray | np.generic:
        """One of the arrays at a place of its first dimension."""
        (places,) = (named for named in self.coordinates.values() if place in named)
        return getattr(self, name)[places.index(place)]


@dataclass(frozen=True, kw_only=True)
class Styles(Findings):
    """The same with guess and scores written in other ways (appendix 06a).

    A style that the model does not have (a chat template) is not a number.
    """

    coordinates: ClassVar = {"style": STYLES, "given": GIVEN}
    truth: Float[np.ndarray, " pair"] = variable("human score of each test pair", unit=_POINTS)
    guess: Float[np.ndarray, "style pair"] = variable(
        "the small model's guess, as it is written", unit=_POINTS
    )
    answers: Float[np.ndarray, "style given set pair"] = variable(_ANSWER, unit=_POINTS)
    mass: Float[np.ndarray, "style given"] = variable(
        "mean probability that the next token is a digit", unit="1"
    )
