"""Many prompts that begin alike: the shared prefix is computed once, the queries run on top in batches.

In-context learning is measured with many queries under one set of demonstrations. :func:`prepare` computes
the keys and values of the demonstrations, :func:`attend` runs a batch of queries on top and gives the last
token's attention over prefix and suffix alike, and what the model says next. Everything equals a pass over
the full prompts; keys and values are those of the model itself.

Where an architecture's eager attention is, to the letter, the one that most share (softmax of scaled scores
plus mask), the two parts are computed apart and merged (:mod:`iclnb.llm.attention.split_softmax`). Any other
(soft caps, sinks, a sliding window) runs its own eager attention over the joined keys, or, outside
``AttentionInterface``, its own forward pass with a cache.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.llm.attention import architectures, probe
from iclnb.llm.attention.architectures import checked_mask, evaluation
from iclnb.llm.attention.head_hooks import Edit
from iclnb.llm.attention.prefix_pass import (
    Found,
    SharedPrefix,
    prefix_of_cache,
    prefix_of_interface,
    through_cache,
    through_interface,
)
from iclnb.llm.attention.probe import PrefixWay
from iclnb.llm.attention.refusals import (
    CaptureError,
    chosen_layers,
    refuse_length_dependent_positions,
    refusing,
    require_probabilities,
)

_WAYS = {"interface": (prefix_of_interface, through_interface), "cache": (prefix_of_cache, through_cache)}


def shared_prefix_attention(
    model: PreTrainedModel,
    prefix_ids: Sequence[int] | Int[Tensor, " prefix"],
    suffix_ids: Int[Tensor, "batch suffix"],
    suffix_mask: Int[Tensor, "batch suffix"] | Bool[Tensor, "batch suffix"] | None = None,
) -> tuple[Float[Tensor, "layers batch heads tokens"], Float[Tensor, "batch vocabulary"]]:
    """Last-token attention and next-token log-probabilities of prompts that share their first tokens.

    The same numbers as the full prompts ``prefix + suffix`` give one by one under eager attention, within
    rounding (1e-5 in float32; in half precision see :mod:`iclnb.llm.attention.rounding`). For many batches
    under one prefix call :func:`prepare` once and :func:`attend` for each.

    Args:
        model: a causal language model; its modes and settings are the same afterwards.
        prefix_ids: the shared tokens, at least one.
        suffix_ids: the tokens that follow, padded on either side.
        suffix_mask: 1 for real tokens, 0 for padding; ``None`` means that all are real.

    Returns:
        For each layer, prompt and head the last real token's attention over the prefix and the suffix as
        given (zero at padding), in float32; and the log-probabilities of the next token, in float32.

    Raises:
        CaptureError: if the architecture's attention cannot be captured exactly; the message names it.
        ValueError: if shapes do not fit, or the prefix or a suffix is empty.
    """
    return attend(model, prepare(model, prefix_ids), suffix_ids, suffix_mask)


@torch.no_grad()
def prepare(model: PreTrainedModel, prefix_ids: Sequence[int] | Int[Tensor, " prefix"]) -> SharedPrefix:
    """One pass over the shared tokens; arguments and errors as :func:`shared_prefix_attention`."""
    ids = torch.as_tensor(prefix_ids)
    if ids.ndim != 1 or not len(ids):
        raise ValueError(
            f"prefix_ids must be one row of at least one token, of shape (tokens,); got {tuple(ids.shape)}"
        )
    ids = ids[None]
    with architectures.ONE_AT_A_TIME:
        return _prefix(model, _way(model), ids)


def _way(model: PreTrainedModel) -> PrefixWay:
    """How this model shares a prefix, found at the first call with it."""
    refuse_length_dependent_positions(model)

    def run(model: PreTrainedModel, way: PrefixWay, prefix: Tensor, ids: Tensor, mask: Tensor):
        return _attend(
            model, way, _prefix(model, way, prefix[None]), ids, mask, chosen_layers(model, None), None
        )

    return probe.way_with_prefix(model, _WAYS, run)


def _prefix(model: PreTrainedModel, way: PrefixWay, ids: Int[Tensor, "1 prefix"]) -> SharedPrefix:
    """What every layer remembers of the shared tokens."""
    _refuse_padding_ids(model, way, ids)
    device = model.get_input_embeddings().weight.device
    with evaluation(model), refusing(model):
        return _WAYS[way.through][0](model, ids.to(device))


def _refuse_padding_ids(model: PreTrainedModel, way: PrefixWay, ids: Tensor) -> None:
    """RoBERTa's positions stand still at a padding id, so it cannot be an ordinary token."""
    if way.first and (ids == way.first - 1).any():
        raise CaptureError(
            model, "it counts positions by its padding token, and a prompt contains that token"
        )


@torch.no_grad()
def attend(
    model: PreTrainedModel,
    prefix: SharedPrefix,
    suffix_ids: Int[Tensor, "batch suffix"],
    suffix_mask: Int[Tensor, "batch suffix"] | Bool[Tensor, "batch suffix"] | None = None,
    *,
    attention: bool = True,
    edit: Edit | None = None,
) -> tuple[Float[Tensor, "layers batch heads tokens"] | None, Float[Tensor, "batch vocabulary"]]:
    """One batch of queries on top of a prepared prefix; gives what :func:`shared_prefix_attention` gives.

    Args:
        model, suffix_ids, suffix_mask: as in :func:`shared_prefix_attention`.
        prefix: from :func:`prepare`, of the same model.
        edit: sees, and returns in its place, what the heads of a layer put out at the last tokens
            (:func:`iclnb.llm.attention.head_hooks.head_outputs`).
    """
    mask = checked_mask(suffix_ids, suffix_mask)
    with architectures.ONE_AT_A_TIME:
        wanted = chosen_layers(model, None) if attention else []
        rows, logs = _attend(model, _way(model), prefix, suffix_ids, mask, wanted, edit)
    return (rows if attention else None), logs


def _attend(
    model: PreTrainedModel,
    way: PrefixWay,
    prefix: SharedPrefix,
    suffix_ids: Int[Tensor, "batch suffix"],
    mask: Bool[Tensor, "batch suffix"],
    wanted: list[int],
    edit: Edit | None,
) -> tuple[Float[Tensor, "layers batch heads tokens"] | None, Float[Tensor, "batch vocabulary"]]:
    """:func:`attend` in a given way; ``None`` for the attention of no layers."""
    order = torch.argsort(mask.long(), dim=1, stable=True)  # padding to the left: the last token stands last
    ids, lengths = suffix_ids.gather(1, order), mask.sum(1)
    _refuse_padding_ids(model, way, suffix_ids[mask])
    logs, captured = [None] * len(ids), [None] * len(ids)
    with evaluation(model):
        for rows, longest in _together(way, lengths):
            with refusing(model) if edit is None else nullcontext():  # what an edit raises is its own
                own, logits = _run(model, way, prefix, ids[rows, -longest:], lengths[rows], edit, wanted)
            if logits.is_cuda:
                from iclnb.llm.attention import on_gpu

                own, said = on_gpu.results(model, own, logits, order[rows], len(prefix.input_ids))
                if len(rows) == len(ids):
                    return own, said
                for i, row in enumerate(rows.tolist()):
                    logs[row], captured[row] = said[i], own[:, i] if wanted else None
                continue
            log_probabilities = torch.log_softmax(logits[:, -1].float(), dim=-1).to(ids.device)
            for i, row in enumerate(rows.tolist()):
                logs[row] = log_probabilities[i]
                if wanted:
                    captured[row] = _placed(own, i, order[row], int(lengths[row]), len(prefix.input_ids))
    if not wanted:
        return None, torch.stack(logs)
    rows = torch.stack(captured, dim=1)
    require_probabilities(model, rows)
    return rows, torch.stack(logs)


def _together(way: PrefixWay, lengths: Int[Tensor, " batch"]) -> Iterator[tuple[Tensor, int]]:
    """Which prompts run in one pass, and the longest suffix among them.

    Padding between prefix and suffix changes nothing where a model is given its tokens' positions. Sliding
    windows, chunks and some relative positions go by place; there, prompts of one length run together.
    """
    if way.together:
        yield torch.arange(len(lengths)), int(lengths.max())
    else:
        for length in lengths.unique().tolist():
            yield (lengths == length).nonzero()[:, 0], length


def _placed(
    own: list[Float[Tensor, "batch heads tokens"]], i: int, order: Tensor, length: int, before: int
) -> Float[Tensor, "layers heads keys"]:
    """The rows of prompt ``i`` with its suffix's tokens where the caller has them."""
    rows = torch.stack([layer[i].float() for layer in own]).to(order.device)
    placed = rows.new_zeros(*rows.shape[:2], before + len(order))
    placed[..., :before] = rows[..., :before]
    placed[..., before + order[-length:]] = rows[..., -length:]
    return placed


def _run(
    model: PreTrainedModel,
    way: PrefixWay,
    prefix: SharedPrefix,
    ids: Int[Tensor, "batch suffix"],
    lengths: Int[Tensor, " batch"],
    edit: Edit | None,
    wanted: list[int],
) -> Found:
    """One forward pass over suffixes padded on the left: each layer's last row, and the last logits."""
    device, before = model.get_input_embeddings().weight.device, len(prefix.input_ids)
    own = (torch.arange(ids.shape[1]) >= ids.shape[1] - lengths.cpu()[:, None]).long().to(device)
    inputs = {
        "input_ids": ids.to(device),
        "attention_mask": torch.cat([own.new_ones(len(ids), before), own], dim=1),
    }
    if way.first is not None:
        inputs["position_ids"] = way.first + before + (own.cumsum(1) - 1).clamp(min=0)
    return _WAYS[way.through][1](model, prefix, inputs, edit, wanted)
