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
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from iclnb.llm.attention import architectures, probe
from iclnb.llm.attention.architectures import (
    BlockMask,
    Pass,
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
class _Eager(Pass):
    """Every module's own eager attention, by blocks of queries; the last tokens' rows are kept."""

    last: list[int]  # index of each prompt's last token
    wanted: frozenset[int]  # the layers asked for

    def attend(self, module, query, key, value, mask, **settings):
        outputs, found = [], {}
        for start, output, probabilities in in_blocks(module, query, key, value, mask, **settings):
            outputs.append(output)
            for prompt, index in enumerate(self.last):
                if start <= index < start + output.shape[1]:
                    found[prompt] = probabilities[prompt, :, index - start, : key.shape[2]].clone()
        return torch.cat(outputs, dim=1), torch.stack([found[prompt] for prompt in range(len(self.last))])


class _Fused(_Eager):
    """Fused causal attention; the last tokens' rows are written out in the layers asked for."""

    def mask(self, **arguments):
        return BlockMask(**arguments) if is_judging() else None

    def attend(self, module, query, key, value, mask, **settings):
        if not is_common(architectures.eager_of(module)):
            raise TypeError(f"the eager attention of {type(module).__name__} is its own")
        if is_judging():
            single = query.float(), key.float(), value.float()
            eager = super().attend(module, *single, mask, **settings)
            require_equal(self._fused(module, *single, settings, row=True), eager)
            return super().attend(module, query, key, value, mask, **settings)
        return self._fused(module, query, key, value, settings, row=module.layer_idx in self.wanted)

    def _fused(
        self, module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, settings: dict, *, row: bool
    ) -> tuple[Float[Tensor, "batch tokens heads value_dim"], Float[Tensor, "batch heads tokens"] | None]:
        output, _ = sdpa_attention_forward(module, query, key, value, None, **settings)
        if not row:
            return output, None
        last, scaling = self.last, settings["scaling"]
        if query.is_cuda:
            from iclnb.llm.attention import on_gpu

            return output, on_gpu.last_rows(query, key, last, scaling)
        index = torch.tensor(last, device=query.device)
        later = torch.arange(key.shape[2], device=query.device) > index[:, None]
        unseen = torch.zeros_like(later, dtype=torch.float32).masked_fill(later, -torch.inf)
        queries = query[torch.arange(len(last), device=query.device), :, index]
        return output, last_row(queries, key[0, :, :0], key, unseen, scaling)


def _through_interface(
    model: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor | None,
    last: list[int],
    wanted: Sequence[int],
    attention: type[_Eager] = _Eager,
) -> list[Float[Tensor, "batch heads tokens"]]:
    """One forward pass in which every layer has this ``attention``."""
    capture, inner = attention(last, frozenset(wanted)), body(model)
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "use_cache": False}
    with attending(model, capture):
        inner(**inputs, **accepted(inner, {"logits_to_keep": 1}))
    return [capture.rows[layer] for layer in wanted]


def _through_sdpa(
    model: PreTrainedModel, input_ids: Tensor, _: Tensor | None, last: list[int], wanted: Sequence[int]
) -> list[Float[Tensor, "batch heads tokens"]]:
    """The same with fused attention, to which padding on the right is what comes later."""
    return _through_interface(model, input_ids, None, last, wanted, _Fused)


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
                for layer, kept in zip(wanted, rows, strict=True):
                    attention = found.attentions[layer]
                    missing = input_ids.shape[1] - attention.shape[-1]
                    for prompt in prompts:
                        kept[prompt] = torch.nn.functional.pad(attention[prompt, :, -1], (0, missing))
    return [torch.stack(layer) for layer in rows]


WAYS = {"sdpa": _through_sdpa, "interface": _through_interface, "cache": _through_cache}
"""How attention is captured: see the head of this module."""
