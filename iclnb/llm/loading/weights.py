"""Checks of a model as it is loaded: whole, finite, of the shape that its configuration says, and usable."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from iclnb.errors import IclnbError

MOST_LAYERS = 1000
"""More than any model has; building as many as a damaged configuration may ask for would never end."""

_QUANTISED = (".qweight", ".qzeros", ".absmax", ".quant_map", ".weight_scale", ".weight_scale_inv")
_COUNTS = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")


def check_configuration(name: str, config: PretrainedConfig, folder: Path | None) -> None:
    """Refuse quantised weights, and configurations that no model can have, before anything is built.

    Raises IclnbError if the model cannot be what the configuration says.
    """
    quantised = getattr(config, "quantization_config", None) or getattr(config, "compression_config", None)
    if quantised is not None:
        method = quantised.get("quant_method") if isinstance(quantised, Mapping) else None
        raise IclnbError(
            f"the weights of {name} are quantised ({method or 'method not named'}), which changes what is "
            "measured; load the model that it was made from, in float32, bfloat16 or float16"
        )
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise IclnbError(
            f"{name} is no causal language model, but of type {config.model_type}; choose another"
        )
    text = config.get_text_config()
    for key in _COUNTS:
        count = getattr(text, key, 1)
        if isinstance(count, bool | float | str) or (isinstance(count, int) and count < 1):
            raise _wrong(name, f"{key} is {count!r}")
    if getattr(text, "num_hidden_layers", 1) > MOST_LAYERS:
        raise _wrong(name, f"num_hidden_layers is {text.num_hidden_layers}")
    heads, groups = (getattr(text, key, None) for key in ("num_attention_heads", "num_key_value_heads"))
    if isinstance(heads, int) and isinstance(groups, int) and (groups < 1 or heads % groups):
        raise _wrong(name, f"{heads} attention heads cannot share {groups} heads of keys and values")
    _check_size(name, config, folder)


def check_weights(name: str, model: PreTrainedModel, info: Mapping[str, Iterable[Any]]) -> None:
    """Every weight of the model comes from its files, and every weight in its files is in the model.

    Tied weights may stand in one place only; buffers that older versions saved beside the weights may stay
    unread.

    Raises IclnbError for missing, unexpected, mis-shaped or non-finite weights.
    """
    buffers = {key for key, _ in model.named_buffers()}
    unexpected = {
        key
        for key in info["unexpected_keys"]
        if key not in buffers and f"{model.base_model_prefix}.{key}" not in buffers
        and not key.endswith((".masked_bias", ".attn.bias"))
    }  # fmt: skip
    for keys, what in ((info["missing_keys"], "lack"), (unexpected, "have, unlike its configuration,")):
        if any(key.endswith(_QUANTISED) for key in keys):
            raise IclnbError(f"the weights of {name} are quantised; load the model that it was made from")
        if keys:
            raise IclnbError(
                f"the files of {name} {what} {_some(keys)}; save or download the whole model again, so that "
                "configuration and weights are of one model"
            )
    if info["mismatched_keys"]:
        key, there, wanted = min(info["mismatched_keys"])
        raise IclnbError(
            f"{key} of {name} has shape {tuple(there)} in the file and {tuple(wanted)} by the configuration; "
            "save or download the model again, so that both are of one model"
        )
    bad = [key for key, tensor in model.state_dict().items() if not _finite(tensor)]
    if bad:
        raise IclnbError(f"weights of {name} are not finite: {_some(bad)}; save or download the model again")


def check_pass(name: str, model: PreTrainedModel) -> None:
    """One pass over two tokens: a configuration can be wrong in ways that only this shows.

    Raises IclnbError if the pass fails, or its result is not finite.
    """
    bad = [
        key for key, tensor in model.named_buffers() if tensor.device.type != "meta" and tensor.isnan().any()
    ]
    if bad:  # such as frequencies of rotary positions, which are computed from the configuration
        raise _wrong(name, f"{_some(bad)} are not numbers")
    ids = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    try:
        with torch.inference_mode():
            logits = model(input_ids=ids, use_cache=False).logits
    except torch.OutOfMemoryError as error:
        raise IclnbError(
            f"{name} does not fit into memory; see device_map and dtype. Details: {error}"
        ) from error
    except Exception as error:  # a damaged configuration can fail in any way
        raise _wrong(name, f"a first pass fails ({_first_line(error)})") from error
    if logits.shape[:2] != (1, 2) or not torch.isfinite(logits).all():
        raise _wrong(name, "a first pass gives numbers that are not finite")


def _check_size(name: str, config: PretrainedConfig, folder: Path | None) -> None:
    """Refuse a model far larger than its files or than the memory of this machine, without building it."""
    try:
        with torch.device("meta"):
            built = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
    except Exception as error:  # as above
        raise _wrong(name, f"no model can be built from it ({_first_line(error)})") from error
    wanted = sum(parameter.numel() for parameter in built.parameters())
    stored = _stored(name, folder) if folder is not None else None
    if stored is not None and wanted > 2 * stored:
        raise _wrong(name, f"it asks for {wanted:,} weights, and the files hold {stored:,}")
    memory = psutil.virtual_memory().total
    if not torch.cuda.is_available() and 2 * wanted > memory:
        raise IclnbError(
            f"{name} has {wanted:,} weights, too many for this machine's {memory / 2**30:.0f} GiB"
        )


def _stored(name: str, folder: Path) -> int | None:
    """How many weights the safetensors files of a folder hold; ``None`` if it has none."""
    files, count = sorted(folder.glob("*.safetensors")), 0
    for path in files:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118
                part = file.get_slice(key)
                kind = part.get_dtype()
                if key.endswith(".weight") and kind not in ("F16", "BF16", "F32", "F64"):
                    what = f"the weights of {name} are quantised ({key} is of type {kind})"
                    raise IclnbError(f"{what}; load the model that it was made from")
                count += math.prod(part.get_shape())
    return count if files else None


def _finite(tensor: torch.Tensor) -> bool:
    on_disk = tensor.device.type == "meta"
    return on_disk or not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _wrong(name: str, what: str) -> IclnbError:
    return IclnbError(f"the configuration of {name} is damaged: {what}; restore config.json from its source")


def _some(keys: Iterable[str]) -> str:
    keys = sorted(keys)
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
