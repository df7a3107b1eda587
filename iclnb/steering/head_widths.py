"""How the weights of the best heads fall with the distance of a demonstration from the query."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from iclnb.kernel_regression import kernel_regression
from iclnb.llm.depth import MIDDLE, layers_within
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.steering.study import Condition, Study


@dataclass(frozen=True)
class Widths:
    """Weights and distances of the test points that did not choose the heads, by strategy of retrieval.

    Attributes:
        heads: layer and number of the heads chosen, best first.
        weights: a_i, the largest attention of the last token inside demonstration i. (points, heads, k)
        distance: d_i of the same demonstrations. (points, heads, k)
        agreement: how often the best head's kernel regression gives the model's answer.
        last_label: how often the last demonstration's label is the model's answer.
    """

    heads: tuple[tuple[int, int], ...]
    weights: Mapping[str, Float[np.ndarray, "points heads k"]]
    distance: Mapping[str, Float[np.ndarray, "points heads k"]]
    agreement: float
    last_label: float


def agreement(found: KernelWeights) -> Bool[np.ndarray, "points layers heads"]:
    """Where a head's kernel regression ỹ gives the model's own answer ŷ (paper A, section 5.2)."""
    labels = found.labels[:, None, None, :]
    answered = kernel_regression(found.weights["maximum"], labels, found.classes).argmax(-1)
    return answered == found.answers.argmax(-1)[:, None, None]


def measure(study: Study, conditions: Mapping[str, Condition], heads: int, *, seed: int) -> Widths:
    """Choose heads on half of the test points, by agreement; keep their weights on the other half.

    Args:
        study: measures.
        conditions: by strategy, with fresh demonstrations.
        heads: how many; of the middle layers, as the paper's.
        seed: of the halves.
    """
    found = {name: study.kernel_weights(condition) for name, condition in conditions.items()}
    choosing = np.zeros(study.points, dtype=bool)
    choosing[np.random.default_rng(seed).permutation(study.points)[: round(study.points / 2)]] = True
    agreed = {name: agreement(weights) for name, weights in found.items()}
    best = best_heads(np.mean([hits[choosing].mean(0) for hits in agreed.values()], axis=0), heads)
    layers, numbers = np.transpose(best)
    kept = {name: w.weights["maximum"][~choosing][:, layers, numbers] for name, w in found.items()}
    distance = {name: study.distances(condition)[~choosing] for name, condition in conditions.items()}
    last = [w.labels[:, -1] == w.answers.argmax(-1) for w in found.values()]
    return Widths(
        heads=best,
        weights={name: weights.astype(float) for name, weights in kept.items()},
        distance={name: np.broadcast_to(distance[name][:, None], kept[name].shape) for name in kept},
        agreement=float(np.mean([hits[~choosing][:, layers[0], numbers[0]] for hits in agreed.values()])),
        last_label=float(np.mean([hits[~choosing] for hits in last])),
    )


def best_heads(score: Float[np.ndarray, "layers heads"], count: int) -> tuple[tuple[int, int], ...]:
    """The heads of the middle layers with the largest scores (ties: the earlier head)."""
    within = np.full(score.shape, -np.inf)
    middle = layers_within(len(score), MIDDLE)
    within[middle] = score[middle]
    order = np.argsort(-within, axis=None, kind="stable")[:count]
    return tuple(divmod(int(index), score.shape[1]) for index in order)


def permuted(weights: Float[np.ndarray, "*prompts k"], *, seed: int) -> Float[np.ndarray, "*prompts k"]:
    """The null: weights that change places at random inside each prompt."""
    return np.random.default_rng(seed).permuted(weights, axis=-1)
