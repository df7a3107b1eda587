"""What the cache folder holds: measurements of models, and what was fetched."""

from collections.abc import Iterator
from typing import NamedTuple

from iclnb import paths, store
from iclnb.errors import IclnbError


class Kept(NamedTuple):
    """A folder of the cache."""

    kind: str  # `measurements`, `model` (it has weights) or `text` (any other)
    name: str  # of the measurements the model's, else the folder's
    files: int  # how many
    size: int  # in bytes

    def __str__(self) -> str:
        return f"{self.kind:<13}{megabytes(self.size):>12}{self.files:>8} files  {self.name}"


def contents() -> Iterator[Kept]:
    """Everything in the cache: measurements by model, then what was fetched."""
    sizes: dict[str, list[int]] = {}
    for shard in store.shards():
        name = shard.about["model"] or shard.about["what"]
        sizes.setdefault(" ".join(name.split()), []).append(shard.path.stat().st_size)
    yield from (Kept("measurements", name, len(each), sum(each)) for name, each in sorted(sizes.items()))
    for folder in sorted(path for path in paths.cache_dir().glob("*") if path.is_dir()):
        if folder == store.root():
            continue
        files = [path for path in folder.rglob("*") if path.is_file()]
        kind = "model" if any(path.suffix in {".safetensors", ".gguf"} for path in files) else "text"
        yield Kept(kind, folder.name, len(files), sum(path.stat().st_size for path in files))


def clear() -> str:
    """Remove all measurements; returns what was removed, in a sentence.

    Raises IclnbError if some of them could not be removed.
    """
    found = [shard.path.stat().st_size for shard in store.shards()]
    store.clear()
    if left := list(store.shards()):
        raise IclnbError(
            f"{len(left)} files of {store.root()} could not be removed; "
            "see who may write there, or whether a run is at work"
        )
    if not found:
        return f"no measurements in {store.root()}"
    return f"removed {len(found)} files of measurements, {megabytes(sum(found))}, from {store.root()}"


def megabytes(size: int) -> str:
    """A number of bytes in units of 10⁶."""
    return f"{size / 1e6:.1f} MB"
