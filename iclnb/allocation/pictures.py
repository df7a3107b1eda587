"""Pictures of attention: the averaged map, one prompt, depth profiles with their controls."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from iclnb import figures
from iclnb.llm.prompts import Span
from iclnb.stats import Estimate


def averaged_map(attention: Float[np.ndarray, "layers heads positions"], *, k: int, segment: int) -> Figure:
    """The map of :func:`iclnb.allocation.measurements.aligned`, as multiples of uniform (paper A, figure 2).

    Args:
        attention: averaged over prompts; one line per head, one block per layer, first layer on top.
        k: demonstrations.
        segment: positions of each text between labels.

    Returns:
        The figure, with the label positions marked above it.
    """
    layers, heads, positions = attention.shape
    figure, axes = plt.subplots(figsize=(7.4, 5.4))
    rows = attention.reshape(layers * heads, positions)
    _heat(figure, axes, rows * positions, "times the mean position")
    labels = 1 + segment + (segment + 1) * np.arange(k)
    _mark(axes, labels, [f"y{_subscript(i + 1)}" for i in range(k)])
    blocks = np.arange(0, layers, max(1, layers // 10))
    axes.set_yticks((blocks + 0.5) * heads - 0.5, [str(block) for block in blocks])
    axes.set(xlabel="position in the prompt (texts rescaled)", ylabel="layer (one line per head)")
    return figure


def one_prompt(attention: Float[np.ndarray, "layers tokens"], labels: Sequence[Span]) -> Figure:
    """One prompt's last-token attention by layer, as multiples of uniform attention.

    Args:
        attention: averaged over heads.
        labels: spans of the label words, marked above.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(figsize=(7.4, 3.2))
    _heat(figure, axes, attention * attention.shape[1], "times uniform")
    _mark(axes, [span.start for span in labels], [f"y{_subscript(i + 1)}" for i in range(len(labels))])
    axes.set(xlabel="token", ylabel="layer")
    return figure


def depth_profiles(
    learned: Mapping[str, Estimate],
    random: Mapping[str, Estimate],
    *,
    panels: Mapping[str, Sequence[str]],
    shaded: Mapping[str, Int[np.ndarray, " layers"]],
) -> Figure:
    """Ratio to uniform by layer, trained beside random weights, a panel for each place attention goes to.

    Args:
        learned: for each group of tokens its ratio by layer, with intervals.
        random: the same of the model with random weights.
        panels: title of each panel -> the groups drawn in it.
        shaded: title of a panel -> the layers that the claim is about.

    Returns:
        The figure; one logarithmic axis is shared by all panels.
    """
    figure, all_axes = plt.subplots(1, len(panels), figsize=(8.6, 3.4), sharey=True)
    for axes, (title, names) in zip(np.atleast_1d(all_axes), panels.items(), strict=True):
        for name, line in zip(names, figures.SERIES, strict=False):
            figures.band(axes, np.arange(len(learned[name].value)), learned[name], name, **line)
        control = random[names[0]]
        figures.band(axes, np.arange(len(control.value)), control, "random weights", **figures.CONTROL)
        if title in shaded:
            axes.axvspan(shaded[title].min() - 0.5, shaded[title].max() + 0.5, color="0.9", zorder=0)
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.set(title=title, xlabel="layer", yscale="log")
        axes.legend(fontsize=8)
    np.atleast_1d(all_axes)[0].set_ylabel("attention relative to uniform")
    np.atleast_1d(all_axes)[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return figure


def _heat(figure: Figure, axes: Axes, ratio: Float[np.ndarray, "rows columns"], label: str) -> None:
    image = axes.imshow(ratio, aspect="auto", norm=LogNorm(0.03, 30), interpolation="nearest")
    figure.colorbar(
        image, ax=axes, label=label, pad=0.02, format=FuncFormatter(lambda value, _: f"{value:g}")
    )
    axes.grid(False)


def _mark(axes: Axes, where: Sequence[int], names: Sequence[str]) -> None:
    above = axes.secondary_xaxis("top")
    above.set_xticks(where, names, fontsize=7)


def _subscript(number: int) -> str:
    return "".join("₀₁₂₃₄₅₆₇₈₉"[int(digit)] for digit in str(number))
