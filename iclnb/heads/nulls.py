"""What a head has to beat: rules that do not look at the query, and heads whose labels were permuted."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from iclnb.heads.reconstruction import (
    Decisions,
    best_elsewhere,
    elsewhere,
    most_frequent_elsewhere,
    of_chosen,
    reconstruct,
)
from iclnb.llm.demonstrations import Seed
from iclnb.llm.kernel_weights import KernelWeights

MODAL: Final = "most frequent answer"
LAST: Final = "last label"
MAJORITY: Final = "majority of labels"
ORDER: Final = "order alone"
AVERAGED: Final = "weights averaged over queries"
PERMUTED: Final = "labels permuted"
RANDOM: Final = "random weights"

CONTROLS: Final = (MODAL, LAST, MAJORITY, ORDER, AVERAGED, PERMUTED)
"""Measured on the same model; a model with random weights is the one more."""

RECENCY: Final = np.round(np.arange(0.3, 1.0001, 0.05), 2)
"""Candidate factors λ of the kernel a_i = λ^(k-i), which knows the order of the demonstrations alone."""


def controls(
    weights: KernelWeights, decisions: Decisions, *, permutations: int, seed: Seed, variant: str = "maximum"
) -> Mapping[str, Float[np.ndarray, " *prompts"]]:
    """How often each of :data:`CONTROLS` gives the model's answer: 0 or 1 in each prompt, or a mean of these.

    What a control needs to choose it chooses on the other half of the test points, as heads are chosen.
    """
    k, (model, half) = weights.labels.shape[-1], (decisions.model, decisions.half)
    later = 0.5 ** np.arange(k + 1, 1, -1)  # less than a vote in all; breaks ties for the last label
    orders = [(_vote(weights, factor ** np.arange(k - 1, -1, -1.0)) == model) for factor in RECENCY]
    found = {
        MODAL: most_frequent_elsewhere(model, half) == model,
        LAST: weights.labels[..., -1] == model,
        MAJORITY: _vote(weights, 1 + later) == model,
        ORDER: _best(np.stack(orders, axis=-1)[..., None, :], decisions),
        AVERAGED: _averaged(weights, decisions, variant),
        PERMUTED: _permuted(weights, decisions, permutations, seed, variant),
    }
    return {name: np.broadcast_to(hits, model.shape).astype(float) for name, hits in found.items()}


def _vote(weights: KernelWeights, factors: Float[np.ndarray, " k"]) -> Int[np.ndarray, " *prompts"]:
    return np.einsum("...kc,k->...c", np.eye(weights.classes)[weights.labels], factors).argmax(-1)


def _best(hits: np.ndarray, decisions: Decisions) -> np.ndarray:
    """In every prompt the hit of what is best on the other half; ``hits`` are truth values.

    (*prompts, layers, heads) -> (*prompts)
    """
    return of_chosen(hits, decisions.half, best_elsewhere(hits, decisions.half, decisions.model.ndim))


def _averaged(weights: KernelWeights, decisions: Decisions, variant: str) -> np.ndarray:
    """Hits of the best head with weights averaged over the other half's queries.

    They know position and, under shared sets, the demonstration, but not the query.
    """
    own, half, axes = weights.weights[variant], decisions.half, decisions.model.ndim
    first, second = (part.mean(axes - 1, keepdims=True) for part in elsewhere(own, half, axes))
    fixed = np.where(half.reshape(-1, 1, 1, 1), second, first)
    decided = (reconstruct(fixed, weights.labels, weights.classes) - decisions.off).argmax(-1)
    return _best(decided == decisions.model[..., None, None], decisions)


def _permuted(
    weights: KernelWeights, decisions: Decisions, permutations: int, seed: Seed, variant: str
) -> np.ndarray:
    """Mean hits of a head chosen and judged with labels permuted among the demonstrations.

    Weights, label counts and the model's answers stay as they are; only which demonstration has which label is
    undone: in each fresh prompt anew, and under shared sets once for all test points, as if the set had been
    labelled otherwise.
    """
    rng, labels = np.random.default_rng(seed), weights.labels
    axes, k = decisions.model.ndim, labels.shape[-1]
    places = np.broadcast_to(np.arange(k), labels.shape)
    shares = reconstruct(weights.weights[variant], places, k)  # a_i / Σ a_i, whatever the labels
    one_hot = np.eye(weights.classes, dtype=shares.dtype)
    total = np.zeros(decisions.model.shape)
    for _ in range(permutations):
        drawn = labels.shape if axes == 1 else (labels.shape[0], 1, k)
        order = np.broadcast_to(rng.random(drawn).argsort(-1), labels.shape)
        shown = one_hot[np.take_along_axis(labels, order, -1)]
        decided = (shares @ shown[..., None, :, :] - decisions.off).argmax(-1)
        total += _best(decided == decisions.model[..., None, None], decisions)
    return total / max(permutations, 1)
