"""The answers of heads beside the model's (paper A, section 5.2), chosen on one half of the test points.

What is chosen (a head, a prior, a factor) on one half is judged on the other, and the other way round, so that
every prompt judges and none judges what it chose.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from iclnb.kernel_regression import kernel_regression
from iclnb.llm.head_choice import Head
from iclnb.llm.kernel_weights import KernelWeights

MODEL: Final = "model"
CHOSEN: Final = "chosen head"
FREQUENT: Final = "most frequent label"
WHO: Final = (MODEL, CHOSEN, FREQUENT)  # Whose answers can be right

RAW, PRIOR_OFF = "as it is", "prior off"
PRIORS: Final = (RAW, PRIOR_OFF)
"""How answers are decided: on the scores as they are, or once the prior is taken off."""

Half = Bool[np.ndarray, " points"]


def reconstruct(
    weights: Float[np.ndarray, "*prompts layers heads k"], labels: Int[np.ndarray, "*prompts k"], classes: int
) -> Float[np.ndarray, "*prompts layers heads classes"]:
    """Each head's kernel regression Σ_i a_i e(y_i) / Σ_i a_i; its argmax is ỹ (paper A, section 5.2)."""
    return kernel_regression(weights, labels[..., None, None, :], classes)


@dataclass(frozen=True)
class Decisions:
    """The answers of a model and of all its heads to the same prompts."""

    heads: Int[np.ndarray, "*prompts layers heads"]  # ỹ of every head. (*prompts, layers, heads)
    model: Int[np.ndarray, " *prompts"]  # ŷ. (*prompts)
    truth: Int[np.ndarray, " *prompts"]  # the label of x_test. (*prompts)
    half: Half  # of the test points, the last axis of `prompts`
    # the prior that was taken off the heads' shares; 0 for none
    off: Float[np.ndarray, "points layers heads classes"] | float

    @property
    def hits(self) -> Bool[np.ndarray, "*prompts layers heads"]:
        """Where a head answers as the model does."""
        return self.heads == self.model[..., None, None]

    @property
    def chosen(self) -> tuple[Head, Head]:
        """For each half the head that agrees most with the model on the other."""
        return best_elsewhere(self.hits, self.half, self.model.ndim)

    @property
    def hit(self) -> Bool[np.ndarray, " *prompts"]:
        """Where the chosen head answers as the model does."""
        return of_chosen(self.hits, self.half, self.chosen)

    @property
    def right(self) -> Bool[np.ndarray, "who *prompts"]:
        """Where each of :data:`WHO` is right; the most frequent label is that of the other half."""
        frequent = most_frequent_elsewhere(self.truth, self.half)
        answers = (self.model, of_chosen(self.heads, self.half, self.chosen), frequent)
        return np.stack([np.broadcast_to(answer == self.truth, self.truth.shape) for answer in answers])


def decide(
    weights: KernelWeights, half: Half, *, prior_off: bool = False, variant: str = "maximum"
) -> Decisions:
    """The answers of a model and of its heads, with ``prior_off`` once their :func:`prior` is taken off."""
    shares = reconstruct(weights.weights[variant], weights.labels, weights.classes)
    scores, axes = (weights.answers, shares), weights.truth.ndim
    model_off, off = (prior(part, half, axes) if prior_off else 0.0 for part in scores)
    heads = (shares - off).argmax(-1).astype(np.int8)
    return Decisions(heads, (weights.answers - model_off).argmax(-1), weights.truth, half, off)


def elsewhere(values: np.ndarray, half: Half, axes: int) -> list[np.ndarray]:
    """For each half the values of the other one's test points, the last of the first ``axes`` axes."""
    return [np.compress(half != side, values, axes - 1) for side in (False, True)]


def prior(
    scores: Float[np.ndarray, "*axes classes"], half: Half, axes: int
) -> Float[np.ndarray, "points *columns classes"]:
    """What is answered before looking at the query: the median score over the prompts of the other half.

    Scores (log-probabilities, or shares of kernel weight) are centred over the classes first. With two classes,
    taking the median off puts the threshold at the median log-odds.

    The first ``axes`` of the scores are prompts.
    """
    parts = elsewhere(scores - scores.mean(-1, keepdims=True), half, axes)
    first, second = (np.median(part, axis=tuple(range(axes))) for part in parts)
    return np.where(half.reshape(-1, *[1] * first.ndim), second, first)


def best_head(values: Float[np.ndarray, "layers heads"]) -> Head:
    """The layer and head with the largest number (the first of equals); not-a-number never wins."""
    layer, head = np.unravel_index(np.nanargmax(values), values.shape)
    return int(layer), int(head)


def best_elsewhere(
    hits: Shaped[np.ndarray, "*prompts layers heads"], half: Half, axes: int
) -> tuple[Head, Head]:
    """For each half the head with the largest mean on the other."""
    first, second = (part.mean(tuple(range(axes))) for part in elsewhere(hits, half, axes))
    return best_head(first), best_head(second)


def most_frequent_elsewhere(answers: Int[np.ndarray, " *prompts"], half: Half) -> Int[np.ndarray, " points"]:
    """For every test point the most frequent answer on the other half."""
    first, second = (np.bincount(part.ravel()).argmax() for part in elsewhere(answers, half, answers.ndim))
    return np.where(half, second, first)


def of_chosen(
    values: Shaped[np.ndarray, "*prompts layers heads"],
    half: Bool[np.ndarray, "*#prompts"],
    heads: tuple[Head, Head],
) -> Shaped[np.ndarray, " *prompts"]:
    """In every prompt the value of the head that was chosen for its half."""
    return np.where(half, values[..., *heads[1]], values[..., *heads[0]])


def best_of_layers(decisions: Decisions) -> Bool[np.ndarray, "*prompts layers"]:
    """In every prompt and layer, whether the head agrees that is the layer's best on the other half."""
    hits, half, axes = decisions.hits, decisions.half, decisions.model.ndim
    layers = [hits[..., [layer], :] for layer in range(hits.shape[-2])]
    return np.stack([of_chosen(one, half, best_elsewhere(one, half, axes)) for one in layers], axis=-1)
