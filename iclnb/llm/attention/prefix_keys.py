"""The keys and values that every layer remembers of the tokens that prompts share.

They are what the layer's attention receives, wherever that can be seen: a cache may hold something else
(latent attention, keys that are repeated for groups of heads).
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import pairwise

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
    accepted,
    attending,
    body,
    implementation,
    in_blocks,
)
from iclnb.llm.attention.refusals import CaptureError, layers
from iclnb.llm.attention.rounding import is_judging

_ENTRY = "iclnb_prefix"


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


@dataclass
class _Prefix:
    """One forward pass over a prefix, and the keys and values that attention received."""

    rows: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


_CURRENT: ContextVar[_Prefix] = ContextVar("iclnb_prefix")


def _remember(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: object, **settings: object
) -> tuple[Float[Tensor, "batch tokens heads dim"], None]:
    """The layer's own attention, eager or sdpa; its keys and values go to the current prefix."""
    prefix = _CURRENT.get()
    prefix.rows[module.layer_idx] = key[0], value[0]
    if isinstance(mask, BlockMask):
        blocks = in_blocks(module, query, key, value, mask, **settings)
        return torch.cat([output for _, output, _ in blocks], dim=1), None
    return sdpa_attention_forward(module, query, key, value, mask, **settings)


def prefix_of_interface(model: PreTrainedModel, ids: Tensor) -> SharedPrefix:
    """One pass over the prefix; what is remembered is what the attention of each layer receives."""
    fast = model.config._attn_implementation != "eager" and model._supports_sdpa and not is_judging()
    prefix, inner = _Prefix(), body(model)
    mask = sdpa_mask if fast else BlockMask
    with attending(model, _ENTRY, _remember, mask, _CURRENT, prefix):
        inner(input_ids=ids, use_cache=False, **accepted(inner, {"logits_to_keep": 1}))
    keys, values = zip(*(prefix.rows[layer] for layer in sorted(prefix.rows)), strict=True)
    return SharedPrefix(tuple(ids[0].tolist()), keys, values)


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
