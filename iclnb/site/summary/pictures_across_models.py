"""One picture of what several models do: the shares of a chapter's verdict, a series for each model."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np

from iclnb import figures
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.site.results.runs import Run


@figures.picture
def shares(runs: Sequence[Run]) -> Picture:
    """The shares of every run's verdict with their intervals, a panel for each condition.

    Args:
        runs: of different models; their values hold ``shares`` and ``share_intervals`` (chapter 07) by
            condition and by the share's name.
    """
    conditions = list(runs[0].results["values"]["shares"])
    names = list(runs[0].results["values"]["shares"][conditions[0]])
    size = (7.0, 1.1 + 1.9 * len(conditions))
    figure, panels = plt.subplots(len(conditions), sharex=True, figsize=size, squeeze=False)
    for axes, condition in zip(panels[:, 0], conditions, strict=True):
        for i, (run, line) in enumerate(zip(runs, cycle(figures.SERIES), strict=False)):
            values, low, high = _estimates(run.results["values"], condition, names)
            at = np.arange(len(names)) + (i - (len(runs) - 1) / 2) * 0.2
            errors = np.clip([values - low, high - values], 0, None)
            style = {"color": line["color"], "marker": line["marker"], "linestyle": "none", "capsize": 3}
            axes.errorbar(at, values, errors, label=run.model, **style)
        axes.set(title=condition, ylabel="share", ylim=(-0.05, 1.05))
        axes.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
    panels[0, 0].legend()
    return Picture(
        figure,
        alt="Shares of each model's verdict. " + " ".join(_most(run, names) for run in runs),
        caption="Shares of the verdict by model, from the records (95 % intervals over sets).",
    )


def _estimates(
    values: Mapping[str, Mapping], condition: str, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = np.array([values["shares"][condition][name] for name in names], dtype=float)
    ends = np.array([values["share_intervals"][condition][name] for name in names], dtype=float)
    return found, ends[:, 0], ends[:, 1]


def _most(run: Run, names: Sequence[str]) -> str:
    """What has the largest share, in words."""
    parts = []
    for condition, found in run.results["values"]["shares"].items():
        largest = max(names, key=lambda name: -1.0 if found[name] is None else found[name])
        parts.append(f"{largest} most under {condition} ({number(found[largest], 2)})")
    return f"{run.model}: {', '.join(parts)}."
