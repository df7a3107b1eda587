"""Pictures of the appendices to chapter 03: probes by position, table 2."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from iclnb import figures, stats
from iclnb.display import cell, number
from iclnb.figures import Picture
from iclnb.heads.pictures import DASHES, common_legend
from iclnb.heads.probes import OFFSETS, Probed
from iclnb.heads.table_2 import Row


@figures.picture
def probe_positions(panels: Mapping[str, Mapping[str, Probed]], *, seed: int) -> Picture:
    """Accuracy of probes by position relative to the label, with controls (paper A, figure 5).

    Args:
        panels: title -> name of a model -> its probes; the first model is the one in question, others are
            controls. Drawn are each model's best head and its mean over all heads with intervals over
            demonstration sets, what the best head reaches on the first model's shuffled targets (from the
            smallest to the largest of the shuffles), and the most frequent class.
        seed: of the intervals.
    """
    figure, all_axes = plt.subplots(1, len(panels), figsize=(9.0, 4.4), sharey=True, squeeze=False)
    at_label = []
    for axes, (title, models) in zip(all_axes[0], panels.items(), strict=True):
        for i, (name, found) in enumerate(models.items()):
            best, mean = (figures.SERIES[0], figures.SERIES[1]) if i == 0 else (figures.CONTROL,) * 2
            top = found.accuracy.mean(0).max(axis=(0, 1))
            axes.plot(OFFSETS, top, label=f"{name}, best head", markersize=5, **best)
            over_heads = stats.interval(found.accuracy.mean(axis=(1, 2)), seed=seed)
            figures.band(axes, np.array(OFFSETS), over_heads, f"{name}, mean", **{**mean, "marker": "."})
            at_label.append(f"{title}, {name} {number(float(top[OFFSETS.index(0)]))}")
        _probe_controls(axes, next(iter(models.values())))
        axes.set(title=title, xlabel="position relative to the label", xticks=OFFSETS)
    common_legend(figure, all_axes[0])
    all_axes[0, 0].set_ylabel("accuracy on held-out sets")
    return Picture(
        figure,
        alt=f"At the label the best head's probe is right in: {'; '.join(at_label)}.",
        caption="Probes of keys and values around the label, with shuffled targets and random weights.",
    )


def _probe_controls(axes: Axes, found: Probed) -> None:
    shuffled = found.control.mean(1).max(axis=(1, 2))
    if len(shuffled):
        axes.fill_between(
            OFFSETS, shuffled.min(0), shuffled.max(0), facecolor="none", edgecolor="0.6", hatch="////",
            linewidth=0.6, label="shuffled targets, best head",
        )  # fmt: skip
    majority = found.majority.mean(0)
    axes.plot(OFFSETS, majority, color="0.35", linestyle=DASHES[0], label="most frequent class")


@figures.picture
def table_2(rows: Sequence[Row]) -> Picture:
    """Agreement and accuracy by task, one line a task and arm, beside the encoders and the majority."""
    methods = {"accuracy": 0, "agreement, prior off": 1, "performance": 2}
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.55 * len(rows)))
    for y, row in enumerate(rows):
        lines = {name: figures.SERIES[i] for name, i in methods.items()} | {
            row.best_encoder(): figures.CONTROL
        }
        for shift, (name, line) in zip((-0.24, -0.08, 0.08, 0.24), lines.items(), strict=True):
            found = row.estimates[name]
            label = ("best encoder" if line is figures.CONTROL else name) if y == 0 else None
            axes.plot([found.low, found.high], [y + shift] * 2, color=line["color"], linewidth=1.6)
            axes.plot(
                found.value, y + shift, linestyle="", marker=line["marker"], color=line["color"], label=label
            )
        axes.plot([row.majority] * 2, [y - 0.4, y + 0.4], color="0.4", linestyle=DASHES[1])
    axes.set_yticks(range(len(rows)), [f"{row.task}\n({row.arm})" for row in rows], fontsize=8)
    axes.set(xlabel="share of prompts", xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    common_legend(figure, [axes])
    listed = "; ".join(
        f"{row.task}, {row.arm}: model {cell(row.estimates['accuracy'])}, head "
        f"{cell(row.estimates['performance'])}, majority {number(row.majority)}; the head agrees in "
        f"{cell(row.estimates['agreement, prior off'])}"
        for row in rows
    )
    return Picture(
        figure,
        alt=f"How often each is right: {listed}.",
        caption="The model's accuracy, the chosen head's agreement with it and accuracy (performance), and "
        "the best encoder's accuracy, with intervals. Dotted: the most frequent label.",
    )
