"""Pictures of chapter 03: maps of all heads, agreement by depth, what interventions cost."""

from collections.abc import Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iclnb import figures
from iclnb.display import cell, number
from iclnb.figures import Picture
from iclnb.heads import estimates_causes
from iclnb.heads.causes import ABLATIONS, CONTROLS, Causes
from iclnb.heads.estimates import best_by_layer
from iclnb.heads.interventions import Head
from iclnb.heads.reconstruction import Agreement, Arms

_HATCHES = ("////", "....")
DASHES = ((0, (6, 2)), (0, (1, 2)), (0, (6, 2, 1, 2)), (0, (2, 4)), (0, (9, 3)))
"""Of horizontal lines, so that they are told apart in grey."""


@figures.picture
def reconstruction_maps(found: Agreement, random: Agreement) -> Picture:
    """How often each head's answer is the model's, or right, beside random weights (paper A, figure 3).

    Frames mark the heads that were chosen on the selection points.
    """
    panels = {
        "agreement with the model": found.by_head(),
        "accuracy against the truth": found.by_head(found.truth),
        "random weights: agreement": random.by_head(),
    }
    figure = head_maps(panels, dict(zip(panels, (found.head, found.head, random.head), strict=True)))
    layers, heads = found.selection.shape
    best = [number(float(values.max())) for values in panels.values()]
    return Picture(
        figure,
        alt=f"The best of {layers} layers by {heads} heads agrees with the model in {best[0]} of the prompts "
        f"and with the truth in {best[1]}, each at most; random weights reach {best[2]} with their model.",
        caption="How often each head's answer is the model's, or the true one. Frames: heads chosen on other "
        "test points.",
    )


@figures.picture
def correlation_maps(panels: Mapping[str, Float[np.ndarray, "layers heads"]]) -> Picture:
    """Correlation of each head's weights with similarities, by the name of each."""
    most = max(panels, key=lambda name: np.nanmax(panels[name]))
    reached = "; ".join(f"{name} at most {number(float(each.max()))}" for name, each in panels.items())
    return Picture(
        head_maps(panels, {}, label="Pearson's correlation", diverging=True),
        alt=f"Weights of single heads correlate most with {most}: {reached}.",
        caption="Correlation of each head's weights with the similarity of query and demonstration. "
        "Frames: the largest.",
    )


def head_maps(
    panels: Mapping[str, Float[np.ndarray, "layers heads"]],
    mark: Mapping[str, Head],
    *,
    label: str = "",
    diverging: bool = False,
) -> Figure:
    """Maps of all heads side by side on one colour scale, the first layer at the bottom.

    Args:
        panels: title -> a number for every head; panels may differ in layers and heads.
        mark: title -> the head to frame there; without it each panel's head with the largest number. Its
            number stands below the panel.
        label: what the numbers are, beside the colour scale.
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
        axes.set_title(title.replace(": ", ":\n"), fontsize=9)
        axes.set_xticks(_ticks(values.shape[1]))
        axes.set_yticks(_ticks(values.shape[0]))
        head = mark.get(title) or best_head(values)
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


@figures.picture
def agreement_by_depth(
    found: Arms, random: Arms, middle: Int[np.ndarray, " layers"], *, seed: int
) -> Picture:
    """Agreement with the model by layer, with nulls and rivals on the same axes, shared and fresh.

    Drawn are the best head of each layer with intervals, the mean over heads, from the median to the 95 %
    quantile what a head chosen under permuted labels reaches, and rules that look at no attention.

    Args:
        found, random: the model, and one with random weights as a control.
        middle: the layers that the paper points to, shaded.
        seed: of the intervals.
    """
    panels = {
        "shared demonstrations": (found.shared, random.shared),
        "fresh, prior off": (found.fresh_prior_off, random.fresh_prior_off),
    }
    figure, all_axes = plt.subplots(1, len(panels), figsize=(9.0, 4.8), sharey=True)
    best = {}
    for axes, (title, (model, control)) in zip(all_axes, panels.items(), strict=True):
        best[title] = best_by_layer(model, seed=seed)
        axes.axvspan(
            middle.min() - 0.5, middle.max() + 0.5, color="0.92", zorder=0, label="the paper's depth"
        )
        _nulls(axes, model)
        where = np.arange(len(model.selection))
        figures.band(axes, where, best[title], "best head (chosen on other points)", **figures.SERIES[0])
        mean = model.by_head().mean(1)
        axes.plot(where, mean, label="mean of the layer's heads", markersize=3, **figures.SERIES[1])
        values = best_by_layer(control, seed=seed).value
        axes.plot(np.arange(len(values)), values, label="random weights, best head", **figures.CONTROL)
        axes.set(title=title, xlabel="layer", xlim=(-0.5, len(where) - 0.5))
        _relative_depth(axes, len(where))
    all_axes[0].set_ylabel("agreement with the model")
    common_legend(figure, all_axes)
    peaks = "; ".join(
        f"{title}: at most {number(float(one.value.max()))}, in layer {one.value.argmax()}, where chance "
        f"reaches {number(panels[title][0].permuted.quantile())} (labels permuted)"
        for title, one in best.items()
    )
    return Picture(
        figure,
        alt=f"Best head's agreement with the model, by layer: {peaks}. The paper's layers are "
        f"{middle.min()} to {middle.max()} here.",
        caption="Best and mean head of every layer, with what permuted labels and blind rules reach.",
    )


def common_legend(figure: Figure, all_axes: Iterable[Axes]) -> None:
    """One legend below all panels, each entry once."""
    named = [axes.get_legend_handles_labels() for axes in all_axes]
    entries = {
        label: handle for handles, labels in named for handle, label in zip(handles, labels, strict=True)
    }
    figure.legend(entries.values(), entries, fontsize=7, loc="outside lower center", ncols=3)


def _nulls(axes: Axes, found: Agreement) -> None:
    nulls = {"labels permuted in prompts": found.permuted, "labels permuted in sets": found.permuted_sets}
    nulls = {name: one.chosen for name, one in nulls.items() if one is not None}
    for (name, reached), hatch in zip(nulls.items(), _HATCHES, strict=False):
        low, high = np.quantile(reached, (0.5, 0.95))
        axes.axhspan(
            low, high, facecolor="none", edgecolor="0.6", hatch=hatch, linewidth=0.6, label=name, zorder=1,
        )  # fmt: skip
    rivals = {name: float(np.mean(right)) for name, right in found.rivals().items()}
    rivals["most frequent answer"] = found.modal
    for (name, value), dashes in zip(rivals.items(), DASHES, strict=True):
        axes.axhline(value, color="0.35", linestyle=dashes, linewidth=1.2, label=name, zorder=1)


def _relative_depth(axes: Axes, layers: int) -> None:
    above = axes.secondary_xaxis("top", functions=(lambda x: x / layers, lambda share: share * layers))
    above.set_xlabel("relative depth", fontsize=8)
    above.tick_params(labelsize=8)


@figures.picture
def intervention_costs(found: Causes, *, seed: int) -> Picture:
    """What every intervention takes off the separation of the labels, controls drawn as controls."""
    costs = estimates_causes.by_intervention(found, seed=seed)
    whole = cell(estimates_causes.separation(found, seed=seed))
    figure, axes = plt.subplots(figsize=(7.0, 1.0 + 0.36 * len(costs)))
    for row, (name, cost) in enumerate(costs.items()):
        line = figures.CONTROL if name in CONTROLS else figures.SERIES[0]
        axes.plot([cost.low, cost.high], [row, row], color=line["color"], linewidth=1.8)
        axes.plot(cost.value, row, marker=line["marker"], color=line["color"], markersize=6)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
    names = [f"{name} (control)" if name in CONTROLS else name for name in costs]
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="separation lost, in nats", ylim=(len(names) - 0.5, -0.5))
    listed = "; ".join(f"{name} {cell(cost)}" for name, cost in costs.items())
    most = max(costs, key=lambda name: float(costs[name].value)).capitalize()
    return Picture(
        figure,
        alt=f"{most} costs most of a separation of {whole} nats: {listed}.",
        caption=f"What interventions cost, of a separation of {whole} nats. Controls in grey.",
    )


@figures.picture
def ablation_parts(found: Causes, *, seed: int) -> Picture:
    """What ablations cost, whole and in parts (:mod:`iclnb.heads.direct`); the whole alone if unsplit."""
    ablations = estimates_causes.ablation_parts(found, seed=seed) or {
        name: {"total": cost}
        for name, cost in estimates_causes.by_intervention(found, seed=seed).items()
        if name in ABLATIONS
    }
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.85 * len(ablations)))
    for row, parts in enumerate(ablations.values()):
        for i, (part, cost) in enumerate(parts.items()):
            line, y = figures.SERIES[i], row + 0.2 * (i - 1.5)
            axes.plot([cost.low, cost.high], [y, y], color=line["color"], linewidth=1.6)
            named = {"label": part} if row == 0 else {}
            axes.plot(cost.value, y, linestyle="", marker=line["marker"], color=line["color"], **named)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(ablations)), ablations)
    axes.set(xlabel="separation lost, in nats", ylim=(len(ablations) - 0.5, -0.5))
    common_legend(figure, [axes])
    listed = "; ".join(
        f"{name}: " + ", ".join(f"{part} {cell(cost)}" for part, cost in parts.items())
        for name, parts in ablations.items()
    )
    why = f" It cannot be split here: {found.unsplit}." if found.unsplit else ""
    return Picture(
        figure,
        alt=f"Separation lost by ablation. {listed}.{why}",
        caption=f"The cost of each ablation and what it is made of. Below zero: it adds separation.{why}",
    )
