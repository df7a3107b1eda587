"""Attention heads as kernels: the weight that a head gives each demonstration (paper A, section 5.2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb.llm.prompts import Prompt

VARIANTS = ("maximum", "sum", "label")
"""How attention over a demonstration's tokens becomes one weight; the first is the paper's."""

Variant = Literal["maximum", "sum", "label"]


def kernel_weights(
    attention: Float[np.ndarray, "layers heads tokens"], prompt: Prompt, variant: Variant = "maximum"
) -> Float[np.ndarray, "layers heads k"]:
    """The weight a_i that each head's last-token attention gives to each demonstration.

    Args:
        attention: of the last token over the prompt's own tokens.
        prompt: with k demonstrations; the span of one reaches from x_i over the cue to y_i. The first token
            of the prompt, which draws attention whatever it says, belongs to none.
        variant: ``maximum`` or ``sum`` of the attention inside the span, or its maximum on the tokens of the
            label word alone.

    Raises:
        TypeError: if ``attention`` is no array of numpy.
        ValueError: if its shape does not fit the prompt, or there is no such variant.

    Source: paper A, section 5.2 (maximum).
    """
    _check(attention, prompt, variant)
    columns = []
    for x, y in zip(prompt.x, prompt.y, strict=True):
        if variant == "label":
            columns.append(attention[:, :, y.start : y.stop].max(-1))
        else:
            span = attention[:, :, max(1, x.start) : y.stop]
            columns.append(span.max(-1) if variant == "maximum" else span.sum(-1))
    return np.stack(columns, axis=-1)


def _check(attention: Any, prompt: Prompt, variant: str) -> None:
    if not isinstance(attention, np.ndarray):
        kind = type(attention).__name__
        raise TypeError(f"attention must be a numpy array, got a {kind}; tensor.cpu().numpy() makes one")
    if attention.ndim != 3 or attention.shape[-1] != len(prompt.input_ids):
        raise ValueError(
            f"attention has shape {attention.shape}; expected (layers, heads, {len(prompt.input_ids)}): of "
            "one prompt, over its own tokens without padding"
        )
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}; known: {', '.join(VARIANTS)}")
    if not prompt.y:
        raise ValueError("the prompt has no demonstrations, so there is nothing to weigh")


@dataclass(frozen=True)
class KernelWeights:
    """Prompts reduced to what the kernel view speaks of: a few numbers a head and demonstration, no tokens.

    ``prompts`` stands for one axis, or for two: demonstration sets and test points.

    Attributes:
        weights: a_i by variant, for each head. ``(*prompts, layers, heads, k)``
        labels: y_1 ... y_k. ``(*prompts, k)``
        answers: the model's log-probabilities of the label words. ``(*prompts, classes)``
        truth: the label of x_test. ``(*prompts)``
    """

    weights: dict[str, Float[np.ndarray, "*prompts layers heads k"]]
    labels: Int[np.ndarray, "*prompts k"]
    answers: Float[np.ndarray, "*prompts classes"]
    truth: Int[np.ndarray, " *prompts"]

    @property
    def classes(self) -> int:
        """How many label words there are."""
        return self.answers.shape[-1]

    def take(self, chosen: Bool[np.ndarray, " points"] | Int[np.ndarray, " points"]) -> "KernelWeights":
        """Some of the test points (the last axis of ``prompts``), with everything that belongs to them."""
        axis = self.truth.ndim - 1
        where = np.flatnonzero(chosen) if np.asarray(chosen).dtype == bool else chosen
        return self._changed(lambda part: part.take(where, axis))

    def reshaped(self, shape: tuple[int, ...]) -> "KernelWeights":
        """The same with other axes in the place of ``prompts``, as sets and points for one axis."""
        axes = self.truth.ndim
        return self._changed(lambda part: part.reshape(*shape, *part.shape[axes:]))

    def _changed(self, change: Callable[[np.ndarray], Any]) -> "KernelWeights":
        weights = {name: change(part) for name, part in self.weights.items()}
        return KernelWeights(weights, *map(change, (self.labels, self.answers, self.truth)))
