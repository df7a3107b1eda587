"""Measurements that outlive the process: units of work, kept by what they are.

A unit (a batch of prompts reduced to numbers, one random model, one training run) is one shard: a safetensors
file. Its place is its content: what is measured, of which weights, on which prompts. The code that measured it,
its seconds and its machine are written into it, and a shard serves where that code is the present one, or where
a proof says that it measures the same (:mod:`iclnb.keys.equivalence`). So a killed run goes on where it was,
and no change of a verdict or a figure repeats a pass. Shards appear whole or not at all; several runs may share
a store. Where a store cannot be written, the run goes on and keeps nothing.
"""

import hashlib
import json
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from iclnb import paths
from iclnb.keys import equivalence, measurement
from iclnb.keys.equivalence import Code, Ledger

Arrays = Mapping[str, np.ndarray]

_IDENTITY = ("source", "sha256", "revision", "dtype", "random_weights_seed", "device")
"""What pins weights (:attr:`iclnb.llm.loading.models.LoadedModel.origin`)."""

_CODES = "codes"  # The folder of a store that lists the files of each state of the code


class Shard(NamedTuple):
    """A unit of work that is kept."""

    key: str  # what it is: of its weights, its measurement and its prompts
    path: Path  # of its file
    # `what` was measured, `model`, `dtype`, `code` (digest of the state that measured), `seconds`, `machine`
    # and `checksum`
    about: Mapping[str, Any]


@dataclass
class Tally:
    """How much was measured and how much found."""

    measured: int = 0  # shards
    reused: int = 0
    seconds: float = 0.0  # that measuring took, of those measured now
    seconds_reused: float = 0.0  # that measuring had taken, of those found
    paths: list[Path] = field(default_factory=list)  # files of all that are kept


_TALLY: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def tally() -> Iterator[Tally]:
    """Count what all stores measure and find again within the block; a block around it counts it too."""
    counts, outer = Tally(), _TALLY.get()
    token = _TALLY.set(counts)
    try:
        yield counts
    finally:
        _TALLY.reset(token)
        for name, number in vars(counts).items() if outer else ():
            setattr(outer, name, getattr(outer, name) + number)


class Store:
    """Shards of one model, or of one experiment without a model.

    They lie in ``folder``, by default in :func:`root`. Weights that nothing pins have no store. For work without a
    model there is :meth:`of_code`.
    """

    def __init__(self, origin: Mapping[str, Any], folder: Path | None = None):
        identity = {name: origin.get(name) for name in _IDENTITY}
        self.usable = bool(identity["sha256"] or identity["revision"])
        self.model, self.dtype = str(origin.get("name", "")), str(origin.get("dtype", ""))
        self._gpu = str(origin.get("device", "")).startswith("cuda")
        self._identity = _digest(identity)
        self.root = folder or root()
        self.folder = self.root / self._identity[:32]

    @classmethod
    def of_code(cls, name: str) -> "Store":
        """A store of work that asks no model: its units are pinned by their parameters alone."""
        return cls({"sha256": name, "name": ""})

    def kept(
        self, what: str, content: Sequence[Any], measure: Callable[[], Arrays], *, modules: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """The arrays of a unit of work: found, or measured now and kept.

        Args:
            what: names the measurement.
            content: all that it depends on besides the weights, in plain values: parameters, prompts.
            measure: gives the arrays.
            modules: dotted names of the modules whose code measures.
        """
        if not self.usable:
            return self._measured(measure)[0]
        measuring = tuple(sorted(set(modules)))
        key = _digest([self._identity, _libraries(measuring), what, content])
        code = _code(measuring, self._gpu)
        for shard in self._candidates(key, code):
            arrays = read(shard.path)
            if arrays is not None and self._serves(shard, code):
                _count(shard.path, reused=1, seconds_reused=shard.about["seconds"])
                return arrays
        arrays, seconds = self._measured(measure)
        about = {"what": what, "model": self.model, "dtype": self.dtype, "seconds": round(seconds, 4)}
        path = self._path(key, _digest(code))
        self._save(path, arrays, about, code)
        _count(path)
        return arrays

    def _measured(self, measure: Callable[[], Arrays]) -> tuple[dict[str, np.ndarray], float]:
        start = time.perf_counter()
        arrays = {name: np.ascontiguousarray(array) for name, array in measure().items()}
        seconds = time.perf_counter() - start
        _count(measured=1, seconds=seconds)
        return arrays, seconds

    def _candidates(self, key: str, code: Code) -> Iterator[Shard]:
        """Shards of this content: that of the present code first, then the latest."""
        exact = self._path(key, _digest(code))
        others = sorted(
            (path for path in exact.parent.glob(f"{key}-*.safetensors") if path != exact),
            key=lambda path: path.stat().st_mtime_ns, reverse=True,
        )  # fmt: skip
        for path in [exact, *others] if exact.is_file() else others:
            if about := about_shard(path):
                yield Shard(key, path, about)

    def _serves(self, shard: Shard, code: Code) -> bool:
        """Whether the code of a shard is the present one, or measures the same."""
        if shard.about["code"] == _digest(code):
            return True
        then = self._files(shard.about["code"])
        return then is not None and _ledger().carry(then, code) is not None

    def _files(self, digest: str) -> dict[str, str] | None:
        """The files of a state of the code, by its digest."""
        try:
            return json.loads((self.root / _CODES / f"{digest}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _save(self, path: Path, arrays: Arrays, about: Mapping[str, Any], code: Code) -> None:
        """Keep the arrays of a shard, whole or not at all; a full or read-only disk is reported once."""
        facts = {**about, "code": _digest(code), "machine": _machine(), "checksum": checksum(arrays)}
        try:
            listing = self.root / _CODES / f"{facts['code']}.json"
            if not listing.is_file():
                paths.write(listing, json.dumps(code, indent=0))
            with paths.replacing(path) as temporary:
                save_file(dict(arrays), temporary, {"about": json.dumps(facts, sort_keys=True)})
        except (OSError, SafetensorError) as error:
            self.usable = False
            warnings.warn(f"measurements are not kept ({error}); the run goes on without", stacklevel=3)

    def _path(self, key: str, code: str) -> Path:
        return self.folder / key[:2] / f"{key}-{code[:16]}.safetensors"


def root() -> Path:
    """The folder of all stores."""
    return paths.cache_dir() / "measurements"


def shards() -> Iterator[Shard]:
    """Every shard that is kept, in the order of keys; damaged ones are left out."""
    for path in sorted(root().glob("*/*/*.safetensors")):
        if about := about_shard(path):
            yield Shard(path.stem.partition("-")[0], path, about)


def about_shard(path: Path) -> dict[str, Any] | None:
    """What a shard says of itself; ``None`` for a damaged one."""
    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads((file.metadata() or {})["about"])
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def read(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a shard; ``None`` for a damaged one."""
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError):
        return None
    about = about_shard(path)
    return arrays if about and about.get("checksum") == checksum(arrays) else None


def clear() -> None:
    """Delete every kept measurement; what a run is writing now fails to be kept, and the run goes on."""
    shutil.rmtree(root(), ignore_errors=True)


def checksum(arrays: Arrays) -> str:
    """The SHA-256 of arrays with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return digest.hexdigest()


def _count(path: Path | None = None, **numbers: float) -> None:
    counts = _TALLY.get()
    if counts is not None:
        counts.paths += [] if path is None else [path]
        for name, number in numbers.items():
            setattr(counts, name, getattr(counts, name) + number)


@cache
def _code(modules: tuple[str, ...], gpu: bool) -> Code:
    """The files that measure, as they were when first asked for: what the process has loaded."""
    return measurement.code(*modules, gpu=gpu)


@cache
def _libraries(modules: tuple[str, ...]) -> Mapping[str, str]:
    return measurement.libraries(*modules)


def _ledger() -> Ledger:
    project = paths.project_dir()
    file = project / equivalence.PLACE
    return _ledger_of(project, file.stat().st_mtime_ns if file.is_file() else 0)


@lru_cache(maxsize=4)
def _ledger_of(project: Path, changed: int) -> Ledger:
    return Ledger.of(project)


@cache
def _machine() -> str:
    return f"{platform.machine()} {platform.processor()}".strip()


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
