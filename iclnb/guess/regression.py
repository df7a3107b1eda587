"""Statistics of tables of demonstration sets x test pairs: correlation, squared error, least squares.

All are computed for every set and averaged over sets. What does not depend on the set (truth, guess) is repeated
along it.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

Table = Float[np.ndarray, "sets points"]


def pearson(answer: Table, truth: Table) -> float:
    """Pearson correlation over points; not a number where one of them is constant."""
    a, b = (part - part.mean(-1, keepdims=True) for part in (answer, truth))
    size = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    known = size > 1e-12
    return float(np.where(known, (a * b).sum(-1) / np.where(known, size, 1), np.nan).mean())


def mse(answer: Table, truth: Table) -> float:
    """Mean squared error over points and sets."""
    return float(np.mean((answer - truth) ** 2))


def slopes(
    answer: Table, guess: Table, other: Float[np.ndarray, "*others sets points"]
) -> Float[np.ndarray, "2 *others"]:
    """Least-squares slopes of the answer on the guess and another predictor together, averaged over sets.

    With the truth as the other, a model that copies the guess has (1, 0); one that knows the score and
    ignores the guess (0, 1). Not numbers where guess and the other are collinear.
    """
    answer, guess, other = (part - part.mean(-1, keepdims=True) for part in (answer, guess, other))
    gg, oo, go = (guess**2).sum(-1), (other**2).sum(-1), (guess * other).sum(-1)
    ga, oa = (guess * answer).sum(-1), (other * answer).sum(-1)
    determinant = gg * oo - go**2
    known = determinant > 1e-12 * gg * oo
    products = np.stack(np.broadcast_arrays(oo * ga - go * oa, gg * oa - go * ga))
    return np.where(known, products / np.where(known, determinant, 1), np.nan).mean(-1)


def slope(answer: Table, guess: Table) -> float:
    """Least-squares slope of the answer on the guess alone, averaged over sets."""
    answer, guess = (part - part.mean(-1, keepdims=True) for part in (answer, guess))
    size = (guess**2).sum(-1)
    return float(np.where(size > 0, (guess * answer).sum(-1) / np.where(size > 0, size, 1), np.nan).mean())


def fold_of(points: int, folds: int, *, seed: int) -> Int[np.ndarray, " points"]:
    """A random assignment of points to folds of equal size (within one).

    There are fewer folds where there would be fewer than two points to one, at least 2.
    """
    folds = max(2, min(folds, points // 2))
    return np.random.default_rng(seed).permutation(np.arange(points) % folds)


def held_out_errors(
    truth: Float[np.ndarray, " points"], predictors: Sequence[Table], fold: Int[np.ndarray, " points"]
) -> Table:
    """Squared error of each point under least squares, with a constant, on the other folds; for each set."""
    designs = np.stack(predictors, axis=-1)
    split = PredefinedSplit(fold)
    predicted = [cross_val_predict(LinearRegression(), design, truth, cv=split) for design in designs]
    return (truth - np.stack(predicted)) ** 2


def permuted_among_similar(
    answer: Table, guess: Float[np.ndarray, " points"], *, block: int = 5, rng: np.random.Generator
) -> Table:
    """The answers, permuted within blocks of ``block`` pairs of similar guess (the same way in every set).

    Pairs are ordered by guess, ties at random, and cut into consecutive blocks.
    """
    order = np.lexsort((rng.random(len(guess)), guess))
    source = np.concatenate([
        rng.permutation(order[start : start + block]) for start in range(0, len(order), block)
    ])  # fmt: skip
    permuted = np.empty_like(answer)
    permuted[:, order] = answer[:, source]
    return permuted
