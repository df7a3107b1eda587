"""Where a model lies, by its name: packaged, a local folder or GGUF file, or a repository of the hub."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download

from iclnb.errors import IclnbError
from iclnb.keys.inputs import content_hash
from iclnb.llm.data import gguf, packaged, split_models
from iclnb.llm.loading import hub_gguf

PACKAGED = "smollm2-135m-instruct"

PINNED = {
    "EleutherAI/gpt-j-6b": "f3f428825b6fc4c087af475ea729ac652edeee33",  # the one with safetensors
    "meta-llama/Llama-2-7b-hf": "01c7f73d771dfac7d292323805ebc428287df4f9",
    "meta-llama/Meta-Llama-3-8B": "8cde5ca8380496c9a6cc7ef3a8b46a0372a1d920",
    "meta-llama/Llama-3.1-8B-Instruct": "0e9e39f249a16976918f6564b8830bc894c89659",
    "meta-llama/Llama-3.2-1B": "4e20de362430cd3b72f300e6b0f18e50e7166e08",
    "Qwen/Qwen2.5-0.5B": "060db6499f32faf8b98477b0a26969ef7d8b9987",
    "Qwen/Qwen2.5-1.5B": "8faed761d45a263340a0528343f099c05c9a4323",
    "Qwen/Qwen2.5-7B": "d149729398750b98c0af14eb82c78cfe92750796",
    "Qwen/Qwen2.5-7B-Instruct": "a09a35458c702b33eeacc393d103063234e8bc28",
    "HuggingFaceTB/SmolLM2-135M": "93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
    "HuggingFaceTB/SmolLM2-135M-Instruct": "12fd25f77366fa6b3b4b768ec3050bf629380bac",
    "HuggingFaceTB/SmolLM2-360M": "f8027fd0eaeea54caa13c31d31b9fdc459c38b49",
    "HuggingFaceTB/SmolLM2-1.7B": "effd688a12921b4cc83e3312b6feb579f70f9c71",
    **{model.repository: model.revision for model in split_models.SPLIT.values()},
}
"""Models of the hub and the commit that is loaded unless ``revision`` says otherwise."""


@dataclass(frozen=True)
class Place:
    """Where a model lies and what it is.

    Attributes:
        arguments: that let 🤗 transformers find it.
        origin: what pins it (:attr:`iclnb.llm.loaded.LoadedModel.origin`), as far as it is known by now.
        dtype: its own precision, where it is kept in one that a load should not change by itself.
    """

    arguments: dict[str, Any]
    origin: dict[str, Any]
    dtype: str | None = None


def find(name: str, revision: str | None) -> Place:
    """Where the model of this name lies; fetched first if it is packaged, converted if it is a GGUF file.

    Raises:
        IclnbError: unknown name, a revision of what has none, a file or folder that is no model, or a
            packaged model that cannot be fetched.
    """
    is_packaged = name == PACKAGED or name in split_models.SPLIT
    local = not is_packaged and _is_local(name)
    if revision is not None and (local or is_packaged):
        raise IclnbError(f"{name} is not on the hub and has no revision; leave revision out")
    if is_packaged:
        return _packaged(name)
    if local:
        return _local(name, Path(name).expanduser())
    repository = hub_gguf.split(name)[0]
    if revision is None and repository not in PINNED:
        raise IclnbError(_kinds(name))
    revision = revision or PINNED[repository]
    return Place(
        _arguments(repository, revision=revision),
        {"source": "hub", "name": name, "revision": revision},
    )


def resolve_revision(place: Place) -> Place:
    """A place on the hub at the commit that its revision names now, its GGUF file fetched and converted.

    Raises:
        IclnbError: a GGUF file that cannot be chosen, is damaged or cannot be converted.
    """
    if place.origin["source"] != "hub":
        return place
    name, revision = place.origin["name"], place.origin["revision"]
    if (found := hub_gguf.choose(name, revision)) is not None:
        file, commit = hub_gguf.fetch(found)
        sha256 = gguf.sha256(file)
        pins = {"revision": commit, "file": found.file, "sha256": sha256}
        return _converted(gguf.folder(file, name, sha256), place.origin | pins)
    commit = _commit(name, revision)
    return Place(place.arguments | {"revision": commit}, place.origin | {"revision": commit})


def _is_local(name: str) -> bool:
    return Path(name).expanduser().exists() or name.startswith((".", "/", "~"))


def _packaged(name: str) -> Place:
    if name in split_models.SPLIT:
        return _converted(split_models.folder(name), {"source": "packaged", **split_models.origin(name)})
    origin = {"source": "packaged", "name": name, **packaged.revision(name)}
    return Place(_arguments(packaged.folder(name), local_files_only=True), origin)


def _local(name: str, path: Path) -> Place:
    if path.is_file():
        sha256 = gguf.sha256(path)
        origin = {"source": "local", "name": path.name.removesuffix(".gguf"), "sha256": sha256}
        return _converted(gguf.folder(path, name, sha256), origin)
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
