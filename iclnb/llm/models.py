"""Causal language models by name: the packaged default, a local folder, or a pinned revision of the hub.

Weights are read from safetensors only and no code of a model's repository is ever run.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import GatedRepoError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from iclnb.errors import IclnbError
from iclnb.llm import weights
from iclnb.llm.data import hub_files, packaged
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
        IclnbError: unknown model, hub out of reach or access not granted, no safetensors, damaged files.
    """
    if device is not None and device_map is not None:
        raise ValueError(f"expected device or device_map, got both: {device!r} and {device_map!r}")
    device = torch.device(device) if device is not None else best_device()
    dtype = _dtype(dtype, device)
    place, origin = _find(name, revision)
    try:
        with bars_on_a_terminal():
            if origin["source"] == "hub":
                place["revision"] = origin["revision"] = _commit(name, place["revision"])
            config = AutoConfig.from_pretrained(**place)
            weights.check_configuration(name, config, _folder(place))
            tokenizer = _tokenizer(name, place)
            if random_weights_seed is None:
                if device_map is None and device.type != "cpu":
                    device_map = {"": device}  # straight there, without a copy in the main memory
                model = _trained(name, place, config, dtype, device_map)
            else:
                model = _random(config, random_weights_seed, dtype, device, device_map)
    except IclnbError:
        raise
    except Exception as error:  # what damaged files raise in 🤗 transformers has no common type
        raise _failure(name, origin["source"], error) from error
    weights.check_pass(name, model.eval())
    if origin["source"] == "hub":
        hub_files.verify(name, origin["revision"])
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

    try:
        with bars_on_a_terminal():
            return SentenceTransformer(
                where,
                device=str(device or best_device()),
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
                **place,
            )
    except (OSError, ValueError, SafetensorError) as error:
        source = "packaged" if name == ENCODER else "local" if "revision" not in place else "hub"
        raise _failure(name, source, error) from error


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
        return place | safe, {"source": "local", "name": folder.resolve().name, "sha256": _sha256(folder)}
    if revision is None and name not in PINNED:
        raise IclnbError(_kinds(name))
    place = {"pretrained_model_name_or_path": name, "revision": revision or PINNED[name]}
    return place | safe, {"source": "hub", "name": name, "revision": place["revision"]}


def _sha256(folder: Path) -> str:
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


def _folder(place: Mapping[str, Any]) -> Path | None:
    """The folder of a model that lies on this machine."""
    where = place["pretrained_model_name_or_path"]
    return where if isinstance(where, Path) else None


def _tokenizer(name: str, place: dict[str, Any]) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(**place)
    except Exception as error:  # the tokenizers library raises plain exceptions, and damaged files any
        source = "local" if place.get("local_files_only") else "hub"
        raise _failure(f"the tokenizer of {name}", source, error) from error
    if not len(tokenizer):
        raise IclnbError(f"the tokenizer of {name} has no tokens; restore tokenizer.json from its source")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:  # padding is masked: any token will do
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def _trained(
    name: str,
    place: dict[str, Any],
    config: PretrainedConfig,
    dtype: torch.dtype,
    device_map: str | dict | None,
) -> PreTrainedModel:
    """The model with the weights of its files, all of them and nothing else."""
    model, info = AutoModelForCausalLM.from_pretrained(
        **place,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        device_map=device_map,
        ignore_mismatched_sizes=True,  # they are refused below, by name
        output_loading_info=True,
    )
    weights.check_weights(name, model, info)
    return model


def _random(
    config: PretrainedConfig,
    seed: int,
    dtype: torch.dtype,
    device: torch.device,
    device_map: str | dict | None,
) -> PreTrainedModel:
    """The model of ``config`` with weights drawn in fp32 on the CPU: the same for a seed on every machine."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    model = model.to(dtype)
    if device_map is None:
        return model.to(device)
    from accelerate import dispatch_model, infer_auto_device_map

    unsplit = list(model._no_split_modules or ())
    spread = infer_auto_device_map(model, no_split_module_classes=unsplit, dtype=dtype)
    return dispatch_model(model, device_map if isinstance(device_map, dict) else spread)


def _failure(name: str, source: str, error: Exception) -> IclnbError:
    """What to do about a model that 🤗 transformers could not load."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(cause, GatedRepoError) for cause in causes) or "gated repo" in str(error):
        advice = "its owner has to grant you access: ask on the model's page, then `hf auth login`"
    elif "safetensors" in reason or isinstance(error, SafetensorError):
        advice = "its weights must be whole safetensors files (pickled weights are never read)"
    elif source == "hub":
        advice = (
            "it has to be downloaded once with the hub in reach; check the network, the id and the revision"
        )
    elif source == "packaged":
        advice = "run `iclnb fetch`, which checks every cached file and fetches what is damaged"
    else:
        advice = "check that the folder is a whole saved model (config, tokenizer, *.safetensors)"
    return IclnbError(f"could not load {name}: {advice}. Details: {reason}")
