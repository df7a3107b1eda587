"""Causal language models by name: the packaged default, a local folder, or a pinned revision of the hub.

Weights are read from safetensors only and no code of a model's repository is ever run.
"""

import hashlib
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import hf_hub_download
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from iclnb.errors import IclnbError
from iclnb.llm import checkpoint, weights
from iclnb.llm.data import hub_files, packaged
from iclnb.llm.data.hub_access import cache_if_out_of_reach
from iclnb.llm.data.progress import bars_on_a_terminal

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PACKAGED = "smollm2-135m-instruct"
ENCODER = "all-minilm-l6-v2"

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
}
"""Models of the hub and the commit that is loaded unless ``revision`` says otherwise."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode, its tokenizer (which has a padding token, on the right), and their origin.

    Attributes:
        origin: for the provenance of a run: ``source`` (packaged, local or hub), ``name``, what pins it
            (a distribution and its SHA-256, the SHA-256 of the files, or a commit), ``dtype``, ``device`` and
            ``random_weights_seed``.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    origin: dict[str, Any]


def load(
    name: str = PACKAGED,
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    device_map: str | dict | None = None,
    random_weights_seed: int | None = None,
) -> LoadedModel:
    """Load a causal language model and its tokenizer.

    Args:
        name: ``smollm2-135m-instruct`` (packaged), a folder with ``config.json`` (with a path separator or
            existing), or the hub id of a model: those of :data:`PINNED`, or any other with ``revision``.
        revision: commit, branch or tag of a hub model; a branch or tag is resolved to the commit of today,
            which ``origin`` records.
        device: ``None`` for the first of CUDA, Apple's MPS and CPU that there is.
        dtype: ``None`` for float32 on a CPU or MPS, on CUDA bfloat16 where supported and else float16.
        device_map: spread the model over several GPUs, as ``"auto"`` or as Accelerate's map; in place of
            ``device``.
        random_weights_seed: draw fresh weights from the model's own initialisation with this seed in place
            of the trained ones (a control); the global random state is left as it was.

    Raises:
        IclnbError: unknown model, hub out of reach or access not granted, no safetensors, damaged files:
            weights that are missing, unexpected, quantised, not finite or of another shape than the
            configuration says, an unreadable tokenizer, a configuration that no model can have.
    """
    if device is not None and device_map is not None:
        raise ValueError(f"expected device or device_map, got both: {device!r} and {device_map!r}")
    device = torch.device(device) if device is not None else best_device()
    dtype = _dtype(dtype, device)
    place, origin = _find(name, revision)
    with _hub(origin["source"]) as in_reach:
        try:
            if origin["source"] == "hub":
                place["revision"] = origin["revision"] = _commit(name, place["revision"])
            model, tokenizer = checkpoint.read(name, place, random_weights_seed, dtype, device, device_map)
        except Exception as error:  # what damaged files raise in 🤗 transformers has no common type
            if origin["source"] == "hub":
                hub_files.verify(name, origin["revision"])  # a damaged download would explain it
            if isinstance(error, IclnbError):
                raise
            raise checkpoint.failure(name, origin["source"] if in_reach else "out of reach", error) from error
    if origin["source"] == "hub":
        hub_files.verify(name, origin["revision"])
    weights.check_pass(name, model)
    origin |= {
        "dtype": str(dtype).removeprefix("torch."),
        "device": str(model.device),
        "random_weights_seed": random_weights_seed,
    }
    return LoadedModel(model, tokenizer, origin)


def load_encoder(
    name: str = ENCODER, *, revision: str = "main", device: str | torch.device | None = None
) -> "SentenceTransformer":
    """A sentence encoder (``encode(texts)``: (texts, width)).

    Args:
        name: ``all-minilm-l6-v2`` (packaged), a folder, or the hub id of an encoder.
        revision: commit, branch or tag of an encoder on the hub.
        device: ``None`` for the first of CUDA, Apple's MPS and CPU that there is.

    Raises:
        IclnbError: if it has to be fetched and cannot be, or is no encoder.
    """
    place: dict[str, Any] = {"local_files_only": True}
    if name == ENCODER:
        where = str(packaged.folder(ENCODER))
    elif Path(name).expanduser().is_dir() or name.startswith((".", "/", "~")):
        where = str(Path(name).expanduser())
    else:
        where, place = name, {"revision": revision}
    from sentence_transformers import SentenceTransformer

    source = "packaged" if name == ENCODER else "local" if "revision" not in place else "hub"
    with _hub(source) as in_reach, bars_on_a_terminal():
        try:
            return SentenceTransformer(
                where,
                device=str(device or best_device()),
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
                **place,
            )
        except Exception as error:  # as in `load`
            raise checkpoint.failure(name, source if in_reach else "out of reach", error) from error


def best_device() -> torch.device:
    """CUDA if there is a GPU, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _dtype(dtype: torch.dtype | str | None, device: torch.device) -> torch.dtype:
    if dtype is None and device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype or torch.float32
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"expected a floating-point dtype such as 'float32' or 'bfloat16', got {dtype!r}")
    return found


def _find(name: str, revision: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments that let 🤗 transformers find the model, and its origin."""
    safe = {"trust_remote_code": False}
    local = name != PACKAGED and (Path(name).expanduser().is_dir() or name.startswith((".", "/", "~")))
    if revision is not None and (local or name == PACKAGED):
        raise IclnbError(f"{name} is not on the hub and has no revision; leave revision out")
    if name == PACKAGED:
        place = {"pretrained_model_name_or_path": packaged.folder(PACKAGED), "local_files_only": True}
        return place | safe, {"source": "packaged", "name": name, **packaged.revision(PACKAGED)}
    if local:
        folder = Path(name).expanduser()
        if not (folder / "config.json").is_file():
            raise IclnbError(f"{name} is no model: expected a folder with config.json and *.safetensors")
        place = {"pretrained_model_name_or_path": folder, "local_files_only": True}
        return place | safe, {
            "source": "local",
            "name": folder.resolve().name,
            "sha256": content_hash(folder),
        }
    if revision is None and name not in PINNED:
        raise IclnbError(_kinds(name))
    place = {"pretrained_model_name_or_path": name, "revision": revision or PINNED[name]}
    return place | safe, {"source": "hub", "name": name, "revision": place["revision"]}


def content_hash(folder: Path) -> str:
    """One hash over the configuration and the weights of a local model: what a record can name it by."""
    digest = hashlib.sha256()
    for path in [folder / "config.json", *sorted(folder.glob("*.safetensors"))]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _commit(name: str, revision: str) -> str:
    """The commit that a revision names now, so that all files are of one commit and it can be recorded."""
    if re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    return Path(hf_hub_download(name, "config.json", revision=revision)).parent.name  # snapshots/<commit>/


def _kinds(name: str) -> str:
    lines = [
        f"unknown model {name!r}. A model is one of:",
        f"- packaged: {PACKAGED}",
        "- local: a folder with config.json and *.safetensors, written with a path separator",
        f"- hub: {', '.join(PINNED)}",
    ]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        lines.append(f"  or {name} with revision='<commit>' ('main' takes today's and records which it was)")
    return "\n".join(lines)


def _hub(source: str) -> AbstractContextManager[bool]:
    """What a loader from some source is to stand in: for the hub, whether that is in reach."""
    return cache_if_out_of_reach() if source == "hub" else nullcontext(True)
