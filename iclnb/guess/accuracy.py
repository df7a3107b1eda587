"""How close answers are to the truth: correlations and squared error of tables of sets x points.

Each is computed for every demonstration set and averaged over sets. What does not depend on the set (truth,
guess) is repeated along it.
"""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

Table = Float[np.ndarray, "sets points"]


def pearson(answer: Table, truth: Table) -> float:
    """Pearson correlation over points, averaged over sets; not a number where one of them is constant."""
    a, b = (part - part.mean(-1, keepdims=True) for part in (answer, truth))
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    known = size > 1e-12
    return float(np.where(known, (a * b).sum(-1) / np.where(known, size, 1), np.nan).mean())


def spearman(answer: Table, truth: Table) -> float:
    """Spearman correlation (of mid-ranks) over points, averaged over sets."""
    return pearson(rankdata(answer, axis=-1), rankdata(truth, axis=-1))


def mse(answer: Table, truth: Table) -> float:
    """Mean squared error over points and sets."""
    return float(np.mean((answer - truth) ** 2))
