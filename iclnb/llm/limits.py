"""What a model can read: how many tokens at once, which of its tokenizer's tokens, how many queries in memory."""

from collections.abc import Sequence

import psutil
import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from iclnb.errors import IclnbError

_STRETCHED = {"dynamic", "linear", "yarn"}
"""Rotary positions whose configuration states the length before it was stretched by a factor."""

_SHARE = 0.5  # Of the free memory that a batch may take: the estimate knows nothing of what else is allocated


def context_length(config: PretrainedConfig) -> int | None:
    """How many tokens a model reads at once; ``None`` where nothing in its positions ends (ALiBi, none)."""
    text = config.get_text_config()
    if getattr(text, "alibi", False) or text.model_type in {"bloom", "mpt"}:
        return None
    length = getattr(text, "max_position_embeddings", None)
    if not isinstance(length, int) or length < 1:
        return None
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") in _STRETCHED:
        before = rope.get("original_max_position_embeddings") or length
        length = max(length, int(before * rope.get("factor", 1.0)))
    return length - _first_position(text)


def check_readable(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> None:
    """Raise IclnbError, before anything is computed, for texts that are too long or have tokens of no model."""
    longest, most = max(map(len, rows), default=0), context_length(model.config)
    if most is not None and longest > most:
        raise IclnbError(
            f"a prompt of {longest} tokens is longer than the {most} that {model.config.model_type} reads at "
            "once; take fewer demonstrations (a smaller k), shorter texts or a model with a longer context"
        )
    known, largest = _embedded(model), max((max(row) for row in rows if len(row)), default=0)
    if largest >= known:
        raise IclnbError(
            f"the tokenizer gives the token {largest}, and the model has embeddings for {known}; "
            "take the tokenizer that was saved with the model"
        )


def padding_id(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """A token to pad with (it is masked): the tokenizer's, or 0 where the model does not know that one."""
    pad = tokenizer.pad_token_id
    return pad if pad is not None and 0 <= pad < _embedded(model) else 0


def queries_at_once(model: PreTrainedModel, *, prefix: int, suffix: int, most: int) -> int:
    """Queries that one pass on top of a shared prefix may hold: ``most``, or fewer where memory is short."""
    if model.device.type == "cuda":
        free = torch.cuda.mem_get_info(model.device)[0]
    else:
        free = psutil.virtual_memory().available
    return max(1, min(most, int(_SHARE * free) // bytes_per_query(model, prefix=prefix, suffix=suffix)))


def bytes_per_query(model: PreTrainedModel, *, prefix: int, suffix: int) -> int:
    """Memory that a query takes in a pass: activations of one layer, rows of all, log-probabilities.

    Attention scores are counted as written out in float32, as they are where no kernel gives log-sum-exps.
    """
    config, size = model.config.get_text_config(decoder=True), model.dtype.itemsize
    width, heads = config.hidden_size, config.num_attention_heads
    inner = getattr(config, "intermediate_size", None) or 4 * width
    activations = suffix * (6 * width + 3 * inner) * size
    scores = 2 * 4 * heads * suffix * (prefix + suffix)
    rows = 2 * 4 * config.num_hidden_layers * heads * (prefix + suffix)
    return activations + scores + rows + 3 * 4 * config.vocab_size


def _embedded(model: PreTrainedModel) -> int:
    return model.get_input_embeddings().weight.shape[0]


def _first_position(config: PretrainedConfig) -> int:
    """Positions that texts never use: those up to the padding token, in models like RoBERTa."""
    kinds = ("roberta", "camembert", "xlm-roberta", "xlm-roberta-xl", "data2vec-text", "roberta-prelayernorm")
    return config.pad_token_id + 1 if config.model_type in kinds and config.pad_token_id is not None else 0
