"""How good answers are, and how much of them is the guess: statistics for tables of sets x points.

Each is computed for every demonstration set on its own and averaged over sets, so that they can be handed to
:func:`iclnb.stats.crossed_bootstrap`. What does not depend on the set (truth, guess) is repeated along it.
"""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

Table = Float[np.ndarray, "sets points"]


def pearson(answer: Table, truth: Table) -> float:
    """Pearson correlation over points, averaged over sets; not a number where one of them is constant."""
    return float(_correlation(answer, truth).mean())


def spearman(answer: Table, truth: Table) -> float:
    """Spearman correlation (of mid-ranks) over points, averaged over sets."""
    return float(_correlation(rankdata(answer, axis=-1), rankdata(truth, axis=-1)).mean())


def mse(answer: Table, truth: Table) -> float:
    """Mean squared error over points and sets."""
    return float(np.mean((answer - truth) ** 2))


def copying(answer: Table, guess: Table, truth: Table) -> Float[np.ndarray, " 2"]:
    """Least-squares slopes of the answer on the guess and on the truth together, averaged over sets.

    A copier has (1, 0); a model that knows the score and ignores the guess (0, 1). Not numbers where
    guess and truth are collinear.
    """
    answer, guess, truth = (part - part.mean(-1, keepdims=True) for part in (answer, guess, truth))
    gg, tt, gt = (guess**2).sum(-1), (truth**2).sum(-1), (guess * truth).sum(-1)
    ga, ta = (guess * answer).sum(-1), (truth * answer).sum(-1)
    determinant = gg * tt - gt**2
    known = determinant > 1e-12 * gg * tt
    products = np.stack([tt * ga - gt * ta, gg * ta - gt * ga])
    return np.where(known, products / np.where(known, determinant, 1), np.nan).mean(-1)


def _correlation(a: Table, b: Table) -> Float[np.ndarray, " sets"]:
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    known = size > 1e-12
    return np.where(known, (a * b).sum(-1) / np.where(known, size, 1), np.nan)
