"""Does the answer add anything to the guess? Regressions on held-out pairs, with and without the answer.

If the answer knows something that the guess does not, truth ~ guess + answer predicts pairs it was not fitted
on better than truth ~ guess. But an answer that is merely a bent copy of the guess can do so too, where the
truth is not linear in the guess. The null therefore keeps what the answer owes to the guess and breaks its
bond with the pair: answers are exchanged among pairs of similar guess.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

Table = Float[np.ndarray, "sets points"]


def fold_of(points: int, folds: int, *, seed: int) -> Int[np.ndarray, " points"]:
    """A random assignment of points to folds of equal size (within one)."""
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


def exchanged(
    answer: Table, guess: Float[np.ndarray, " points"], *, block: int, rng: np.random.Generator
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


def gain(
    truth: Float[np.ndarray, " points"],
    guess: Float[np.ndarray, " points"],
    answer: Table,
    *,
    folds: int = 5,
    block: int = 5,
    permutations: int = 20,
    seed: int,
) -> tuple[Table, Table]:
    """By how much the answer lowers the held-out squared error of the guess, and what its null would.

    Args:
        truth: true scores.
        guess: one guess a pair, the same in every set.
        answer: the model's answers.
        folds: of the cross-fitting.
        block: how many neighbours in guess exchange answers under the null.
        permutations: exchanges averaged for the null.
        seed: seeds folds and exchanges.

    Returns:
        For each set and pair the error of truth ~ guess minus that of truth ~ guess + answer; and the same
        with exchanged answers.
    """
    fold, rng = fold_of(len(truth), folds, seed=seed), np.random.default_rng(seed + 1)
    repeated = np.broadcast_to(guess, answer.shape)
    alone = held_out_errors(truth, [repeated], fold)
    drawn = [exchanged(answer, guess, block=block, rng=rng) for _ in range(permutations)]
    null = np.mean([held_out_errors(truth, [repeated, table], fold) for table in drawn], axis=0)
    return alone - held_out_errors(truth, [repeated, answer], fold), alone - null
