"""What the last token of a prompt attends to, for any causal language model of 🤗 transformers.

``output_attentions=True`` keeps layers x heads x tokens² numbers and is refused by the fast attention
implementations. Here the model's *own* eager attention runs on a block of queries at a time and only the row
of each prompt's last token is kept, so that memory grows with tokens and no architecture is written again:

- :func:`_through_interface`: architectures whose attention is looked up in ``AttentionInterface`` (Llama,
  GPT-2, GPT-NeoX, Qwen, Mistral, Gemma, Phi, OPT, ...): one forward pass with our entry looked up.
- :func:`_through_cache`: the others that can cache keys and values (GPT-J, Bloom, Falcon, ...): the prompt is
  fed block by block, each last token as a block of its own.

Anything else raises :class:`~iclnb.llm.attention.architectures.CaptureError`, which names the architecture.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from iclnb.llm.attention import architectures
from iclnb.llm.attention.architectures import (
    BlockMask,
    CaptureError,
    attending,
    checked_mask,
    eager_of,
    evaluation,
    implementation,
    layers,
    refuse_encoder_decoder,
    refuse_length_dependent_positions,
    require_every_layer,
    require_probabilities,
)

_ENTRY = "iclnb_last_token"


@torch.no_grad()
def last_token_attention(
    model: PreTrainedModel,
    input_ids: Int[Tensor, "batch tokens"],
    attention_mask: Int[Tensor, "batch tokens"] | None = None,
) -> Float[Tensor, "layers batch heads tokens"]:
    """The attention that the last real token of each prompt pays to every token (paper A, section 5.1).

    The same numbers as ``model(input_ids, attention_mask, output_attentions=True)`` gives under
    ``attn_implementation="eager"`` in evaluation mode, in memory that grows with tokens instead of tokens².
    Positions are those of that same call: pad on the right where a model learned absolute positions (GPT-2),
    since it counts padding on the left.

    Args:
        model: a causal language model, whatever its attention implementation, dtype and devices; its modes
            and settings are the same afterwards.
        input_ids: token ids, padded on either side.
        attention_mask: 1 for real tokens, 0 for padding; ``None`` means that all are real.

    Returns:
        Probabilities in float32, on the device of ``input_ids``: for each layer, prompt and head a row that
        sums to 1 over the tokens (less where the model has attention sinks), zero at padding and, in
        layers with a sliding window, outside the window.

    Raises:
        CaptureError: if the architecture's attention cannot be captured exactly; the message names it.
        ValueError: if the shapes of ``input_ids`` and ``attention_mask`` do not fit, or a prompt is empty.
    """
    mask = checked_mask(input_ids, attention_mask)
    positions = torch.arange(input_ids.shape[1], device=mask.device)
    last = torch.where(mask, positions, -1).amax(dim=1)
    refuse_encoder_decoder(model)
    capture = _through_interface if model._can_set_attn_implementation() else _through_cache
    device = model.get_input_embeddings().weight.device
    with evaluation(model):
        rows = capture(
            model, input_ids.to(device), None if mask.all() else mask.long().to(device), last.tolist()
        )
    attention = torch.stack([row.float().to(input_ids.device) for row in rows])
    require_probabilities(model, attention)
    return attention * mask[None, :, None, :]


# --- architectures that look their attention up in AttentionInterface ---------------------------------------


@dataclass
class _Capture:
    """One forward pass: the index of each prompt's last token, and the rows found so far."""

    last: list[int]
    rows: dict[int, Tensor] = field(default_factory=dict)


_CURRENT: ContextVar[_Capture] = ContextVar("iclnb_capture")


def _attend(
    module: torch.nn.Module,
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    value: Float[Tensor, "batch kv_heads tokens dim"],
    attention_mask: BlockMask,
    **settings: object,
) -> tuple[Float[Tensor, "batch tokens heads dim"], None]:
    """The module's eager attention, block by block; the last tokens' rows go to the current capture."""
    capture, eager = _CURRENT.get(), eager_of(module)
    outputs, found = [], {}
    for start in range(0, query.shape[2], architectures.BLOCK):
        stop = min(start + architectures.BLOCK, query.shape[2])
        mask = attention_mask.rows(start, stop, query)
        output, probabilities = eager(module, query[:, :, start:stop], key, value, mask, **settings)
        outputs.append(output)
        for prompt, last in enumerate(capture.last):
            if start <= last < stop:
                found[prompt] = probabilities[prompt, :, last - start].clone()
    if module.layer_idx in capture.rows:
        raise TypeError(f"layer {module.layer_idx} attends twice")
    capture.rows[module.layer_idx] = torch.stack([found[prompt] for prompt in range(len(capture.last))])
    return torch.cat(outputs, dim=1), None


def _through_interface(
    model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor | None, last: list[int]
) -> list[Float[Tensor, "batch heads tokens"]]:
    """One forward pass in which every layer's attention is :func:`_attend`."""
    capture = _Capture(last)
    with attending(model, _ENTRY, _attend, BlockMask, _CURRENT, capture):
        model.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False)
    return [capture.rows[layer] for layer in sorted(capture.rows)]


# --- the others, with a cache of keys and values ------------------------------------------------------------


def _through_cache(
    model: PreTrainedModel, input_ids: Tensor, attention_mask: Tensor | None, last: list[int]
) -> list[Float[Tensor, "batch heads tokens"]]:
    """The prompt in blocks under eager attention; the attention of each last token is kept."""
    refuse_length_dependent_positions(model)
    tokens = max(last) + 1
    rows = [[None] * len(last) for _ in range(layers(model))]
    cache = DynamicCache()
    with implementation(model, "eager"):
        edges = sorted(
            {
                0,
                *range(architectures.BLOCK, tokens, architectures.BLOCK),
                *last,
                *(index + 1 for index in last),
            }
        )
        for start, stop in pairwise(edges):
            prompts = [prompt for prompt, index in enumerate(last) if start == index]
            found = model.base_model(
                input_ids=input_ids[:, start:stop],
                attention_mask=None if attention_mask is None else attention_mask[:, :stop],
                past_key_values=cache, use_cache=True, output_attentions=bool(prompts),
            )  # fmt: skip
            if cache.get_seq_length() != stop:
                raise CaptureError(model, "it does not keep the keys and values of the tokens before")
            if prompts:
                _take(model, found.attentions, prompts, rows, input_ids.shape[1])
    return [torch.stack(layer) for layer in rows]


def _take(
    model: PreTrainedModel, attentions: object, prompts: list[int], rows: list[list], tokens: int
) -> None:
    """Put the rows of a block of one query, padded to all tokens, where they belong."""
    require_every_layer(model, attentions)
    for layer, attention in enumerate(attentions):
        for prompt in prompts:
            row = attention[prompt, :, -1]
            rows[layer][prompt] = torch.nn.functional.pad(row, (0, tokens - row.shape[-1]))
