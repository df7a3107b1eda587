"""Causal language models by name: packaged, a local folder or GGUF file, or a pinned revision of the hub.

Weights are read from safetensors (a GGUF file is converted once) and no code of a model's repository is ever
run.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from iclnb.llm.data import hub, packaged
from iclnb.llm.data.progress import bars_on_a_terminal
from iclnb.llm.loaded import LoadedModel
from iclnb.llm.loading import checkpoint, places, weights
from iclnb.llm.loading.places import PACKAGED

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ENCODER = "all-minilm-l6-v2"
FASTEST = "fastest"


def load(
    name: str | Path = PACKAGED,
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | str | None = None,
    device_map: str | dict | None = None,
    random_weights_seed: int | None = None,
) -> LoadedModel:
    """Load a causal language model and its tokenizer.

    Args:
        name: ``smollm2-135m-instruct`` or another packaged model (``iclnb models``), a GGUF file or a folder
            with ``config.json`` (with a path separator or existing), or the hub id of a model: those of
            :data:`PINNED`, or any other with ``revision``. Of a repository of GGUF files ``id:FILE`` is the
            one meant, ``id`` alone the only one, or the only one in Q4_K_M.
        revision: commit, branch or tag of a hub model; a branch or tag is resolved to the commit of today,
            which ``origin`` records.
        device: ``None`` for the first of CUDA, Apple's MPS and CPU that there is.
        dtype: ``None`` for float32 on a CPU or MPS, on CUDA bfloat16 where supported and else float16;
            what comes from GGUF is in bfloat16 on every device, unless the file holds float32 or float16.
            :data:`FASTEST` for the same, but bfloat16 on a CPU that multiplies in it.
        device_map: spread the model over several GPUs, as ``"auto"`` or as Accelerate's map; in place of
            ``device``.
        random_weights_seed: draw fresh weights from the model's own initialisation with this seed in place
            of the trained ones (a control); the global random state is left as it was.

    Raises:
        IclnbError: unknown model, hub out of reach or access not granted, no safetensors, damaged files:
            weights that are missing, unexpected, quantised (other than in a GGUF file), not finite or of
            another shape than the configuration says, an unreadable tokenizer, a configuration that no model
            can have.
    """
    if device is not None and device_map is not None:
        raise ValueError(f"expected device or device_map, got both: {device!r} and {device_map!r}")
    name, device = str(name), torch.device(device) if device is not None else best_device()
    _dtype(dtype, device)  # refused before anything is fetched
    place = places.find(name, revision)
    with checkpoint.explained(name, place.origin["source"]):
        try:
            place = places.resolve_revision(place)
            dtype = _dtype(dtype, device, place.dtype)
            how = random_weights_seed, dtype, device, device_map
            model, tokenizer = checkpoint.read(name, place.arguments, *how)
        except Exception:
            _verify(place.origin)  # a damaged download would explain it
            raise
    _verify(place.origin)
    weights.check_pass(name, model)
    use = {"dtype": str(dtype).removeprefix("torch."), "device": str(model.device)}
    return LoadedModel(model, tokenizer, place.origin | use | {"random_weights_seed": random_weights_seed})


def load_encoder(name: str = ENCODER, *, device: str | torch.device | None = None) -> "SentenceTransformer":
    """A sentence encoder (``encode(texts)``: (texts, width)).

    Args:
        name: ``all-minilm-l6-v2`` (packaged), a folder, or the hub id of an encoder.
        device: ``None`` for the first of CUDA, Apple's MPS and CPU that there is.

    Raises:
        IclnbError: if it has to be fetched and cannot be, or is no encoder.
    """
    where, source = name, "hub"
    if name == ENCODER:
        where, source = str(packaged.folder(ENCODER)), "packaged"
    elif places.is_local(name):
        where, source = str(Path(name).expanduser()), "local"
    from sentence_transformers import SentenceTransformer

    with checkpoint.explained(name, source), bars_on_a_terminal():
        return SentenceTransformer(
            where,
            device=str(device or best_device()),
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
            local_files_only=source != "hub",
        )


def best_device() -> torch.device:
    """CUDA if there is a GPU, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def multiplies_in_bfloat16() -> bool:
    """Whether this CPU has instructions for products in bfloat16 (AVX-512 BF16, AMX, Arm's BF16)."""
    known = torch.cpu.get_capabilities()
    return any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _dtype(dtype: torch.dtype | str | None, device: torch.device, own: str | None = None) -> torch.dtype:
    """What is asked for, else the model's ``own`` where the device computes in it, else the usual one."""
    if dtype == FASTEST:
        if device.type == "cpu":
            half = own in (None, "bfloat16") and multiplies_in_bfloat16()
            return torch.bfloat16 if half else torch.float32
        dtype = None
    if dtype is None and device.type == "cuda":
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        return torch.float32 if own == "float32" else half
    if dtype is None:
        return torch.bfloat16 if own == "bfloat16" else torch.float32
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(f"expected a floating-point dtype such as 'float32' or 'bfloat16', got {dtype!r}")
    return found


def _verify(origin: dict[str, Any]) -> None:
    if origin["source"] == "hub":
        hub.verify(places.repository_of(origin["name"]), origin["revision"])
