"""Pictures of chapter 00."""

from collections.abc import Mapping

from iclnb import figures
from iclnb.cli.template.room import estimates
from iclnb.cli.template.room.findings import Draws
from iclnb.figures import Picture, rows
from iclnb.figures.rows import Mark, Panel


@figures.picture
def means(ladder: Mapping[str, Draws], *, seed: int) -> Picture:
    """The mean of every run with its interval, beside its control; ``seed`` is that of both."""
    found = {name: estimates.mean(one, seed=seed) for name, one in ladder.items()}
    values = {"mean": {name: evidence.estimate for name, evidence in found.items()}}
    controls = {"mean": {name: evidence.control for name, evidence in found.items()}}
    return rows.picture(
        Panel("mean", values, [Mark("random signs", controls)]),
        alt="The mean of each run's draws.",
        caption="The mean of each run's draws, with 95 % intervals; a cross is the same with random signs.",
    )
