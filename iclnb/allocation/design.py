"""Designs that a task cannot have, in chapter 02: refused before a model is loaded."""

from types import SimpleNamespace

from iclnb.llm.demonstrations import draw, task_rows


def design(run: SimpleNamespace) -> None:
    """Refuse a run of chapter 02 whose task has fewer rows than it asks for: IclnbError with what it has."""
    rows = task_rows(run.task, run.prompts, seed=run.data_seed, source=run.source)
    draw(rows.labels, run.k, 0, seed=run.demonstration_seed)
