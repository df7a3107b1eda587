"""What a run read from outside the repository, and whether it is still the same."""

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from iclnb import paths


def inputs(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What a run read from outside the repository, by what pins it: a hash, or a commit of the hub.

    Returns:
        ``source of <task>``: where its rows came from; ``definition of <task>``: the hash of its file;
        ``data <file>`` and ``model``: of local ones the hash; ``packaged data <file>``, ``hub model`` and so
        on: of others.
    """
    found = {}
    for origin in provenance.get("data", ()):
        found[f"source of {origin['task']}"] = origin["source"]
        if "definition" in origin:
            found[f"definition of {origin['task']}"] = origin["definition"]
        file = origin.get("file", f"{origin['task']}/{origin.get('split', '')}")
        found[_prefixed(origin, f"data {file}")] = _pin(origin)
    if model := provenance.get("model"):
        found[_prefixed(model, "model")] = _pin(model)
    return found


def _prefixed(origin: Mapping[str, Any], name: str) -> str:
    return name if origin["source"] == "local" else f"{origin['source']} {name}"


def _pin(origin: Mapping[str, Any]) -> str:
    return origin.get("sha256") or origin.get("revision") or "nothing"


def input_now(name: str, parameters: Mapping[str, Any]) -> str | None:
    """An input as it is now; ``None`` where it is not at hand, or where it was chosen by hand."""
    named = os.environ.get("ICLNB_DATA")
    root = Path(named).expanduser() if named else None
    if name == "model":
        return _model(str(parameters.get("model") or ""))
    if task := name.removeprefix("source of ") if name.startswith("source of ") else "":
        by_itself = parameters.get("source", "auto") == "auto"
        return "local" if root and by_itself and (root / task).is_dir() else None
    if name.startswith("definition of "):
        return _definition(name.removeprefix("definition of "), root)
    path = root / name.removeprefix("data ") if root and name.startswith("data ") else None
    return file_hash(path) if path and path.is_file() else None


def _definition(task: str, root: Path | None) -> str | None:
    built_in = Path(__file__).parents[1] / "llm" / "data" / "built_in" / f"{task}.toml"
    own = root / task / "task.toml" if root else built_in
    file = built_in if built_in.is_file() else own
    return task_digest(file) if file.is_file() else None


def _model(name: str) -> str | None:
    """The hash of a local model as it is now: a folder's, or a file's."""
    place = Path(name).expanduser()
    if place.is_file():
        return file_hash(place)
    return content_hash(place) if name and (place / "config.json").is_file() else None


def file_hash(file: Path) -> str:
    """The SHA-256 of a file, kept in the cache by its path, size and time, so that it is computed once."""
    state = file.stat()
    known = f"{state.st_size} {state.st_mtime_ns} "
    mark = paths.cache_dir() / "hashes" / hashlib.sha256(str(file.resolve()).encode()).hexdigest()
    with suppress(OSError):
        if (kept := mark.read_text()).startswith(known):
            return kept.removeprefix(known)
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    with (
        suppress(OSError),
        paths.replacing(mark) as temporary,
    ):  # a cache that cannot be written costs the time
        temporary.write_text(known + found)
    return found


def task_digest(file: Path) -> str:
    """The SHA-256 of what the file of a task says, but for what it says of the data in words."""
    table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    kept = {key: value for key, value in table.items() if key not in ("description", "licence", "source")}
    return hashlib.sha256(json.dumps(kept).encode()).hexdigest()


def content_hash(place: Path) -> str:
    """One hash over a local model: its configuration and weights, or its GGUF file.

    A record can name the model by it.
    """
    if place.is_file():
        return file_hash(place)
    files = [place / "config.json", *sorted(place.glob("*.safetensors"))]
    return hashlib.sha256(b"".join(bytes.fromhex(file_hash(file)) for file in files)).hexdigest()
