"""The two ways to run queries on top of a shared prefix, for architectures that offer one or the other."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache as once

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer
from transformers.models.llama import modeling_llama

from iclnb.llm.attention.architectures import (
    BlockMask,
    attending,
    eager_of,
    implementation,
    require_every_layer,
)
from iclnb.llm.attention.head_hooks import Edit, head_outputs
from iclnb.llm.attention.split_softmax import last_row, merged_attention

_ENTRY = "iclnb_shared_prefix"

Found = tuple[list[Float[Tensor, "batch heads tokens"]], Float[Tensor, "batch 1 vocabulary"]]
"""The last row of each layer, and the logits of the last token."""


@dataclass(frozen=True)
class SharedPrefix:
    """The first tokens of many prompts, with what every layer remembers of them.

    Attributes:
        input_ids: the tokens.
        keys: for each layer its keys, rotary embedding applied. (kv_heads, prefix, dim)
        values: for each layer its values. (kv_heads, prefix, dim)
    """

    input_ids: tuple[int, ...]
    keys: tuple[Float[Tensor, "kv_heads prefix dim"], ...]
    values: tuple[Float[Tensor, "kv_heads prefix dim"], ...]


# --- architectures that look their attention up in AttentionInterface ---------------------------------------


@dataclass
class _Batch:
    """One forward pass: the shared prefix, and each layer's last row as far as it was reached."""

    prefix: SharedPrefix
    rows: dict[int, Tensor] = field(default_factory=dict)


_CURRENT: ContextVar[_Batch] = ContextVar("iclnb_shared_prefix")


class _Mask(BlockMask):
    """The mask of the whole batch, made once and read by every layer."""

    def whole(self, query: Tensor) -> tuple[Float[Tensor, "batch 1 queries tokens"], int, bool]:
        """The additive mask, how many of its columns are prefix, and whether all the prefix is visible."""
        if not hasattr(self, "_whole"):
            total, own = self.arguments["kv_length"], query.shape[2]
            mask = self.rows(total - own, total, query)
            self._whole = mask, total - own, not mask[..., : total - own].any()
        return self._whole


class _OwnTokens(DynamicLayer):
    """A cache layer that says it holds the prefix and hands back the new keys and values alone."""

    def __init__(self, prefix: int):
        super().__init__()
        self.prefix, self.is_initialized = prefix, True

    def update(
        self, key_states: Tensor, value_states: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, Tensor]:
        return key_states, value_states

    def get_seq_length(self) -> int:
        return self.prefix


def _attend(
    module: torch.nn.Module,
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    value: Float[Tensor, "batch kv_heads tokens dim"],
    attention_mask: _Mask,
    **settings: object,
) -> tuple[Float[Tensor, "batch tokens heads dim"], None]:
    """Attention over the current prefix and the suffixes; the last token's row goes to the current batch."""
    batch, layer, eager = _CURRENT.get(), module.layer_idx, eager_of(module)
    if layer in batch.rows:
        raise TypeError(f"layer {layer} attends twice")
    prefix_key, prefix_value = (part[layer] for part in (batch.prefix.keys, batch.prefix.values))
    mask, before, visible = attention_mask.whole(query)
    if visible and _is_plain(eager):
        own, scaling = mask[..., before:], settings["scaling"]
        output = merged_attention(query, prefix_key, prefix_value, key, value, own, scaling)
        batch.rows[layer] = last_row(query[:, :, -1], prefix_key, key, own[:, 0, -1], scaling)
        return output.transpose(1, 2).contiguous(), None
    joined = (
        torch.cat([part.expand(len(query), -1, -1, -1), own], dim=2)
        for part, own in ((prefix_key, key), (prefix_value, value))
    )
    output, probabilities = eager(module, query, *joined, mask, **settings)
    batch.rows[layer] = probabilities[:, :, -1, : mask.shape[-1]]
    return output, None


@once
def _is_plain(eager: Callable) -> bool:
    """Whether an eager attention function is, to the letter, Llama's, which most architectures copy."""
    return inspect.getsource(eager) == inspect.getsource(modeling_llama.eager_attention_forward)


def through_interface(
    model: PreTrainedModel, prefix: SharedPrefix, inputs: dict[str, Tensor], edit: Edit | None
) -> Found:
    """One forward pass in which every layer's attention is :func:`_attend`."""
    cache = Cache(layers=[_OwnTokens(len(prefix.input_ids)) for _ in prefix.keys])
    batch = _Batch(prefix)
    with attending(model, _ENTRY, _attend, _Mask, _CURRENT, batch), _editing(model, edit):
        output = model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return [batch.rows[layer] for layer in sorted(batch.rows)], output.logits


def _editing(model: PreTrainedModel, edit: Edit | None) -> AbstractContextManager[None]:
    return nullcontext() if edit is None else head_outputs(model, edit)


# --- the others, with a cache of keys and values ------------------------------------------------------------


def through_cache(
    model: PreTrainedModel, prefix: SharedPrefix, inputs: dict[str, Tensor], edit: Edit | None
) -> Found:
    """The suffixes but for their last tokens, then the last ones alone, whose attention is kept."""
    size = (len(inputs["input_ids"]), -1, -1, -1)
    pairs = zip(prefix.keys, prefix.values, strict=True)
    cache = DynamicCache([(key.expand(size), value.expand(size)) for key, value in pairs])
    with implementation(model, "eager"):
        if inputs["input_ids"].shape[1] > 1:
            model.base_model(
                **_columns(model, inputs, slice(None, -1)), past_key_values=cache, use_cache=True
            )
        with _editing(model, edit):
            found = model(
                **_columns(model, inputs, slice(-1, None)),
                past_key_values=cache, use_cache=True, output_attentions=True,
            )  # fmt: skip
    require_every_layer(model, found.attentions)
    return [layer[:, :, -1] for layer in found.attentions], found.logits


def _columns(model: PreTrainedModel, inputs: dict[str, Tensor], part: slice) -> dict[str, Tensor]:
    """The inputs of some of the suffixes' tokens; the mask reaches back to the first token of all."""
    accepted = inspect.signature(model.base_model.forward).parameters
    total = inputs["attention_mask"].shape[1] - (1 if part.stop == -1 else 0)
    chosen = {
        "input_ids": inputs["input_ids"][:, part],
        "attention_mask": inputs["attention_mask"][:, :total],
        "position_ids": inputs["position_ids"][:, part],
    }
    return {name: value for name, value in chosen.items() if name in accepted}
