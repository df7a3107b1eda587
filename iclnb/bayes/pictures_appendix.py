"""The pictures of appendices 01b and 01c."""

import matplotlib.pyplot as plt

from iclnb import figures
from iclnb.bayes import estimates_table_3
from iclnb.bayes.estimates_transformer import CORPUS, OTHERS, RANDOM, TRAINED, nearest_kernel
from iclnb.bayes.learning import BAYES
from iclnb.bayes.measure_table_3 import READINGS, Table3
from iclnb.bayes.measure_transformer import EVERY_TASK, Following
from iclnb.bayes.pictures import strongest
from iclnb.bayes.table_3 import DEMONSTRATIONS, DISTANCE
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.ladders import Ladder
from iclnb.stats import interval


@figures.picture
def table_3(ladder: Ladder[Table3]) -> Picture:
    """Distances of the printed and of the repaired kernel under every reading, beside table 3."""
    found = strongest(ladder)
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    told = []
    for axes, (title, kernel) in zip(
        panels, {"printed kernel": "printed", "repaired kernel": "ratio"}.items(), strict=True
    ):
        for place in estimates_table_3.ran(found):
            own = READINGS[place].startswith("own start")
            mean = estimates_table_3.of(found, "distance", place, kernel).mean(0)
            look = {"color": "#0072b2" if own else "#d55e00", "linestyle": "-" if own else "--"}
            axes.plot(DEMONSTRATIONS, mean, linewidth=1, **look)
        for name, color, dash in (("own start state", "#0072b2", "-"), ("start anywhere", "#d55e00", "--")):
            axes.plot([], [], color=color, linestyle=dash, label=name)
        axes.plot(DEMONSTRATIONS, DISTANCE, color="#1b1b1b", marker="o", linewidth=2, label="table 3")
        axes.set(xscale="log", yscale="log", title=title, xlabel="demonstrations n")
        gaps = [
            float(estimates_table_3.gap(estimates_table_3.of(found, "distance", place, kernel)))
            for place in estimates_table_3.ran(found)
        ]
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
