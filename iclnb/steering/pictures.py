"""Pictures of the phenomena: curves over a dial, conditions side by side, orders."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from iclnb import figures
from iclnb.stats import Estimate

Curve = tuple[Sequence[float], Estimate]
"""Abscissae, and estimates of the same length."""

REFERENCE = {"color": "0.4", "linewidth": 0.9}


def curves(
    model: Mapping[str, Mapping[str, Curve]],
    kernel: Mapping[str, Mapping[str, Curve]],
    *,
    xlabel: str,
    ylabel: str,
    reference: Mapping[str, float],
    points: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
) -> Figure:
    """A panel for each key; in it the model's curves with intervals and, in grey, the kernel's own.

    Args:
        model: title of a panel -> name of a curve -> its points.
        kernel: the same of kernel regression on the same demonstrations; names may be missing.
        xlabel, ylabel: of the axes.
        reference: name -> height of a horizontal line (chance, zero-shot).
        points: panel -> name of a curve -> a single (x, y) from elsewhere, drawn as a star of its colour.

    Returns:
        The figure; all panels share their axes, curves are set apart a little so that intervals can be told.
    """
    figure, all_axes = plt.subplots(
        1, len(model), figsize=(8.6, 3.6), sharex=True, sharey=True, squeeze=False
    )
    steps = sorted({at for found in model.values() for x, _ in found.values() for at in x})
    width = (steps[-1] - steps[0]) or 1.0
    for axes, (title, found) in zip(all_axes[0], model.items(), strict=True):
        for i, ((name, (x, estimate)), line) in enumerate(zip(found.items(), figures.SERIES, strict=False)):
            shift = 0.012 * width * (i - (len(found) - 1) / 2)
            _bars(axes, np.asarray(x, dtype=float) + shift, estimate, label=name, **line)
            if name in kernel.get(title, {}):
                own_x, own = kernel[title][name]
                grey = {**figures.CONTROL, "marker": line["marker"], "markersize": 4, "linewidth": 1}
                axes.plot(np.asarray(own_x, dtype=float) + shift, own.value, zorder=1, **grey)
            if name in (points or {}).get(title, {}):
                at = points[title][name]
                axes.plot(*at, marker="*", markersize=10, color=line["color"], linestyle="none")
        _references(axes, reference)
        axes.set(title=title, xlabel=xlabel, xticks=steps)
        axes.plot([], [], label="kernel regression", **{**figures.CONTROL, "marker": ""})
    all_axes[0][0].set_ylabel(ylabel)
    figure.legend(*_legend(all_axes[0]), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _bars(axes: plt.Axes, x: Float[np.ndarray, " points"], estimate: Estimate, **line: object) -> None:
    """A line with an interval at each point."""
    spread = np.maximum([estimate.value - estimate.low, estimate.high - estimate.value], 0)
    axes.errorbar(x, estimate.value, yerr=spread, markersize=4, linewidth=1.4, elinewidth=1, **line)


def _references(axes: plt.Axes, reference: Mapping[str, float]) -> None:
    for (name, height), dash in zip(reference.items(), ("-", "--", ":"), strict=False):
        axes.axhline(height, label=name, linestyle=dash, **REFERENCE)


def _legend(all_axes: Sequence[plt.Axes]) -> tuple[list, list]:
    """Every name once, the kernel and the references last."""
    found: dict[str, object] = {}
    for axes in all_axes:
        found |= {
            name: handle
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
            if name not in found
        }
    return list(found.values()), list(found)


def conditions(
    model: Mapping[str, Mapping[str, Estimate]],
    kernel: Mapping[str, Mapping[str, float]],
    *,
    xlabels: Mapping[str, str],
    reference: Mapping[str, Mapping[str, float]],
) -> Figure:
    """Conditions as rows, a panel for each measure: the model's estimate and interval, the kernel's cross.

    Args:
        model: measure -> condition -> estimate; the same conditions in every panel.
        kernel: measure -> condition -> what kernel regression on the same demonstrations gives.
        xlabels: measure -> label of its axis.
        reference: measure -> condition -> another value to compare with, drawn as a ring (zero-shot).

    Returns:
        The figure.
    """
    names = list(next(iter(model.values())))
    height = 1.2 + 0.28 * len(names)
    figure, all_axes = plt.subplots(1, len(model), figsize=(8.6, height), sharey=True, squeeze=False)
    rows = np.arange(len(names))
    for axes, (measure, found) in zip(all_axes[0], model.items(), strict=True):
        value, low, high = (np.array([found[name][i] for name in names], dtype=float) for i in range(3))
        spread = np.maximum([value - low, high - value], 0)
        axes.errorbar(value, rows, xerr=spread, fmt="o", color="#1b1b1b", markersize=4, lw=1.2, label="model")
        for marks, style, label in (
            (kernel.get(measure, {}), {"marker": "x", "color": "#8a8a8a"}, "kernel regression"),
            (
                reference.get(measure, {}),
                {"marker": "o", "color": "#0072b2", "fillstyle": "none"},
                "zero-shot",
            ),
        ):
            at = [(x, names.index(name)) for name, x in marks.items() if name in names]
            if at:
                axes.plot(*zip(*at, strict=True), linestyle="none", label=label, **style)
        axes.set(xlabel=xlabels[measure], yticks=rows)
        axes.set_yticklabels(names, fontsize=8)
    all_axes[0][0].invert_yaxis()
    figure.legend(*_legend(all_axes[0]), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def orders(
    log_odds: Float[np.ndarray, "sets points orders"],
    profile: Estimate,
    shares: Mapping[str, Estimate],
) -> Figure:
    """What the order of demonstrations does: the spread, the recency profile, shares of the variance.

    Args:
        log_odds: of every order, for each set and test point.
        profile: effect of the label at each position, of shape (k,).
        shares: part of the variance -> its share.

    Returns:
        The figure. Kernel regression would have one dot a row, a profile of zero, no share for the order.
    """
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.6, 3.4))
    rows = log_odds.reshape(-1, log_odds.shape[-1])
    rows = rows[rows.mean(1).argsort()]
    left.plot(rows, np.arange(len(rows)), ".", color="#0072b2", markersize=3)
    left.axvline(0, **REFERENCE)
    left.set(title="every order", xlabel="log-odds (nats)", ylabel="demonstration set and query", yticks=[])
    places = np.arange(1, len(profile.value) + 1)
    figures.band(middle, places, profile, "model", **figures.SERIES[0])
    middle.plot(places, np.zeros(len(places)), label="kernel regression", **figures.CONTROL)
    middle.set(title="label at a position", xlabel="position (last: next to query)", ylabel="effect (nats)")
    middle.set_xticks(places)
    middle.legend(fontsize=8)
    value, low, high = (np.array([part[i] for part in shares.values()], dtype=float) for i in range(3))
    bars = np.arange(len(shares))
    right.bar(bars, value, yerr=np.maximum([value - low, high - value], 0), color="0.75", ecolor="0.2")
    right.set(title="variance explained", ylabel="share", xticks=bars)
    right.set_xticklabels(list(shares), fontsize=8)
    return figure
