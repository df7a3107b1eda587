"""Parts of the pictures of chapter 04: curves over a dial, rows of estimates, one legend."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclnb import figures
from iclnb.display import number
from iclnb.stats import Estimate
from iclnb.steering.estimates import over
from iclnb.steering.measures import Choices
from iclnb.steering.study import Measured

REFERENCE = {"color": "0.4", "linewidth": 0.9}
CROSS = {"color": figures.CONTROL["color"], "marker": "x", "linestyle": "none"}


class Curve(NamedTuple):
    """One measure over a dial, of the model and of kernel regression."""

    x: Sequence[float]
    model: Estimate
    kernel: Sequence[float]


def means(found: Mapping[str, Measured]) -> str:
    """The probability of the right word under each condition, in words."""
    right = {name: [number(side.of_truth.mean()) for side in each] for name, each in found.items()}
    return "; ".join(f"{name}: {model} (kernel {kernel})" for name, (model, kernel) in right.items())


def curve(found: Mapping[float, Measured], measure: Callable[[Choices], np.ndarray], seed: int) -> Curve:
    """The mean of a measure at each setting of a dial."""
    estimates = [over(measure(each.model), seed=seed) for each in found.values()]
    stacked = Estimate(*np.array(estimates, dtype=float).T)
    return Curve(list(found), stacked, [float(measure(each.kernel).mean()) for each in found.values()])


def curves(
    panels: Mapping[str, Mapping[str, Curve]],
    xlabel: str,
    ylabel: str,
    lines: Mapping[str, float],
    stars: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """A panel for each key; curves are set apart a little so that their intervals can be told apart."""
    figure, all_axes = plt.subplots(
        1, len(panels), figsize=(8.6, 3.6), sharex=True, sharey=True, squeeze=False
    )
    steps = sorted({at for found in panels.values() for each in found.values() for at in each.x})
    width = (steps[-1] - steps[0]) or 1.0
    for axes, (title, found) in zip(all_axes[0], panels.items(), strict=True):
        for i, (name, each) in enumerate(found.items()):
            x = np.asarray(each.x, dtype=float) + 0.012 * width * (i - (len(found) - 1) / 2)
            style = figures.SERIES[i]
            value, apart = each.model.value, _limits(each.model)
            axes.errorbar(x, value, yerr=apart, label=name, markersize=4, lw=1.4, elinewidth=1, **style)
            grey = {**figures.CONTROL, "marker": style["marker"], "markersize": 4, "linewidth": 1}
            axes.plot(x, each.kernel, zorder=1, **grey)
            if name in (stars or {}):
                axes.plot(*stars[name], marker="*", markersize=10, color=style["color"], linestyle="none")
        for (name, height), dash in zip(lines.items(), ("-", "--"), strict=False):
            axes.axhline(height, label=name, linestyle=dash, **REFERENCE)
        axes.set(title=title, xlabel=xlabel, xticks=steps)
        axes.plot([], [], label="kernel regression", **{**figures.CONTROL, "marker": ""})
    all_axes[0][0].set_ylabel(ylabel)
    legend(figure, all_axes[0], 4)
    return figure


def rows(axes: Axes, found: Mapping[str, Estimate]) -> None:
    """Estimates with intervals, a row for each name."""
    value, apart = spread(list(found.values()))
    places = np.arange(len(found))
    axes.errorbar(value, places, xerr=apart, fmt="o", color="#1b1b1b", markersize=4, lw=1.2, label="model")
    axes.set_yticks(places, list(found), fontsize=8)


def spread(estimates: Sequence[Estimate]) -> tuple[np.ndarray, np.ndarray]:
    """Values, and distances of the limits from them."""
    stacked = Estimate(*np.array(estimates, dtype=float).T)
    return stacked.value, _limits(stacked)


def _limits(estimate: Estimate) -> Float[np.ndarray, "2 points"]:
    return np.maximum([estimate.value - estimate.low, estimate.high - estimate.value], 0)


def legend(figure: Figure, all_axes: Sequence[Axes], columns: int) -> None:
    """Every name once, below the panels."""
    found: dict[str, object] = {}
    for axes in all_axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(name, handle)
    figure.legend(found.values(), found, loc="outside lower center", ncols=columns, fontsize=8)
