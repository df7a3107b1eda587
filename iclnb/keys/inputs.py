"""What a run read from outside the repository, and whether it is still the same."""

import hashlib
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def inputs(provenance: Mapping[str, Any]) -> dict[str, str]:
    """What a run read from outside the repository, by what pins it: a hash, or a commit of the hub.

    Args:
        provenance: of the run's results.

    Returns:
        ``source of <task>``: where its rows came from; ``data <file>`` and ``model``: of local ones the hash;
        ``packaged data <file>``, ``hub model`` and so on: of others.
    """
    found = {}
    for origin in provenance.get("data", ()):
        found[f"source of {origin['task']}"] = origin["source"]
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
    path = root / name.removeprefix("data ") if root and name.startswith("data ") else None
    return _content(path) if path and path.is_file() else None


def _model(name: str) -> str | None:
    """The hash of a local model as it is now: a folder's, or a file's."""
    place = Path(name).expanduser()
    if place.is_file():
        return _content(place)
    return content_hash(place) if name and (place / "config.json").is_file() else None


def _content(path: Path) -> str:
    status = path.stat()
    return _hashed(path, status.st_size, status.st_mtime_ns)


@cache
def _hashed(path: Path, size: int, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content_hash(place: Path) -> str:
    """One hash over a local model: its configuration and weights, or its GGUF file.

    A record can name the model by it.
    """
    if place.is_file():
        return _content(place)
    digest = hashlib.sha256()
    for path in [place / "config.json", *sorted(place.glob("*.safetensors"))]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
