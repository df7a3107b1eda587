"""A line on the terminal for each notebook that runs: chapter, cell, time so far, time that is left."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FORMAT = "{desc} |{bar:16}| {elapsed}"

_lines: list[Any] = []  # The lines on the terminal, of all threads


def durations(executed: Path) -> list[float]:
    """Seconds that each cell of an executed notebook took."""
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    return [(cell["metadata"].get("papermill") or {}).get("duration") or 0.0 for cell in cells]


def described(name: str, cell: int, cells: int, last: Sequence[float]) -> str:
    """What stands in front of the bar; ``last``: seconds of the last such run by cell, empty without one."""
    left = f", about {spoken(sum(last[cell:]))} left" if last else ""
    return f"{name}, cell {cell + 1} of {cells}{left}"


@contextmanager
def bar(name: str, cells: int, last: Sequence[float]) -> Iterator[Callable[..., None]]:
    """A line that goes away at the end; none where nobody watches.

    The bar grows by the last run's time, or else by cells; what is given is called when a cell starts.
    """
    from tqdm import tqdm

    last = last if len(last) == cells else []
    weights = [max(taken, 1e-3) for taken in last] or [1.0] * cells
    settings: dict[str, Any] = {"file": sys.stderr, "leave": False, "disable": not sys.stderr.isatty()}
    with tqdm(total=sum(weights), bar_format=FORMAT, **settings) as line:

        def starts(*, cell_index: int, **_: object) -> None:
            line.n = sum(weights[:cell_index])
            line.set_description_str(described(name, cell_index, cells, last))

        _lines.append(line)
        try:
            yield starts
        finally:
            _lines.remove(line)


def tick(waited_for: Sequence[Any]) -> None:
    """Wait until these threads have ended; meanwhile the time so far goes on in every line."""
    for thread in waited_for:
        while thread.is_alive():
            thread.join(1.0)
            for line in tuple(_lines):
                line.refresh()


def spoken(seconds: float) -> str:
    """A time in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
