"""Designs that a task cannot have, in chapter 03 and its appendices: refused before a model is loaded."""

from types import SimpleNamespace

import numpy as np

from iclnb.errors import IclnbError
from iclnb.heads.material import AT_LEAST
from iclnb.llm.demonstrations import TaskRows, draw, task_rows

MOST = 1000  # Demonstration sets that are tried before a task is said to have too few labels


def design(run: SimpleNamespace) -> None:
    """Refuse a run of chapter 03 with too few rows, or sets of one class: IclnbError says what would do."""
    rows = _halved(run, run.task, max(run.points, run.fresh))
    _several_labels(rows, run.k, run.sets, seed=run.demonstration_seed, needed=2)


def probes(run: SimpleNamespace) -> None:
    """The same for appendix 03a, in which all sets together must show several labels."""
    rows = task_rows(run.task, 1, seed=run.data_seed, source=run.source)
    shown = draw(rows.labels, run.k, run.probe_sets, seed=(run.demonstration_seed, 2))
    if len(np.unique(shown.labels)) < 2:
        raise IclnbError(
            f"all {shown.labels.size} demonstrations are {rows.task.classes[shown.labels.flat[0]]}; draw more: "
            "raise probe_sets or k, or choose another demonstration_seed"
        )


def table(run: SimpleNamespace) -> None:
    """The same for appendix 03b: every task of its table has test points to choose on and to judge on."""
    for name in run.table.split(","):
        draw(_halved(run, name.strip(), run.points).labels, run.k, run.sets, seed=run.demonstration_seed)


def explorer(run: SimpleNamespace) -> None:
    """The same for appendix 03c."""
    if run.shown > run.prompts:
        raise IclnbError(f"shown = {run.shown} of {run.prompts} prompts; show fewer or ask for more prompts")
    draw(_halved(run, run.task, run.prompts).labels, run.k, 0, seed=run.demonstration_seed)


def _halved(run: SimpleNamespace, task: str, points: int) -> TaskRows:
    rows = task_rows(task, points, seed=run.data_seed, source=run.source, at_most=True)
    if len(rows.queries) < AT_LEAST:
        raise IclnbError(
            f"half of the test points choose, half judge: {AT_LEAST} are needed, and {task} has "
            f"{len(rows.queries)} validation rows; add rows"
        )
    return rows


def _several_labels(rows: TaskRows, k: int, sets: int, *, seed: int, needed: int) -> None:
    """Refuse sets of which fewer than ``needed`` show labels of several classes."""

    def several(count: int) -> list[int]:
        """Of the first sets, which are the same however many follow."""
        labels = draw(rows.labels, k, count, seed=seed).labels
        return np.flatnonzero((labels != labels[:, :1]).any(1)).tolist()

    if (found := len(several(sets))) >= needed:
        return
    more = several(MOST)
    enough = f"ask for sets >= {more[needed - 1] + 1}" if len(more) >= needed else "ask for a larger k"
    raise IclnbError(
        f"labels are swapped within a set: {needed} sets must show labels of several classes, and of {sets} sets "
        f"with k = {k} demonstrations {found} do; {enough}, or choose another demonstration_seed"
    )
