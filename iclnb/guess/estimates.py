"""The evidence of chapter 06 and its appendix, over demonstration sets and test pairs."""

from collections.abc import Callable

import numpy as np

from iclnb import stats
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.guess import regression
from iclnb.guess.findings import COMMON_SHIFT, GIVEN, NONE, SMALL, STYLES, USELESS, Guesses, Styles
from iclnb.guess.regression import Table, mse, pearson, slope, slopes
from iclnb.stats import Estimate
from iclnb.stats.ranges import Range

Accuracy = Callable[[Table, Table], float]
"""Of answers against the truth: :func:`iclnb.guess.regression.pearson` or ``mse``."""

COPIER = "a model that copies its guess"

RANGES: dict[Callable[..., float], Range] = {pearson: "correlation", mse: "nonnegative"}
"""What a statistic can be at all, for its interval."""


def over(statistic: Callable[..., float], *tables: np.ndarray, seed: int) -> Estimate:
    """A statistic of tables of sets x points with its interval; not a number where it is none."""
    tables = repeated(*tables)
    if np.isnan(statistic(*tables)):
        return stats.exact(np.nan)
    kind = RANGES.get(statistic)
    return stats.interval(*tables, design="sets x points", statistic=statistic, range=kind, seed=seed)


def repeated(*tables: np.ndarray) -> list[Table]:
    """Tables of one shape; what is given for the points alone is repeated along the sets."""
    sets = max(len(table) for table in tables if table.ndim == 2)
    return [np.broadcast_to(table.astype(float), (sets, table.shape[-1])) for table in tables]


def answer(one: Guesses, given: str) -> Table:
    """The answers without a guess, or with the small model's."""
    return one.of("answers", given)


def accuracy(one: Guesses, statistic: Accuracy, answers: Table, *, seed: int) -> Estimate:
    """Of answers to all test pairs, or to the first."""
    return over(statistic, answers, one.truth[: answers.shape[-1]], seed=seed)


def plain(one: Guesses, statistic: Accuracy, answers: np.ndarray) -> float:
    """The same without an interval: of controls, and of guesses alone."""
    return statistic(*repeated(np.atleast_2d(answers), one.truth[: answers.shape[-1]]))


def difference(
    one: Guesses, statistic: Accuracy, answers: Table, others: np.ndarray, *, seed: int
) -> Estimate:
    """Accuracy of some answers less that of others, on the same first test pairs."""
    truth = one.truth[: answers.shape[-1]]
    return over(lambda a, b, t: statistic(a, t) - statistic(b, t), answers, others, truth, seed=seed)


def guess_helps(one: Guesses, *, seed: int) -> Evidence:
    """Correlation of answers with the truth with the small model's guess less without; random ones as control."""
    random = one.of("other_answers", "random")
    without = answer(one, NONE)
    control = plain(one, pearson, random) - plain(one, pearson, without[:, : random.shape[-1]])
    found = difference(one, pearson, answer(one, SMALL), without, seed=seed)
    return Evidence(found, control, "the same with random guesses")


def beats_guess(one: Guesses, *, seed: int) -> Evidence:
    """Squared error of the answer less that of the guess it was given; of one step of GD as control."""
    control = plain(one, mse, one.descended) - plain(one, mse, one.guess)
    found = difference(one, mse, answer(one, SMALL), np.asarray(one.guess), seed=seed)
    return Evidence(found, control, "one step of gradient descent from the guess")


def lean(answers: Table, guess: Table, truth: Table) -> float:
    """Slope of the answer on the guess less its slope on the truth: 1 for a copier, -1 without a guess."""
    on_guess, on_truth = slopes(answers, guess, truth)
    return float(on_guess - on_truth)


def copies(one: Guesses, *, seed: int) -> Evidence:
    """:func:`lean` of the answers with the small model's guess; of those without a guess as control."""
    control = lean(*repeated(answer(one, NONE), one.guess, one.truth))
    return Evidence(
        over(lean, answer(one, SMALL), one.guess, one.truth, seed=seed),
        control,
        "answers given without a guess",
    )


def on_guess(answers: Table, guess: Table, own: Table) -> float:
    """Slope of the answer on the guess, the answer without a guess beside it: 1 for a copier."""
    return float(slopes(answers, guess, own)[0])


def follows_own_reading(one: Guesses, *, permutations: int = 20, seed: int) -> Evidence:
    """Slope of the answer on the answer without a guess, the guess beside it, less its null.

    The null permutes answers without a guess among pairs of similar guess: what they owe to a nonlinear
    function of the guess stays.
    """
    rng, (own, guess) = np.random.default_rng((seed, 1)), repeated(answer(one, NONE), one.guess)
    null = [regression.permuted_among_similar(own, guess[0], rng=rng) for _ in range(permutations)]

    def beyond(answers: Table, guess: Table, own: Table, null: np.ndarray) -> float:
        return float(
            slopes(answers, guess, own)[1] - slopes(answers, guess, np.moveaxis(null, -1, 0))[1].mean()
        )

    tables = *repeated(answer(one, SMALL), guess, own), np.stack(null, axis=-1)
    found = stats.interval(*tables, design="sets x points", statistic=beyond, seed=seed)
    return Evidence(found, 0.0, f"{COPIER}, nonlinearly perhaps")


def held_out(one: Guesses, *, folds: int = 5, seed: int) -> dict[str, Table]:
    """Squared error on held-out pairs of the truth predicted by least squares, for each set and pair.

    Returns:
        By what predicts: the guess, the answer without a guess, the answer with the small model's, and the
        ``mixture`` of the first two.
    """
    given, own, guess = repeated(answer(one, SMALL), answer(one, NONE), one.guess)
    fold = regression.fold_of(len(one.truth), folds, seed=seed)
    predictors = {"guess": [guess], "own reading": [own], "answer": [given], "mixture": [guess, own]}
    return {name: regression.held_out_errors(one.truth, each, fold) for name, each in predictors.items()}


def beats_mixture(one: Guesses, *, seed: int) -> Evidence:
    """Held-out squared error of the answer less that of the best mixture of guess and own reading."""
    errors = held_out(one, seed=seed)
    found = over(np.mean, errors["answer"] - errors["mixture"], seed=seed)
    return Evidence(found, float((errors["guess"] - errors["mixture"]).mean()), COPIER)


def useless_hurts(one: Guesses, *, seed: int) -> Evidence:
    """Correlation of answers with the truth with the useless guess less without; a perfect one as control."""
    useless, *_, perfect = one.graded_answers
    without = answer(one, NONE)[:, : useless.shape[-1]]
    control = plain(one, pearson, perfect) - plain(one, pearson, without)
    return Evidence(difference(one, pearson, useless, without, seed=seed), control, "a perfect guess")


def grade_weights(one: Guesses, *, seed: int) -> list[tuple[Estimate, float]]:
    """For each grade the weight that answers give the guess beside their own reading, and that it deserves."""
    found = []
    for given, guess in zip(one.graded_answers, one.graded_guesses, strict=True):
        tables = repeated(given, guess, answer(one, NONE)[:, : len(guess)], one.truth[: len(guess)])
        found.append((over(on_guess, *tables[:3], seed=seed), on_guess(tables[3], *tables[1:3])))
    return found


def trust(one: Guesses, lesson: str, *, seed: int) -> Estimate:
    """Slope of answers on the query's guess, which says nothing about it, behind demonstrations of a lesson."""
    return over(slope, one.of("taught_answers", lesson), one.taught_guess, seed=seed)


def learns_trust(one: Guesses, lesson: str, *, seed: int) -> Evidence:
    """:func:`trust` behind demonstrations of a lesson less that behind useless ones.

    0 for a copier, for a model that ignores guesses, and for gradient descent from the guess, in which the
    query's guess has the weight 1 whatever the demonstrations say.
    """
    taught, useless = (one.of("taught_answers", name) for name in (lesson, USELESS))

    def more(taught: Table, useless: Table, guess: Table) -> float:
        return slope(taught, guess) - slope(useless, guess)

    found = over(more, taught, useless, one.taught_guess, seed=seed)
    return Evidence(found, 0.0, "a copier, and gradient descent from the guess")


def response(one: Guesses, moved: str, *, seed: int) -> Estimate:
    """The mean response to what is raised, over sets and pairs."""
    return over(np.mean, one.of("responses", moved), seed=seed)


def corrects_shown_guesses(one: Guesses, *, seed: int) -> Evidence:
    """Response to the guesses of the demonstrations, their scores as they are: -κ for gradient descent."""
    return Evidence(
        response(one, "shown guesses", seed=seed), 0.0, f"{COPIER}; gradient descent {-kappa(one):.2f}"
    )


def scores_undone(one: Guesses, *, seed: int) -> Evidence:
    """The share of what the scores shown do to the answer that is undone if the guesses beside them rise alike.

    1 for gradient descent, which sees residuals alone; 0 for a model that looks at the scores alone.
    """
    guesses, scores = (one.of("responses", name) for name in ("shown guesses", "shown scores"))
    found = over(lambda g, s: float(-g.mean() / s.mean()), guesses, scores, seed=seed)
    return Evidence(found, 0.0, "a model that looks at the scores alone; gradient descent 1")


def common_shift_undone(one: Guesses, *, seed: int) -> Evidence:
    """The share of what the query's guess does to the answer that is undone if all guesses rise alike.

    1 - (response to all guesses) / (response to the query's alone): 0 for a copier, κ for gradient descent.
    """
    both, alone = (one.of("responses", name) for name in ("all guesses", "query guess"))
    found = over(lambda b, a: float(1 - b.mean() / a.mean()), both, alone, seed=seed)
    return Evidence(found, 0.0, f"{COPIER}; gradient descent {kappa(one):.2f}")


def kappa(one: Guesses) -> float:
    """By how much gradient descent would lower the answer if all guesses shown rose by a point."""
    return float(one.of("kernel_weight", COMMON_SHIFT))


def in_style(one: Styles, style: str, given: str) -> Table:
    """The answers, as a style writes them. Raises NothingToMeasure if the model has no such style."""
    answers = one.answers[STYLES.index(style)]
    if np.isnan(answers).any():
        raise NothingToMeasure("a model with a chat template")
    return answers[GIVEN.index(given)]


def helps_in(one: Styles, style: str, *, seed: int) -> Evidence:
    """Correlation with the small model's guess less without, as a style writes them; plain text as control."""
    styled, plainly = (
        repeated(in_style(one, name, SMALL), in_style(one, name, NONE), one.truth)
        for name in (style, STYLES[0])
    )

    def gain(with_guess: Table, without: Table, truth: Table) -> float:
        return pearson(with_guess, truth) - pearson(without, truth)

    return Evidence(over(gain, *styled, seed=seed), gain(*plainly), "the same in plain text")
