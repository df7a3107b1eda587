"""Three levels on which influence is compared with what might predict it, from coarse to fine.

- ``whole``: the matrix of a set, its mean taken off.
- ``pairs``: what is left when the mean of every query and of every demonstration is taken off, too: what
  belongs to pairs of the two. Position, label, and all else that a demonstration has by itself is gone.
- ``texts``: the same inside each block of queries of one class and demonstrations of one class: what tells
  texts apart that mean the same. Classes are gone, too.
"""

import numpy as np
from jaxtyping import Float, Int

LEVELS = ("whole", "pairs", "texts")

Matrix = Float[np.ndarray, "*heads points k"]


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
    candidate: Matrix,
    influence: Float[np.ndarray, "points k"],
    truth: Int[np.ndarray, " points"],
    labels: Int[np.ndarray, " k"],
) -> tuple[Float[np.ndarray, "levels *heads"], Float[np.ndarray, "levels *heads"]]:
    """Mean squares of a candidate, and mean products with influence, on every level of one set."""
    found = []
    for level in LEVELS:
        one, other = (centred(m, level, truth, labels) for m in (candidate, influence))
        found.append((np.square(one).mean((-2, -1)), (one * other).mean((-2, -1))))
    squares, products = zip(*found, strict=True)
    return np.stack(squares), np.stack(products)
