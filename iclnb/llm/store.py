"""Measurements that outlive the process: what batches of prompts were reduced to, kept by content.

A batch is one shard, a safetensors file with a checksum. Its key covers the weights and their dtype, the
tokens of the batch, what is measured and the code that measures it, so that a killed run goes on where it
was and no change of a verdict or a figure repeats a pass. Shards appear whole or not at all; several runs may
share a store. A store that cannot be written costs the reuse, not the run.
"""

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from iclnb import paths
from iclnb.fingerprint import of_modules

Arrays = Mapping[str, np.ndarray]

_CODE = (
    "iclnb.llm.attention.architectures",
    "iclnb.llm.attention.head_hooks",
    "iclnb.llm.attention.last_token",
    "iclnb.llm.attention.prefix",
    "iclnb.llm.attention.prefix_keys",
    "iclnb.llm.attention.prefix_pass",
    "iclnb.llm.attention.probe",
    "iclnb.llm.attention.refusals",
    "iclnb.llm.attention.rounding",
    "iclnb.llm.attention.split_softmax",
    "iclnb.llm.kernel_weights",
    "iclnb.llm.passes",
    "iclnb.llm.reader",
)
"""What a measurement depends on, besides the versions of torch and transformers."""

_IDENTITY = ("source", "sha256", "revision", "dtype", "random_weights_seed", "device")
"""What pins weights (:attr:`iclnb.llm.loaded.LoadedModel.origin`)."""


class Contents(NamedTuple):
    """What a store holds of one model.

    Attributes:
        model: its name.
        shards: number of files.
        size: bytes.
    """

    model: str
    shards: int
    size: int


class Store:
    """Shards of one model's measurements.

    Args:
        origin: of the loaded model; one that nothing pins has no store.
        folder: where stores lie; ``None``: ``measurements`` in the cache folder.

    Attributes:
        measured: shards that had to be measured so far.
        reused: shards that were there.
    """

    def __init__(self, origin: Mapping[str, Any], folder: Path | None = None):
        identity = {name: origin.get(name) for name in _IDENTITY}
        self.usable = bool(identity["sha256"] or identity["revision"])
        self.model, self.measured, self.reused = str(origin.get("name", "")), 0, 0
        self._identity = _digest({**identity, "code": _code()})
        self.folder = (folder or root()) / self._identity[:32]

    def key(self, what: Sequence[Any], rows: Sequence[Sequence[int]]) -> str:
        """The key of a batch: what is measured, in plain values, and what its prompts hold."""
        return _digest([self._identity, list(what), [list(row) for row in rows]])

    def load(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays of a shard; ``None`` where there is none, or a damaged one."""
        path = self._path(key)
        if not self.usable or not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                intact = _about(file)["checksum"] == _checksum(arrays)
        except (OSError, SafetensorError, ValueError, KeyError):
            intact = False
        if not intact:
            return None
        self.reused += 1
        return arrays

    def save(self, key: str, arrays: Arrays) -> None:
        """Keep the arrays of a shard, whole or not at all; a full or read-only disk is reported once."""
        self.measured += 1
        if not self.usable:
            return
        arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        try:
            with paths.replacing(self._path(key)) as temporary:
                about = {"checksum": _checksum(arrays), "model": self.model}
                save_file(arrays, temporary, {"about": json.dumps(about)})  # one entry: their order is random
        except (OSError, SafetensorError) as error:
            self.usable = False
            warnings.warn(f"measurements are not kept ({error}); the run goes on without", stacklevel=2)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


def root() -> Path:
    """The folder of all stores."""
    return paths.cache_dir() / "measurements"


def contents() -> Iterator[Contents]:
    """What all stores hold, one line for each model and version of the measuring code."""
    for folder in sorted(root().glob("*")):
        files = sorted(folder.glob("*/*.safetensors"))
        models = filter(None, map(_model, files))
        if files:
            yield Contents(next(models, "damaged"), len(files), sum(file.stat().st_size for file in files))


def clear() -> None:
    """Delete every kept measurement; what a run is writing now fails to be kept, and the run goes on."""
    shutil.rmtree(root(), ignore_errors=True)


def _model(path: Path) -> str | None:
    try:
        with safe_open(path, framework="numpy") as file:
            return _about(file)["model"]
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def _about(file: Any) -> dict[str, str]:
    return json.loads((file.metadata() or {}).get("about", "{}"))


def _code() -> str:
    import torch
    import transformers

    return _digest([of_modules(_CODE), torch.__version__, transformers.__version__])


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _checksum(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()
