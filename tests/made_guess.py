"""Findings of chapter 06 made of models whose use of a guess is known."""

import numpy as np
from scipy import special

from iclnb.guess.findings import GIVEN, LESSONS, MOVED, STYLES, Guesses, Styles

SETS, PAIRS, FEW = 5, 60, 30


def guesses(seed=0, *, weight=0.6, knows=0.2, trust=(0.6, 0.1, -0.2, 0.5), kappa=0.0, noise=0.2, **changes):
    """Answers that mix guess, own reading and truth, with slopes by lesson, and responses of descent.

    Args:
        seed: of everything.
        weight: of the guess.
        knows: weight of the truth beyond guess and own reading.
        trust: slope on the query's guess by lesson.
        kappa: kernel weight of the responses; 0 for a copier.
        noise: of all answers.
        changes: fields that are to be otherwise.
    """
    rng = np.random.default_rng(seed)

    def noisy(table, size=noise):
        table = np.expand_dims(table, -2)
        return table + size * rng.standard_normal((*table.shape[:-2], SETS, table.shape[-1]))

    truth = rng.uniform(0, 5, PAIRS)
    guess = truth + rng.standard_normal(PAIRS)
    own = noisy(truth, 1.2)
    others, taught = rng.uniform(0, 5, (3, FEW)), rng.uniform(1, 4, FEW)
    graded = np.stack([rng.permutation(truth[:FEW]), truth[:FEW]])
    moves = np.array([1, -kappa, 1 - kappa, kappa])[:, None] * np.ones(8)
    mixed = weight * guess + (1 - weight) * own
    made = {
        "truth": truth, "guess": guess,
        "answers": np.stack([own, mixed + knows * (truth - guess) + noisy(0 * guess)]),
        "greedy": rng.uniform(0, 5, (2, SETS, PAIRS)), "mass": rng.random((2, SETS, PAIRS)),
        "descended": noisy(guess, 0.1), "other_guesses": others, "other_answers": noisy(others),
        "graded_guesses": graded, "graded_answers": noisy(0.7 * graded), "taught_guess": taught,
        "taught_answers": noisy(np.outer(trust, taught)), "responses": noisy(moves, 0.01),
        "kernel_weight": np.array([0.1, 0.9]),
    }  # fmt: skip
    assert len(trust) == len(LESSONS) and len(moves) == len(MOVED)
    return Guesses(**made | changes)


def styles(seed=0, chat=True):
    """Random answers in all styles, without the chat template perhaps."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 5, FEW)
    answers = rng.uniform(0.2, 0.9, (len(STYLES), len(GIVEN), 1, 1)) * truth + rng.standard_normal(
        (SETS, FEW)
    )
    mass = special.expit(rng.normal(size=(len(STYLES), len(GIVEN))))
    if not chat:
        answers[1], mass[1] = np.nan, np.nan
    return Styles(truth=truth, guess=np.tile(truth, (len(STYLES), 1)), answers=answers, mass=mass)
