"""One question put to every run of a ladder: what pictures draw."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from iclnb.claims.claim import NothingToMeasure

F = TypeVar("F")
T = TypeVar("T")


def by_run(ladder: Mapping[str, F], ask: Callable[[F], T]) -> dict[str, T]:
    """What is found in every run that has something to measure, by the run's plain name."""
    found = {}
    for run, one in ladder.items():
        with suppress(NothingToMeasure):
            found[run] = ask(one)
    return found


def by_row(
    ladder: Mapping[str, F], rows: Mapping[str, Any] | Iterable[str], ask: Callable[[F, Any], T]
) -> dict[str, dict[str, T]]:
    """The same for each row: its name, or what a mapping has in its place, is what is asked for."""
    asked = rows if isinstance(rows, Mapping) else {row: row for row in rows}
    return {row: by_run(ladder, lambda one, what=what: ask(one, what)) for row, what in asked.items()}
