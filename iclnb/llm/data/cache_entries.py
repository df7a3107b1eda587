"""Entries of the cache: folders made once, listed with their sizes and hashes, and checked on every use."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError

from iclnb import paths
from iclnb.errors import IclnbError

_CONTENTS = "contents.json"
_HASHED_UP_TO = 16_000_000
"""Bytes: larger files are checked by size alone on every use, by hash only when asked."""


def keep(
    entry: Path, fill: Callable[[Path], None], holds: str, *, room: str = "1.5 GB", hash_all: bool = False
) -> Path:
    """The folder ``entry`` of the cache, filled first if it is not there or is damaged.

    It appears whole or not at all, and a second process waits for the first and then finds it done.

    ``fill`` fills an empty folder, which then takes the entry's place.

    Raises IclnbError if the cache cannot be written; and what ``fill`` raises.
    """
    try:
        if not intact(entry, hash_all):
            _make(entry, fill, hash_all)
    except (OSError, SafetensorError) as error:
        raise IclnbError(
            f"could not keep {holds} in the cache folder {entry.parent}: {error}. Free some "
            f"space there ({room} is enough), delete {entry.name} if it is in the way, or set ICLNB_CACHE to "
            "a folder that can be written."
        ) from error
    return entry


def intact(entry: Path, hash_all: bool = False) -> bool:
    """Whether every file of ``entry`` is there, whole and, where that is quick to see, unchanged."""
    try:
        contents = json.loads((entry / _CONTENTS).read_text())
        return all(_same(entry / name, expected, hash_all) for name, expected in contents.items())
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError, AttributeError):
        return False  # missing, or a damaged list of contents


def _make(entry: Path, fill: Callable[[Path], None], hash_all: bool) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(entry.with_name(f"{entry.name}.lock")):
        if intact(entry, hash_all):
            return
        for leftover in entry.parent.glob(f".{entry.name}-*"):  # of a killed run: the lock is ours
            shutil.rmtree(leftover)
        with paths.replacing(entry) as target:
            target.mkdir()
            fill(target)
            files = sorted(path for path in target.rglob("*") if path.is_file())
            contents = {path.relative_to(target).as_posix(): _describe(path) for path in files}
            (target / _CONTENTS).write_text(json.dumps(contents, indent=1))


def _same(file: Path, expected: object, hash_all: bool) -> bool:
    size = file.stat().st_size
    if size != expected["size"] or not (hash_all or size <= _HASHED_UP_TO):
        return size == expected["size"]
    return _describe(file) == expected


def _describe(file: Path) -> dict[str, int | str]:
    with file.open("rb") as stream:
        return {"size": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
