"""The influence matrix: what flipping a demonstration's label changes in the answer to every query of its set.

It is compared with what might predict it on three levels, from coarse to fine:

- ``whole``: the matrix of a set, its mean taken off.
- ``pairs``: what is left when the mean of every query and of every demonstration is taken off, too: what
  belongs to pairs of the two. Position, label, and all else that a demonstration has by itself is gone.
- ``texts``: the same inside each block of queries of one class and demonstrations of one class: what tells
  texts apart that mean the same. Classes are gone, too.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from scipy import special

LEVELS = ("whole", "pairs", "texts")

Matrix = Float[np.ndarray, "*heads points k"]


def log_odds(
    answers: Float[np.ndarray, "*runs words"], word: Int[np.ndarray, "*runs"]
) -> Float[np.ndarray, "*runs"]:
    """Log-odds of one of the label words against the others, in nats."""
    own = np.take_along_axis(answers, word[..., None], -1)
    others = np.where(np.arange(answers.shape[-1]) == word[..., None], -np.inf, answers)
    return own[..., 0] - special.logsumexp(others, -1)


def probability(
    answers: Float[np.ndarray, "*runs words"], word: Int[np.ndarray, "*runs"]
) -> Float[np.ndarray, "*runs"]:
    """Probability of one of the label words among all of them."""
    return np.take_along_axis(special.softmax(answers, -1), word[..., None], -1)[..., 0]


def influence(
    answers: Float[np.ndarray, "sets contexts points words"],
    shown: Int[np.ndarray, "sets k"],
    of: Callable[[np.ndarray, np.ndarray], np.ndarray] = log_odds,
) -> Float[np.ndarray, "sets points k"]:
    """J: log-odds of the word that a demonstration is shown with, minus those when its label is flipped.

    A demonstration that draws an answer towards its own label has J > 0. Of the :func:`probability` it is the
    weight that kernel regression, additive on that scale, gives a demonstration: not negative, and 1 in sum.
    """
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
    logarithms = scale == "log-odds"
    values = answers - answers.mean(-1, keepdims=True) if logarithms else special.softmax(answers, -1)
    changed = values[:, 1:] - values[:, :1]
    return changed[:, :-1].sum(1), changed[:, -1]


def centred(
    matrix: Matrix, level: str, truth: Int[np.ndarray, " points"], labels: Int[np.ndarray, " k"]
) -> Matrix:
    """Matrices (queries and demonstrations, further axes in front) on one of :data:`LEVELS`."""
    matrix = np.asarray(matrix, dtype=float)
    if level == "whole":
        return matrix - matrix.mean((-2, -1), keepdims=True)
    rows, columns = (truth, labels) if level == "texts" else (0 * truth, 0 * labels)
    of_rows, of_columns = _means(rows), _means(columns)
    matrix = matrix - of_rows @ matrix
    return matrix - matrix @ of_columns


def _means(classes: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n n"]:
    """The matrix that puts the mean of its class in the place of every entry."""
    same = (classes[:, None] == classes).astype(float)
    return same / same.sum(1, keepdims=True)


def moments(
    candidate: Float[np.ndarray, "sets *heads points k"],
    influence: Float[np.ndarray, "sets points k"],
    truth: Int[np.ndarray, "sets points"],
    labels: Int[np.ndarray, "sets k"],
) -> tuple[Float[np.ndarray, "levels sets *heads"], Float[np.ndarray, "levels sets *heads"]]:
    """Mean squares of a candidate, and mean products with influence, on every level of every set."""
    found = []
    for level in LEVELS:
        for matrix, other, *classes in zip(candidate, influence, truth, labels, strict=True):
            one, other = (centred(m, level, *classes) for m in (matrix, other))
            found.append((np.square(one).mean((-2, -1)), (one * other).mean((-2, -1))))
    squares, products = (np.stack(part) for part in zip(*found, strict=True))
    shape = (len(LEVELS), *candidate.shape[:-2])
    return squares.reshape(shape), products.reshape(shape)
