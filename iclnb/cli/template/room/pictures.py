"""Pictures of chapter 00."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from iclnb import figures
from iclnb.cli.template.room import estimates
from iclnb.cli.template.room.findings import Draws
from iclnb.display import cell
from iclnb.figures import Picture


@figures.picture
def means(ladder: Mapping[str, Draws], *, seed: int) -> Picture:
    """The mean of every run with its interval, beside its control.

    Args:
        ladder: findings by the run's plain name.
        seed: of intervals and controls.
    """
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.4 * len(ladder)))
    found = {name: estimates.mean(one, seed=seed) for name, one in ladder.items()}
    for place, (name, line) in enumerate(figures.rung_styles(ladder).items()):
        estimate = found[name].estimate
        ends = np.array([[estimate.value - estimate.low], [estimate.high - estimate.value]])
        axes.errorbar(estimate.value, place, xerr=ends, capsize=3, **{**line, "linestyle": "none"})
        axes.plot(found[name].control, place, **{**figures.CONTROL, "linestyle": "none"})
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.set_yticks(range(len(ladder)), list(figures.rung_styles(ladder)))
    axes.set(xlabel="mean", ylim=(-0.5, len(ladder) - 0.5))
    told = "; ".join(f"{name}: {cell(evidence.estimate)}" for name, evidence in found.items())
    return Picture(
        figure,
        alt=f"The mean of each run's draws. {told}.",
        caption="The mean of each run's draws, with 95 % intervals; a cross is the same with random signs.",
    )
