"""Pictures of chapter 06: answers beside the guesses they were given."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclnb import figures
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.guess.accuracy import mse, pearson
from iclnb.guess.comparison import Comparison
from iclnb.guess.material import NONE
from iclnb.stats import Estimate

_PANELS = {"Pearson correlation": pearson, "squared error": mse}


@figures.picture
def accuracy(compared: Comparison) -> Picture:
    """Accuracy of the answers with each guess, and of the guess alone as crosses, one line for each guess."""
    figure, all_axes = plt.subplots(1, 2, figsize=(8.2, 3.2), sharey=True)
    words = []
    for axes, (label, statistic) in zip(all_axes, _PANELS.items(), strict=True):
        answered = [compared.accuracy(statistic, compared.answer(name)) for name in compared.answers]
        alone = [
            compared.plain(statistic, compared.guess(name)) if name != NONE else np.nan
            for name in compared.answers
        ]
        places = np.arange(len(answered))[::-1].astype(float)
        _points(axes, places, answered, "model's answer", figures.SERIES[0])
        style = {"color": figures.CONTROL["color"], "marker": "x", "linestyle": "none"}
        axes.plot(alone, places, label="guess alone", **style)
        axes.set_yticks(places, list(compared.answers))
        axes.set_xlabel(label)
        words.append(label + ": " + "; ".join(
            f"{name} {number(estimate.value)}" + (f" (alone {number(guess)})" if name != NONE else "")
            for name, estimate, guess in zip(compared.answers, answered, alone, strict=True)
        ))  # fmt: skip
    _legend(figure, all_axes[0])
    return Picture(
        figure,
        alt="Answers against human scores by guess. " + ". ".join(words) + ".",
        caption="Answers with each guess (95 % intervals over sets and pairs), and the guess alone.",
    )


@figures.picture
def dose_response(compared: Comparison, graded: Comparison) -> Picture:
    """Accuracy of answers against the quality of the guess; the guess alone and no guess on the same axes.

    Args:
        compared: has answers without a guess.
        graded: answers with each graded guess, worst first.
    """
    figure, all_axes = plt.subplots(1, 2, figsize=(8.2, 3.2))
    points = next(iter(graded.answers.values())).expected.shape[-1]
    quality = np.array([graded.plain(pearson, graded.guess(name)) for name in graded.guesses])
    words = []
    for axes, (label, statistic) in zip(all_axes, _PANELS.items(), strict=True):
        by_grade = [graded.accuracy(statistic, graded.answer(name)) for name in graded.guesses]
        answered = Estimate(*np.array(by_grade, dtype=float).T)
        alone = [graded.plain(statistic, graded.guess(name)) for name in graded.guesses]
        without = compared.accuracy(statistic, compared.answer(NONE)[:, :points])
        figures.band(axes, quality, answered, "model's answer", **figures.SERIES[0])
        axes.plot(quality, alone, label="guess alone", **figures.CONTROL)
        axes.axhline(without.value, label="answer without a guess", color=figures.SERIES[1]["color"], ls="--")
        axes.axhspan(without.low, without.high, color=figures.SERIES[1]["color"], alpha=0.12, linewidth=0)
        axes.set(xlabel="correlation of the guess with the truth", ylabel=label)
        pairs = zip(quality, answered.value, strict=True)
        words.append(f"{label} by correlation of the guess: " + "; ".join(
            f"{number(x)} gives {number(y)}" for x, y in pairs
        ) + f"; without a guess {number(without.value)}")  # fmt: skip
    _legend(figure, all_axes[0])
    return Picture(
        figure,
        alt=". ".join(words) + ".",
        caption=f"Answers by quality of the guess ({points} pairs), the guess alone, no guess.",
    )


@figures.picture
def weights(graded: Comparison, found: Mapping[str, tuple[Estimate, float]]) -> Picture:
    """The weight that answers give the guess, and that it deserves, against the quality of the guess.

    Args:
        graded: answers with each graded guess, worst first.
        found: of :func:`iclnb.guess.estimates_use.weights`.
    """
    figure, axes = plt.subplots(figsize=(5.6, 3.0))
    quality = np.array([graded.plain(pearson, graded.guess(name)) for name in found])
    given = Estimate(*np.array([estimate for estimate, _ in found.values()], dtype=float).T)
    deserved = [best for _, best in found.values()]
    figures.band(axes, quality, given, "the model gives it", **figures.SERIES[0])
    axes.plot(quality, deserved, label="it deserves", **figures.CONTROL)
    axes.set(xlabel="correlation of the guess with the truth", ylabel="weight of the guess")
    _legend(figure, axes)
    words = [
        f"{number(x)}: given {number(y)}, deserved {number(best)}"
        for x, y, best in zip(quality, given.value, deserved, strict=True)
    ]
    return Picture(
        figure,
        alt="Weight of the guess by its correlation with the truth. " + "; ".join(words) + ".",
        caption="Weight of the guess beside the answer without one: in answers, and in the best mixture.",
    )


@figures.picture
def responses(measured: Mapping[str, Estimate], predicted: Mapping[str, Sequence[float]]) -> Picture:
    """How far answers move when something is raised by one point, beside what each hypothesis predicts.

    Args:
        measured: what is moved -> the response.
        predicted: name of a hypothesis -> its responses, in the same order.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.2))
    places = np.arange(len(measured))[::-1].astype(float)
    _points(axes, places, list(measured.values()), "model", figures.SERIES[0])
    offsets = np.linspace(-0.12, -0.36, len(predicted))
    for offset, line, (name, values) in zip(offsets, figures.SERIES[1:], predicted.items(), strict=False):
        style = {"color": line["color"], "marker": line["marker"], "linestyle": "none", "fillstyle": "none"}
        axes.plot(values, places + offset, label=name, **style)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(places, list(measured))
    axes.set_xlabel("change of the answer per point")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    words = [
        f"{name} {number(estimate.value)} ("
        + ", ".join(f"{hypothesis} {values[i]:.2f}" for hypothesis, values in predicted.items()) + ")"
        for i, (name, estimate) in enumerate(measured.items())
    ]  # fmt: skip
    return Picture(
        figure,
        alt="Change of the answer per point, and what is predicted: " + "; ".join(words) + ".",
        caption="Responses of the answer, 95 % intervals over demonstration sets and pairs.",
    )


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8)


def _points(
    axes: Axes, places: Float[np.ndarray, " points"], estimates: Sequence[Estimate], label: str, line: dict
) -> None:
    """Values with their intervals, one a line of text."""
    value, low, high = (np.array([estimate[i] for estimate in estimates], dtype=float) for i in range(3))
    axes.hlines(places, low, high, color=line["color"], linewidth=1.4)
    axes.plot(value, places, color=line["color"], marker=line["marker"], linestyle="none", label=label)
