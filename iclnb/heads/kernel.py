"""Attention heads as kernels: weights on demonstrations, and the answers they would give (paper A, 5.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from iclnb.kernel_regression import kernel_regression
from iclnb.llm.kernel_weights import Variant, kernel_weights
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Prompt
from iclnb.llm.reading import read


@dataclass(frozen=True)
class Weighed:
    """Prompts reduced to what the kernel view speaks of: 4 k numbers a head and prompt, no tokens.

    ``prompts`` stands for one axis, or for two: demonstration sets and test points.

    Attributes:
        weights: a_i by variant, for each head. (prompts, layers, heads, k)
        labels: y_1 ... y_k. (prompts, k)
        said: the model's log-probabilities of the label words. (prompts, classes)
        truth: the label of x_test. (prompts)
    """

    weights: dict[str, Float[np.ndarray, "*prompts layers heads k"]]
    labels: Int[np.ndarray, "*prompts k"]
    said: Float[np.ndarray, "*prompts classes"]
    truth: Int[np.ndarray, " *prompts"]

    @property
    def classes(self) -> int:
        """How many label words there are."""
        return self.said.shape[-1]

    def take(self, chosen: Bool[np.ndarray, " points"] | Int[np.ndarray, " points"]) -> "Weighed":
        """Some of the test points (the last axis of ``prompts``), with everything that belongs to them."""
        axis = self.truth.ndim - 1
        where = np.flatnonzero(chosen) if np.asarray(chosen).dtype == bool else chosen
        return Weighed(
            {name: found.take(where, axis) for name, found in self.weights.items()},
            *(found.take(where, axis) for found in (self.labels, self.said, self.truth)),
        )


def weigh(
    loaded: LoadedModel,
    prompts: Sequence[Prompt],
    truth: Sequence[int],
    tokens: Sequence[int],
    *,
    variants: Sequence[Variant] = ("maximum",),
    batch_size: int = 16,
) -> Weighed:
    """Read prompts and reduce each one's attention to kernel weights as it comes.

    Args:
        loaded: a model and its tokeniser.
        prompts: all with the same number k of demonstrations.
        truth: the label of each prompt's query.
        tokens: the label words' tokens (:func:`iclnb.llm.reading.label_tokens`).
        variants: which of :data:`VARIANTS` to keep.
        batch_size: queries per forward pass.
    """
    weights: dict[str, np.ndarray] = {}
    said = np.empty((len(prompts), len(tokens)))
    pad = loaded.tokenizer.pad_token_id
    for i, attention, log_probabilities in read(
        loaded.model, prompts, pad_token_id=pad, batch_size=batch_size
    ):
        said[i] = log_probabilities[list(tokens)]
        for variant in variants:
            found = kernel_weights(attention, prompts[i], variant)
            if variant not in weights:
                weights[variant] = np.empty((len(prompts), *found.shape), dtype=np.float32)
            weights[variant][i] = found
    return Weighed(weights, np.array([prompt.labels for prompt in prompts]), said, np.asarray(truth))


def weigh_sets(
    loaded: LoadedModel,
    sets: Sequence[Sequence[Prompt]],
    truth: Sequence[int],
    tokens: Sequence[int],
    **settings: object,
) -> Weighed:
    """:func:`weigh` for several demonstration sets over the same test points: (sets, points) in front."""
    flat = [prompt for prompts in sets for prompt in prompts]
    found = weigh(loaded, flat, list(truth) * len(sets), tokens, **settings)
    size = (len(sets), len(truth))

    def folded(array: np.ndarray) -> np.ndarray:
        return array.reshape(*size, *array.shape[1:])

    weights = {name: folded(array) for name, array in found.weights.items()}
    return Weighed(weights, folded(found.labels), folded(found.said), folded(found.truth))


def reconstruct(
    weights: Float[np.ndarray, "*prompts layers heads k"], labels: Int[np.ndarray, "*prompts k"], classes: int
) -> Float[np.ndarray, "*prompts layers heads classes"]:
    """Each head's kernel regression Σ_i a_i e(y_i) / Σ_i a_i; its argmax is ỹ (paper A, section 5.2)."""
    return kernel_regression(weights, labels[..., None, None, :], classes)


def prior(
    scores: Float[np.ndarray, "*prompts columns classes"], axes: tuple[int, ...]
) -> Float[np.ndarray, "columns classes"]:
    """What is said before looking at the query: the median over prompts of the scores, centred over classes.

    With two classes, taking it off puts the threshold at the median log-odds.

    Args:
        scores: log-probabilities, or shares of kernel weight.
        axes: the axes of ``prompts``.
    """
    return np.median(scores - scores.mean(-1, keepdims=True), axis=axes)
