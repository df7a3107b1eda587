"""What the results of a notebook depend on, and so when they are stale and why."""

import hashlib
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iclnb import settings
from iclnb.keys import imports
from iclnb.keys.fingerprint import fingerprint, of_source
from iclnb.keys.measurement import COMPUTES, differing, inputs_changed, version

Key = Mapping[str, Mapping[str, Any]]


def key(project: Path, source: Path, parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a run with these parameters (but for defaults) depends on, except its data and models (:func:`inputs`).

    Returns:
        ``code``: a fingerprint of the notebook and of every package file that it imports, directly or through
        others. ``parameters``. ``records``: hashes of the recorded findings that the notebook reads.
        ``versions``: of Python and of the libraries that compute.
    """
    files = sorted(imports.package_files(project, source, gpu=True))
    code = {path.relative_to(project).as_posix(): fingerprint([path]) for path in files}
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        "code": {source.relative_to(project).as_posix(): _notebook(source, parameters), **code},
        "parameters": dict(parameters),
        "records": _recorded(project, source),
        "versions": {"python": python} | {name: version(name) for name in sorted(COMPUTES.values())},
    }


def stale(key: Key, stored: Mapping[str, Any]) -> list[str]:
    """Why a stored result, with ``inputs``, is not what a run would give now: a line for each reason."""
    reasons = []
    changes = {"code": "changed", "parameters": "differ", "records": "changed", "versions": "differ"}
    for part, change in changes.items():
        reasons += differing(f"{part} {change}", stored.get(part, {}), key[part])
    return reasons + inputs_changed(stored.get("inputs", {}), key["parameters"])


def _recorded(project: Path, source: Path) -> dict[str, str]:
    """The records that a notebook reads: of every notebook whose name stands in it."""
    folder = project / "book" / "recorded"
    names = sorted(set(re.findall(r"""["'](\d\d\w+)["']""", source.read_text(encoding="utf-8-sig"))))
    files = [file for name in names for file in sorted((folder / name).rglob("*.nc"))]
    return {file.relative_to(folder).as_posix(): fingerprint([file]) for file in files}


def _notebook(source: Path, parameters: Mapping[str, Any]) -> str:
    """The fingerprint of a notebook's code, cell by cell, with its tags.

    Prose does not count, nor do defaults of other profiles, nor the bounds of settings, which change no result.
    """
    cells = re.split(r"^# %%", source.read_text(encoding="utf-8-sig"), flags=re.MULTILINE)[1:]
    parts = []
    for marker, _, text in (cell.partition("\n") for cell in cells if not cell.startswith(" [markdown]")):
        try:
            if "parameters" in marker:
                known = settings.declared(text, source)
                profile = settings.chosen_profile(known, parameters)
                code = repr({name: one.under(profile) for name, one in known.items()})
            else:
                code = of_source(text)
        except SyntaxError:  # magics
            code = text.strip()
        parts.append((marker.strip(), code))
    return hashlib.sha256(repr(parts).encode()).hexdigest()
