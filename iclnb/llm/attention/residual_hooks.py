"""One last token under many interventions at once: residual stream, head outputs, what it may attend to.

Nothing done to the last token changes the tokens before it. So these are read once
(:func:`~iclnb.llm.attention.prefix.prepare`, :func:`extend`), and every intervention is one row of a batch in
which that same last token runs on top of them: as many passes of a single token, however long the prompt.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.llm.attention import architectures
from iclnb.llm.attention.architectures import (
    BlockMask,
    accepted,
    attending,
    eager_of,
    evaluation,
    is_common,
)
from iclnb.llm.attention.head_hooks import head_outputs
from iclnb.llm.attention.prefix_keys import SharedPrefix, own_tokens_alone
from iclnb.llm.attention.refusals import refusing
from iclnb.llm.attention.residual_stream import blocks

_ENTRY = "iclnb_interventions"


@dataclass(frozen=True)
class Intervention:
    """What is changed at the last token in one run; nothing, by default.

    Attributes:
        replaced: layer -> what takes the place of the residual stream at the input of that layer; the number
            of layers stands for the output of the last one. (width,)
        added: layer -> what is added to it there. (width,)
        heads: layer -> what takes the place of all head outputs of that layer. (heads, dim)
        blocked: layer -> indices of tokens before the last that it may not attend to there.
    """

    replaced: Mapping[int, Float[Tensor, " width"]] = field(default_factory=dict)
    added: Mapping[int, Float[Tensor, " width"]] = field(default_factory=dict)
    heads: Mapping[int, Float[Tensor, "heads dim"]] = field(default_factory=dict)
    blocked: Mapping[int, Sequence[int]] = field(default_factory=dict)


class Observed(NamedTuple):
    """What the last token did, one row for each intervention.

    Attributes:
        log_probabilities: of every token as the next one, in float32.
        states: the residual stream at the input of every layer and after the last, after the intervention.
        attention: over the tokens before and the last itself, in float32.
        outputs: of the heads before the output projection, after the intervention.
    """

    log_probabilities: Float[Tensor, "rows vocabulary"]
    states: Float[Tensor, "rows depth width"]
    attention: Float[Tensor, "rows layers heads tokens"]
    outputs: Float[Tensor, "rows layers heads dim"]


@torch.no_grad()
def observe(
    model: PreTrainedModel, prefix: SharedPrefix, token: int, interventions: Sequence[Intervention]
) -> Observed:
    """Run one last token on top of a prefix, once for every intervention.

    Args:
        model: a causal language model; without any change afterwards.
        prefix: of all tokens before the last, by the same model.
        token: the last token.
        interventions: what each row of the batch changes.

    Returns:
        Tensors on the model's device.

    Raises:
        CaptureError: if the architecture does not look its attention up in ``AttentionInterface``, or its
            layers cannot be found.
        IclnbError: if its head outputs cannot be reached.
    """
    run = _Run(prefix, list(interventions))
    ids = torch.full((len(run.interventions), 1), token)
    with head_outputs(model, run.heads), _residual(model, run):
        logits = _forward(model, run, ids)
    stacked = [
        torch.stack([part[i] for i in sorted(part)], dim=1) for part in (run.states, run.rows, run.outputs)
    ]
    return Observed(logits[:, -1].float().log_softmax(-1), stacked[0], stacked[1].float(), stacked[2])


@torch.no_grad()
def extend(model: PreTrainedModel, prefix: SharedPrefix, ids: Sequence[int]) -> SharedPrefix:
    """The prefix with further tokens, read on top of it; errors as :func:`observe`."""
    if not len(ids):
        return prefix
    run = _Run(prefix, [Intervention()])
    _forward(model, run, torch.as_tensor(ids)[None])
    pairs = zip(prefix.keys, prefix.values, (run.own[i] for i in sorted(run.own)), strict=True)
    keys, values = zip(
        *((torch.cat([k, own[0]], 1), torch.cat([v, own[1]], 1)) for k, v, own in pairs), strict=True
    )
    return SharedPrefix((*prefix.input_ids, *map(int, ids)), keys, values)


# --- one forward pass ---------------------------------------------------------------------------------------


@dataclass
class _Run:
    """A forward pass: its prefix and interventions, and what was seen, by layer."""

    prefix: SharedPrefix
    interventions: list[Intervention]
    rows: dict[int, Tensor | None] = field(default_factory=dict)
    own: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    states: dict[int, Tensor] = field(default_factory=dict)
    outputs: dict[int, Tensor] = field(default_factory=dict)

    def residual(self, layer: int, hidden: Float[Tensor, "rows 1 width"]) -> Float[Tensor, "rows 1 width"]:
        """The residual stream at the input of a layer after the interventions, which is kept."""
        hidden = hidden.clone()
        for row, one in enumerate(self.interventions):
            if layer in one.replaced:
                hidden[row, -1] = one.replaced[layer].to(hidden)
            if layer in one.added:
                hidden[row, -1] += one.added[layer].to(hidden)
        self.states[layer] = hidden[:, -1]
        return hidden

    def heads(self, layer: int, z: Float[Tensor, "rows heads dim"]) -> Float[Tensor, "rows heads dim"]:
        """The head outputs of a layer after the interventions, which are kept."""
        changed = z.clone()
        for row, one in enumerate(self.interventions):
            if layer in one.heads:
                changed[row] = one.heads[layer].to(z)
        self.outputs[layer] = changed
        return changed

    def block(
        self, layer: int, mask: Float[Tensor, "... queries tokens"]
    ) -> Float[Tensor, "rows 1 queries tokens"]:
        """The additive mask of a layer with what is blocked there."""
        mask = mask.expand(len(self.interventions), *mask.shape[1:]).clone()
        for row, one in enumerate(self.interventions):
            if len(tokens := one.blocked.get(layer, ())):
                mask[row, :, -1, torch.as_tensor(tokens, device=mask.device)] = torch.finfo(mask.dtype).min
        return mask


_CURRENT: ContextVar[_Run] = ContextVar("iclnb_interventions")


def _forward(model: PreTrainedModel, run: _Run, ids: Tensor) -> Float[Tensor, "rows kept vocabulary"]:
    """One pass of the ids on top of the run's prefix."""
    cache = own_tokens_alone(run.prefix)
    inputs = {"input_ids": ids.to(model.get_input_embeddings().weight.device)} | accepted(
        model, {"logits_to_keep": 1}
    )
    with (
        architectures.ONE_AT_A_TIME,
        evaluation(model),
        refusing(model),
        attending(model, _ENTRY, _attend, BlockMask, _CURRENT, run),
    ):
        return model(**inputs, past_key_values=cache, use_cache=True).logits


@contextmanager
def _residual(model: PreTrainedModel, run: _Run) -> Iterator[None]:
    """Inside the block the run sees and changes the input of every layer and the output of the last."""

    def before(layer: int):
        def hook(_: torch.nn.Module, arguments: tuple, named: dict) -> tuple[tuple, dict]:
            if arguments:
                return (run.residual(layer, arguments[0]), *arguments[1:]), named
            return arguments, named | {"hidden_states": run.residual(layer, named["hidden_states"])}

        return hook

    def after(_: torch.nn.Module, __: tuple, output: Tensor | tuple) -> Tensor | tuple:
        if isinstance(output, tuple):
            return (run.residual(len(found), output[0]), *output[1:])
        return run.residual(len(found), output)

    found = blocks(model)
    with ExitStack() as stack:
        for layer, module in enumerate(found):
            stack.callback(module.register_forward_pre_hook(before(layer), with_kwargs=True).remove)
        stack.callback(found[-1].register_forward_hook(after).remove)
        yield


def _attend(
    module: torch.nn.Module,
    query: Float[Tensor, "rows heads queries dim"],
    key: Float[Tensor, "rows kv_heads queries dim"],
    value: Float[Tensor, "rows kv_heads queries value_dim"],
    attention_mask: BlockMask,
    **settings: object,
) -> tuple[Float[Tensor, "rows queries heads value_dim"], None]:
    """Attention over the run's prefix and the rows' own tokens, with what is blocked."""
    run, layer, eager = _CURRENT.get(), module.layer_idx, eager_of(module)
    before, total = len(run.prefix.input_ids), len(run.prefix.input_ids) + query.shape[2]
    mask = run.block(layer, attention_mask.rows(before, total, query))
    kept = run.prefix.keys[layer], run.prefix.values[layer]
    run.own[layer] = key[0], value[0]
    if query.shape[2] == 1 and is_common(eager) and query.shape[-1] == value.shape[-1]:
        output, weights = _shared(query, key, value, kept, mask, settings["scaling"])
    else:
        joined = (
            torch.cat([p.expand(len(query), -1, -1, -1), o], 2)
            for p, o in zip(kept, (key, value), strict=True)
        )
        output, weights = eager(module, query, *joined, mask, **settings)
    run.rows[layer] = weights[:, :, -1, :total]
    return output, None


def _shared(
    query: Float[Tensor, "rows heads 1 dim"],
    key: Float[Tensor, "rows kv_heads 1 dim"],
    value: Float[Tensor, "rows kv_heads 1 dim"],
    kept: tuple[Float[Tensor, "kv_heads prefix dim"], Float[Tensor, "kv_heads prefix dim"]],
    mask: Float[Tensor, "rows 1 1 tokens"],
    scaling: float,
) -> tuple[Float[Tensor, "rows 1 heads dim"], Float[Tensor, "rows heads 1 tokens"]]:
    """Llama's eager attention, without a copy of the prefix for every row."""
    rows, heads, _, dim = query.shape
    kv = key.shape[1]
    q = query.reshape(rows, kv, heads // kv, dim)
    before = (q.transpose(0, 1).reshape(kv, -1, dim) @ kept[0].transpose(1, 2)).reshape(
        kv, rows, heads // kv, -1
    )
    own = (q * key).sum(-1, keepdim=True)
    scores = torch.cat([before.transpose(0, 1), own], -1) * scaling + mask
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    flat = weights[..., :-1].transpose(0, 1).reshape(kv, rows * (heads // kv), -1)
    read = (flat @ kept[1]).reshape(kv, rows, heads // kv, -1).transpose(0, 1) + weights[..., -1:] * value
    return read.reshape(rows, 1, heads, dim), weights.reshape(rows, heads, 1, -1)
