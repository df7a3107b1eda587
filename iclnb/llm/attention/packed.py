"""Many continuations of one text in a single pass: a packed row, in which none of them sees another.

A row holds what all continuations share and, behind it, one continuation after the other. Every token has the
position that it has in its own text, and a mask hides the other continuations from it. So the numbers are
those of texts read one by one, and the shared tokens are read once, without padding (as in tree attention,
Miao et al. 2024). A row stands on tokens that may have been read before
(:class:`~iclnb.llm.attention.prefix_pass.SharedPrefix`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.llm.attention import architectures, probe
from iclnb.llm.attention.architectures import accepted, attending, evaluation
from iclnb.llm.attention.prefix import prepare
from iclnb.llm.attention.prefix_pass import Batch, Mask, SharedPrefix, own_tokens_alone
from iclnb.llm.attention.refusals import chosen_layers, refuse_length_dependent_positions, refusing
from iclnb.llm.attention.rounding import logits_in_float32

Hidden = Mapping[int, Bool[Tensor, "continuations heads prefix"]]
"""For some layers which tokens of the prefix each head cannot see, at the tokens of each continuation."""


@dataclass(kw_only=True)
class Packed(Batch):
    """A packed row behind tokens that had been read before (``prefix``), and what was read of it."""

    shared: tuple[int, ...]  # tokens behind them that all continuations share; may be none
    continuations: tuple[tuple[int, ...], ...]  # tokens behind those
    hidden: Hidden = field(default_factory=dict)  # what some heads cannot see
    # of every token as the next one behind each continuation; from logits in float32, also where the model is
    # in half precision
    log_probabilities: Float[Tensor, "continuations vocabulary"] | None = None
    # the residual stream at the tokens asked for and at the last token of each continuation: what each layer
    # receives, and what comes out of the last, normalised
    states: Float[Tensor, "tokens depth width"] | None = None
    own: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __post_init__(self):
        sizes = [len(one) for one in self.continuations]
        self._stops = list(accumulate(sizes, initial=len(self.shared)))
        before = len(self.prefix.input_ids)
        of_token = [0] * (before + len(self.shared))
        positions = list(range(len(of_token)))
        for number, size in enumerate(sizes, start=1):
            of_token += [number] * size
            positions += range(before + len(self.shared), before + len(self.shared) + size)
        self._of, self._positions = torch.tensor(of_token), torch.tensor(positions)

    @property
    def places(self) -> list[int]:
        """The last token of each continuation, in the row."""
        return [stop - 1 for stop in self._stops[1:]]

    def masked(
        self, layer: int, mask: Mask, query: Tensor
    ) -> tuple[Float[Tensor, "1 heads row tokens"], bool]:
        """The additive mask of a layer, and whether all of the prefix is seen."""
        if not hasattr(mask, "packed"):
            mask.packed = self._seen(mask).to(query.device)
        seen, before = mask.packed, len(self.prefix.input_ids)
        if layer in self.hidden:
            hidden = torch.zeros(len(self.continuations) + 1, query.shape[1], seen.shape[1], dtype=torch.bool)
            hidden[1:, :, :before] = self.hidden[layer]
            seen = seen & ~hidden[self._of[before:]].transpose(0, 1).to(seen.device)
        else:
            seen = seen[None]
        lowest = torch.finfo(query.dtype).min
        return torch.zeros((), dtype=query.dtype, device=seen.device).where(seen, lowest)[None], bool(
            seen[..., :before].all()
        )

    def _seen(self, mask: Mask) -> Bool[Tensor, "row tokens"]:
        """What each token of the row may see: what the layer's own mask lets it, and its own text."""
        before, zero = len(self.prefix.input_ids), torch.zeros(1, dtype=torch.long)
        row, all_tokens = self._positions[before:, None], self._positions[None]
        by_position = mask.arguments["mask_function"](zero, zero, row, all_tokens)
        own = (self._of[None] == 0) | (self._of[None] == self._of[before:, None])
        return by_position & own

    def keep(self, layer: int, key: Tensor, value: Tensor) -> None:
        """Keep keys and values of the row."""
        self.own[layer] = key[0], value[0]

    def attention(self, number: int) -> Float[Tensor, "layers heads tokens"]:
        """What the last token of a continuation attends to, in its own text, if that was asked for."""
        before = len(self.prefix.input_ids)
        text = [*range(before + len(self.shared)), *(before + i for i in self._row(number))]
        return torch.stack([self.rows[layer][number][:, text].float() for layer in sorted(self.rows)])

    def before_the_last(self, number: int) -> SharedPrefix:
        """What was read of the text of a continuation, without its last token."""
        return self._remembered([*range(len(self.shared)), *self._row(number)[:-1]])

    def common(self) -> SharedPrefix:
        """What was read of the tokens that all continuations share."""
        return self._remembered(range(len(self.shared)))

    def _row(self, number: int) -> range:
        return range(self._stops[number], self._stops[number + 1])

    def _remembered(self, places: Sequence[int]) -> SharedPrefix:
        row, chosen = [*self.shared, *(i for one in self.continuations for i in one)], list(places)
        joined = (
            [torch.cat([part, self.own[layer][i][:, chosen]], 1) for layer, part in enumerate(kept)]
            for i, kept in enumerate((self.prefix.keys, self.prefix.values))
        )
        keys, values = map(tuple, joined)
        return SharedPrefix((*self.prefix.input_ids, *(row[i] for i in chosen)), keys, values)


@torch.no_grad()
def read(
    model: PreTrainedModel,
    prefix: SharedPrefix,
    shared: Sequence[int],
    continuations: Sequence[Sequence[int]],
    *,
    attention: bool = False,
    states: Sequence[int] = (),
    hidden: Hidden | None = None,
) -> Packed:
    """Read a packed row.

    Args:
        prefix: tokens read before, by the same model.
        shared: tokens that follow in all texts; may be none.
        continuations: how each text goes on, one token at least.
        attention: whether to keep what the last tokens attend to.
        states: tokens of the row whose residual streams are kept, with those of all last tokens.
        hidden: see :data:`Hidden`.

    Raises:
        CaptureError: if a packed row does not give what the model gives for texts by themselves.
    """
    with architectures.ONE_AT_A_TIME:
        return _read(model, _first(model), prefix, shared, continuations, attention, states, hidden)


def _first(model: PreTrainedModel) -> int:
    """The number of the first position, of a model for which packed rows are exact."""
    refuse_length_dependent_positions(model)

    def run(
        model: PreTrainedModel,
        way: probe.PrefixWay,
        prefix: Int[Tensor, " prefix"],
        suffixes: Int[Tensor, "batch suffix"],
        mask: Bool[Tensor, "batch suffix"],
    ) -> tuple[Tensor, Tensor]:
        half = len(prefix) // 2
        texts = [row[kept].tolist() for row, kept in zip(suffixes, mask, strict=True)]
        start = prepare(model, prefix[:half])
        found = _read(model, way.first, start, prefix[half:].tolist(), texts, True, (), None)
        rows = [found.attention(i) for i in range(len(texts))]
        wide = len(prefix) + suffixes.shape[1]
        padded = [torch.nn.functional.pad(row, (0, wide - row.shape[-1])) for row in rows]
        return torch.stack(padded, dim=1), found.log_probabilities

    return probe.way_with_prefix(model, ("interface",), run, question="packed row").first


def _read(
    model: PreTrainedModel,
    first: int | None,
    prefix: SharedPrefix,
    shared: Sequence[int],
    continuations: Sequence[Sequence[int]],
    attention: bool,
    states: Sequence[int],
    hidden: Hidden | None,
) -> Packed:
    wanted = frozenset(chosen_layers(model, None)) if attention else frozenset()
    texts = tuple(tuple(map(int, one)) for one in continuations)
    found = Packed(prefix, wanted, shared=tuple(map(int, shared)), continuations=texts, hidden=hidden or {})
    device, before = model.get_input_embeddings().weight.device, len(prefix.input_ids)
    row = torch.tensor([[*found.shared, *(i for one in texts for i in one)]], device=device)
    ends = torch.tensor(found.places, device=device)
    inputs = {"input_ids": row} | accepted(model, {"logits_to_keep": ends})
    inputs |= {"output_hidden_states": True} if states else {}
    inputs["position_ids"] = (first or 0) + found._positions[None, before:].to(device)
    cache = own_tokens_alone(prefix)
    with (
        evaluation(model),
        refusing(model),
        attending(model, found),
        logits_in_float32(model),
    ):
        output = model(**inputs, past_key_values=cache, use_cache=True)
    logits = output.logits[0] if "logits_to_keep" in inputs else output.logits[0, ends]
    found.log_probabilities = logits.float().log_softmax(-1)
    if states:
        chosen = [*states, *found.places]
        found.states = torch.stack([layer[0, chosen] for layer in output.hidden_states], dim=1)
    return found
