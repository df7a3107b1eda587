"""Pictures of answers beside the guesses they were given."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclnb import figures
from iclnb.stats import Estimate

Answered = Mapping[str, Estimate]


def beside_the_guess(panels: Mapping[str, tuple[Answered, Mapping[str, float]]]) -> Figure:
    """Answers with intervals and the guess alone as crosses, one line for each guess.

    Args:
        panels: name of a score -> for each guess that score of the answers, and of the guess alone (guesses
            that have none, or not a number, get no cross).

    Returns:
        The figure.
    """
    figure, all_axes = plt.subplots(1, len(panels), figsize=(8.2, 3.2), sharey=True, squeeze=False)
    for axes, (score, (answered, alone)) in zip(all_axes[0], panels.items(), strict=True):
        places = np.arange(len(answered))[::-1]
        _points(axes, places, list(answered.values()), "model's answer", figures.SERIES[0])
        crosses = [(alone.get(name, np.nan), place) for name, place in zip(answered, places, strict=True)]
        style = {"color": figures.CONTROL["color"], "marker": "x", "linestyle": "none"}
        axes.plot(*zip(*crosses, strict=True), label="guess alone", **style)
        axes.set_yticks(places, list(answered))
        axes.set_xlabel(score)
    figure.legend(
        *all_axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8
    )
    return figure


def dose_response(
    dose: Float[np.ndarray, " grades"],
    panels: Mapping[str, tuple[Estimate, Float[np.ndarray, " grades"], Estimate]],
) -> Figure:
    """Scores of the answer against the quality of the guess, the guess alone and no guess on the same axes.

    Args:
        dose: correlation of each guess with the truth.
        panels: name of a score -> of the answers by grade; of the guesses alone; of answers without a guess.

    Returns:
        The figure.
    """
    figure, all_axes = plt.subplots(1, len(panels), figsize=(8.2, 3.2), squeeze=False)
    for axes, (score, (answered, alone, without)) in zip(all_axes[0], panels.items(), strict=True):
        figures.band(axes, dose, answered, "model's answer", **figures.SERIES[0])
        axes.plot(dose, alone, label="guess alone", **figures.CONTROL)
        axes.axhline(without.value, label="answer without a guess", color=figures.SERIES[1]["color"], ls="--")
        axes.axhspan(without.low, without.high, color=figures.SERIES[1]["color"], alpha=0.12, linewidth=0)
        axes.set(xlabel="correlation of the guess with the truth", ylabel=score)
    figure.legend(
        *all_axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=8
    )
    return figure


def responses(measured: Answered, predicted: Mapping[str, Sequence[float]]) -> Figure:
    """How far answers move when something is moved by one point, beside what each hypothesis predicts.

    Args:
        measured: what is moved -> the response.
        predicted: name of a hypothesis -> its responses, in the same order.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(figsize=(7.0, 3.2))
    places = np.arange(len(measured))[::-1].astype(float)
    _points(axes, places, list(measured.values()), "model", figures.SERIES[0])
    offsets = np.linspace(-0.12, -0.36, len(predicted)) if predicted else ()
    for offset, line, (name, values) in zip(offsets, figures.SERIES[1:], predicted.items(), strict=False):
        style = {"color": line["color"], "marker": line["marker"], "linestyle": "none", "fillstyle": "none"}
        axes.plot(values, places + offset, label=name, **style)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(places, list(measured))
    axes.set_xlabel("change of the answer per point")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _points(
    axes: Axes, places: Float[np.ndarray, " points"], estimates: Sequence[Estimate], label: str, line: dict
) -> None:
    """Values with their intervals, one a line of text."""
    value, low, high = (np.array([estimate[i] for estimate in estimates], dtype=float) for i in range(3))
    axes.hlines(places, low, high, color=line["color"], linewidth=1.4)
    axes.plot(value, places, color=line["color"], marker=line["marker"], linestyle="none", label=label)
