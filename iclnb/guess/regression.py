"""Least squares: the answer on guess and truth, and the truth on guess and answer.

If the answer adds to the guess, truth ~ guess + answer predicts pairs it was not fitted on better than
truth ~ guess. But an answer that is a nonlinear function of the guess can do so too, where the truth is not
linear in the guess. The null therefore keeps what the answer owes to the guess and breaks its link with the
pair: answers are permuted among pairs of similar guess.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from iclnb.guess.accuracy import Table


def slopes(answer: Table, guess: Table, other: Table) -> Float[np.ndarray, " 2"]:
    """Least-squares slopes of the answer on the guess and another predictor together, averaged over sets.

    With the truth as the other, a model that copies the guess has (1, 0); one that knows the score and
    ignores the guess (0, 1). Not numbers where guess and the other are collinear.
    """
    answer, guess, other = (part - part.mean(-1, keepdims=True) for part in (answer, guess, other))
    gg, oo, go = (guess**2).sum(-1), (other**2).sum(-1), (guess * other).sum(-1)
    ga, oa = (guess * answer).sum(-1), (other * answer).sum(-1)
    determinant = gg * oo - go**2
    known = determinant > 1e-12 * gg * oo
    products = np.stack([oo * ga - go * oa, gg * oa - go * ga])
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
    """Squared error of each point under least squares fitted on the other folds, for each set.

    Args:
        truth: what is predicted.
        predictors: tables of predictors; a constant is added.
        fold: as :func:`fold_of` gives it.
    """
    errors = np.empty_like(predictors[0], dtype=float)
    for s in range(len(errors)):
        design = np.stack([np.ones(len(truth)), *(table[s] for table in predictors)], axis=1)
        for left in np.unique(fold):
            out = fold == left
            fitted = np.linalg.lstsq(design[~out], truth[~out], rcond=None)[0]
            errors[s, out] = (truth[out] - design[out] @ fitted) ** 2
    return errors


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


class Gain(NamedTuple):
    """By how much an answer lowers the held-out squared error of the guess, for each set and pair.

    Attributes:
        guess_error: error of truth ~ guess.
        observed: that minus the error of truth ~ guess + answer.
        null: the same with answers permuted among similar guesses, averaged over permutations.
    """

    guess_error: Table
    observed: Table
    null: Table


def gain(
    truth: Float[np.ndarray, " points"],
    guess: Float[np.ndarray, " points"],
    answer: Table,
    *,
    folds: int = 5,
    block: int = 5,
    permutations: int = 20,
    seed: int,
) -> Gain:
    """What the answer adds to the guess in predicting the truth.

    Args:
        truth: true scores.
        guess: one guess a pair, the same in every set.
        answer: the model's answers.
        folds: of the cross-fitting, as :func:`fold_of` takes them.
        block: how many neighbours in guess swap answers under the null.
        permutations: averaged for the null.
        seed: of the folds; ``(seed, 1)`` of the permutations.
    """
    fold, rng = fold_of(len(truth), folds, seed=seed), np.random.default_rng((seed, 1))
    repeated = np.broadcast_to(guess, answer.shape)
    alone = held_out_errors(truth, [repeated], fold)
    permuted = [permuted_among_similar(answer, guess, block=block, rng=rng) for _ in range(permutations)]
    null = np.mean([held_out_errors(truth, [repeated, table], fold) for table in permuted], axis=0)
    return Gain(alone, alone - held_out_errors(truth, [repeated, answer], fold), alone - null)
