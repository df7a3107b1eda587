"""The evidence of chapter 06 on use: is the guess mixed with the model's own reading, is trust learned?"""

from collections.abc import Mapping

import numpy as np

from iclnb.claims import Evidence
from iclnb.guess import regression
from iclnb.guess.accuracy import Table
from iclnb.guess.comparison import Comparison, over
from iclnb.guess.material import MISLEADING, NONE, SMALL
from iclnb.stats import Estimate

MIXTURE = "best mixture of guess and own reading"


def on_guess(answer: Table, guess: Table, own: Table) -> float:
    """Slope of the answer on the guess, the answer without a guess beside it: 1 for a copier."""
    return float(regression.slopes(answer, guess, own)[0])


def on_own(answer: Table, guess: Table, own: Table) -> float:
    """Slope of the answer on the answer without a guess, the guess beside it: 0 for a copier."""
    return float(regression.slopes(answer, guess, own)[1])


def follows_own_reading(compared: Comparison, *, permutations: int = 20) -> Evidence:
    """:func:`on_own` of the answers with the small model's guess.

    The control permutes answers without a guess among pairs of similar guess.

    Args:
        compared: answers with the small model's guess, and without any, to the same pairs.
        permutations: averaged for the control.
    """
    answer, own, guess = compared.answer(SMALL), compared.answer(NONE), compared.guess(SMALL)
    rng = np.random.default_rng(compared.seed)
    repeated = np.broadcast_to(guess, answer.shape)
    null = [
        on_own(answer, repeated, regression.permuted_among_similar(own, guess, rng=rng))
        for _ in range(permutations)
    ]
    estimate = over(on_own, answer, guess, own, seed=compared.seed)
    return Evidence(estimate, float(np.mean(null)), "its own readings permuted among similar guesses")


def held_out(compared: Comparison, folds: int) -> dict[str, Table]:
    """Squared error on held-out pairs of the truth predicted by least squares, for each set and pair.

    Returns:
        By what predicts: the guess, the answer without a guess, the answer with the small model's, and
        :data:`MIXTURE`, the first two together.
    """
    answer, own = compared.answer(SMALL), compared.answer(NONE)
    guess = np.broadcast_to(compared.guess(SMALL), answer.shape)
    fold = regression.fold_of(len(compared.truth), folds, seed=compared.seed)
    predictors = {"guess": [guess], "own reading": [own], "answer": [answer], MIXTURE: [guess, own]}
    return {name: regression.held_out_errors(compared.truth, p, fold) for name, p in predictors.items()}


def beats_mixture(errors: Mapping[str, Table], *, seed: int) -> Evidence:
    """Held-out squared error of the answer less that of the mixture; as control, the guess for an answer.

    Args:
        errors: of :func:`held_out`.
        seed: of the interval.
    """
    estimate = over(np.mean, errors["answer"] - errors[MIXTURE], seed=seed)
    control = float((errors["guess"] - errors[MIXTURE]).mean())
    return Evidence(estimate, control, "a copier: the guess itself")


def weights(compared: Comparison, graded: Comparison) -> dict[str, tuple[Estimate, float]]:
    """For each grade of the guess the weight that the answer gives it, and that it deserves.

    Returns:
        By grade: :func:`on_guess` of the answers, and of the truth in their place.
    """
    found = {}
    for name in graded.guesses:
        answer, guess = graded.answer(name), graded.guess(name)
        own = compared.answer(NONE)[:, : answer.shape[-1]]
        tables = [np.broadcast_to(each, own.shape) for each in (graded.truth[: len(guess)], guess)]
        found[name] = over(on_guess, answer, guess, own, seed=graded.seed), on_guess(*tables, own)
    return found


def learns_trust(graded: Comparison, misled: Comparison, *, permutations: int = 20) -> Evidence:
    """How much more the answer follows a useless guess where the demonstrations' guesses are perfect.

    A difference of slopes on the same guesses of the same pairs: 0 for a copier and for a model that ignores
    guesses, 1 for one that learns from the demonstrations how far to trust. The control takes the guesses of
    other pairs.

    Args:
        graded: answers by quality of the guess, from useless (first) to perfect (last).
        misled: answers with the misleading guess.
        permutations: averaged for the control.
    """
    first = next(iter(graded.guesses))
    useless, guess = graded.answer(first), graded.guess(first)
    trusting = misled.answer(MISLEADING)

    def more(trusting: Table, useless: Table, guess: Table) -> float:
        return regression.slope(trusting, guess) - regression.slope(useless, guess)

    rng = np.random.default_rng(graded.seed)
    null = [
        more(trusting, useless, np.broadcast_to(rng.permutation(guess), useless.shape))
        for _ in range(permutations)
    ]
    estimate = over(more, trusting, useless, guess, seed=graded.seed)
    return Evidence(estimate, float(np.mean(null)), "the guesses of other pairs")
