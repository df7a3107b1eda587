"""Pictures and tables of the appendices to chapter 03: probes by position, table 2, what weights follow."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from iclnb import display, figures
from iclnb.display import cell, number
from iclnb.figures import Picture, rows
from iclnb.figures.rows import Mark, Panel
from iclnb.heads import estimates_appendix
from iclnb.heads.estimates_appendix import AT_LABEL, PAPER
from iclnb.heads.explorer import FEATURES, Explored
from iclnb.heads.pictures import head_maps
from iclnb.heads.probes import OFFSETS, PARTS, KeysAndValues
from iclnb.heads.table_2 import ENCODERS, Table2
from iclnb.ladders import task_name
from iclnb.stats import Estimate

TITLES = {"keys": "keys: what the text predicts", "values": "values: the label"}


@figures.picture
def probe_positions(ladder: Mapping[str, KeysAndValues]) -> Picture:
    """Accuracy of the best head's probe by position, a line for each run, with controls (paper A, figure 5)."""
    figure, all_axes = plt.subplots(1, len(PARTS), figsize=(8.6, 3.8), sharey=True)
    told = []
    for axes, part in zip(all_axes, PARTS, strict=True):
        place = PARTS.index(part)
        for name, line in figures.rung_styles(ladder).items():
            top = ladder[name].accuracy[place, 0].mean(0).max((0, 1))
            axes.plot(OFFSETS, top, label=name, markersize=5, **line)
            told.append(f"{part}, {name} {number(float(top[AT_LABEL]), 2)}")
        blank = [one.accuracy[place, 1].mean(0).max((0, 1)) for one in ladder.values()]
        axes.plot(OFFSETS, np.max(blank, axis=0), label="random weights, at most", **figures.CONTROL)
        shuffled = [one.shuffled_best[place].max(0) for one in ladder.values()]
        axes.plot(OFFSETS, np.max(shuffled, axis=0), color="0.35", linestyle=(0, (6, 2)),
                  label="shuffled targets, at most")  # fmt: skip
        axes.set(title=TITLES[part], xlabel="position relative to the label", xticks=OFFSETS)
    all_axes[0].set_ylabel("accuracy on held-out sets")
    rows.legend(figure)
    return Picture(
        figure,
        alt=f"At the label the best head's probe is right in: {'; '.join(told)}.",
        caption="How often the best head's probe is right, by position, with what random weights and shuffled "
        "targets reach.",
    )


@figures.picture
def table_2(ladder: Mapping[str, Table2], *, seed: int) -> Picture:
    """Agreement by task beside the paper's, and how often the head is right beside encoder and model."""
    found = {name: estimates_appendix.task_rows(one, seed=seed) for name, one in ladder.items()}
    tasks = {task_name(task): task for one in found.values() for task in one}

    def of(method: str) -> dict[str, dict[str, Estimate]]:
        return {
            title: {name: one[task][method] for name, one in found.items() if task in one}
            for title, task in tasks.items()
        }

    def panel(method: str, label: str, *marks: Mark) -> Panel:
        paper = {title: PAPER[task][method] for title, task in tasks.items() if task in PAPER}
        return Panel(label, of(method), [Mark("the paper, GPT-J-6B", paper, "*"), *marks])

    encoder = {
        title: float(np.mean([each.value for each in row.values()])) for title, row in of(ENCODERS[0]).items()
    }
    figure = rows.figure(
        panel("agreement", "agreement with the model"),
        panel("performance", "right", Mark("MiniLM's kernel", encoder)),
        lines=(),
    )
    for axes in figure.axes:
        axes.set_xlim(0, 1)
    told = "; ".join(
        f"{name}, {title}: {cell(each)}"
        for title, row in of("agreement").items()
        for name, each in row.items()
    )
    return Picture(
        figure,
        alt=f"How often the chosen head gives its model's answer, by task. {told}.",
        caption="Table 2, task by task, with 95 % intervals: how often the chosen head gives its model's answer, "
        "and how often it is right.",
    )


def table(ladder: Mapping[str, Table2], method: str, *, seed: int) -> Markdown:
    """One method of table 2, a row for each task, a column for each run, the paper's numbers last."""
    found = {name: estimates_appendix.task_rows(one, seed=seed) for name, one in ladder.items()}
    lines = [
        (
            task_name(task),
            *(one[task][method] if method in one.get(task, {}) else "" for one in found.values()),
            PAPER.get(task, {}).get(method, ""),
        )
        for task in dict.fromkeys(task for one in found.values() for task in one)
    ]
    return display.table(("task", *map(display.escape, ladder), "the paper"), lines)


@figures.picture
def followed(found: Explored, name: str) -> Picture:
    """Maps of all heads: how much of the ranks of the weights each feature explains, mean over prompts."""
    chance = 1 / (found.rows.shape[1] - 1)
    panels = dict(zip(FEATURES, found.followed, strict=True))
    most = max(panels, key=lambda feature: panels[feature].max())
    listed = "; ".join(f"{feature} at most {number(float(one.max()), 2)}" for feature, one in panels.items())
    return Picture(
        head_maps(panels, label="share explained"),
        alt=f"The weights of single heads of {name} follow {most} most. Share of their ranks explained: {listed}; "
        f"by chance {number(chance, 2)}.",
        caption=f"{name}: share of the variance of the weights' ranks that each feature explains, by head; by "
        f"chance {number(chance, 2)}. Frames: the largest.",
    )
