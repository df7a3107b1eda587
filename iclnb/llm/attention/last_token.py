"""What the last token of a prompt attends to, for any causal language model of 🤗 transformers.

``output_attentions=True`` keeps layers x heads x tokens² numbers and is refused by the fast attention
implementations. Here only the row of each prompt's last token is kept, so that memory grows with tokens:

- :func:`_through_sdpa`: architectures whose eager attention is the one that most share (Llama, Qwen, Mistral,
  ...), no padding on the left: one pass of fused attention, the last tokens' rows written out beside it.
- :func:`_through_interface`: the others whose attention is looked up in ``AttentionInterface`` (GPT-2,
  GPT-NeoX, Gemma, Phi, OPT, ...): one pass of the model's *own* eager attention on blocks of queries.
- :func:`_through_cache`: the others that can cache keys and values (GPT-J, Bloom, Falcon, ...): the prompt is
  fed block by block, each last token as a block of its own.

Anything else raises :class:`~iclnb.llm.attention.architectures.CaptureError`, which names the architecture.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from iclnb.llm.attention import architectures, probe
from iclnb.llm.attention.architectures import (
    BlockMask,
    accepted,
    attending,
    body,
    checked_mask,
    evaluation,
    implementation,
    in_blocks,
    is_common,
)
from iclnb.llm.attention.refusals import (
    CaptureError,
    chosen_layers,
    refuse_length_dependent_positions,
    refusing,
    require_every_layer,
    require_probabilities,
)
from iclnb.llm.attention.rounding import is_judging, require_equal
from iclnb.llm.attention.split_softmax import last_row

_ENTRY = "iclnb_last_token"


@torch.no_grad()
def last_token_attention(
    model: PreTrainedModel,
    input_ids: Int[Tensor, "batch tokens"],
    attention_mask: Int[Tensor, "batch tokens"] | Bool[Tensor, "batch tokens"] | None = None,
    layers: Sequence[int] | None = None,
) -> Float[Tensor, "layers batch heads tokens"]:
    """The attention that the last real token of each prompt pays to every token (paper A, section 5.1).

    The same numbers as ``model(input_ids, attention_mask, output_attentions=True)`` gives under
    ``attn_implementation="eager"`` in evaluation mode, in memory that grows with tokens instead of tokens².
    Positions are those of that same call: pad on the right where a model learned absolute positions (GPT-2),
    since it counts padding on the left. In half precision fused attention keeps scores in float32, where
    eager attention rounds them (:mod:`iclnb.llm.attention.rounding`). The first call with a model compares
    the two on a few tokens (:mod:`iclnb.llm.attention.probe`). A second thread waits.

    Args:
        model: a causal language model, whatever its attention implementation, dtype and devices; its modes
            and settings are the same afterwards.
        input_ids: token ids, padded on either side.
        attention_mask: 1 for real tokens, 0 for padding; ``None`` means that all are real.
        layers: which to return, in this order; all of them for ``None``.

    Returns:
        Probabilities in float32, on the device of ``input_ids``: for each layer, prompt and head a row that
        sums to 1 over the tokens (less where the model has attention sinks), zero at padding and, in
        layers with a sliding window, outside the window.

    Raises:
        CaptureError: if the architecture's attention cannot be captured exactly; the message names it.
        ValueError: if the shapes of ``input_ids`` and ``attention_mask`` do not fit, a prompt is empty, or
            there is no such layer.
    """
    mask = checked_mask(input_ids, attention_mask)
    with architectures.ONE_AT_A_TIME:
        wanted = chosen_layers(model, layers)
        way = probe.way_to_last_tokens(model, WAYS, capture, left=bool((~mask[:, :-1] & mask[:, 1:]).any()))
        return capture(model, way, input_ids, mask, wanted)


def capture(
    model: PreTrainedModel,
    way: str,
    input_ids: Int[Tensor, "batch tokens"],
    mask: Bool[Tensor, "batch tokens"],
    wanted: Sequence[int],
) -> Float[Tensor, "layers batch heads tokens"]:
    """:func:`last_token_attention` in one of :data:`WAYS`, without a look at whether it is exact."""
    positions = torch.arange(input_ids.shape[1], device=mask.device)
    last = torch.where(mask, positions, -1).amax(dim=1)
    device = model.get_input_embeddings().weight.device
    real = None if mask.all() else mask.long().to(device)
    with evaluation(model), refusing(model):
        rows = WAYS[way](model, input_ids.to(device), real, last.tolist(), wanted)
    if not wanted:
        return torch.zeros(0, len(input_ids), 0, input_ids.shape[1], device=input_ids.device)
    attention = torch.stack([row.float().to(input_ids.device) for row in rows])
    require_probabilities(model, attention)
    return attention * mask[None, :, None, :]


# --- architectures that look their attention up in AttentionInterface ---------------------------------------


@dataclass
class _Capture:
    """One forward pass: the index of each prompt's last token, and the rows of the layers asked for."""

    last: list[int]
    wanted: frozenset[int]
    rows: dict[int, Tensor | None] = field(default_factory=dict)


_CURRENT: ContextVar[_Capture] = ContextVar("iclnb_capture")

Attended = tuple[Float[Tensor, "batch tokens heads value_dim"], Float[Tensor, "batch heads tokens"] | None]
"""What a layer's heads put out, and the attention of each prompt's last token."""


def _attend_fused(
    module: torch.nn.Module,
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    value: Float[Tensor, "batch kv_heads tokens value_dim"],
    attention_mask: BlockMask | None,
    **settings: object,
) -> tuple[Float[Tensor, "batch tokens heads value_dim"], None]:
    """Fused causal attention; the last tokens' rows, written out, go to the current capture."""
    capture, layer = _CURRENT.get(), module.layer_idx
    if not is_common(architectures.eager_of(module)):
        raise TypeError(f"the eager attention of {type(module).__name__} is its own")
    if is_judging():
        single = query.float(), key.float(), value.float()
        want = _eager(module, capture.last, *single, attention_mask, **settings)
        require_equal(_fused(module, capture.last, *single, **settings), want)
        return _attend(module, query, key, value, attention_mask, **settings)
    if layer in capture.rows:
        raise TypeError(f"layer {layer} attends twice")
    output, row = _fused(module, capture.last, query, key, value, row=layer in capture.wanted, **settings)
    capture.rows[layer] = row
    return output, None


def _fused(
    module: torch.nn.Module, last: list[int], query: Tensor, key: Tensor, value: Tensor, *,
    row: bool = True, **settings: object,
) -> Attended:  # fmt: skip
    """Causal attention of all tokens, and the last tokens' rows written out if asked for."""
    output, _ = sdpa_attention_forward(module, query, key, value, None, **settings)
    if not row:
        return output, None
    if query.is_cuda:
        from iclnb.llm.attention import on_gpu

        return output, on_gpu.last_rows(query, key, last, settings["scaling"])
    index = torch.tensor(last, device=query.device)
    later = torch.arange(key.shape[2], device=query.device) > index[:, None]
    unseen = torch.zeros_like(later, dtype=torch.float32).masked_fill(later, -torch.inf)
    queries = query[torch.arange(len(last), device=query.device), :, index]
    return output, last_row(queries, key[0, :, :0], key, unseen, settings["scaling"])


def _through_sdpa(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    last: list[int],
    wanted: Sequence[int],
) -> list[Float[Tensor, "batch heads tokens"]]:
    """One forward pass under :func:`_attend_fused`, to which padding on the right is what comes later."""
    capture, inner = _Capture(last, frozenset(wanted)), body(model)
    mask = BlockMask if is_judging() else lambda **_: None
    with attending(model, _ENTRY, _attend_fused, mask, _CURRENT, capture):
        inner(input_ids=input_ids, use_cache=False, **accepted(inner, {"logits_to_keep": 1}))
    return [capture.rows[layer] for layer in wanted]


def _attend(
    module: torch.nn.Module,
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    value: Float[Tensor, "batch kv_heads tokens value_dim"],
    attention_mask: BlockMask,
    **settings: object,
) -> tuple[Float[Tensor, "batch tokens heads value_dim"], None]:
    """The module's eager attention, block by block; the last tokens' rows go to the current capture."""
    capture = _CURRENT.get()
    if module.layer_idx in capture.rows:
        raise TypeError(f"layer {module.layer_idx} attends twice")
    output, row = _eager(module, capture.last, query, key, value, attention_mask, **settings)
    capture.rows[module.layer_idx] = row
    return output, None


def _eager(
    module: torch.nn.Module, last: list[int], query: Tensor, key: Tensor, value: Tensor, mask: BlockMask,
    **settings: object,
) -> Attended:  # fmt: skip
    """The module's eager attention by blocks of queries, and the last tokens' rows."""
    outputs, found = [], {}
    for start, output, probabilities in in_blocks(module, query, key, value, mask, **settings):
        outputs.append(output)
        for prompt, index in enumerate(last):
            if start <= index < start + output.shape[1]:
                found[prompt] = probabilities[prompt, :, index - start, : key.shape[2]].clone()
    return torch.cat(outputs, dim=1), torch.stack([found[prompt] for prompt in range(len(last))])


def _through_interface(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    last: list[int],
    wanted: Sequence[int],
) -> list[Float[Tensor, "batch heads tokens"]]:
    """One forward pass in which every layer's attention is :func:`_attend`."""
    capture, inner = _Capture(last, frozenset(wanted)), body(model)
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}
    with attending(model, _ENTRY, _attend, BlockMask, _CURRENT, capture):
        inner(**inputs, **accepted(inner, {"logits_to_keep": 1}))
    return [capture.rows[layer] for layer in wanted]


# --- the others, with a cache of keys and values ------------------------------------------------------------


def _through_cache(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    last: list[int],
    wanted: Sequence[int],
) -> list[Float[Tensor, "batch heads tokens"]]:
    """The prompt in blocks under eager attention; the attention of each last token is kept."""
    refuse_length_dependent_positions(model)
    tokens, inner, cache = max(last) + 1, body(model), DynamicCache()
    rows = [[None] * len(last) for _ in wanted]
    blocks = range(architectures.BLOCK, tokens, architectures.BLOCK)
    with implementation(model, "eager"):
        for start, stop in pairwise(sorted({0, *blocks, *last, *(index + 1 for index in last)})):
            prompts = [prompt for prompt, index in enumerate(last) if start == index]
            found = inner(
                input_ids=input_ids[:, start:stop],
                attention_mask=None if attention_mask is None else attention_mask[:, :stop],
                past_key_values=cache, use_cache=True, output_attentions=bool(prompts),
            )  # fmt: skip
            if cache.get_seq_length() != stop:
                raise CaptureError(model, "it does not keep the keys and values of the tokens before")
            if prompts:
                require_every_layer(model, found.attentions)
                kept = [found.attentions[layer] for layer in wanted]
                _take(kept, prompts, rows, input_ids.shape[1])
    return [torch.stack(layer) for layer in rows]


def _take(attentions: list[Tensor], prompts: list[int], rows: list[list], tokens: int) -> None:
    """Put the rows of a block of one query, padded to all tokens, where they belong."""
    for layer, attention in enumerate(attentions):
        for prompt in prompts:
            row = attention[prompt, :, -1]
            rows[layer][prompt] = torch.nn.functional.pad(row, (0, tokens - row.shape[-1]))


WAYS = {"sdpa": _through_sdpa, "interface": _through_interface, "cache": _through_cache}
"""How attention is captured: see the head of this module."""
