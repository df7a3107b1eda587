"""Where a model lies, by its name: packaged, a local folder or GGUF file, or a repository of the hub."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download, try_to_load_from_cache
from transformers.utils import find_adapter_config_file

from iclnb.errors import IclnbError
from iclnb.keys.inputs import content_hash, file_hash
from iclnb.llm.data import download, gguf, hub, packaged, split_models

PACKAGED = "smollm2-135m-instruct"

PINNED: dict[str, str] = download.pins("hub") | {
    model.repository: model.revision for model in split_models.SPLIT.values()
}
"""Models of the hub and the commit that is loaded unless ``revision`` says otherwise."""


@dataclass(frozen=True)
class Place:
    """Where a model lies and what it is."""

    arguments: dict[str, Any]  # that let 🤗 transformers find it
    # what pins it (`iclnb.llm.loaded.LoadedModel.origin`), as far as it is known by now
    origin: dict[str, Any]
    # its own precision, where it is kept in one that a load should not change by itself
    dtype: str | None = None


def find(name: str, revision: str | None) -> Place:
    """Where the model of this name lies; fetched first if it is packaged, converted if it is a GGUF file.

    Raises IclnbError for an unknown name, a revision of what has none, a file or folder that is no model or
    holds an adapter, or a packaged model that cannot be fetched.
    """
    is_packaged = name == PACKAGED or name in split_models.SPLIT
    local = not is_packaged and is_local(name)
    if revision is not None and (local or is_packaged):
        raise IclnbError(f"{name} is not on the hub and has no revision; leave revision out")
    if is_packaged:
        return _packaged(name)
    if local:
        return _local(name, Path(name).expanduser())
    repository = repository_of(name)
    if revision is None and repository not in PINNED:
        raise IclnbError(_kinds(name))
    revision = revision or PINNED[repository]
    return Place(
        _arguments(repository, revision=revision),
        {"source": "hub", "name": name, "revision": revision},
    )


def resolve_revision(place: Place) -> Place:
    """A place on the hub at the commit that its revision names now, its GGUF file fetched and converted.

    Raises IclnbError for an adapter; a GGUF file that cannot be chosen, is damaged or cannot be converted.
    """
    if place.origin["source"] != "hub":
        return place
    name, revision = place.origin["name"], place.origin["revision"]
    if (chosen := _gguf_file(name, revision)) is not None:
        file, commit = _fetch(repository_of(name), revision, chosen)
        sha256 = file_hash(file)
        pins = {"revision": commit, "file": chosen, "sha256": sha256}
        return _converted(gguf.folder(file, name, sha256), place.origin | pins)
    commit = _commit(name, revision)
    _refuse_adapter(name, name, commit)
    return Place(place.arguments | {"revision": commit}, place.origin | {"revision": commit})


def is_local(name: str) -> bool:
    """Whether a name is that of a file or folder of this machine."""
    return Path(name).expanduser().exists() or name.startswith((".", "/", "~"))


def repository_of(name: str) -> str:
    """The repository of the hub that a name means, which may be ``owner/repository:file.gguf``."""
    return name.partition(":")[0]


def _gguf_file(name: str, revision: str) -> str | None:
    """The GGUF file that a name means: the one it names, else the only one, else the only one in Q4_K_M.

    ``None`` for a repository with a configuration, which is read as safetensors, and for one that cannot be asked.

    Raises IclnbError if none or several could be meant.
    """
    repository, _, wanted = name.partition(":")
    if not wanted and isinstance(try_to_load_from_cache(repository, "config.json", revision=revision), str):
        return None
    try:
        files = _listing(repository, revision)
    except Exception:  # the client's errors have no common type, and the reader of safetensors explains them
        if not wanted:
            return None
        raise
    models = [file for file in files if file.endswith(".gguf")]
    if not wanted and ("config.json" in files or not models):
        return None
    usual = [file for file in models if "q4_k_m" in file.lower()]
    fit = [wanted] if wanted in models else [] if wanted else models if len(models) == 1 else usual
    if len(fit) != 1:
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


def _fetch(repository: str, revision: str, file: str) -> tuple[Path, str]:
    """The file on this machine, checked by hash, and its commit. A damaged one is deleted: IclnbError."""
    path = Path(hf_hub_download(repository, file, revision=revision))
    commit = path.parts[len(path.parts) - len(Path(file).parts) - 1]  # snapshots/<commit>/<file>
    hub.verify(repository, commit, file)
    return path, commit


def _packaged(name: str) -> Place:
    origin = {"source": "packaged", "name": name, **packaged.of(name).origin}
    if name in split_models.SPLIT:
        return _converted(packaged.folder(name), origin)
    return Place(_arguments(packaged.folder(name), local_files_only=True), origin)


def _local(name: str, path: Path) -> Place:
    if path.is_file():
        sha256 = file_hash(path)
        origin = {"source": "local", "name": path.name.removesuffix(".gguf"), "sha256": sha256}
        return _converted(gguf.folder(path, name, sha256), origin)
    if path.is_dir():
        _refuse_adapter(name, str(path))
    if not (path / "config.json").is_file():
        raise IclnbError(
            f"{name} is no model: expected a folder with config.json and *.safetensors, or a GGUF file"
        )
    origin = {"source": "local", "name": path.resolve().name, "sha256": content_hash(path)}
    return Place(_arguments(path, local_files_only=True), origin)


def _converted(folder: Path, origin: dict[str, Any]) -> Place:
    recorded = gguf.provenance(folder)
    licence = {"licence": recorded["licence"]} if recorded["licence"] else {}
    return Place(_arguments(folder, local_files_only=True), licence | origin, recorded["dtype"])


def _arguments(where: str | Path, **place: Any) -> dict[str, Any]:
    return {"pretrained_model_name_or_path": where, "trust_remote_code": False, **place}


def _refuse_adapter(name: str, where: str, revision: str | None = None) -> None:
    """Refuse a model beside which a LoRA adapter lies: it would be read without that."""
    if find_adapter_config_file(where, revision=revision) is not None:
        raise IclnbError(
            f"{name} holds a LoRA adapter (adapter_config.json), which would be left out; merge it into the "
            "weights (peft: merge_and_unload, then save_pretrained) and take the folder of the merged model"
        )


def _commit(name: str, revision: str) -> str:
    """The commit that a revision names now, so that all files are of one commit and it can be recorded."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    return Path(hf_hub_download(name, "config.json", revision=revision)).parent.name  # snapshots/<commit>/


def _kinds(name: str) -> str:
    lines = [
        f"unknown model {name!r}. A model is one of:",
        f"- packaged: {', '.join([PACKAGED, *split_models.SPLIT])}",
        "- local: a folder with config.json and *.safetensors, written with a path separator, or a GGUF file",
        f"- hub: {', '.join(PINNED)}",
    ]
    if re.fullmatch(r"[\w.-]+/[\w.-]+(:.+)?", name):
        lines.append(f"  or {name} with revision='<commit>' ('main' takes today's and records which it was)")
    return "\n".join(lines)
