"""When a notebook must be run again: a key of everything that its results depend on."""

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PACKAGE = "iclnb"


def key(project: Path, source: Path, parameters: Mapping[str, Any]) -> str:
    """The key of one run; another key means that the results may differ.

    It covers the notebook's source, the package files that it imports, directly or not, the parameters, the
    pinned requirements, the Python version, and, where ``ICLNB_DATA`` names a folder, the names, sizes and
    times of its files.

    Args:
        project: the checkout.
        source: the notebook's ``.py`` file.
        parameters: those that differ from the notebook's defaults.

    Returns:
        A SHA-256 digest, in hexadecimal.
    """
    files = [source, *sorted(package_files(project, source))]
    content = {
        "files": {path.relative_to(project).as_posix(): _digest(path) for path in files},
        "parameters": parameters,
        "requirements": _digest(project / "requirements.txt"),
        "python": platform.python_version(),
        "data": sorted(_data_files()),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def package_files(project: Path, source: Path) -> set[Path]:
    """The files of the checkout's package that ``source`` needs, found through its import statements.

    Imports anywhere in a file count, at its top or inside a function. A package folder brings the files in
    it that are not Python (tables, lists of hashes).
    """
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        here = waiting.pop()
        new = {path for name in _imports(project, here) for path in _module_files(project, name)} - found
        found |= new
        waiting += [path for path in new if path.suffix == ".py"]
    return found


def _imports(project: Path, path: Path) -> Iterator[str]:
    """Dotted names that a file imports, or may import: ``from a import b`` gives ``a.b``."""
    inside = path.relative_to(project).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*inside[: len(inside) - node.level]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _module_files(project: Path, name: str) -> Iterator[Path]:
    """The files that importing a dotted name loads: each package on the way, then the module."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return
    for length in range(1, len(parts) + 1):
        place = project.joinpath(*parts[:length])
        if place.is_dir():
            yield from (p for p in place.iterdir() if p.is_file() and p.suffix not in {".py", ".pyc"})
            place = place / "__init__"
        if (module := place.with_suffix(".py")).is_file():
            yield module


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _data_files() -> Iterator[tuple[str, int, int]]:
    if not (chosen := os.environ.get("ICLNB_DATA")):
        return
    root = Path(chosen).expanduser()
    for path in root.rglob("*"):
        if path.is_file():
            status = path.stat()
            yield path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns
