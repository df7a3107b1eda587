"""Half precision: fused attention is judged in float32, on the queries, keys and values a layer is given.

In half precision an architecture's eager attention rounds its scores. Where they are large (Qwen has large
biases), that changes probabilities by more than a tolerance for mistakes could allow: fused attention, which
keeps scores in float32, then differs from it by being closer to the truth. So a way to capture is tried with
eager attention in every layer; beside it, fused attention must give the same numbers as eager attention from
the same inputs in float32.

Logits are another matter. bfloat16 has eight bits: between 16 and 32, where the logits of label words lie, its
steps are 1/8, which is as much as a flipped label changes. So they can be had in float32 from the states in half
precision (:func:`logits_in_float32`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

HALVES = (torch.float16, torch.bfloat16)
TOLERANCE = 1e-4  # Largest difference of a probability that counts as rounding, in float32

_JUDGING: ContextVar[bool] = ContextVar("iclnb_judging", default=False)


@contextmanager
def judging(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block, and in half precision alone, layers that could attend fused are judged."""
    token = _JUDGING.set(model.dtype in HALVES)
    try:
        yield
    finally:
        _JUDGING.reset(token)


def is_judging() -> bool:
    """Whether fused attention is to be compared with eager attention now, and eager attention to be used."""
    return _JUDGING.get()


def require_equal(fused: Sequence[Tensor], eager: Sequence[Tensor]) -> None:
    """Raise ``TypeError`` unless both give the same outputs and probabilities up to float32's rounding."""
    for found, want in zip(fused, eager, strict=True):
        scale = max(1.0, float(want.abs().max()))
        if found.shape != want.shape or not (found - want).abs().max() <= TOLERANCE * scale:
            raise TypeError("fused attention gives other numbers than eager attention from the same inputs")


_ROWS = 8192  # Rows of the output embedding that are held in float32 at once


@contextmanager
def logits_in_float32(model: PreTrainedModel) -> Iterator[None]:
    """Inside the block a model in half precision applies its output embedding, and all behind it, in float32."""
    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear) or head.weight.dtype not in HALVES:
        yield
        return

    def again(module: torch.nn.Linear, arguments: tuple[Tensor, ...], _: Tensor) -> Tensor:
        states = arguments[0].float()
        logits = torch.cat([states @ rows.float().T for rows in module.weight.split(_ROWS)], dim=-1)
        return logits if module.bias is None else logits + module.bias.float()

    handle = head.register_forward_hook(again)
    try:
        yield
    finally:
        handle.remove()
