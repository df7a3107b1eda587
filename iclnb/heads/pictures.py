"""Pictures of chapter 03: agreement by depth and beside its controls, similarity, what interventions cost."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from iclnb import display, figures
from iclnb.claims import by_row
from iclnb.display import cell, number
from iclnb.figures import Picture, rows
from iclnb.figures.rows import Mark, Panel
from iclnb.heads import estimates
from iclnb.heads.causes import ABLATIONS, BEST, SWAPS
from iclnb.heads.correlation import WAYS
from iclnb.heads.direct import PARTS, TOTAL
from iclnb.heads.findings import ARMS, FRESH, READINGS, SHARED, Heads
from iclnb.heads.nulls import CONTROLS, MODAL, RANDOM
from iclnb.heads.reconstruction import CHOSEN, PRIOR_OFF, RAW, best_head
from iclnb.llm.depth import MIDDLE, layers_within
from iclnb.llm.head_choice import Head

Ladder = Mapping[str, Heads]
PANELS = {SHARED: "shared demonstrations, as measured", FRESH: "fresh demonstrations, priors off"}


@figures.picture
def agreement_by_depth(ladder: Ladder, *, seed: int) -> Picture:
    """Agreement of each layer's best head with its model, by depth, a line for each run; two ways to ask.

    Beside them the most that a control of any run reaches: of those that do not look at the query, or for fresh
    prompts a model with random weights too.
    """
    figure, all_axes = plt.subplots(1, 2, figsize=(8.6, 3.9), sharey=True)
    told, inside = [], []
    for axes, arm in zip(all_axes, ARMS, strict=True):
        axes.axvspan(*MIDDLE, color="0.9", zorder=0)
        for name, line in figures.rung_styles(ladder).items():
            found = ladder[name]
            best = estimates.best_by_layer(found, arm, seed=seed)
            depth = np.arange(found.layers) / found.layers
            figures.band(axes, depth, best, name, markevery=max(1, found.layers // 6), **line)
            top = int(best.value.argmax())
            inside.append(top in layers_within(found.layers, MIDDLE))
            told.append(
                f"{name}, {arm}: at most {number(float(best.value[top]), 2)}, at depth {number(depth[top], 2)}"
            )
        prior = RAW if arm == SHARED else PRIOR_OFF
        most = max(
            float(values.mean())
            for found in ladder.values()
            for name, values in found.hits(arm, prior).items()
            if name != CHOSEN
        )
        axes.axhline(most, **figures.CONTROL | {"marker": ""}, label="any control, at most")
        axes.set(title=PANELS[arm], xlabel="relative depth")
    all_axes[0].set_ylabel("agreement with the model")
    rows.legend(figure)
    return Picture(
        figure,
        alt=f"The layer whose best head agrees most with its model is one of the paper's in {sum(inside)} of "
        f"{len(inside)} lines. {'; '.join(told)}.",
        caption="How often the best head of each layer gives its model's answer, by depth, with 95 % intervals; "
        "heads are chosen on other test points. Shaded: the paper's layers.",
    )


@figures.picture
def controls(ladder: Ladder, *, seed: int) -> Picture:
    """How often the chosen head gives its model's answer, and how often rules and heads do that are no kernels."""

    def panel(arm: str) -> Panel:
        shown = (CHOSEN, *CONTROLS, RANDOM)
        reached = by_row(ladder, shown, lambda one, row: estimates.agreement(one, arm, row, seed=seed))
        return Panel("agreement with the model", reached, title=f"{arm.split(',')[0]}, priors off")

    told = "; ".join(
        f"{name}: {cell(estimates.agreement(found, FRESH, seed=seed))}, {MODAL} "
        f"{number(float(found.hits(FRESH)[MODAL].mean()), 2)}, {RANDOM} "
        f"{number(float(found.hits(FRESH)[RANDOM].mean()), 2)}"
        for name, found in ladder.items()
    )
    return Picture(
        rows.figure(*map(panel, ARMS), lines=()),
        alt=f"Agreement of the chosen head under fresh demonstrations, and of controls. {told}.",
        caption="The chosen head and what it has to beat, under shared and fresh demonstrations. What a control "
        "chooses, it chooses on other test points, too.",
    )


@figures.picture
def similarity(ladder: Ladder, *, seed: int) -> Picture:
    """Correlation of a chosen head's weights with prediction similarity, beside chance, read in two ways."""

    def panel(way: str) -> Panel:
        found = by_row(
            ladder, READINGS, lambda one, reading: estimates.correlation(one, way, reading, seed=seed)
        )
        chance = by_row(ladder, READINGS, lambda one, reading: estimates.chance(one, way, reading))
        return Panel("Pearson's correlation", found, [Mark("similarities of other test points", chance)], way)

    panels = [panel(way) for way in WAYS]
    told = "; ".join(
        f"{one.title}, {reading}, {name}: {cell(each)}"
        for one in panels
        for reading, by_name in one.found.items()
        for name, each in by_name.items()
    )
    return Picture(
        rows.figure(*panels),
        alt=f"Correlations of weights with prediction similarity. {told}.",
        caption="Correlation of weights with prediction similarity in the head chosen for it on other test points; "
        "query-dependent: once each demonstration's mean over test points is off.",
    )


@figures.picture
def interventions(ladder: Ladder, *, seed: int) -> Picture:
    """What ablating heads and swapping label values take off the separation of the labels, parts below."""
    costs = {name: estimates.ablation_costs(found, seed=seed) for name, found in ladder.items()}
    ablated = {name: {run: cost[name][TOTAL] for run, cost in costs.items()} for name in ABLATIONS}
    for part in PARTS[1:]:
        split = {run: cost[BEST][part] for run, cost in costs.items() if part in cost[BEST]}
        ablated |= {f"of the best heads, {part}": split} if split else {}
    swapped = by_row(ladder, SWAPS, lambda one, swap: estimates.swap_cost(one, swap, seed=seed))
    figure, all_axes = plt.subplots(
        2, 1, figsize=(8.2, 1.6 + 0.5 * (len(ablated) + len(swapped))), sharex=True
    )
    for axes, part, title in zip(
        all_axes, (ablated, swapped), ("heads ablated", "labels swapped"), strict=True
    ):
        rows.draw(axes, part)
        axes.set_title(title)
    all_axes[1].set_xlabel("separation of the labels lost, in nats")
    rows.legend(figure)
    told = "; ".join(
        f"{run}: {cell(cost[BEST][TOTAL])} of {cell(estimates.separation(ladder[run], seed=seed))} nats"
        for run, cost in costs.items()
    )
    return Picture(
        figure,
        alt=f"Ablating the best heads costs: {told}.",
        caption="What interventions take off the separation of the labels, with 95 % intervals that include the "
        "choice of heads. Below zero: it adds separation.",
    )


def variants(ladder: Ladder) -> Markdown:
    """Agreement of the chosen head, by what makes attention a demonstration's weight; a row for each run."""
    lines = [(display.escape(name), *map(float, one.by_variant.mean((1, 2)))) for name, one in ladder.items()]
    return display.table(("run", *Heads.coordinates["variant"]), lines)


@figures.picture
def agreement_maps(ladder: Ladder) -> Picture:
    """How often every head gives its model's answer (paper A, figure 3), shared demonstrations as measured."""
    panels = {name: found.agreement for name, found in ladder.items()}
    best = {name: best_head(values) for name, values in panels.items()}
    told = "; ".join(
        f"{name}: layer {best[name][0]} of {len(values)}, head {best[name][1]}, {number(float(values.max()), 2)}"
        for name, values in panels.items()
    )
    return Picture(
        head_maps(panels, label="agreement with the model"),
        alt=f"The heads that agree most with their model. {told}.",
        caption="How often each head's answer is its model's, shared demonstrations. Frames: the largest.",
    )


def head_maps(panels: Mapping[str, Float[np.ndarray, "layers heads"]], *, label: str) -> Figure:
    """Maps of all heads side by side on one colour scale, the first layer at the bottom; the largest framed."""
    low = min(np.nanmin(v) for v in panels.values())
    high = max(np.nanmax(v) for v in panels.values())
    width = max(6.4, 1.2 + 2.1 * len(panels))
    figure, all_axes = plt.subplots(1, len(panels), figsize=(width, 4.2), squeeze=False)
    for axes, (title, values) in zip(all_axes[0], panels.items(), strict=True):
        image = axes.imshow(
            values, origin="lower", aspect="auto", vmin=low, vmax=high, interpolation="nearest"
        )
        axes.grid(False)
        axes.set_title(title.replace(", ", ",\n"), fontsize=9)
        axes.locator_params(nbins=8, integer=True)
        head = best_head(values)
        _frame(axes, head, values[head])
    all_axes[0, 0].set_ylabel("layer")
    figure.colorbar(image, ax=all_axes.ravel().tolist(), label=label, pad=0.02)
    return figure


def _frame(axes: Axes, head: Head, value: float | np.floating) -> None:
    """A square around the cell, white on black so that it shows on any ground; name and number below."""
    layer, column = head
    for color, width in (("black", 3.2), ("white", 1.4)):
        axes.add_patch(
            Rectangle((column - 0.5, layer - 0.5), 1, 1, fill=False, edgecolor=color, linewidth=width)
        )
    axes.set_xlabel(f"head\n□ layer {layer}, head {column}: {value:.2f}")
