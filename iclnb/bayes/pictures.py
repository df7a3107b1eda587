"""The pictures of chapter 01 and its appendices."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from iclnb import figures
from iclnb.bayes import estimates, estimates_table_3
from iclnb.bayes.estimates import OUTSIDE, REPAIRED
from iclnb.bayes.estimates_transformer import CORPUS, OTHERS, RANDOM, TRAINED, nearest_kernel
from iclnb.bayes.findings import DESIGNS, Learning
from iclnb.bayes.learning import BAYES, FITTED, FOLLOWED, IGNORING
from iclnb.bayes.material import SHARES
from iclnb.bayes.measure_table_3 import READINGS, Table3
from iclnb.bayes.measure_theorem import Limits
from iclnb.bayes.measure_transformer import EVERY_TASK, Following
from iclnb.bayes.table_3 import DEMONSTRATIONS, DISTANCE
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.findings import Findings
from iclnb.ladders import Ladder
from iclnb.stats import interval

REGIONS = {
    BAYES: "#cecece", IGNORING: "#ffffff", "operator cosine": "#5aa9d6", "belief": "#c2571a",
    "printed": "#6a3d7c", REPAIRED: "#12261e",
}  # fmt: skip
"""Learners of the phase diagram, by lightness told apart in grey."""


def strongest(ladder: Ladder) -> Findings:
    """The recorded run, or this one where none is on record."""
    return ladder.recorded[-1].findings if ladder.recorded else ladder.here


@figures.picture
def phase_diagram(ladder: Ladder[Learning]) -> Picture:
    """Who is nearest to the right answer, by how foreign the task is and how many demonstrations it has."""
    found = strongest(ladder)
    figure, panels = plt.subplots(1, len(DESIGNS), figsize=(9, 4.2), sharey=True)
    edges = np.sqrt([found.ns[0] / 2, *found.ns] * np.array([*found.ns, 2 * found.ns[-1]]))
    for design, axes in enumerate(panels):
        won = estimates.winners(found, design, list(REGIONS))
        colours = {"cmap": ListedColormap(list(REGIONS.values())), "vmin": -0.5, "vmax": len(REGIONS) - 0.5}
        axes.pcolormesh(np.arange(len(SHARES) + 1) - 0.5, edges, won.T, **colours)
        _crossing_lines(axes, found, design)
        axes.set(yscale="log", title=DESIGNS[design], xlabel="share of the start held out")
        axes.set_xticks(range(len(SHARES)), [f"{share:g}" for share in SHARES])
        axes.set_ylim(edges[0], edges[-1])
        axes.grid(False)
    panels[0].set_ylabel("demonstrations n")
    patches = [Patch(facecolor=c, edgecolor="0.5", label=name) for name, c in REGIONS.items()]
    lines = panels[0].get_legend_handles_labels()[0]
    figure.legend(handles=[*patches, *lines], loc="outside lower center", ncols=4, fontsize=8)
    ends, best = [], []
    for design, name in enumerate(DESIGNS):
        best.append(int((estimates.winners(found, design, list(REGIONS))[0] == 0).sum()))
        n = float(np.median(estimates.crossings(found, design, REPAIRED, OUTSIDE)))
        error = number(float(found.end(design, BAYES, OUTSIDE).mean()), 2)
        ends.append(f"{name}: repaired kernel from n = {number(n, 2)} on, error of Bayes {error}")
    return Picture(
        figure,
        alt=f"On a task of the corpus Bayes is nearest to the right answer at {min(best)} of {len(found.ns)} "
        f"numbers of demonstrations or more, by design. On a task wholly held out, {'; '.join(ends)}.",
        caption="Which of Bayes and the kernels has the least error, mean over HMMs. Left edge: a task of the "
        "corpus; right edge: one that is foreign to it. Solid line: from where on theory lets the repaired "
        "kernel (ratio) beat Bayes; circles: measured. Broken line: from where on a learner does that fits the "
        "start of the task.",
    )


def _crossing_lines(axes: Axes, found: Learning, design: int) -> None:
    """n* of the repaired kernel and of the fitted start, medians over HMMs."""
    places = np.arange(1, len(SHARES))
    outlined = {"path_effects": [withStroke(linewidth=3, foreground="black")]}
    looks = {
        "ratio, theory": (REPAIRED, True, {"color": "white", "linewidth": 1.6, **outlined}),
        "ratio, measured": (REPAIRED, False, {"color": "white", "marker": "o", "linestyle": ""}),
        FITTED: (FITTED, False, {"color": "black", "marker": "s", "linestyle": "--"}),
    }
    for label, (learner, theory, look) in looks.items():
        n = [np.median(estimates.crossings(found, design, learner, int(s), theory=theory)) for s in places]
        edge = {"markeredgecolor": "black"} if look.get("marker") else {}
        axes.plot(places, n, label=label, markersize=4, **look, **edge)


@figures.picture
def learning_curves(ladder: Ladder[Learning], *, seed: int) -> Picture:
    """Errors against n on the first design: a task of the corpus, and one that is held out."""
    found = strongest(ladder)
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    drawn = (BAYES, FITTED, "operator cosine", "belief", REPAIRED)
    for axes, (title, share) in zip(
        panels, {"a task of the corpus": 0, "a task held out": OUTSIDE}.items(), strict=True
    ):
        for name, look in zip(drawn, figures.SERIES, strict=False):
            errors = np.maximum(found.of(0, name, share), 1e-4)
            figures.band(axes, found.ns, interval(errors, range="nonnegative", seed=seed), name, **look)
            axes.plot(found.ns, found.theory(0, name, share).mean(0), color="0.55", linewidth=0.8, zorder=5)
        ignoring = {**figures.CONTROL, "marker": ""}
        axes.axhline(found.end(0, IGNORING, share).mean(), label=IGNORING, **ignoring)
        axes.set(xscale="log", yscale="log", title=title, xlabel="demonstrations n", ylim=(2e-3, 2.5))
    panels[0].set_ylabel("L1 distance to the right answer")
    panels[1].legend(fontsize=8, loc="lower left")
    told = (f"{name} {number(float(found.end(0, name, OUTSIDE).mean()), 2)}" for name in (BAYES, *FOLLOWED))
    return Picture(
        figure,
        alt="Errors against the number of demonstrations, on a task of the corpus and on one that is held out. "
        f"On the latter they tend to: {', '.join(told)}.",
        caption=f"Design: {DESIGNS[0]}. Bands: 95 % over HMMs. Thin grey lines: theory, nothing fitted.",
    )


@figures.picture
def crossing(ladder: Ladder[Learning]) -> Picture:
    """Left: n* against the distance of the KL projection. Right: n* measured and predicted, kernel by kernel."""
    found = strongest(ladder)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    shares, designs = range(1, len(SHARES)), range(len(DESIGNS))
    finite = []
    for name, look in zip(FOLLOWED, figures.SERIES, strict=False):
        measured, predicted = (
            np.ravel([estimates.crossings(found, d, name, s, theory=t) for d in designs for s in shares])
            for t in (False, True)
        )
        distance = np.ravel([found.end(d, BAYES, s) for d in designs for s in shares])
        points = {**look, "linestyle": "", "markersize": 3.5, "alpha": 0.7}
        left.plot(distance, measured, label=name, **points)
        right.plot(predicted, measured, label=name, **points)
        finite.append(f"{name} {np.isfinite(measured).mean():.0%}")
    for rank, dash in zip(np.median(found.rank, axis=1).astype(int), ("-", "--", ":"), strict=True):
        d = np.geomspace(0.02, 0.8, 20)
        left.plot(d, rank / d**2, color="0.5", linewidth=1, linestyle=dash, label=f"{rank} / distance²")
    right.plot([30, 1e6], [30, 1e6], color="0.5", linewidth=1)
    left.set(xscale="log", yscale="log", xlabel="distance of the KL projection", ylabel="measured n*")
    left.set_xticks((0.02, 0.05, 0.1, 0.2, 0.5), ("0.02", "0.05", "0.1", "0.2", "0.5"))
    left.minorticks_off()
    right.set(xscale="log", yscale="log", xlabel="predicted n*", ylabel="measured n*")
    left.legend(fontsize=8)
    return Picture(
        figure,
        alt="Demonstrations from which on a kernel beats Bayes, against the distance of the KL projection and "
        f"against what theory predicts. Overtaking by n = {found.ns[-1]:,}: {', '.join(finite)}.",
        caption="A point for each HMM and share held out. Left, lines: rank over squared distance. Right: the same "
        "number by theory, which knows each kernel's bias and noise; the line is equality.",
    )


@figures.picture
def bounds(ladder: Ladder[Limits]) -> Picture:
    """For every small HMM the bound of theorem 1 beside what it bounds."""
    found = strongest(ladder)
    figure, axes = plt.subplots(figsize=(7, 3.4))
    order = np.argsort(found.bound)
    drawn = {
        "the theorem's bound η²ε": (found.bound, figures.SERIES[3]),
        "printed, worst x_test": (found.of("printed"), figures.SERIES[0]),
        "labels only, worst x_test": (found.of("labels only"), figures.CONTROL),
    }
    for name, (values, look) in drawn.items():
        axes.plot(np.arange(len(order)), values[order], label=name, **{**look, "linestyle": ""})
    axes.set(yscale="log", xlabel="HMM", ylabel="L∞ error as n grows", xticks=[])
    axes.legend(fontsize=8, loc="center right")
    told = (f"{name}: {number(float(np.median(values)), 2)}" for name, (values, _) in drawn.items())
    return Picture(
        figure,
        alt=f"The bound beside what it bounds. Medians over HMMs: {', '.join(told)}.",
        caption="Small random HMMs, in the order of their bounds.",
    )


@figures.picture
def table_3(ladder: Ladder[Table3]) -> Picture:
    """Distances of the printed and of the repaired kernel under every reading, beside table 3."""
    found = strongest(ladder)
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    looks = {
        "own start state": {"color": "#0072b2", "linestyle": "-"},
        "start anywhere": {"color": "#d55e00", "linestyle": "--"},
    }
    told = []
    for axes, (title, kernel) in zip(
        panels, {"printed kernel": "printed", "repaired kernel": "ratio"}.items(), strict=True
    ):
        gaps = []
        for place in estimates_table_3.ran(found):
            distance = estimates_table_3.of(found, "distance", place, kernel)
            gaps.append(float(estimates_table_3.gap(distance)))
            look = looks["own start state" if READINGS[place].startswith("own start") else "start anywhere"]
            axes.plot(DEMONSTRATIONS, distance.mean(0), linewidth=1, **look)
        for name, look in looks.items():
            axes.plot([], [], label=name, **look)
        axes.plot(DEMONSTRATIONS, DISTANCE, color="#1b1b1b", marker="o", linewidth=2, label="table 3")
        axes.set(xscale="log", yscale="log", title=title, xlabel="demonstrations n")
        told.append(f"{title}: mean gap to the table from {number(min(gaps), 2)} to {number(max(gaps), 2)}")
    panels[0].set_ylabel("mean L1 distance to the posterior")
    panels[0].legend(fontsize=8)
    return Picture(
        figure,
        alt=f"Distances to the posterior by reading, beside table 3. {'; '.join(told)}.",
        caption="A line for each reading of appendix C, mean over HMMs; one prompt counts at most 2.",
    )


@figures.picture
def following(ladder: Ladder[Following], *, seed: int) -> Picture:
    """Distances of the trained transformer's predictions by the number of tasks in its corpus."""
    found = strongest(ladder)
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    told = []
    for axes, source in zip(panels, (CORPUS, OTHERS), strict=True):
        lines = {
            "to Bayes over the corpus": found.of(TRAINED, source, BAYES),
            f"to {EVERY_TASK}": found.of(TRAINED, source, EVERY_TASK),
            "to the nearest kernel regression": nearest_kernel(found, TRAINED, source),
            "between the two Bayes": found.of(BAYES, source, EVERY_TASK),
        }
        for (name, values), look in zip(lines.items(), figures.SERIES, strict=False):
            estimate = interval(values[:, :, -1].T, range="nonnegative", seed=seed)
            figures.band(axes, found.tasks, estimate, name, **look)
            first, last = (number(float(values[corpus, :, -1].mean()), 2) for corpus in (0, -1))
            told.append(f"{source}, {name}: {first} and {last}")
        random = interval(found.of(RANDOM, source, BAYES)[:, :, -1].T, range="nonnegative", seed=seed)
        figures.band(axes, found.tasks, random, "random weights, to Bayes", **figures.CONTROL)
        axes.set(xscale="log", ylim=(0, None), title=source, xlabel="tasks in the corpus")
        axes.set_xticks(found.tasks, [str(count) for count in found.tasks])
        axes.minorticks_off()
    panels[0].set_ylabel("mean L1 distance of predictions")
    panels[1].legend(fontsize=8)
    return Picture(
        figure,
        alt=f"Distances with the smallest and the largest corpus. {'; '.join(told)}.",
        caption="Trained transformers after all demonstrations of a prompt. Bands: 95 % over trainings.",
    )
