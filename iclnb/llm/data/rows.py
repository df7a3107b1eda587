"""Rows as people write them: read where the meaning is plain, else refused with file, line and column."""

import json
import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from iclnb.errors import IclnbError
from iclnb.llm.data.definitions import Task

Numbered = Iterable[tuple[int, Mapping[str, Any]]]
"""Rows with their line in a file, or their place in a table of the hub, from 1."""

_ALIASES = {"score": ("similarity_score", "label")}
"""Names that copies of a dataset give to a column."""

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The numbered rows of a JSON lines file.

    Blank lines, byte order marks, Windows line ends and control characters in texts do no harm.

    Raises:
        IclnbError: for a line that is no JSON object in UTF-8, or names a column twice.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise IclnbError(f"{path} is written in UTF-16; save it as UTF-8")
            row = _object(line, f"{path}, line {number}")
            if row is not None:
                yield number, row


def _object(line: bytes, place: str) -> Mapping[str, Any] | None:
    """The object of a line; ``None`` for a blank one."""
    try:
        text = line.rstrip(b"\r\n").decode("utf-8").lstrip("\ufeff")
        row = json.loads(text, strict=False, object_pairs_hook=_once) if text.strip() else None
    except UnicodeDecodeError as error:
        raise IclnbError(f"{place}, column {error.start + 1}: not UTF-8; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        what = f"not a JSON object on one line ({error.msg})"
        raise IclnbError(f"{place}, column {error.colno}: {what}; fix that line") from None
    except RecursionError:
        raise IclnbError(f"{place}: nested too deeply; keep the columns of the task") from None
    except ValueError as error:  # a column twice, or a number of thousands of digits
        raise IclnbError(f"{place}: {error}; fix that line") from None
    if row is not None and not isinstance(row, dict):
        raise IclnbError(f"{place}: expected a JSON object, got {type(row).__name__}; fix that line")
    return row


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"column {next(name for name in names if names.count(name) > 1)!r} stands there twice"
        )
    return row


def typed(task: Task, raw: Numbered, file: str, unit: str) -> tuple[list[dict], dict[str, Any]]:
    """The rows that have text and a label, every value checked, and what was done to them.

    Args:
        task: whose columns to take.
        raw: the rows as they are.
        file: for messages.
        unit: what ``raw`` numbers: ``"line"`` or ``"row"``.

    Returns:
        The rows; how many were ``left_out`` for want of a value, how many of the others are ``repeated``
        (they stay), and the ``score_scale`` applied.
    """
    rows, left_out = [], 0
    for number, given in raw:
        row = {name: _value(task, given, name, f"{file}, {unit} {number}") for name in task.features}
        if None in row.values() or any(not row[name].strip() for name in task.inputs):
            left_out += 1
        else:
            rows.append(row)
    distinct = {tuple(row[name] for name in (*task.inputs, task.target)) for row in rows}
    notes: dict[str, Any] = {"left_out": left_out, "repeated": len(rows) - len(distinct)}
    if task.target == "score":
        notes["score_scale"] = _rescale(rows)
    return rows, notes


def _value(task: Task, row: Mapping[str, Any], name: str, place: str) -> Any:
    """One checked value; ``None`` where there is none (on the hub, a label of -1 too)."""
    given = next((alias for alias in (name, *_ALIASES.get(name, ())) if alias in row), None)
    if given is None:
        raise IclnbError(f"{place}: no column {name!r}; it has {', '.join(map(_SHORT.repr, [*row][:9]))}")
    value, place = row[given], f"{place}, column {given!r}"
    if value is None:
        return None
    if name in task.inputs:
        if not isinstance(value, str):
            raise IclnbError(f"{place}: expected a text as {name!r}, got {_SHORT.repr(value)}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise IclnbError(f"{place}: half a character (a lone surrogate) in {_SHORT.repr(value)}; fix it")
        return value
    number = _number(value, task.classes if name == "label" else ())
    if name in task.extra and number is not None:
        return None if math.isnan(number) else number
    if number is not None and (number == -1 or math.isnan(number)):
        return None
    if name == "label" and number in range(len(task.classes)):
        return int(number)
    if name == "score" and number is not None and 0 <= number <= 5:
        return number
    wanted = {"label": f"a class 0 to {len(task.classes) - 1}", "score": "a number 0 to 5"}
    raise IclnbError(
        f"{place}: expected {wanted.get(name, 'a number')} as {name!r}, got {_SHORT.repr(value)}"
    )


def _number(value: Any, classes: tuple[str, ...]) -> float | None:
    """The number that a value stands for, as a number, as text or by the name of a class; else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        names, value = [name.lower() for name in classes], value.strip().lower()
        if value in names:
            return float(names.index(value))
        if not value:
            return math.nan
        if "_" in value:  # which Python would read as a number, and nobody writes
            return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _rescale(rows: list[dict]) -> float:
    """Bring scores 0..1, as some copies of STS-B have them, to 0..5 and return the factor.

    A table of fewer than 20 rows is left alone: it may hold low scores only.
    """
    factor = 5.0 if len(rows) >= 20 and max(row["score"] for row in rows) <= 1 else 1.0
    for row in rows:
        row["score"] *= factor
    return factor
