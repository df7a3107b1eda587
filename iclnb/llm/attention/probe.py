"""Whether capture is exact for a model: tried on a few tokens, at the first call with it.

An architecture is judged by what it does, not by its name. On a prompt of some twenty tokens

- a later token must leave alone what the model says at the tokens before it (else it is not causal), and
- what is captured must equal the model's own ``output_attentions=True`` under eager attention, with padding
  on either side, and under a shared prefix with suffixes of several lengths.

The ways to capture are tried one after another; where none is exact, the model is refused. In half precision
a way is tried with eager attention, and its fused attention is judged apart, in float32
(:mod:`iclnb.llm.attention.rounding`). The outcome is kept as long as the model lives and its settings stay.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from iclnb.llm.attention.architectures import accepted, evaluation, implementation
from iclnb.llm.attention.refusals import (
    CaptureError,
    refusing,
    require_every_layer,
)
from iclnb.llm.attention.rounding import HALVES, TOLERANCE, judging

_PREFIX, _SUFFIXES = 10, (9, 4, 1)
_HALF = 0.05  # Largest mean total variation distance that counts as rounding, in half precision

_known: WeakKeyDictionary[PreTrainedModel, dict] = WeakKeyDictionary()


class PrefixWay(NamedTuple):
    """How prompts run on top of a shared prefix."""

    through: str  # `"interface"` or `"cache"`
    together: bool  # whether suffixes of several lengths may share a pass, padded on the left
    first: int | None  # the number that the model gives the first position; `None` if it takes no positions


def way_to_last_tokens(
    model: PreTrainedModel, ways: Iterable[str], capture: Callable, *, left: bool = True
) -> str:
    """The first of the ways that is exact for this model.

    ``capture`` is called with model, way, tokens, mask and layers, and returns the last tokens' attention; ``left``
    says whether there may be padding on the left, which fused causal attention would see.

    Raises CaptureError if none is.
    """

    def tried() -> str:
        ids, mask = _tokens(model, 2, _PREFIX + _SUFFIXES[0]), torch.ones(2, _PREFIX + _SUFFIXES[0]).bool()
        mask[0, :3], mask[1, -4:] = not left, False
        want = _own(model, ids, mask)[0]
        usable = [way for way in _usable(model, ways) if way != "sdpa" or not left]
        return _first_exact(
            model, usable, lambda way: (capture(model, way, ids, mask, range(len(want))), want)
        )

    return _once(model, "last token, padded on the left" if left else "last token", tried)


def way_with_prefix(
    model: PreTrainedModel, ways: Iterable[str], run: Callable, *, question: str = "shared prefix"
) -> PrefixWay:
    """The first way to share a prefix that is exact for this model.

    ``run`` is called with model, way, prefix, suffixes and their mask, and returns attention and log-probabilities;
    the outcome is kept under ``question``.

    Raises CaptureError if none is.
    """

    def tried() -> PrefixWay:
        prefix = _tokens(model, 1, _PREFIX)[0]
        suffixes = _tokens(model, len(_SUFFIXES), max(_SUFFIXES), seed=1)
        mask = torch.arange(max(_SUFFIXES)) < torch.tensor(_SUFFIXES)[:, None]
        want = [_own(model, torch.cat([prefix, s[m]])[None]) for s, m in zip(suffixes, mask, strict=True)]

        def both(way: PrefixWay) -> tuple[Tensor, Tensor]:
            rows, logs = run(model, way, prefix, suffixes, mask)
            own = [rows[:, i, :, : _PREFIX + length] for i, length in enumerate(_SUFFIXES)]
            got = [torch.cat([r.flatten(), p.exp()]) for r, p in zip(own, logs, strict=True)]
            return torch.cat(got), torch.cat([torch.cat([r.flatten(), p[0].exp()]) for r, p in want])

        first, choices = first_position(model), (True, False) if _by_position(model) else (False,)
        all_ways = (PrefixWay(w, t, first) for w in _usable(model, ways) for t in choices)
        return _first_exact(model, all_ways, both)

    return _once(model, question, tried)


def first_position(model: PreTrainedModel) -> int | None:
    """The number of the first position, found by giving positions (RoBERTa starts behind its padding id)."""
    ids = _tokens(model, 1, _PREFIX)
    if not accepted(model, {"position_ids": None}):
        return None
    plain = _logits(model, ids)
    padding = getattr(model.config.get_text_config(decoder=True), "pad_token_id", None)
    for first in (0, *([] if padding is None else [padding + 1])):
        try:
            given = _logits(model, ids, position_ids=first + torch.arange(_PREFIX)[None])
        except (IndexError, RuntimeError):
            continue
        if _equal(model, given.softmax(-1), plain.softmax(-1)):
            return first
    return None


def _once(model: PreTrainedModel, question: str, tried: Callable) -> object:
    """The answer for a model with its settings as they are; a reason to refuse is an answer, too."""
    settings = repr((
        model.config.to_dict(), model.config._attn_implementation, model.dtype,
        [module.is_causal for module in model.modules() if hasattr(module, "is_causal")],
    ))  # fmt: skip
    if _known.get(model, {}).get("settings") != settings:
        _known[model] = {"settings": settings}
    known = _known[model]
    if question not in known:
        try:
            with torch.random.fork_rng(), torch.no_grad(), evaluation(model), refusing(model):
                _refuse_what_is_not_causal(model)
                known[question] = tried()
        except CaptureError as error:
            known[question] = CaptureError(model, error.why)  # without the frames, which hold the model
    if isinstance(known[question], CaptureError):
        raise CaptureError(model, known[question].why)
    return known[question]


def _refuse_what_is_not_causal(model: PreTrainedModel) -> None:
    """Raise :class:`CaptureError` if a later token changes what the model says at the tokens before."""
    if model.config.is_encoder_decoder:
        raise CaptureError(model, "it is an encoder-decoder, and this is for causal language models")
    ids = _tokens(model, 1, _PREFIX).expand(2, -1).clone()
    ids[1, -1] = ids[0, 0] if ids[0, 0] != ids[0, -1] else ids[0, 1]
    for name in {model.config._attn_implementation, "eager"}:
        with implementation(model, name):
            one, other = (_logits(model, row[None])[0].float() for row in ids)
        change = (one - other).abs().amax(dim=1)
        rounding = _HALF if model.dtype in HALVES else TOLERANCE
        if not change[:-1].max() <= rounding * change[-1]:
            raise CaptureError(model, "it is not causal: a later token changes what it says at earlier ones")


def _first_exact(model: PreTrainedModel, ways: Iterable, compare: Callable) -> object:
    """The first way that gives what the model gives itself; without one, why the first does not."""
    reasons = []
    for way in ways:
        try:
            with refusing(model), judging(model):
                got, want = compare(way)
                if got.shape == want.shape and _equal(model, got, want):
                    return way
            reasons.append("what is captured differs from its own eager attention")
        except CaptureError as error:
            reasons.append(error.why)
    raise CaptureError(
        model, reasons[0] if reasons else "its code has no AttentionInterface to look its attention up"
    )


def _equal(model: PreTrainedModel, got: Tensor, want: Tensor) -> bool:
    """Whether probabilities differ by no more than rounding."""
    difference = (got.float().cpu() - want.float().cpu()).abs()
    if model.dtype in HALVES:
        return bool(difference.sum() <= 2 * _HALF * want.float().sum().cpu())
    return bool(difference.max() <= TOLERANCE)


def _own(
    model: PreTrainedModel, ids: Int[Tensor, "batch tokens"], mask: Tensor | None = None
) -> tuple[Float[Tensor, "layers batch heads tokens"], Float[Tensor, "batch vocabulary"]]:
    """The model's own eager attention at the last real tokens, and log-probabilities of the next token."""
    device = model.get_input_embeddings().weight.device
    inputs = {"input_ids": ids.to(device), "output_attentions": True}
    if mask is not None:
        inputs["attention_mask"] = mask.long().to(device)
    with implementation(model, "eager"):
        found = model(**inputs)
    require_every_layer(model, getattr(found, "attentions", None))
    real = torch.ones_like(ids).bool() if mask is None else mask
    last = [int(row.nonzero().max()) for row in real]
    rows = [torch.stack([a[b, :, i].cpu() for b, i in enumerate(last)]) for a in found.attentions]
    if len({tuple(row.shape) for row in rows}) > 1:
        raise CaptureError(model, "its layers do not have equally many heads")
    logits = torch.stack([found.logits[b, i].cpu() for b, i in enumerate(last)])
    return torch.stack(rows) * real[None, :, None], logits.float().log_softmax(-1)


def _logits(model: PreTrainedModel, ids: Tensor, **inputs: Tensor) -> Tensor:
    device = model.get_input_embeddings().weight.device
    return model(input_ids=ids.to(device), **{k: v.to(device) for k, v in inputs.items()}).logits


def _usable(model: PreTrainedModel, ways: Iterable[str]) -> list[str]:
    """The ways that may work: without ``AttentionInterface`` in its code there is nothing to look up, and
    fused causal attention knows no windows."""
    works = {"interface": model._can_set_attn_implementation(), "sdpa": _by_position(model)}
    return [way for way in ways if works.get(way, True)]


def _by_position(model: PreTrainedModel) -> bool:
    """Whether nothing in the settings goes by a token's place in the batch, as windows and chunks do."""
    settings = model.config.get_text_config(decoder=True).to_dict()
    names = [
        name for name in settings if "window" in name or "attention_chunk" in name or name == "layer_types"
    ]
    local = any(settings[n] for n in names if n not in ("layer_types", "max_window_layers"))
    types = settings.get("layer_types") or ()
    return model._can_set_attn_implementation() and not local and {*types} <= {"full_attention"}


def _tokens(model: PreTrainedModel, batch: int, tokens: int, seed: int = 0) -> Int[Tensor, "batch tokens"]:
    """Random tokens without special ones, the same at each call."""
    config = model.config.get_text_config(decoder=True)
    special = {
        v for c in (model.config, config) for k, v in c.to_dict().items()
        if k.endswith(("token_id", "token_index")) and isinstance(v, int)
    }  # fmt: skip
    rows = min(model.get_input_embeddings().weight.shape[0], getattr(config, "vocab_size", None) or 10**9)
    ordinary = [i for i in range(min(rows, 2000)) if i not in special] or [0]
    choice = torch.randint(len(ordinary), (batch, tokens), generator=torch.Generator().manual_seed(seed))
    return torch.tensor(ordinary)[choice]
