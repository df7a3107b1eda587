"""A figure of claims by task: does what holds in the task of a chapter's figures hold in others?"""

import textwrap
from typing import Any

import matplotlib.pyplot as plt

from iclnb import figures
from iclnb.claims.claim import Claim
from iclnb.claims.results import Results
from iclnb.display import number
from iclnb.figures import Picture, rows
from iclnb.ladders import task_name


@figures.picture
def across_tasks(results: Results, *ids: str) -> Picture:
    """A panel for each claim, a row for each task, a mark with its interval for each recorded model.

    Args:
        results: of a notebook that has judged the claims.
        ids: of the claims, from top to bottom.

    Raises KeyError for an id that the notebook has not judged.
    """
    judged = {claim.id: claim for claim in results.claims}
    claims = [judged[id] for id in ids]
    found = [_by_task(results, claim, "estimate") for claim in claims]
    figure, panels = plt.subplots(
        len(claims), squeeze=False, figsize=(7.4, sum(map(rows.height, found)) - 0.4 * len(claims))
    )
    for axes, claim, estimates in zip(panels[:, 0], claims, found, strict=True):
        control = rows.Mark("control", _by_task(results, claim, "control"))
        rows.draw(axes, estimates, control, lines=claim.criterion.bounds)
        bounds = " and ".join(map(number, claim.criterion.bounds))
        axes.set_title(textwrap.fill(f"{claim.statement} (line: {bounds})", 60), fontsize=9)
    rows.legend(figure)
    told = " ".join(f"{claim.statement} {rows.told(of)}." for claim, of in zip(claims, found, strict=True))
    return Picture(
        figure,
        alt=f"Estimates of claims by task and model, recorded runs. {told}",
        caption="The same claims in every task on record. Lines: the criterion, which an interval has to clear.",
    )


def _by_task(results: Results, claim: Claim, what: str) -> dict[str, dict[str, Any]]:
    """The claim's ``what`` (of :class:`Judgement`) by task and model."""
    found: dict[str, dict[str, Any]] = {task_name(results.ladder.task): {}}
    for rung in results.ladder.rungs:
        if rung.recorded and rung.name in claim.judgements:
            found.setdefault(task_name(rung.task), {})[rung.model] = getattr(
                claim.judgements[rung.name], what
            )
    return found
