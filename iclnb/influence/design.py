"""Designs that a task cannot have, in chapter 07: refused before a model is loaded."""

from types import SimpleNamespace

from iclnb.errors import IclnbError
from iclnb.influence.material import refuse_too_few
from iclnb.llm.demonstrations import task_rows


def design(run: SimpleNamespace) -> None:
    """Refuse a run of chapter 07 with too few queries of a class, or too many: IclnbError says what would do."""
    if run.asked > run.points:
        raise IclnbError(f"asked = {run.asked} of {run.points} points; ask for fewer, or for more points")
    rows = task_rows(run.task, 3 * run.sets * run.points, seed=run.data_seed, source=run.source, at_most=True)
    words = [word.strip() for word in run.words.split(",")]
    refuse_too_few(rows, run.k, run.sets, run.points, arbitrary=words)
