"""What capturing attention needs of a 🤗 transformers model: its modes, masks and own eager attention."""

import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask
from transformers.models.llama import modeling_llama

from iclnb.llm.attention.refusals import CaptureError, layers

BLOCK = 128
"""Queries whose attention is computed at a time: the memory of a layer is BLOCK x tokens, not tokens²."""

ONE_AT_A_TIME = threading.RLock()
"""Held while a model's settings or hooks are changed: a second thread waits until they are as before."""


def accepted(module: torch.nn.Module, inputs: dict[str, object]) -> dict[str, object]:
    """The inputs that a module's ``forward`` has a parameter for."""
    names = inspect.signature(module.forward).parameters
    return {name: value for name, value in inputs.items() if name in names}


def body(model: PreTrainedModel) -> torch.nn.Module:
    """The model without its language-modelling head, where that part takes tokens by itself."""
    names = {*inspect.signature(model.base_model.forward).parameters}
    return model.base_model if "input_ids" in names and "decoder_input_ids" not in names else model


@contextmanager
def evaluation(model: PreTrainedModel) -> Iterator[None]:
    """No dropout inside the block; every module's mode as before afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def implementation(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Every configuration inside the model asks for attention ``name``; as before afterwards."""
    configs = {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}
    found = [c for c in configs.values() if hasattr(c, "_attn_implementation_internal")]
    before = [c._attn_implementation_internal for c in found]
    try:
        for config in found:
            config._attn_implementation_internal = name
        yield
    finally:
        for config, earlier in zip(found, before, strict=True):
            config._attn_implementation_internal = earlier


class BlockMask:
    """The attention mask of tokens² that a model asks for, made one block of queries at a time."""

    def __init__(self, **arguments: object):
        self.arguments = arguments

    def rows(self, start: int, stop: int, query: Tensor) -> Float[Tensor, "batch 1 queries tokens"]:
        """The additive mask (0 or the lowest number of the dtype) of queries ``start`` to ``stop``."""
        block = {"q_length": stop - start, "q_offset": start, "device": query.device, "dtype": query.dtype}
        return eager_mask(**(self.arguments | block))


@dataclass
class Pass:
    """One forward pass in which every layer attends as :meth:`attend` says."""

    # makes what layers are given as their mask of what a model says of the one it asks for
    mask: ClassVar[Callable] = BlockMask
    # for each layer that was reached what is kept of it, such as the last tokens' attention
    rows: dict[int, object] = field(default_factory=dict, kw_only=True)

    def attend(
        self,
        module: torch.nn.Module,
        query: Float[Tensor, "batch heads tokens dim"],
        key: Float[Tensor, "batch kv_heads tokens dim"],
        value: Float[Tensor, "batch kv_heads tokens value_dim"],
        mask: object,
        **settings: object,
    ) -> tuple[Float[Tensor, "batch tokens heads value_dim"], object]:
        """What the heads of a layer put out, and what is kept of it."""
        raise NotImplementedError


_ENTRY = "iclnb"
_CURRENT: ContextVar[Pass] = ContextVar("iclnb_pass")


def _attend(module: torch.nn.Module, *parts: object, **settings: object) -> tuple[Tensor, None]:
    current, layer = _CURRENT.get(), module.layer_idx
    if layer in current.rows:
        raise TypeError(f"layer {layer} attends twice")
    output, current.rows[layer] = current.attend(module, *parts, **settings)
    return output, None


AttentionInterface.register(_ENTRY, _attend)
AttentionMaskInterface.register(_ENTRY, lambda **arguments: _CURRENT.get().mask(**arguments))


@contextmanager
def attending(model: PreTrainedModel, current: Pass) -> Iterator[None]:
    """In the block's one forward pass every layer attends as ``current`` says, which keeps its rows.

    Raises CaptureError if the model treats attention or masks in its own way, or not every layer was reached.
    """
    token = _CURRENT.set(current)
    try:
        with implementation(model, _ENTRY):
            yield
    finally:
        _CURRENT.reset(token)
    if sorted(current.rows) != list(range(layers(model))):
        raise CaptureError(
            model, f"softmax attention was seen in layers {sorted(current.rows)} of {layers(model)}"
        )


def in_blocks(
    module: torch.nn.Module,
    query: Float[Tensor, "batch heads tokens dim"],
    key: Float[Tensor, "batch kv_heads tokens dim"],
    value: Float[Tensor, "batch kv_heads tokens value_dim"],
    mask: BlockMask,
    **settings: object,
) -> Iterator[
    tuple[int, Float[Tensor, "batch queries heads value_dim"], Float[Tensor, "batch heads queries tokens"]]
]:
    """The module's own eager attention by blocks of queries: first query, output, probabilities."""
    eager = eager_of(module)
    for start in range(0, query.shape[2], BLOCK):
        stop = min(start + BLOCK, query.shape[2])
        rows = mask.rows(start, stop, query)
        yield start, *eager(module, query[:, :, start:stop], key, value, rows, **settings)


def eager_of(module: torch.nn.Module) -> Callable:
    """The eager attention function of the architecture that ``module`` belongs to."""
    for cls in type(module).__mro__:
        eager = getattr(sys.modules[cls.__module__], "eager_attention_forward", None)
        if eager is not None:
            return eager
    raise TypeError(f"{type(module).__name__} has no eager_attention_forward beside it")


@cache
def is_common(eager: Callable) -> bool:
    """Whether an eager attention function is, to the letter, Llama's, which most architectures copy."""
    return inspect.getsource(eager) == inspect.getsource(modeling_llama.eager_attention_forward)


def checked_mask(input_ids: Tensor, attention_mask: Tensor | None) -> Bool[Tensor, "batch tokens"]:
    """Which tokens are real, all of them without a mask.

    Raises TypeError if one of them is no tensor; ValueError if the shapes do not fit, or a prompt is empty.
    """
    for name, ids in (("input_ids", input_ids), ("attention_mask", attention_mask)):
        if not isinstance(ids, Tensor) and (name == "input_ids" or ids is not None):
            raise TypeError(
                f"{name} must be a tensor of shape (batch, tokens), got a {type(ids).__name__}; of what a "
                f"tokeniser returns under return_tensors='pt', pass [{name!r}]"
            )
    if input_ids.ndim != 2 or 0 in input_ids.shape:
        raise ValueError(
            f"input_ids must be of shape (batch, tokens), none zero; got {tuple(input_ids.shape)}"
        )
    if attention_mask is None:
        return torch.ones_like(input_ids, dtype=torch.bool)
    if attention_mask.shape != input_ids.shape:
        expected, got = tuple(input_ids.shape), tuple(attention_mask.shape)
        raise ValueError(f"attention_mask must be of the shape of input_ids {expected}, got {got}")
    mask = attention_mask.to(input_ids.device).bool()
    if not mask.any(dim=1).all():
        raise ValueError("attention_mask leaves a prompt without a real token")
    return mask
