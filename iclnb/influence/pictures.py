"""Pictures of influence: what its variance belongs to, one matrix, its form, what predicts it, who carries it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from iclnb import figures
from iclnb.claims import by_row, by_run
from iclnb.display import number
from iclnb.figures import Picture, rows
from iclnb.figures.rows import Mark, Panel
from iclnb.influence import estimates, estimates_heads, estimates_prediction
from iclnb.influence.estimates_prediction import BLIND, FAMILIES
from iclnb.influence.findings import CHOSEN, COMBINED, HIDDEN, PROBABILITY, RANDOM, WORDINGS, Influence
from iclnb.influence.material import ARBITRARY
from iclnb.stats import Estimate

Ladder = Mapping[str, Influence]

PARTS = {
    "demonstration": ("the demonstration", "#1b1b1b"),
    "query": ("the query", "#8c6d31"),
    "class": ("the pair: their classes", "#7fb3d5"),
    "text": ("the pair: texts of one class", "#f2d7c4"),
}
"""What variance belongs to: the name, and a colour; they differ in grey, too."""

UNITS = "Intervals: 95 % over demonstration sets."


@figures.picture
def shares(ladder: Ladder) -> Picture:
    """What the variance of influence belongs to, a bar for each run and wording."""
    figure, all_axes = plt.subplots(1, 2, figsize=(8.6, 1.5 + 0.32 * len(ladder)), sharey=True, sharex=True)
    told = []
    for axes, wording in zip(all_axes, WORDINGS, strict=True):
        found = by_run(ladder, lambda one, wording=wording: estimates.variance(one, wording))
        start = np.zeros(len(found))
        for part, (label, color) in PARTS.items():
            width = np.array([one[part] for one in found.values()])
            axes.barh(
                list(found), width, left=start, color=color, label=label, edgecolor="0.3", linewidth=0.5
            )
            start = start + width
        axes.set(title=wording, xlabel="share of variance", xlim=(0, 1))
        axes.grid(axis="y", visible=False)
        told += [
            f"{name}, {wording}: demonstration {number(one['demonstration'], 2)}, pair "
            f"{number(one['class'] + one['text'], 2)}"
            for name, one in found.items()
        ]
    all_axes[0].invert_yaxis()
    rows.legend(figure)
    return Picture(
        figure,
        alt=f"Shares of influence's variance. {'; '.join(told)}.",
        caption="What the variance of influence belongs to. Copying or counting labels would be dark throughout; a "
        "kernel over classes blue, a kernel over texts blue and light.",
    )


@figures.picture
def one_set(ladder: Ladder, wording: str = ARBITRARY) -> Picture:
    """One set of the largest model on record: influence beside the weights of the head that follows it."""
    name = [*ladder][max(0, len(ladder) - 2)]
    found = ladder[name]
    influence, weights = found.of("influence", wording)[0], found.of("best_weights", wording)
    queries, shown = np.argsort(found.truth[0], kind="stable"), np.argsort(found.label[0], kind="stable")
    order = np.ix_(queries, shown)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), sharey=True)
    most = float(np.abs(influence).max()) or 1.0
    images = (
        left.imshow(influence[order], aspect="auto", cmap="RdBu", vmin=-most, vmax=most),
        right.imshow(weights[order], aspect="auto", vmin=0),
    )
    layer, head = (int(found.of(f"best_{part}", wording)) for part in ("layer", "head"))
    titles = {"influence": "nats", f"weights of head {layer}/{head}": "weight"}
    for axes, image, (title, unit) in zip((left, right), images, titles.items(), strict=True):
        _borders(axes, found.truth[0][queries], found.label[0][shown])
        axes.set(title=title, xlabel="demonstrations, by class")
        figure.colorbar(image, ax=axes, label=unit)
    left.set_ylabel("queries, by class")
    same = float(np.corrcoef(influence.ravel(), weights.ravel())[0, 1])
    return Picture(
        figure,
        alt=f"Influence in one set of {name}, from {number(float(influence.min()), 2)} to "
        f"{number(float(influence.max()), 2)} nats; its correlation with the weights is {number(same, 2)}.",
        caption=f"One set of {name}, {wording}. Lines separate the classes. The head is the one whose weights "
        "go best with influence in the other sets.",
    )


def _borders(axes: Axes, truth: np.ndarray, label: np.ndarray) -> None:
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    for edge in np.flatnonzero(np.diff(truth)):
        axes.axhline(edge + 0.5, color="0.1", linewidth=0.8)
    for edge in np.flatnonzero(np.diff(label)):
        axes.axvline(edge + 0.5, color="0.1", linewidth=0.8)


@figures.picture
def form(ladder: Ladder, *, seed: int) -> Picture:
    """Signs, sums and classes, beside what kernel regression says of them."""
    sign, sums, whole, classes = (
        "away from the label shown", "single flips / all flips", "sum of weights", "other class / own class"
    )  # fmt: skip
    questions = {
        sign: estimates.negative,
        sums: lambda one, words, *, seed: estimates.adds_up(one, words, PROBABILITY, seed=seed),
        whole: estimates.sum_of_weights,
        classes: estimates.other_over_same,
    }
    return _panels(
        ladder,
        questions,
        lambda one, wording, question: question(one, wording, seed=seed).estimate,
        Mark("kernel over classes", {sign: 0.0, sums: 1.0, whole: 1.0, classes: 0.0}),
        Mark("counts of labels", {classes: 1.0}, "d"),
        Mark("mapping applied to the query", {classes: -1.0}, "v"),
        xlabel="ratio",
        alt="The form of influence.",
        caption="Crosses: what a kernel regression over classes says. Its influence draws to the label shown, "
        "flips add up in probability, its weights have the sum 1, and other classes do nothing.",
    )


@figures.picture
def explained(ladder: Ladder, *, seed: int) -> Picture:
    """The share of influence's variance that each rival explains on sets that it was not fitted on."""
    return _panels(
        ladder,
        (*BLIND, *FAMILIES, *COMBINED),
        lambda one, wording, name: estimates_prediction.explained(one, wording, name, seed=seed),
        xlabel="R² on other sets",
        alt="How much of influence each rival explains.",
        caption="What predicts influence on sets that it was not fitted on. The last two are fitted on four fifths "
        "of the sets, the others on half. Arrows: below -0.5.",
        least=-0.5,
    )


@figures.picture
def levels(ladder: Ladder, wording: str = ARBITRARY, *, seed: int) -> Picture:
    """Correlation of influence with what sees texts, for pairs and within classes."""
    return _panels(
        ladder,
        FAMILIES,
        lambda one, level, name: estimates_prediction.follows(one, wording, (name,), level, seed=seed),
        panels={"pairs": "query x demonstration", "texts": "within classes"},
        xlabel="correlation with influence",
        alt="What influence goes with.",
        caption=f"Each family's best member, chosen on half of the sets and judged on the others; {wording}. "
        "Left: what belongs to pairs of query and demonstration. Right: within one class of queries and one of "
        "demonstrations, where classes tell nothing.",
    )


@figures.picture
def carriers(ladder: Ladder, *, seed: int) -> Picture:
    """What is lost when the last token's heads cannot see labels: few heads together, and all."""

    def lost(one: Influence, wording: str, group: str | None) -> Estimate:
        if group is None:
            return estimates_heads.lost_without_any(one, wording, seed=seed)
        return estimates_heads.lost(one, wording, group, seed=seed)

    count = ", ".join(sorted({str(one.heads) for one in ladder.values()}))
    return _panels(
        ladder,
        {CHOSEN: CHOSEN, RANDOM: RANDOM, "all heads": None},
        lost,
        xlabel="share of the labels' influence that is lost",
        alt="What is lost when heads cannot see labels.",
        caption=f"{count} heads, chosen on half of the sets by what is lost without each, judged on the others.",
    )


@figures.picture
def by_depth(ladder: Ladder, wording: str = ARBITRARY, *, seed: int) -> Picture:
    """What is lost when all heads of some neighbouring layers cannot see labels, or demonstrations."""
    figure, all_axes = plt.subplots(1, 2, figsize=(8.6, 3.2), sharey=True)
    told = []
    for axes, hidden in zip(all_axes, HIDDEN, strict=True):
        found = by_run(
            ladder,
            lambda one, hidden=hidden: estimates_heads.lost_by_window(one, wording, hidden, seed=seed),
        )
        for name, line in figures.rung_styles(ladder).items():
            if name in found:
                depth = (np.arange(len(found[name].value)) + 0.5) / len(found[name].value)
                figures.band(axes, depth, found[name], name, **line)
                told.append(f"{hidden}, {name}: most at depth {number(depth[found[name].value.argmax()], 2)}")
        axes.axhline(0, **rows.LINE)
        axes.set(title=f"{hidden} hidden", xlabel="relative depth", xlim=(0, 1), ylim=(-0.5, 1.5))
    all_axes[0].set_ylabel("influence lost")
    rows.legend(figure)
    return Picture(
        figure,
        alt=f"Influence that is lost by depth. {'; '.join(told)}.",
        caption="All heads of neighbouring layers cannot attend to labels, or to demonstrations at all; "
        f"{wording}. {UNITS}",
    )


def _panels(
    ladder: Ladder,
    names: Iterable[str] | Mapping[str, Any],
    ask: Callable[[Influence, str, Any], Estimate],
    *marks: Mark,
    panels: Mapping[str, str] = {wording: wording for wording in WORDINGS},
    xlabel: str,
    caption: str,
    **settings: Any,
) -> Picture:
    """Rows of estimates, a panel for each wording, or for each of the panels given."""
    drawn = [
        Panel(
            xlabel, by_row(ladder, names, lambda one, what, panel=panel: ask(one, panel, what)), marks, title
        )
        for panel, title in panels.items()
    ]
    return rows.picture(*drawn, caption=f"{caption} {UNITS}", **settings)
