"""Pictures of heads: maps of all of them, agreement by depth, probes by position, effects."""

from collections.abc import Collection, Mapping

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iclnb import figures, stats
from iclnb.heads.agreement import Agreement
from iclnb.heads.interventions import Head
from iclnb.heads.probes import OFFSETS, Probed
from iclnb.stats import Estimate

_HATCHES = ("////", "....")
_DASHES = ((0, (6, 2)), (0, (1, 2)), (0, (6, 2, 1, 2)), (0, (2, 4)), (0, (9, 3)))


def head_maps(
    panels: Mapping[str, Float[np.ndarray, "layers heads"]],
    *,
    label: str = "",
    mark: Mapping[str, Head] | None = None,
    diverging: bool = False,
) -> Figure:
    """Maps of all heads side by side on one colour scale, the first layer at the bottom (paper A, figure 3).

    Args:
        panels: title -> a number for every head; panels may differ in layers and heads.
        label: what the numbers are, beside the colour scale.
        mark: title -> the head to frame there; without it each panel's head with the largest number. Its
            number stands below the panel.
        diverging: whether the scale reaches as far below zero as above.
    """
    low, high = min(np.nanmin(v) for v in panels.values()), max(np.nanmax(v) for v in panels.values())
    if diverging:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    width = max(6.4, 1.2 + 2.4 * len(panels))
    figure, all_axes = plt.subplots(1, len(panels), figsize=(width, 4.6), squeeze=False)
    for axes, (title, values) in zip(all_axes[0], panels.items(), strict=True):
        image = axes.imshow(
            values, origin="lower", aspect="auto", vmin=low, vmax=high, interpolation="nearest"
        )
        axes.grid(False)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("head")
        axes.set_xticks(_ticks(values.shape[1]))
        axes.set_yticks(_ticks(values.shape[0]))
        head = (mark or {}).get(title) or best_head(values)
        _frame(axes, head, values[head])
    all_axes[0, 0].set_ylabel("layer")
    figure.colorbar(image, ax=all_axes.ravel().tolist(), label=label, pad=0.02)
    return figure


def best_head(values: Float[np.ndarray, "layers heads"]) -> Head:
    """The layer and head with the largest number (the first of equals); not-a-number never wins."""
    layer, head = np.unravel_index(np.nanargmax(values), values.shape)
    return int(layer), int(head)


def _ticks(count: int) -> Int[np.ndarray, " ticks"]:
    return np.arange(0, count, max(1, round(count / 8)))


def _frame(axes: Axes, head: Head, value: float) -> None:
    """A square around the cell, white on black so that it shows on any ground; name and number below."""
    layer, column = head
    for color, width in (("black", 3.2), ("white", 1.4)):
        axes.add_patch(
            Rectangle((column - 0.5, layer - 0.5), 1, 1, fill=False, edgecolor=color, linewidth=width)
        )
    axes.set_xlabel(f"head\n□ layer {layer}, head {column}: {value:.2f}")


def best_by_layer(found: Agreement, *, seed: int) -> Estimate:
    """Agreement with the model of each layer's best head, with intervals. (layers)

    The head of a layer is chosen on the selection points and judged on the evaluation points.
    """
    heads = found.selection.argmax(axis=1)
    hits = found.hits[..., np.arange(len(heads)), heads].astype(float)
    return stats.bootstrap(hits, seed=seed) if hits.ndim == 2 else stats.crossed_bootstrap(hits, seed=seed)


def agreement_by_depth(
    panels: Mapping[str, Agreement],
    *,
    random: Mapping[str, Agreement] | None = None,
    middle: Int[np.ndarray, " layers"] | None = None,
    seed: int,
) -> Figure:
    """Agreement with the model by layer, with nulls and rivals on the same axes.

    Args:
        panels: title -> agreement of all heads. Drawn are :func:`best_by_layer` with intervals, the mean over
            heads, from the median to the 95 % quantile what the best of all heads reaches under permuted
            labels, and the rules that look at no attention.
        random: title -> the same of a model with random weights, drawn as a control.
        middle: the layers that the paper points to, shaded.
        seed: of the intervals.
    """
    width = max(6.4, 0.6 + 4.2 * len(panels))
    figure, all_axes = plt.subplots(1, len(panels), figsize=(width, 4.8), sharey=True, squeeze=False)
    for axes, (title, found) in zip(all_axes[0], panels.items(), strict=True):
        layers = len(found.selection)
        if middle is not None:
            axes.axvspan(
                middle.min() - 0.5, middle.max() + 0.5, color="0.92", zorder=0, label="the paper's depth"
            )
        _nulls(axes, found)
        where = np.arange(layers)
        figures.band(
            axes,
            where,
            best_by_layer(found, seed=seed),
            "best head (chosen on other points)",
            **figures.SERIES[0],
        )
        mean = found.by_head().mean(1)
        axes.plot(where, mean, label="mean of the layer's heads", markersize=3, **figures.SERIES[1])
        if random is not None:
            control = best_by_layer(random[title], seed=seed).value
            axes.plot(np.arange(len(control)), control, label="random weights, best head", **figures.CONTROL)
        axes.set(title=title, xlabel="layer", xlim=(-0.5, layers - 0.5))
        _relative_depth(axes, layers)
    all_axes[0, 0].set_ylabel("agreement with the model")
    named = [axes.get_legend_handles_labels() for axes in all_axes[0]]
    entries = {
        label: handle for handles, labels in named for handle, label in zip(handles, labels, strict=True)
    }
    figure.legend(entries.values(), entries, fontsize=7, loc="outside lower center", ncols=3)
    return figure


def _nulls(axes: Axes, found: Agreement) -> None:
    nulls = {"labels permuted in prompts": found.permuted, "labels permuted in sets": found.permuted_sets}
    for (name, maxima), hatch in zip(nulls.items(), _HATCHES, strict=True):
        if len(maxima):
            low, high = np.quantile(maxima, (0.5, 0.95))
            axes.axhspan(
                low, high, facecolor="none", edgecolor="0.6", hatch=hatch, linewidth=0.6,
                label=f"{name}, best of all", zorder=1,
            )  # fmt: skip
    rivals = {name: float(np.mean(right)) for name, right in found.rivals().items()}
    rivals["most frequent answer"] = found.modal
    for (name, value), dashes in zip(rivals.items(), _DASHES, strict=True):
        axes.axhline(value, color="0.35", linestyle=dashes, linewidth=1.2, label=name, zorder=1)


def _relative_depth(axes: Axes, layers: int) -> None:
    above = axes.secondary_xaxis("top", functions=(lambda x: x / layers, lambda share: share * layers))
    above.set_xlabel("relative depth", fontsize=8)
    above.tick_params(labelsize=8)


def probe_positions(panels: Mapping[str, Mapping[str, Probed]], *, seed: int) -> Figure:
    """Accuracy of probes by position relative to the label, with controls (paper A, figure 5).

    Args:
        panels: title -> name of a model -> its probes; the first model is the one in question, others are
            controls. Drawn are each model's best head and its mean over all heads with intervals over
            demonstration sets, what the best head reaches on the first model's shuffled targets (from the
            smallest to the largest of the shuffles), and the most frequent class.
        seed: of the intervals.
    """
    width = max(6.4, 0.6 + 4.0 * len(panels))
    figure, all_axes = plt.subplots(1, len(panels), figsize=(width, 4.4), sharey=True, squeeze=False)
    for axes, (title, models) in zip(all_axes[0], panels.items(), strict=True):
        first = next(iter(models.values()))
        lines = [(figures.SERIES[0], figures.SERIES[1])] + [(figures.CONTROL, figures.CONTROL)] * (
            len(models) - 1
        )
        for (name, found), (best, mean) in zip(models.items(), lines, strict=True):
            top = found.accuracy.mean(0).max(axis=(0, 1))
            axes.plot(OFFSETS, top, label=f"{name}, best head", markersize=5, **best)
            over_heads = stats.bootstrap(found.accuracy.mean(axis=(1, 2)), seed=seed)
            figures.band(axes, np.array(OFFSETS), over_heads, f"{name}, mean", **{**mean, "marker": "."})
        shuffled = first.control.mean(1).max(axis=(1, 2))
        if len(shuffled):
            axes.fill_between(
                OFFSETS, shuffled.min(0), shuffled.max(0), facecolor="none", edgecolor="0.6", hatch="////",
                linewidth=0.6, label="shuffled targets, best head",
            )  # fmt: skip
        axes.plot(
            OFFSETS, first.majority.mean(0), color="0.35", linestyle=_DASHES[0], label="most frequent class"
        )
        axes.set(title=title, xlabel="position relative to the label", xticks=OFFSETS)
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    all_axes[0, 0].set_ylabel("accuracy on held-out sets")
    return figure


def effect_intervals(
    intervals: Mapping[str, Estimate], *, label: str, controls: Collection[str] = (), zero: float | None = 0.0
) -> Figure:
    """Effects with their intervals, one line each from top to bottom, controls drawn as controls.

    Args:
        intervals: name of the intervention -> its effect.
        label: what is on the horizontal axis.
        controls: names of the interventions that are controls.
        zero: where no effect is marked; ``None`` for nowhere.

    Raises:
        ValueError: if a control is none of the interventions.
    """
    if not set(controls) <= set(intervals):
        raise ValueError(f"controls {sorted(controls)} are not among the interventions {list(intervals)}")
    figure, axes = plt.subplots(figsize=(7.0, 1.0 + 0.36 * len(intervals)))
    for row, (name, found) in enumerate(intervals.items()):
        line = figures.CONTROL if name in controls else figures.SERIES[0]
        axes.plot([found.low, found.high], [row, row], color=line["color"], linewidth=1.8)
        axes.plot(found.value, row, marker=line["marker"], color=line["color"], markersize=6)
    if zero is not None:
        axes.axvline(zero, color="0.4", linewidth=0.8, zorder=0)
    names = [f"{name} (control)" if name in controls else name for name in intervals]
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=label, ylim=(len(names) - 0.5, -0.5))
    return figure
