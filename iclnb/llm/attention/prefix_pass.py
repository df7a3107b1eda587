"""The two ways to run queries on top of a shared prefix, for architectures that offer one or the other."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from iclnb.llm.attention.architectures import (
    BlockMask,
    accepted,
    attending,
    body,
    eager_of,
    implementation,
    is_common,
)
from iclnb.llm.attention.head_hooks import Edit, head_outputs
from iclnb.llm.attention.prefix_keys import SharedPrefix, own_tokens_alone
from iclnb.llm.attention.refusals import require_every_layer
from iclnb.llm.attention.rounding import is_judging, require_equal
from iclnb.llm.attention.split_softmax import last_row, merged_attention

ENTRY = "iclnb_shared_prefix"

Found = tuple[list[Float[Tensor, "batch heads keys"]], Float[Tensor, "batch kept vocabulary"]]
"""The last row of each layer asked for, and the logits of the last tokens, of the very last one at least."""


# --- architectures that look their attention up in AttentionInterface ---------------------------------------


@dataclass
class Batch:
    """One forward pass: the shared prefix, and the last rows of the layers asked for."""

    prefix: SharedPrefix
    wanted: frozenset[int]
    rows: dict[int, Tensor | None] = field(default_factory=dict)

    @property
    def places(self) -> Sequence[int]:
        """Tokens whose rows are kept."""
        return (-1,)

    def masked(self, layer: int, mask: "Mask", query: Tensor) -> tuple[Tensor, bool]:
        """The additive mask of a layer, and whether every token sees all of the prefix."""
        return mask.whole(query)

    def keep(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Told the keys and values of the suffixes."""


CURRENT: ContextVar[Batch] = ContextVar("iclnb_shared_prefix")


class Mask(BlockMask):
    """The mask of the whole batch, made once and read by every layer."""

    def whole(self, query: Tensor) -> tuple[Float[Tensor, "batch 1 queries tokens"], bool]:
        """The additive mask, and whether all the prefix is visible."""
        if not hasattr(self, "_whole"):
            total, own = self.arguments["kv_length"], query.shape[2]
            mask = self.rows(total - own, total, query)
            self._whole = mask, not mask[..., : total - own].any()
        return self._whole


def attend(
    module: torch.nn.Module,
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    value: Float[Tensor, "batch kv_heads tokens value_dim"],
    attention_mask: Mask,
    **settings: object,
) -> tuple[Float[Tensor, "batch tokens heads value_dim"], None]:
    """Attention over the current prefix and the suffixes; the last token's row goes to the current batch."""
    batch, layer, eager = CURRENT.get(), module.layer_idx, eager_of(module)
    if layer in batch.rows:
        raise TypeError(f"layer {layer} attends twice")
    prefix_key, prefix_value = (part[layer] for part in (batch.prefix.keys, batch.prefix.values))
    _refuse_other_shapes(query, (prefix_key, prefix_value), (key, value))
    batch.keep(layer, key, value)
    mask, visible = batch.masked(layer, attention_mask, query)
    parts = query, prefix_key, prefix_value, key, value
    fused = visible and is_common(eager) and query.shape[-1] == value.shape[-1]
    places = batch.places if layer in batch.wanted else ()
    if fused and is_judging():
        single, wide = tuple(part.float() for part in parts), mask.float()
        require_equal(_merged(single, wide, settings), _joined(module, single, wide, settings))
        fused = False
    if fused:
        output, rows = _merged(parts, mask, settings, places)
    else:
        output, rows = _joined(module, parts, mask, settings, places)
    batch.rows[layer] = rows
    return output, None


def _merged(
    parts: Sequence[Tensor], mask: Tensor, settings: Mapping[str, Any], places: Sequence[int] = (-1,)
) -> tuple[Float[Tensor, "batch tokens heads value_dim"], Float[Tensor, "rows heads keys"] | None]:
    """Attention over prefix and suffixes apart, and each prompt's rows at some places."""
    query, prefix_key, _, key, _ = parts
    own, scaling = mask[..., mask.shape[-1] - key.shape[2] :], settings["scaling"]
    output = merged_attention(*parts, own, scaling).transpose(1, 2).contiguous()
    if not places:
        return output, None
    asking = query[:, :, list(places)].transpose(1, 2).flatten(0, 1)
    keys = key if len(places) == 1 else key.repeat_interleave(len(places), 0)
    return output, last_row(asking, prefix_key, keys, own[:, 0, list(places)].flatten(0, 1), scaling)


def _joined(
    module: torch.nn.Module,
    parts: Sequence[Tensor],
    mask: Tensor,
    settings: Mapping[str, Any],
    places: Sequence[int] = (-1,),
) -> tuple[Float[Tensor, "batch tokens heads value_dim"], Float[Tensor, "rows heads keys"] | None]:
    """The module's eager attention over the joined keys, and each prompt's rows at some places."""
    query, prefix_key, prefix_value, key, value = parts
    joined = (
        torch.cat([part.expand(len(query), -1, -1, -1), own], dim=2)
        for part, own in ((prefix_key, key), (prefix_value, value))
    )
    output, probabilities = eager_of(module)(module, query, *joined, mask, **settings)
    if not places:
        return output, None
    rows = probabilities[:, :, list(places), : mask.shape[-1]]
    return output, rows.transpose(1, 2).flatten(0, 1)


def _refuse_other_shapes(query: Tensor, prefix: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor]) -> None:
    """Raise before any kernel runs on heads that do not fit: some end the interpreter instead of raising."""
    for before, after in zip(prefix, own, strict=True):
        heads, dim = before.shape[0], before.shape[2]
        if after.shape[1] != heads or after.shape[3] != dim or query.shape[1] % heads:
            raise TypeError(f"{query.shape[1]} heads attend to {heads} and {after.shape[1]} of keys")
    if own[0].shape[2] != query.shape[2] or query.shape[3] != own[0].shape[3]:
        raise TypeError("keys do not fit the queries")


def through_interface(
    model: PreTrainedModel,
    prefix: SharedPrefix,
    inputs: dict[str, Tensor],
    edit: Edit | None,
    wanted: Sequence[int],
) -> Found:
    """One forward pass in which every layer's attention is :func:`attend`."""
    cache = own_tokens_alone(prefix)
    batch = Batch(prefix, frozenset(wanted))
    inputs = inputs | accepted(model, {"logits_to_keep": 1})
    with attending(model, ENTRY, attend, Mask, CURRENT, batch), _editing(model, edit):
        output = model(**inputs, past_key_values=cache, use_cache=True)
    return [batch.rows[layer] for layer in wanted], output.logits


def _editing(model: PreTrainedModel, edit: Edit | None) -> AbstractContextManager[None]:
    return nullcontext() if edit is None else head_outputs(model, edit)


# --- the others, with a cache of keys and values ------------------------------------------------------------


def through_cache(
    model: PreTrainedModel,
    prefix: SharedPrefix,
    inputs: dict[str, Tensor],
    edit: Edit | None,
    wanted: Sequence[int],
) -> Found:
    """The suffixes but for their last tokens, then the last ones alone, whose attention is kept."""
    size = (len(inputs["input_ids"]), -1, -1, -1)
    pairs = zip(prefix.keys, prefix.values, strict=True)
    cache = DynamicCache([(key.expand(size), value.expand(size)) for key, value in pairs])
    with implementation(model, "eager"):
        if inputs["input_ids"].shape[1] > 1:
            inner = body(model)
            inner(**_columns(inner, inputs, slice(None, -1)), past_key_values=cache, use_cache=True)
        with _editing(model, edit):
            found = model(
                **_columns(model, inputs, slice(-1, None)),
                past_key_values=cache, use_cache=True, output_attentions=True,
            )  # fmt: skip
    require_every_layer(model, found.attentions)
    return [found.attentions[layer][:, :, -1] for layer in wanted], found.logits


def _columns(module: torch.nn.Module, inputs: dict[str, Tensor], part: slice) -> dict[str, Tensor]:
    """The inputs of some of the suffixes' tokens; the mask reaches back to the first token of all."""
    total = inputs["attention_mask"].shape[1] - (1 if part.stop == -1 else 0)
    chosen = {"attention_mask": inputs["attention_mask"][:, :total]}
    chosen |= {name: inputs[name][:, part] for name in ("input_ids", "position_ids") if name in inputs}
    return accepted(module, chosen)
