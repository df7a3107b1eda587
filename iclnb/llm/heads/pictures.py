"""Pictures of heads: maps of all of them, profiles over depth with nulls, effects with their controls."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclnb import figures
from iclnb.stats import Estimate

Head = tuple[int, int]
"""A layer and one of its heads, both counted from 0."""


def head_maps(
    panels: Mapping[str, Float[np.ndarray, "layers heads"]],
    *,
    label: str,
    marked: Mapping[str, Head] | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Maps of all heads side by side on one colour scale, the first layer at the bottom (paper A, figure 3).

    Args:
        panels: title -> a number for every head; layers and heads may differ in number between panels.
        label: what the numbers are, beside the colour scale.
        marked: title -> the head to mark and name; ``None`` for the head with the largest number. A panel
            without an entry has no mark.
        limits: ends of the colour scale; ``None`` for the smallest and the largest number of all panels.

    Returns:
        The figure.
    """
    if marked is None:
        marked = {title: best_head(values) for title, values in panels.items()}
    low, high = limits or (
        min(np.nanmin(values) for values in panels.values()),
        max(np.nanmax(values) for values in panels.values()),
    )
    width = max(6.4, 1.2 + 2.4 * len(panels))
    figure, all_axes = plt.subplots(1, len(panels), figsize=(width, 4.6), squeeze=False)
    for axes, (title, values) in zip(all_axes[0], panels.items(), strict=True):
        image = axes.imshow(
            values, origin="lower", aspect="auto", vmin=low, vmax=high, interpolation="nearest"
        )
        axes.grid(False)
        axes.set(title=title, xlabel="head")
        axes.set_xticks(_ticks(values.shape[1]))
        axes.set_yticks(_ticks(values.shape[0]))
        if title in marked:
            _mark(axes, marked[title], values[marked[title]])
    all_axes[0, 0].set_ylabel("layer")
    figure.colorbar(image, ax=all_axes.ravel().tolist(), label=label, pad=0.02)
    return figure


def best_head(values: Float[np.ndarray, "layers heads"]) -> Head:
    """The layer and head with the largest number (the first of equals); not-a-number never wins."""
    layer, head = np.unravel_index(np.nanargmax(values), values.shape)
    return int(layer), int(head)


def _ticks(count: int) -> np.ndarray:
    return np.arange(0, count, max(1, round(count / 8)))


def _mark(axes: Axes, head: Head, value: float) -> None:
    """A square around the cell, white on black so that it shows on any ground, and the head's name below."""
    layer, column = head
    for color, width in (("black", 3.2), ("white", 1.4)):
        axes.add_patch(
            plt.Rectangle((column - 0.5, layer - 0.5), 1, 1, fill=False, edgecolor=color, linewidth=width)
        )
    axes.set_xlabel(f"head\n□ layer {layer}, head {column}: {value:.2f}")


@dataclass(frozen=True)
class Profile:
    """What one panel of :func:`depth_profiles` shows.

    Attributes:
        values: a number for every head; drawn are the largest and the mean of each layer.
        best: the same as the largest, with intervals, where there are any. (layers)
        random: a number for every head of the model with random weights; drawn is its largest by layer.
        bands: name -> lower and upper end of what chance gives, such as quantiles of the largest agreement of
            any head with permuted labels.
        lines: name -> what needs no attention at all, such as answering with the last label.
    """

    values: Float[np.ndarray, "layers heads"]
    best: Estimate | None = None
    random: Float[np.ndarray, "layers heads"] | None = None
    bands: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    lines: Mapping[str, float] = field(default_factory=dict)


_HATCHES = ("////", "....", "xxxx")
_DASHES = ((0, (6, 2)), (0, (1, 2)), (0, (6, 2, 1, 2)), (0, (2, 4)))


def depth_profiles(
    panels: Mapping[str, Profile], *, label: str, depth: tuple[float, float] | None = None
) -> Figure:
    """The best and the mean head of each layer, with nulls and rivals on the same axes.

    Args:
        panels: title -> what it shows.
        label: what the numbers are.
        depth: relative depths between which the ground is shaded (0.57 to 0.75 in paper A).

    Returns:
        The figure; panels share the vertical axis, and above them is the relative depth.
    """
    width = max(6.4, 0.6 + 4.2 * len(panels))
    figure, all_axes = plt.subplots(1, len(panels), figsize=(width, 4.4), sharey=True, squeeze=False)
    for axes, (title, shown) in zip(all_axes[0], panels.items(), strict=True):
        layers = len(shown.values)
        if depth is not None:
            axes.axvspan(depth[0] * layers, depth[1] * layers, color="0.92", zorder=0)
        _nulls(axes, shown)
        _curves(axes, shown)
        axes.set(title=title, xlabel="layer", xlim=(-0.5, layers - 0.5))
        above = axes.secondary_xaxis(
            "top", functions=(lambda x, n=layers: x / n, lambda share, n=layers: share * n)
        )
        above.set_xlabel("relative depth", fontsize=8)
        above.tick_params(labelsize=8)
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    all_axes[0, 0].set_ylabel(label)
    return figure


def _curves(axes: Axes, shown: Profile) -> None:
    where = np.arange(len(shown.values))
    if shown.best is not None:
        figures.band(axes, where, shown.best, "best head of the layer", **figures.SERIES[0])
    else:
        best = np.nanmax(shown.values, axis=1)
        axes.plot(where, best, label="best head of the layer", markersize=3.5, **figures.SERIES[0])
    mean = np.nanmean(shown.values, axis=1)
    axes.plot(where, mean, label="mean of the layer's heads", markersize=3, **figures.SERIES[1])
    if shown.random is not None:
        random = np.nanmax(shown.random, axis=1)
        axes.plot(
            np.arange(len(random)), random, label="random weights, best", markersize=4, **figures.CONTROL
        )


def _nulls(axes: Axes, shown: Profile) -> None:
    for (name, (low, high)), hatch in zip(shown.bands.items(), _HATCHES, strict=False):
        axes.axhspan(
            low, high, facecolor="none", edgecolor="0.6", hatch=hatch, linewidth=0.6, label=name, zorder=1
        )
    for (name, value), dashes in zip(shown.lines.items(), _DASHES, strict=False):
        axes.axhline(value, color="0.35", linestyle=dashes, linewidth=1.2, label=name, zorder=1)


def effects(
    panels: Mapping[str, Mapping[str, Estimate]],
    *,
    labels: Mapping[str, str],
    controls: Collection[str] = (),
    zero: float | None = 0.0,
) -> Figure:
    """Effects with their intervals, one line each, controls among them in the style of controls.

    Args:
        panels: title -> name of the intervention -> its effect. All panels have the same interventions, which
            stand from top to bottom in the order of the first.
        labels: title -> what is on its horizontal axis.
        controls: names of the interventions that are controls.
        zero: where no effect is marked; ``None`` for nowhere.

    Returns:
        The figure.

    Raises:
        ValueError: if panels differ in their interventions, or a control is none of them.
    """
    names = list(next(iter(panels.values())))
    if any(set(shown) != set(names) for shown in panels.values()) or not set(controls) <= set(names):
        raise ValueError(f"every panel needs the interventions {names}, and controls are some of them")
    size = (max(6.4, 2.0 + 2.8 * len(panels)), 1.2 + 0.36 * len(names))
    figure, all_axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for axes, (title, shown) in zip(all_axes[0], panels.items(), strict=True):
        for row, name in enumerate(names):
            line = figures.CONTROL if name in controls else figures.SERIES[0]
            estimate = shown[name]
            axes.plot([estimate.low, estimate.high], [row, row], color=line["color"], linewidth=1.8)
            axes.plot(estimate.value, row, marker=line["marker"], color=line["color"], markersize=6)
        if zero is not None:
            axes.axvline(zero, color="0.4", linewidth=0.8, zorder=0)
        axes.set(title=title, xlabel=labels[title])
    marked = [f"{name} (control)" if name in controls else name for name in names]
    all_axes[0, 0].set_yticks(range(len(names)), marked)
    all_axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    return figure
