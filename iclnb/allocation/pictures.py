"""Pictures of attention: depth profiles with their controls, label heads, averaged maps, one prompt."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.image import AxesImage
from matplotlib.ticker import FuncFormatter

from iclnb import figures
from iclnb.allocation import estimates, findings
from iclnb.allocation.findings import GROUPS, LABELS, RANDOM, TRAINED, Allocation
from iclnb.allocation.tokens import label_positions
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.llm.depth import FIRST, MIDDLE
from iclnb.llm.prompts import Prompt

PANELS = {LABELS: MIDDLE, findings.QUERY_END: FIRST, findings.FIRST_TOKEN: None}
"""The groups drawn in :func:`depth_profiles`, each with the depths that a claim names."""

FLOOR = 0.02
"""The lowest value that is shown, as a multiple of uniform attention; a few layers give almost none."""


@figures.picture
def depth_profiles(ladder: Mapping[str, Allocation], *, seed: int) -> Picture:
    """Attention relative to uniform by depth, a line for each run, a panel for each place it goes to.

    Below the lines stand their controls: other tokens of the same demonstrations for labels, and in every panel
    the largest of all runs with random weights.
    """
    figure, all_axes = plt.subplots(1, len(PANELS), figsize=(8.6, 3.6), sharey=True)
    for axes, (group, shaded) in zip(all_axes, PANELS.items(), strict=True):
        for name, line in figures.rung_styles(ladder).items():
            found = ladder[name]
            depth = np.arange(found.layers) / found.layers
            one = estimates.by_layer(found, TRAINED, group, seed=seed)
            figures.band(axes, depth, one, name, markevery=max(1, found.layers // 6), **line)
            if group == LABELS:
                texts = estimates.by_layer(found, TRAINED, findings.TEXTS, seed=seed)
                axes.plot(depth, texts.value, linewidth=0.8, color="0.6", zorder=1, label="_texts")
        axes.axhline(1, color="0.4", linewidth=0.8)
        most = max(float(found.of(RANDOM, group).mean(0).max()) for found in ladder.values())
        axes.axhline(most, **figures.CONTROL | {"marker": ""}, label="random weights, at most")
        if shaded is not None:
            axes.axvspan(*shaded, color="0.9", zorder=0)
        axes.set(title=group, xlabel="relative depth", yscale="log")
        axes.set_ylim(bottom=max(FLOOR, axes.get_ylim()[0]))
    all_axes[0].set_ylabel("attention relative to uniform")
    all_axes[0].yaxis.set_major_formatter(_PLAIN)
    all_axes[-1].legend(fontsize=8)
    peaks = "; ".join(
        f"{name}: labels at most {number(float(one.of(TRAINED, LABELS).mean(0).max()), 2)} times their uniform "
        f"share, at depth {number(int(one.of(TRAINED, LABELS).mean(0).argmax()) / one.layers, 2)}"
        for name, one in ladder.items()
    )
    return Picture(
        figure,
        alt=f"Labels draw most attention around and behind the middle. {peaks}.",
        caption="Attention to each place, relative to its uniform share, by depth; bands are 95 % intervals over "
        "prompts. 1 means no preference. Shaded: the depths that the paper names. Thin grey lines: other tokens of "
        "the same demonstrations. The broken line is the largest value of any model with random weights.",
    )


@figures.picture
def label_heads(ladder: Mapping[str, Allocation]) -> Picture:
    """Every head's attention on labels by depth: whether all heads of a layer share it, or a few have it."""
    figure, all_axes = plt.subplots(
        1, len(ladder), figsize=(8.6, 2.9), sharey=True, sharex=True, squeeze=False
    )
    told = []
    for axes, (name, found) in zip(all_axes[0], ladder.items(), strict=True):
        ratio = found.by_head[GROUPS.index(LABELS)]
        depth = np.repeat(np.arange(found.layers) / found.layers, ratio.shape[1])
        axes.axvspan(*MIDDLE, color="0.9", zorder=0)
        axes.axhline(1, color="0.4", linewidth=0.8)
        axes.scatter(depth, np.maximum(ratio, 0.05).ravel(), s=6, color="#1b1b1b", alpha=0.6)
        axes.set(title=name, xlabel="relative depth", yscale="log")
        told.append(
            f"{name}: half of the middle heads above {number(float(np.median(ratio[found.middle])), 2)}"
        )
    all_axes[0, 0].set_ylabel("times uniform share")
    all_axes[0, 0].yaxis.set_major_formatter(_PLAIN)
    return Picture(
        figure,
        alt=f"Heads differ widely in how much attention they give to labels. {'; '.join(told)}.",
        caption="A dot for each head: how many times their uniform share labels draw there. Shaded: the paper's "
        "middle layers.",
    )


@figures.picture
def averaged_maps(ladder: Mapping[str, Allocation]) -> Picture:
    """The averaged map of every run as multiples of uniform attention (paper A, figure 2, heads averaged)."""
    figure, all_axes = plt.subplots(len(ladder), 1, figsize=(7.4, 1.7 * len(ladder) + 0.6), squeeze=False)
    for axes, (name, found) in zip(all_axes[:, 0], ladder.items(), strict=True):
        image = _heat(axes, found.map * found.map.shape[1])
        axes.set(title=name, ylabel="layer")
        axes.set_xticks(label_positions(found.k), [f"$y_{{{i + 1}}}$" for i in range(found.k)], fontsize=7)
    figure.colorbar(image, ax=all_axes[:, 0].tolist(), label="relative to the mean position", format=_PLAIN)
    where = "; ".join(
        f"{name}: {number(float(found.of(TRAINED, LABELS)[:, found.middle].mean()), 2)} times in the middle layers"
        for name, found in ladder.items()
    )
    return Picture(
        figure,
        alt=f"Columns of labels stand out from the text between them. {where}.",
        caption="Attention of the last token on positions that all prompts share, averaged over prompts and "
        "heads. Labels y are marked below.",
    )


@figures.picture
def one_prompt(attention: Float[np.ndarray, "layers heads tokens"], prompt: Prompt) -> Picture:
    """One prompt's last-token attention by layer, heads averaged, as multiples of uniform attention."""
    by_layer = attention.mean(1)
    figure, axes = plt.subplots(figsize=(7.4, 3.0))
    figure.colorbar(
        _heat(axes, by_layer * by_layer.shape[1]), ax=axes, label="times uniform", pad=0.02, format=_PLAIN
    )
    above = axes.secondary_xaxis("top")
    above.set_xticks(
        [y.start for y in prompt.y], [f"$y_{{{i + 1}}}$" for i in range(len(prompt.y))], fontsize=7
    )
    axes.set(xlabel="token", ylabel="layer")
    on_labels = sum(by_layer[:, list(y.tokens)].sum(-1).mean() for y in prompt.y)
    return Picture(
        figure,
        alt=f"The first token of one prompt draws {by_layer[:, 0].mean():.0%} of the attention, its "
        f"{len(prompt.y)} labels {on_labels:.0%}: means over {len(by_layer)} layers, of {by_layer.shape[1]} "
        "tokens.",
        caption="One prompt, heads averaged. Labels y are marked above.",
    )


_PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def _heat(axes: Axes, ratio: Float[np.ndarray, "rows columns"]) -> AxesImage:
    axes.grid(False)
    return axes.imshow(ratio, aspect="auto", norm=LogNorm(0.03, 30), interpolation="nearest")
