"""Designs that a task cannot have, in chapter 04 and its appendix: refused before a model is loaded."""

from types import SimpleNamespace

from iclnb.steering.material import draw_rows


def design(run: SimpleNamespace) -> None:
    """Refuse a run whose task has too few classes or rows: IclnbError says what would do."""
    draw_rows(run)
