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
from iclnb.allocation.alignment import label_positions
from iclnb.allocation.groups import FIRST_TOKEN, LABEL_CONTROL, LABELS, QUERY_END
from iclnb.allocation.measurements import Allocation
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.llm.prompts import Prompt
from iclnb.llm.reader import Reader
from iclnb.stats import Estimate


@figures.picture
def averaged_map(
    found: Allocation, k: int, *, shown_layers: dict[str, Int[np.ndarray, " layers"]]
) -> Picture:
    """The averaged map as multiples of uniform attention, one line per head (paper A, figure 2).

    Args:
        found: of prompts with ``k`` demonstrations; its first layer is drawn on top.
        k: demonstrations, whose labels are marked above.
        shown_layers: name -> layers in which the alternative text gives the labels' attention.
    """
    layers, heads, positions = found.map.shape
    figure, axes = plt.subplots(figsize=(7.4, 5.4))
    _heat(figure, axes, found.map.reshape(layers * heads, positions) * positions, "times the mean position")
    _mark(axes, label_positions(k))
    blocks = np.arange(0, layers, max(1, layers // 10))
    axes.set_yticks((blocks + 0.5) * heads - 0.5, [str(block) for block in blocks])
    axes.set(xlabel="position in the prompt (texts rescaled)", ylabel="layer (one line per head)")
    words = " and ".join(
        f"{number(float(found.ratio[LABELS][:, where].mean()))} times in the {name} ones"
        for name, where in shown_layers.items()
    )
    return Picture(
        figure,
        alt=f"Labels draw, of their uniform share, {words}: attention of {layers} layers by {heads} heads.",
        caption="Attention of the last token, averaged over prompts. Labels y are marked above.",
    )


@figures.picture
def one_prompt(reader: Reader, prompt: Prompt) -> Picture:
    """One prompt's last-token attention by layer, heads averaged, as multiples of uniform attention."""
    _, rows = next(reader.attention([prompt]))
    by_layer = rows.mean(1)
    figure, axes = plt.subplots(figsize=(7.4, 3.2))
    _heat(figure, axes, by_layer * by_layer.shape[1], "times uniform")
    _mark(axes, [span.start for span in prompt.y])
    axes.set(xlabel="token", ylabel="layer")
    on_labels = sum(by_layer[:, list(y.tokens)].sum(-1).mean() for y in prompt.y)
    return Picture(
        figure,
        alt=f"The first token of one prompt draws {by_layer[:, 0].mean():.0%} of the attention, its "
        f"{len(prompt.y)} labels {on_labels:.0%}: means over {len(by_layer)} layers, of {by_layer.shape[1]} "
        "tokens.",
        caption="One prompt, heads averaged. Labels y are marked above.",
    )


PANELS = {"labels": (LABELS, LABEL_CONTROL), "end of the query": (QUERY_END,), "first token": (FIRST_TOKEN,)}
"""Title of each panel of :func:`depth_profiles`, and the groups drawn in it."""


@figures.picture
def depth_profiles(
    learned: Mapping[str, Estimate],
    random: Mapping[str, Estimate],
    *,
    first: Int[np.ndarray, " layers"],
    middle: Int[np.ndarray, " layers"],
) -> Picture:
    """Ratio to uniform by layer, trained beside random weights, a panel for each place attention goes to.

    Args:
        learned: for each group of tokens its ratio by layer, with intervals.
        random: the same of the model with random weights.
        first, middle: the layers that the claims about the query's end and about labels name, shaded.
    """
    figure, all_axes = plt.subplots(1, len(PANELS), figsize=(8.6, 3.4), sharey=True)
    shaded = dict(zip(PANELS, (middle, first), strict=False))
    for axes, (title, names) in zip(all_axes, PANELS.items(), strict=True):
        for name, line in zip(names, figures.SERIES, strict=False):
            figures.band(axes, np.arange(len(learned[name].value)), learned[name], name, **line)
        control = random[names[0]]
        figures.band(axes, np.arange(len(control.value)), control, "random weights", **figures.CONTROL)
        if title in shaded:
            axes.axvspan(shaded[title].min() - 0.5, shaded[title].max() + 0.5, color="0.9", zorder=0)
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.set(title=title, xlabel="layer", yscale="log")
        axes.legend(fontsize=8)
    all_axes[0].set_ylabel("attention relative to uniform")
    peaks = [
        f"{name} at most {number(float(one.value.max()))} (layer {one.value.argmax()}), with random weights "
        f"{number(float(random[name].value.max()))}"
        for name, one in learned.items()
    ]
    most = max(learned, key=lambda name: learned[name].value.max()).capitalize()
    all_axes[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return Picture(
        figure,
        alt=f"{most} draw most, relative to uniform: {'; '.join(peaks)}.",
        caption="Attention relative to uniform (95 % intervals over prompts). Shaded: the claims' layers.",
    )


def _heat(figure: Figure, axes: Axes, ratio: Float[np.ndarray, "rows columns"], label: str) -> None:
    image = axes.imshow(ratio, aspect="auto", norm=LogNorm(0.03, 30), interpolation="nearest")
    figure.colorbar(
        image, ax=axes, label=label, pad=0.02, format=FuncFormatter(lambda value, _: f"{value:g}")
    )
    axes.grid(False)


def _mark(axes: Axes, where: Sequence[int]) -> None:
    above = axes.secondary_xaxis("top")
    above.set_xticks(where, [f"$y_{{{i + 1}}}$" for i in range(len(where))], fontsize=7)
