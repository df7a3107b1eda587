"""The two ways to read a prefix that prompts share, and queries on top of it.

An architecture offers one or the other. What is remembered of a prefix are the keys and values that every
layer's attention receives, wherever that can be seen: a cache may hold something else (latent attention, keys
that are repeated for groups of heads).
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import Cache, DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from iclnb.llm.attention import architectures
from iclnb.llm.attention.architectures import (
    BlockMask,
    Pass,
    accepted,
    attending,
    body,
    eager_of,
    implementation,
    in_blocks,
    is_common,
)
from iclnb.llm.attention.head_hooks import Edit, head_outputs
from iclnb.llm.attention.refusals import CaptureError, layers, require_every_layer
from iclnb.llm.attention.rounding import is_judging, require_equal
from iclnb.llm.attention.split_softmax import last_row, merged_attention

Found = tuple[list[Float[Tensor, "batch heads keys"]], Float[Tensor, "batch kept vocabulary"]]
"""The last row of each layer asked for, and the logits of the last tokens, of the very last one at least."""


@dataclass(frozen=True)
class SharedPrefix:
    """The first tokens of many prompts, with what every layer remembers of them."""

    input_ids: tuple[int, ...]  # the tokens
    # for each layer the keys that its attention receives, rotary embedding applied; where attention is out of
    # reach, those of the cache. (kv_heads, prefix, dim)
    keys: tuple[Float[Tensor, "kv_heads prefix dim"], ...]
    # for each layer its values, likewise. (kv_heads, prefix, value_dim)
    values: tuple[Float[Tensor, "kv_heads prefix value_dim"], ...]

    def first(self, tokens: int) -> "SharedPrefix":
        """What is remembered of the first tokens alone; nothing is copied."""
        keys, values = (tuple(part[:, :tokens] for part in of) for of in (self.keys, self.values))
        return SharedPrefix(self.input_ids[:tokens], keys, values)


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


def own_tokens_alone(prefix: SharedPrefix) -> Cache:
    """A cache by which a model counts its positions from the prefix on, and which holds nothing."""
    return Cache(layers=[_OwnTokens(len(prefix.input_ids)) for _ in prefix.keys])


# --- architectures that look their attention up in AttentionInterface ---------------------------------------


@dataclass
class _Prefix(Pass):
    """Every layer's own attention, eager or sdpa; its keys and values are kept."""

    fast: bool

    def mask(self, **arguments):
        return (sdpa_mask if self.fast else BlockMask)(**arguments)

    def attend(self, module, query, key, value, mask, **settings):
        if isinstance(mask, BlockMask):
            blocks = in_blocks(module, query, key, value, mask, **settings)
            output = torch.cat([output for _, output, _ in blocks], dim=1)
        else:
            output, _ = sdpa_attention_forward(module, query, key, value, mask, **settings)
        return output, (key[0], value[0])


def prefix_of_interface(model: PreTrainedModel, ids: Tensor) -> SharedPrefix:
    """One pass over the prefix; what is remembered is what the attention of each layer receives."""
    fast = model.config._attn_implementation != "eager" and model._supports_sdpa and not is_judging()
    prefix, inner = _Prefix(fast), body(model)
    with attending(model, prefix):
        inner(input_ids=ids, use_cache=False, **accepted(inner, {"logits_to_keep": 1}))
    keys, values = zip(*(prefix.rows[layer] for layer in sorted(prefix.rows)), strict=True)
    return SharedPrefix(tuple(ids[0].tolist()), keys, values)


class Mask(BlockMask):
    """The mask of the whole batch, made once and read by every layer."""

    def whole(self, query: Tensor) -> tuple[Float[Tensor, "batch 1 queries tokens"], bool]:
        """The additive mask, and whether all the prefix is visible."""
        if not hasattr(self, "_whole"):
            total, own = self.arguments["kv_length"], query.shape[2]
            mask = self.rows(total - own, total, query)
            self._whole = mask, not mask[..., : total - own].any()
        return self._whole


@dataclass
class Batch(Pass):
    """Attention over a shared prefix and suffixes; the last rows of the layers asked for are kept."""

    mask = Mask
    prefix: SharedPrefix
    wanted: frozenset[int]

    @property
    def places(self) -> Sequence[int]:
        """Tokens whose rows are kept."""
        return (-1,)

    def masked(self, layer: int, mask: Mask, query: Tensor) -> tuple[Tensor, bool]:
        """The additive mask of a layer, and whether every token sees all of the prefix."""
        return mask.whole(query)

    def keep(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Told the keys and values of the suffixes."""

    def attend(self, module, query, key, value, mask, **settings):
        layer = module.layer_idx
        prefix_key, prefix_value = (part[layer] for part in (self.prefix.keys, self.prefix.values))
        _refuse_other_shapes(query, (prefix_key, prefix_value), (key, value))
        self.keep(layer, key, value)
        mask, visible = self.masked(layer, mask, query)
        parts = query, prefix_key, prefix_value, key, value
        fused = visible and is_common(eager_of(module)) and query.shape[-1] == value.shape[-1]
        places = self.places if layer in self.wanted else ()
        if fused and is_judging():
            single, wide = tuple(part.float() for part in parts), mask.float()
            require_equal(_merged(single, wide, settings), _joined(module, single, wide, settings))
            fused = False
        if fused:
            return _merged(parts, mask, settings, places)
        return _joined(module, parts, mask, settings, places)


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
    """One forward pass in which every layer attends as :class:`Batch` says."""
    cache = own_tokens_alone(prefix)
    batch = Batch(prefix, frozenset(wanted))
    inputs = inputs | accepted(model, {"logits_to_keep": 1})
    with attending(model, batch), _editing(model, edit):
        output = model(**inputs, past_key_values=cache, use_cache=True)
    return [batch.rows[layer] for layer in wanted], output.logits


def _editing(model: PreTrainedModel, edit: Edit | None) -> AbstractContextManager[None]:
    return nullcontext() if edit is None else head_outputs(model, edit)


# --- the others, with a cache of keys and values ------------------------------------------------------------


def prefix_of_cache(model: PreTrainedModel, ids: Tensor) -> SharedPrefix:
    """The prefix block by block under eager attention; what is remembered is what the cache holds."""
    tokens, cache, inner = ids.shape[1], DynamicCache(), body(model)
    edges = sorted({0, *range(architectures.BLOCK, tokens, architectures.BLOCK), tokens})
    with implementation(model, "eager"):
        for start, stop in pairwise(edges):
            inner(input_ids=ids[:, start:stop], past_key_values=cache, use_cache=True)
    if cache.get_seq_length() != tokens or len(cache.layers) != layers(model):
        raise CaptureError(model, "it does not keep the keys and values of the tokens before")
    return SharedPrefix(
        input_ids=tuple(ids[0].tolist()),
        keys=tuple(layer.keys[0] for layer in cache.layers),
        values=tuple(layer.values[0] for layer in cache.layers),
    )


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
