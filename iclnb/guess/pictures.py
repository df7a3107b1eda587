"""Pictures of chapter 06 and its appendix: answers of every model beside the guesses they were given."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from iclnb import figures
from iclnb.claims import by_row
from iclnb.display import number
from iclnb.figures import Picture, rows
from iclnb.figures.rows import Mark, Panel
from iclnb.guess import estimates, findings
from iclnb.guess.estimates import Accuracy, accuracy, answer, in_style, plain
from iclnb.guess.findings import MOVED, NONE, OTHERS, SMALL, STYLES, Guesses, Styles
from iclnb.guess.regression import Table, mse, pearson
from iclnb.stats import Estimate

PANELS = {"correlation with human scores": pearson, "squared error": mse}
SETS = "Intervals: 95 % over demonstration sets and test pairs."


@figures.picture
def accuracies(ladder: Mapping[str, Guesses], *, seed: int) -> Picture:
    """Correlation and squared error of answers by the guess given; of the guesses alone as crosses."""

    def panel(label: str, statistic: Accuracy) -> Panel:
        answers = by_row(
            ladder,
            ("no guess", SMALL, *OTHERS),
            lambda one, row: accuracy(one, statistic, _by_guess(one)[row][0], seed=seed),
        )
        alone = by_row(
            ladder, (SMALL, *OTHERS), lambda one, row: plain(one, statistic, _by_guess(one)[row][1])
        )
        return Panel(label, answers, [Mark("guess alone", alone)])

    return rows.picture(
        *(panel(*each) for each in PANELS.items()),
        alt="Answers by the guess given.",
        caption=f"Answers with each guess, and the guess alone (crosses). {SETS}",
    )


def _by_guess(one: Guesses) -> dict[str, tuple[Table, np.ndarray | None]]:
    """Answers, and the guess they were given, by its name."""
    main = {"no guess": (answer(one, NONE), None), SMALL: (answer(one, SMALL), one.guess)}
    return main | dict(zip(OTHERS, zip(one.other_answers, one.other_guesses, strict=True), strict=True))


@figures.picture
def lessons(ladder: Mapping[str, Guesses], *, seed: int) -> Picture:
    """How far a guess that says nothing is followed, by what the demonstrations teach about guesses."""
    names = {
        "guess = score": findings.PERFECT, "guess = score + 1": findings.SHIFTED,
        "useless": findings.USELESS, "guess = 5 - score": findings.MIRRORED,
    }  # fmt: skip
    found = by_row(ladder, names, lambda one, lesson: estimates.trust(one, lesson, seed=seed))
    learner = Mark("what they teach", dict(zip(names, (1.0, 1.0, 0.0, -1.0), strict=True)), "*")
    return rows.picture(
        Panel("slope of the answer on the query's guess", found, [learner]),
        lines=(0.0, 1.0),
        alt="How far a useless guess is followed, by the demonstrations beside it.",
        caption=f"The same guess beside four kinds of demonstrations. A copier and gradient descent: 1. {SETS}",
    )


@figures.picture
def responses(ladder: Mapping[str, Guesses], *, seed: int) -> Picture:
    """How far answers move when something is raised by one point, beside gradient descent and a copier."""
    found = by_row(ladder, MOVED, lambda one, moved: estimates.response(one, moved, seed=seed))
    weights = dict(zip(MOVED, ((1, 0), (0, -1), (1, -1), (0, 1)), strict=True))
    by_descent = by_row(ladder, weights, lambda one, ab: float(ab[0] + ab[1] * estimates.kappa(one)))
    copier = Mark("copier", dict(zip(MOVED, (1.0, 0.0, 1.0, 0.0), strict=True)), "P")
    return rows.picture(
        Panel("change of the answer per point", found, [Mark("gradient descent", by_descent), copier]),
        alt="Change of the answer when something in the prompt is raised.",
        caption=f"What is raised by a point, and how far the answer moves. {SETS}",
    )


@figures.picture
def doses(ladder: Mapping[str, Guesses], *, seed: int) -> Picture:
    """Correlation of answers with the truth, and the weight they give the guess, by the guess's quality."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.4))
    told = []
    for run, look in figures.rung_styles(ladder).items():
        one = ladder[run]
        quality = np.array([plain(one, pearson, guess) for guess in one.graded_guesses])
        answered = _stacked([accuracy(one, pearson, each, seed=seed) for each in one.graded_answers])
        weights = estimates.grade_weights(one, seed=seed)
        figures.band(left, quality, answered, run, **look)
        figures.band(right, quality, _stacked([given for given, _ in weights]), run, **look)
        right.plot(
            quality, [deserved for _, deserved in weights], color=look["color"], linewidth=0.7, label="_"
        )
        told.append(
            f"{run}: from {number(float(answered.value[0]), 2)} to {number(float(answered.value[-1]), 2)}"
        )
    left.axline((0.5, 0.5), slope=1, label="guess alone", **figures.CONTROL | {"marker": ""})
    left.set(xlabel="correlation of the guess with the truth", ylabel="correlation of the answer")
    right.set(xlabel="correlation of the guess with the truth", ylabel="weight of the guess")
    rows.legend(figure)
    return Picture(
        figure,
        alt=f"Correlation of answers as the guess goes from useless to perfect. {'; '.join(told)}.",
        caption="Answers by the quality of the guess, and the weight that they give it beside the model's own "
        f"reading; thin lines: the weight it deserves. Bands: 95 %. {SETS}",
    )


@figures.picture
def styles(ladder: Mapping[str, Styles], *, seed: int) -> Picture:
    """Correlation and squared error of answers with the small model's guess, by how it is written."""

    def panel(label: str, statistic: Accuracy) -> Panel:
        found = by_row(
            ladder,
            STYLES,
            lambda one, style: estimates.over(statistic, in_style(one, style, SMALL), one.truth, seed=seed),
        )
        without = by_row(
            ladder,
            STYLES,
            lambda one, style: statistic(*estimates.repeated(in_style(one, style, NONE), one.truth)),
        )
        return Panel(label, found, [Mark("no guess", without)])

    return rows.picture(
        *(panel(*each) for each in PANELS.items()),
        alt="Answers with the small model's guess by style.",
        caption=f"Guess and scores written in six ways; crosses: without a guess. {SETS}",
    )


def _stacked(found: list[Estimate]) -> Estimate:
    return Estimate(*np.array(found, dtype=float).T)
