"""Repositories of the hub that hold GGUF files only: which file is meant, and fetching it."""

from pathlib import Path
from typing import NamedTuple

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache

from iclnb.errors import IclnbError
from iclnb.llm.data import hub


class Found(NamedTuple):
    """One GGUF file of a repository at a commit, branch or tag."""

    repository: str
    revision: str
    file: str


def split(name: str) -> tuple[str, str | None]:
    """``owner/repository:file.gguf`` in two; the file is ``None`` where none is named."""
    repository, _, file = name.partition(":")
    return repository, file or None


def choose(name: str, revision: str) -> Found | None:
    """The GGUF file that a name means: the one it names, else the only one, else the only one in Q4_K_M.

    ``None`` for a repository with a configuration, which is read as safetensors, and for one that cannot be asked.

    Raises IclnbError if none or several could be meant.
    """
    repository, wanted = split(name)
    if wanted is None and isinstance(
        try_to_load_from_cache(repository, "config.json", revision=revision), str
    ):
        return None
    try:
        files = _listing(repository, revision)
    except Exception:  # the client's errors have no common type, and the reader of safetensors explains them
        if wanted is None:
            return None
        raise
    models = [file for file in files if file.endswith(".gguf")]
    if wanted is None and ("config.json" in files or not models):
        return None
    return Found(repository, revision, _one(name, wanted, models))


def fetch(found: Found) -> tuple[Path, str]:
    """The file on this machine, checked by hash, and its commit. A damaged one is deleted: IclnbError."""
    path = Path(hf_hub_download(found.repository, found.file, revision=found.revision))
    commit = path.parts[len(path.parts) - len(Path(found.file).parts) - 1]  # snapshots/<commit>/<file>
    hub.verify(found.repository, commit, found.file)
    return path, commit


def _one(name: str, wanted: str | None, models: list[str]) -> str:
    usual = [file for file in models if "q4_k_m" in file.lower()]
    fit = [wanted] if wanted in models else [] if wanted else models if len(models) == 1 else usual
    if len(fit) != 1:
        repository = split(name)[0]
        raise IclnbError(
            f"{name} names no GGUF file that is there; choose one as {repository}:FILE, of "
            f"{', '.join(models) or 'none'}"
        )
    return fit[0]


def _listing(repository: str, revision: str) -> list[str]:
    """The files of a revision; out of reach of the hub, those in its cache."""
    if not constants.HF_HUB_OFFLINE:
        return [file.rfilename for file in HfApi().model_info(repository, revision=revision).siblings]
    folder = Path(snapshot_download(repository, revision=revision, local_files_only=True))
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
