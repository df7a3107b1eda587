"""Rows as people write them: read where the meaning is plain, else refused with file, line and column."""

import csv
import hashlib
import json
import math
import reprlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from iclnb.errors import IclnbError
from iclnb.llm.data.definitions import Task

Numbered = Iterable[tuple[int, Mapping[str, Any]]]
"""Rows with their line in a file, or their place in a table of the hub, from 1."""

KINDS = (".jsonl", ".csv", ".tsv", ".parquet")  # Files that rows are read from

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def numbered(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a file of one of :data:`KINDS`, with their line, or their place in a Parquet file.

    Blank lines, byte order marks, Windows line ends and control characters in texts do no harm.

    Raises IclnbError for a line that is no JSON object in UTF-8 or names a column twice, or that has another
    number of fields than the first line of the table; for what is no Parquet file.
    """
    if path.suffix == ".parquet":
        yield from enumerate(_parquet(path), 1)
        return
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise IclnbError(f"{path} is written in UTF-16; save it as UTF-8")
        file.seek(0)
        if path.suffix != ".jsonl":
            yield from _table(file, path)
            return
        for number, line in enumerate(file, 1):
            row = _object(line, f"{path}, line {number}")
            if row is not None:
                yield number, row


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (ArrowException, OSError) as error:
        reason = str(error).split("\n")[0]
        raise IclnbError(f"{path} cannot be read as Parquet: {reason}; write it again") from error


def _table(file: Iterable[bytes], path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a table with the columns' names in its first line; fields with commas are quoted."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    texts = (_decoded(line, f"{path}, line {number}") for number, line in enumerate(file, 1))
    reader = csv.reader(texts, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
    columns: list[str] | None = None
    try:
        for fields in reader:
            place = f"{path}, line {reader.line_num}"
            if columns is None:
                columns = [name.strip() for name in fields]
                if len({*columns}) < len(columns):
                    raise IclnbError(f"{place}: a column stands there twice: {', '.join(columns)}")
            elif len(fields) not in (0, len(columns)):
                raise IclnbError(
                    f"{place}: {len(fields)} fields under {len(columns)} columns ({', '.join(columns)}); put "
                    "texts with commas or line breaks into double quotes"
                )
            elif fields:
                yield reader.line_num, dict(zip(columns, fields, strict=True))
    except csv.Error as error:
        raise IclnbError(f"{path}, line {reader.line_num}: {error}; fix that line") from None


def _decoded(line: bytes, place: str) -> str:
    try:
        return line.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        raise IclnbError(f"{place}, column {error.start + 1}: not UTF-8; save the file as UTF-8") from None


def _object(line: bytes, place: str) -> Mapping[str, Any] | None:
    """The object of a line; ``None`` for a blank one."""
    try:
        text = _decoded(line.rstrip(b"\r\n"), place)
        row = json.loads(text, strict=False, object_pairs_hook=_once) if text.strip() else None
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

    They come with how many were ``left_out`` for want of a value, how many of the others are ``repeated``
    (they stay), and the ``score_scale`` applied; ``raw`` numbers each ``unit``, a line or a row.
    """
    rows, left_out = [], 0
    for number, given in raw:
        place = f"{file}, {unit} {number}"
        row = {name: _value(task, given, name, place) for name in (*task.inputs, task.target, *task.numbers)}
        if None in row.values() or any(not row[name].strip() for name in task.inputs):
            left_out += 1
        else:
            rows.append(row)
    distinct = {tuple(row[name] for name in (*task.inputs, task.target)) for row in rows}
    notes: dict[str, Any] = {"left_out": left_out, "repeated": len(rows) - len(distinct)}
    if task.target == "score":
        notes["score_scale"] = _rescale(rows, task.largest_score)
    return rows, notes


def split_of(text: str) -> str:
    """The split that a text belongs to: 60 % train, 20 % validation, 20 % test, by a hash of :func:`key`.

    It depends on the text alone, so that no text stands in two splits and none moves when others are added.
    """
    tenth = int.from_bytes(hashlib.sha256(key(text).encode()).digest()[:8]) % 10
    return "train" if tenth < 6 else "validation" if tenth < 8 else "test"


def key(text: str) -> str:
    """What makes two texts the same: their letters and digits, without case."""
    return "".join(character for character in text.casefold() if character.isalnum())


def _value(task: Task, row: Mapping[str, Any], name: str, place: str) -> Any:
    """One checked value; ``None`` where there is none (on the hub, a label of -1 too)."""
    names = task.columns.get(name, (name,))
    given = next((one for one in names if one in row), None)
    if given is None:
        wanted = " or ".join(map(repr, names))
        raise IclnbError(f"{place}: no column {wanted}; it has {', '.join(map(_SHORT.repr, [*row][:9]))}")
    value, place = row[given], f"{place}, column {given!r}"
    if value is None:
        return None
    if name in task.inputs:
        if not isinstance(value, str):
            raise IclnbError(f"{place}: expected a text as {name!r}, got {_SHORT.repr(value)}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise IclnbError(f"{place}: half a character (a lone surrogate) in {_SHORT.repr(value)}; fix it")
        return value
    if name == "label" and (named := _class(value, task.classes)) is not None:
        return named
    number = _number(value)
    if number is not None and (math.isnan(number) or (number == -1 and name not in task.numbers)):
        return None
    if name in task.numbers and number is not None:
        return number
    numbered = name == "label" and not any(_number(one) is not None for one in task.classes)
    if numbered and number in range(len(task.classes)):
        return int(number)
    if name == "score" and number is not None and 0 <= number <= task.largest_score:
        return number
    wanted = {"label": f"a class ({', '.join(task.classes)})", "score": f"a number 0 to {task.largest_score}"}
    raise IclnbError(
        f"{place}: expected {wanted.get(name, 'a number')} as {name!r}, got {_SHORT.repr(value)}"
    )


def _class(value: Any, classes: tuple[str, ...]) -> int | None:
    """The class of that name, written in whatever case; numbers may name classes that are numbers."""
    names = [name.strip().lower() for name in classes]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    return names.index(text) if text in names else None


def _number(value: Any) -> float | None:
    """The number that a value stands for, as a number or as text (none in an empty one); else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        if not value.strip():
            return math.nan
        if "_" in value:  # which Python would read as a number, and nobody writes
            return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _rescale(rows: list[dict], largest: int) -> float:
    """Bring scores 0..1, as some copies of STS-B have them, to the task's scale and return the factor.

    A table of fewer than 20 rows is left alone: it may hold low scores only.
    """
    factor = float(largest) if len(rows) >= 20 and max(row["score"] for row in rows) <= 1 else 1.0
    for row in rows:
        row["score"] *= factor
    return factor
