"""What the results of a notebook depend on, and so when they are stale and why."""

import ast
import hashlib
import os
import platform
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from iclnb import syntax
from iclnb.keys import imports
from iclnb.keys.fingerprint import fingerprint, of_source
from iclnb.keys.imports import PACKAGE
from iclnb.keys.inputs import inputs
from iclnb.keys.measurement import COMPUTES, differing, inputs_changed, on_gpu, version
from iclnb.settings import PROFILES

Key = Mapping[str, Mapping[str, Any]]


def key(project: Path, source: Path, parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a run with these parameters (but for defaults) depends on, except its data and models (:func:`inputs`).

    Returns:
        ``code``: a fingerprint of the notebook and of every package file that it imports, directly or through
        others, without the lines that only a GPU runs. ``gpu``: a fingerprint of those lines. ``parameters``.
        ``records``: hashes of the recorded findings that the notebook reads. ``versions``: of Python and of the
        libraries that compute.
    """
    notebook = _notebook(source, parameters.get("profile"))
    stamp = _stamp(project / PACKAGE, source)
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "code": {source.relative_to(project).as_posix(): notebook, **_code(project, source, stamp)},
        "gpu": _gpu_code(project, source, stamp),
        "parameters": dict(parameters),
        "records": _recorded(project, source),
        "versions": {"python": python} | {name: version(name) for name in sorted(COMPUTES.values())},
    }


@cache
def _code(project: Path, source: Path, stamp: str) -> dict[str, str]:
    """The fingerprint of every package file that ``source`` needs, as the files are at ``stamp``."""
    files = sorted(imports.package_files(project, source))
    return {path.relative_to(project).as_posix(): imports.fingerprint_of(path) for path in files}


@cache
def _gpu_code(project: Path, source: Path, stamp: str) -> dict[str, str]:
    """The same for files with code that runs on a GPU only, and for files that only such code imports."""
    without = imports.package_files(project, source)
    files = imports.package_files(project, source, gpu=True)
    whole = {path: fingerprint([path]) for path in files}
    chosen = {path for path in files if path not in without or imports.fingerprint_of(path) != whole[path]}
    return {path.relative_to(project).as_posix(): whole[path] for path in sorted(chosen)}


def _stamp(package: Path, source: Path) -> str:
    """Changes whenever a file of the package, or ``source``, does: names, sizes and times."""
    status = source.stat()
    facts = [(str(source), status.st_size, status.st_mtime_ns), *sorted(_facts(package))]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _facts(folder: str | Path) -> Iterator[tuple[str, int, int]]:
    for entry in os.scandir(folder):
        if entry.is_dir():
            yield from _facts(entry.path) if entry.name != "__pycache__" else ()
        else:
            yield entry.path, entry.stat().st_size, entry.stat().st_mtime_ns


def complete(key: Key, provenance: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A key with what is known after the run: its :func:`inputs`, and whether a GPU's code counts."""
    parts = {part: value for part, value in key.items() if part != "gpu" or on_gpu(provenance)}
    return {**parts, "inputs": inputs(provenance)}


def stale(key: Key, stored: Mapping[str, Any]) -> list[str]:
    """Why a stored result, with ``inputs``, is not what a run would give now: a line for each reason."""
    reasons = []
    changes = {"code": "changed", "parameters": "differ", "records": "changed", "versions": "differ"}
    if stored.get("gpu"):
        changes["gpu"] = "changed"
    for part, change in changes.items():
        reasons += differing(f"{part} {change}", stored.get(part, {}), key[part])
    return reasons + inputs_changed(stored.get("inputs", {}), key["parameters"])


def _recorded(project: Path, source: Path) -> dict[str, str]:
    """The records that a notebook reads: of every notebook whose name stands in it."""
    folder = project / "book" / "recorded"
    names = sorted(set(re.findall(r"""["'](\d\d\w+)["']""", source.read_text(encoding="utf-8-sig"))))
    files = [file for name in names for file in sorted((folder / name).rglob("*.nc"))]
    return {file.relative_to(folder).as_posix(): fingerprint([file]) for file in files}


def _notebook(source: Path, profile: str | None) -> str:
    """The fingerprint of a notebook's code, cell by cell, with its tags.

    Prose does not count, nor do defaults of other profiles.
    """
    cells = re.split(r"^# %%", source.read_text(encoding="utf-8-sig"), flags=re.MULTILINE)[1:]
    parts = []
    for marker, _, text in (cell.partition("\n") for cell in cells if not cell.startswith(" [markdown]")):
        try:
            code = _of_profile(text, profile) if "parameters" in marker else text
            parts.append((marker.strip(), of_source(code)))
        except SyntaxError:  # magics
            parts.append((marker.strip(), text.strip()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _of_profile(text: str, profile: str | None) -> str:
    """A parameters cell with the values that one profile uses.

    Each ``by_profile(smoke, laptop, paper)`` is replaced by the value of the profile, and each
    ``at_least(bound, default)`` by its default, since a bound changes no result.
    """
    tree = syntax.tree(text)
    for node in tree.body:
        if profile is None and isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "profile":
            profile = ast.literal_eval(node.value)
    for node in tree.body:
        if _calls(node, "at_least") and len(node.value.args) == 2:
            node.value = node.value.args[1]
        if _calls(node, "by_profile") and profile in PROFILES and len(node.value.args) == len(PROFILES):
            node.value = node.value.args[PROFILES.index(profile)]
    return ast.unparse(tree)


def _calls(node: ast.stmt, name: str) -> bool:
    call = getattr(node, "value", None)
    return isinstance(call, ast.Call) and ast.unparse(call.func).endswith(name)
