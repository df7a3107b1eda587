"""The influence matrix: what flipping a demonstration's label changes in the answer to every query of its set."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy import special


def log_odds(
    answers: Float[np.ndarray, "*runs words"], word: Int[np.ndarray, "*runs"]
) -> Float[np.ndarray, "*runs"]:
    """Log-odds of one of the label words against the others, in nats."""
    own = np.take_along_axis(answers, word[..., None], -1)
    others = np.where(np.arange(answers.shape[-1]) == word[..., None], -np.inf, answers)
    return own[..., 0] - special.logsumexp(others, -1)


def influence(
    answers: Float[np.ndarray, "sets contexts points words"], shown: Int[np.ndarray, "sets k"]
) -> Float[np.ndarray, "sets points k"]:
    """J: log-odds of the word that a demonstration is shown with, minus those when its label is flipped.

    A demonstration that draws an answer towards its own label has J > 0.
    """
    return _change(answers, shown, log_odds)


def pull(
    answers: Float[np.ndarray, "sets contexts points words"], shown: Int[np.ndarray, "sets k"]
) -> Float[np.ndarray, "sets points k"]:
    """J in probability among the label words: the scale on which kernel regression is additive.

    There it is the weight that the kernel gives a demonstration: not negative, and 1 in sum.
    """

    def probability(answers: np.ndarray, word: np.ndarray) -> np.ndarray:
        return np.take_along_axis(special.softmax(answers, -1), word[..., None], -1)[..., 0]

    return _change(answers, shown, probability)


def _change(answers: np.ndarray, shown: np.ndarray, of: Callable) -> np.ndarray:
    k, points = shown.shape[1], answers.shape[2]
    word = np.broadcast_to(shown[:, :, None], (len(shown), k, points))
    plain = np.broadcast_to(answers[:, :1], (len(shown), k, *answers.shape[2:]))
    return (of(plain, word) - of(answers[:, 1 : k + 1], word)).transpose(0, 2, 1)


def changes(
    answers: Float[np.ndarray, "sets contexts points words"], scale: str
) -> tuple[Float[np.ndarray, "sets points words"], Float[np.ndarray, "sets points words"]]:
    """What all single flips change in sum, and what all flips at once change.

    ``scale``: ``"log-odds"`` (of a word, its log-probability minus the mean of all), or ``"probability"``.
    """
    probability = scale == "probability"
    values = special.softmax(answers, -1) if probability else answers - answers.mean(-1, keepdims=True)
    changed = values[:, 1:] - values[:, :1]
    return changed[:, :-1].sum(1), changed[:, -1]
