"""Rows of estimates, a mark with its interval for each run of a ladder."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import CARETLEFT

from iclnb import figures
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.stats import Estimate

Rows = Mapping[str, Mapping[str, Estimate]]  # Name of a row -> run -> its estimate

CROSS = {"color": figures.CONTROL["color"], "marker": "x", "linestyle": "none"}
LINE = {"color": "0.4", "linewidth": 0.8}


class Mark(NamedTuple):
    """What else stands in rows, in grey: a control, a prediction, a paper's number."""

    name: str  # in the legend
    # row -> the number, or run -> the number; rows without one have none
    at: Mapping[str, float | Mapping[str, float]]
    marker: str = "x"  # of Matplotlib


class Panel(NamedTuple):
    """One panel of a figure of rows."""

    xlabel: str
    found: Rows
    marks: Sequence[Mark] = ()
    title: str = ""


def draw(
    axes: Axes, found: Rows, *marks: Mark, lines: Sequence[float] = (0.0,), least: float = -np.inf
) -> None:
    """Estimates in rows, the first at the top, runs below one another in each; ``lines`` are vertical ones.

    At ``least`` the axis ends: an estimate below it is an arrow there, and has no interval.
    """
    runs = list(dict.fromkeys(run for row in found.values() for run in row))
    steps = np.linspace(-0.27, 0.27, len(runs)) if len(runs) > 1 else [0.0] * len(runs)
    apart = dict(zip(runs, steps, strict=True))
    for x in lines:
        axes.axvline(x, zorder=0, **LINE)
    for mark in marks:
        places = [
            (x, place + step)
            for place, row in enumerate(found)
            for x, step in _numbers(mark.at.get(row), apart)
        ]
        style = CROSS | {"marker": mark.marker, "markersize": 5}
        axes.plot(*np.reshape(places, (-1, 2)).T, label=mark.name, zorder=1, **style)
    for run, look in figures.rung_styles(runs).items():
        here = [(place, row[run]) for place, row in enumerate(found.values()) if run in row]
        if not here:
            continue
        value, low, high = np.maximum(np.array([each[:3] for _, each in here], dtype=float), least).T
        places = np.array([place for place, _ in here]) + apart[run]
        beyond = value == least
        axes.plot(value[beyond], places[beyond], **CROSS | {"marker": CARETLEFT, "color": look["color"]})
        value[beyond] = np.nan
        spread = np.maximum([value - low, high - value], 0)
        style = {**look, "linestyle": "none", "markersize": 4.5, "elinewidth": 1.2}
        axes.errorbar(value, places, xerr=spread, label=run, **style)
    axes.set_yticks(range(len(found)), [textwrap.fill(row, 40) for row in found])
    axes.set_ylim(max(len(found), 1) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def _numbers(at: float | Mapping[str, float] | None, apart: Mapping[str, float]) -> list[tuple[float, float]]:
    """Abscissae of a mark in one row, with how far each stands from the row's middle."""
    if at is None:
        return []
    if isinstance(at, Mapping):
        return [(x, apart[run]) for run, x in at.items()]
    return [(at, 0.0)]


def height(found: Rows) -> float:
    """Inches that the rows take."""
    runs = max((len(row) for row in found.values()), default=1)
    return 1.1 + len(found) * (0.2 + 0.12 * runs)


def told(found: Rows) -> str:
    """The estimates in words."""
    return "; ".join(
        f"{row}: " + ", ".join(f"{run} {number(float(each.value), 2)}" for run, each in runs.items())
        for row, runs in found.items()
    )


def figure(*panels: Panel, lines: Sequence[float] = (0.0,), least: float = -np.inf) -> Figure:
    """Panels side by side and one legend; they share the axes that mean the same."""
    width, more = (7.4, 0.0) if len(panels) == 1 else (8.6, 0.4)
    made, all_axes = plt.subplots(
        1, len(panels), squeeze=False,
        figsize=(width, more + max(height(panel.found) for panel in panels)),
        sharex=len({panel.xlabel for panel in panels}) == 1,
        sharey=len({tuple(panel.found) for panel in panels}) == 1,
    )  # fmt: skip
    for axes, panel in zip(all_axes[0], panels, strict=True):
        draw(axes, panel.found, *panel.marks, lines=lines, least=least)
        axes.set(xlabel=panel.xlabel, title=panel.title)
    legend(made)
    return made


def picture(
    *panels: Panel, lines: Sequence[float] = (0.0,), least: float = -np.inf, alt: str, caption: str
) -> Picture:
    """A :func:`figure`; its alternative text ends in the estimates."""
    names = [f"{panel.title or panel.xlabel}: " for panel in panels] if len(panels) > 1 else [""]
    ends = ". ".join(name + told(panel.found) for name, panel in zip(names, panels, strict=True))
    return Picture(figure(*panels, lines=lines, least=least), alt=f"{alt} {ends}.", caption=caption)


def legend(figure: Figure) -> None:
    """Every name once, below the panels."""
    entries: dict[str, object] = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    figure.legend(entries.values(), entries, loc="outside lower center", ncols=4, fontsize=8)
