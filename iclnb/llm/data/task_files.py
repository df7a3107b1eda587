"""Tasks written down in TOML: what a file may say, and what is refused, with file and line.

A task of one's own is ``ICLNB_DATA/<name>/task.toml`` beside its rows; the built-in ones are such files, too.
Adding one changes nothing that was measured with another.
"""

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from iclnb.errors import IclnbError
from iclnb.keys.inputs import task_digest
from iclnb.llm.data.definitions import Format, Hub, Task

FILE: Final = "task.toml"
BUILT_IN: Final = Path(__file__).with_name("built_in")
SPLITS: Final = ("train", "validation", "test")
CLASSES: Final = (2, 10)  # Fewest and most classes of a task

_KEYS: Final = {
    "text": "the text columns, such as ['text'], or {name = 'column of the file'}",
    "label": "the column of the class, if it is not called label",
    "classes": "the names of the classes",
    "score": "the column of a number to predict, in place of classes",
    "words": "a word for each class, or for each whole score from 0 on",
    "other_words": "further sets of words, each with a name",
    "formats": "ways to write a demonstration, each with a name, x and cue",
    "numbers": "further columns, of numbers",
    "splits": "which of train, validation and test there are",
    "hub": "a dataset of the hub: repository, revision, config, splits",
    "packaged": "the packaged default that carries the rows",
    "description": "what the rows are",
    "licence": "of the rows",
    "source": "where the rows come from",
}
"""What a file may say."""


def names(root: Path | None) -> dict[str, Path]:
    """Every task with its file: the built-in ones, and those of a folder of data."""
    own = sorted(root.glob(f"*/{FILE}")) if root else []
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.toml"))} | {
        path.parent.name: path for path in own
    }


def read(path: Path, name: str) -> Task:
    """The task that a file describes. Raises IclnbError if it cannot be read, or says what no task can be."""
    return _read(path, name, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _read(path: Path, name: str, changed: int) -> Task:
    file = _File(path)
    if path.name == FILE and (BUILT_IN / f"{name}.toml").is_file():
        raise IclnbError(f"{path}: {name} is the name of a built-in task; give the folder another name")
    for key in file.table:
        if key not in _KEYS:
            raise file.wrong(key, f"unknown key {key!r}; known: {', '.join(_KEYS)}")
    inputs, columns = _columns(file)
    classes, words = _classes_and_words(file)
    others = {key: file.texts("other_words", given) for key, given in file.section("other_words").items()}
    for key, given in others.items():
        if len(given) != len(words):
            raise file.wrong(key, f"expected {len(words)} words as {key!r}, one for each of words")
    hub = file.section("hub")
    return Task(
        name,
        inputs,
        classes,
        words,
        _formats(file, inputs),
        others,
        file.texts("numbers", default=()),
        columns,
        _splits(file),
        file.text("packaged", None),
        _hub(file, hub) if hub else None,
        *(file.text(key, "") for key in ("description", "licence", "source")),
        digest=task_digest(path),
    )


class _File:
    """A task's file as it is read: what is wrong is said with the line of its key."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.content = path.read_text(encoding="utf-8-sig")
            self.table: dict[str, Any] = tomllib.loads(self.content)
        except (OSError, ValueError) as error:  # what TOML's errors are, and those of UTF-8
            raise IclnbError(f"{path} cannot be read: {error}; fix it") from None

    def wrong(self, key: str, what: str) -> IclnbError:
        lines = enumerate(self.content.splitlines(), 1)
        mark = re.compile(rf"""\s*(\[+[\w.]*)?["']?{re.escape(key)}["']?\s*[\]=]""")
        number = next((number for number, line in lines if mark.match(line)), None)
        return IclnbError(f"{self.path}{f', line {number}' if number else ''}: {what}")

    def missing(self, key: str) -> IclnbError:
        return IclnbError(f"{self.path}: no {key!r}; it says {_KEYS[key]}")

    def text(self, key: str, default: str | None) -> str | None:
        found = self.table.get(key, default)
        if found is not None and not isinstance(found, str):
            raise self.wrong(key, f"expected a text as {key!r}, got {found!r}; it says {_KEYS[key]}")
        return found

    def texts(self, key: str, given: Any = None, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Different texts, none empty."""
        found = self.table.get(key, default) if given is None else given
        if found is None:
            raise self.missing(key)
        if not isinstance(found, list | tuple) or not all(
            isinstance(one, str) and one.strip() for one in found
        ):
            raise self.wrong(key, f"expected a list of texts as {key!r}, got {found!r}; it says {_KEYS[key]}")
        if len({one.strip().lower() for one in found}) < len(found):
            raise self.wrong(key, f"the same text stands in {key!r} twice: {', '.join(found)}")
        return tuple(found)

    def section(self, key: str) -> Mapping[str, Any]:
        found = self.table.get(key, {})
        if not isinstance(found, dict):
            raise self.wrong(key, f"expected a section [{key}], got {found!r}; it says {_KEYS[key]}")
        return found


def _columns(file: _File) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Names of the text columns, and what rows call the columns that have another name."""
    given = file.table.get("text")
    renamed = given if isinstance(given, dict) else {}
    inputs = tuple(renamed) or file.texts("text")
    columns = {name: file.texts("text", [column]) for name, column in renamed.items()}
    for name in inputs:
        if not name.isidentifier():
            raise file.wrong(
                "text", f"a format cannot name the column {name!r}; say text = {{text = {name!r}}}"
            )
    for key in ("label", "score"):
        if key in file.table:
            given = file.table[key]
            columns[key] = file.texts(key, [given] if isinstance(given, str) else given)
    return inputs, columns


def _classes_and_words(file: _File) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if ("classes" in file.table) == ("score" in file.table):
        raise IclnbError(
            f"{file.path}: expected either 'classes' ({_KEYS['classes']}) or 'score' ({_KEYS['score']})"
        )
    classes, words = file.texts("classes", default=()), file.texts("words")
    fewest, most = CLASSES
    if classes and not fewest <= len(classes) <= most:
        raise file.wrong("classes", f"expected {fewest} to {most} classes, got {len(classes)}")
    if spaced := [word for word in words if word != word.strip()]:
        raise file.wrong("words", f"{spaced[0]!r} begins or ends with a space; label_prefix says how to join")
    if classes and len(words) != len(classes):
        raise file.wrong(
            "words", f"expected {len(classes)} words, for {', '.join(classes)}; got {len(words)}"
        )
    if not classes and len(words) < 2:
        raise file.wrong("words", "expected a word for each whole score from 0 on, two at least")
    return classes, words


def _formats(file: _File, inputs: tuple[str, ...]) -> dict[str, Format]:
    formats = {}
    for name, given in file.section("formats").items():
        try:
            formats[name] = Format(**given)
        except (TypeError, ValueError, AttributeError) as error:  # unknown parts, columns without a name
            known = "x, cue, label_prefix and separator, which are texts"
            raise file.wrong(name, f"format {name!r}: {error}; a format has {known}") from None
        if foreign := sorted({*formats[name].columns} - {*inputs}):
            raise file.wrong(
                name, f"format {name!r} names the column {foreign[0]!r}; 'text' has {', '.join(inputs)}"
            )
    if not formats:
        raise file.missing("formats")
    return formats


def _splits(file: _File) -> tuple[str, ...]:
    splits = file.texts("splits", default=SPLITS)
    if not {"validation"} <= {*splits} <= {*SPLITS}:
        raise file.wrong(
            "splits", f"expected validation, with or without train and test; got {', '.join(splits)}"
        )
    return splits


def _hub(file: _File, given: Mapping[str, Any]) -> Hub:
    try:
        hub = Hub(**given)
    except TypeError:
        known = "repository, revision, config, splits"
        raise file.wrong("hub", f"expected repository and revision in [hub]; known: {known}") from None
    if not re.fullmatch(r"[0-9a-f]{40}", str(hub.revision)):
        raise file.wrong("revision", f"expected a commit of 40 hexadecimal digits, got {hub.revision!r}")
    return hub
