"""Does the weight of a demonstration grow with its similarity to the query (paper A, section 5.3)?

The paper correlates a_i with sim(x_test, x_i) over all prompts and demonstrations (*pooled*). That also counts
what has nothing to do with the query: a demonstration near the end draws attention, and a text whose next token is
easily predicted is like all others. *Query-dependent* is the correlation once every demonstration's mean over the
test points of its set is taken off both: what is left changes with x_test alone. A kernel must have it; position
cannot give it.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float

from iclnb.heads.reconstruction import Half, best_head
from iclnb.llm.head_choice import Head

POOLED: Final = "pooled"
QUERY_DEPENDENT: Final = "query-dependent"
WAYS: Final = (POOLED, QUERY_DEPENDENT)

Weights = Float[np.ndarray, "sets points *heads k"]
Likeness = Float[np.ndarray, "sets points k"]


def centred(values: Weights, way: str) -> Weights:
    """Values with their mean taken off: over everything, or of every demonstration over the test points."""
    axes = (0, 1, -1) if way == POOLED else (1,)
    return values - values.mean(axes, keepdims=True)


def correlations(weights: Weights, likeness: Likeness, way: str) -> Float[np.ndarray, " *heads"]:
    """Pearson's correlation of every head's weights with similarity; 0 where one of them does not vary."""
    a, b = (_flat(_unit(centred(part, way))) for part in (weights, likeness))
    return np.tensordot(a, b, axes=(0, 0))


def products(weights: Likeness, likeness: Likeness, way: str) -> Float[np.ndarray, "3 sets points"]:
    """What every prompt adds to Σab, Σa² and Σb² of one head's correlation, b the similarity; Σa² = Σb² = 1."""
    a, b = (_unit(centred(part, way)) for part in (weights, likeness))
    return np.stack([(a * b).sum(-1), (a * a).sum(-1), (b * b).sum(-1)])


def most_alike(weights: Weights, likeness: Likeness, half: Half, way: str) -> tuple[Head, Head]:
    """For each half the head whose weights correlate most with similarity on the other."""
    found = [correlations(weights[:, half != side], likeness[:, half != side], way) for side in (False, True)]
    return best_head(found[0]), best_head(found[1])


def judged(
    weights: Weights, compared: Mapping[str, Likeness], heads: tuple[Head, Head], half: Half, way: str
) -> Float[np.ndarray, "compared 3 sets points"]:
    """:func:`products` of the head chosen for each half, with several similarities."""
    found = np.zeros((len(compared), 3, *weights.shape[:2]))
    for side, head in zip((False, True), heads, strict=True):
        own = weights[:, half == side][:, :, *head]
        for place, likeness in enumerate(compared.values()):
            found[place][:, :, half == side] = products(own, likeness[:, half == side], way)
    return found


def in_blocks(
    weights: Weights, likeness: Likeness, way: str, groups: int
) -> Float[np.ndarray, "sets groups *heads"]:
    """:func:`correlations` in every set and group of neighbouring test points by itself."""
    parts = np.array_split(np.arange(weights.shape[1]), groups)
    return np.stack([
        [correlations(own[None, part], alike[None, part], way) for part in parts]
        for own, alike in zip(weights, likeness, strict=True)
    ])  # fmt: skip


def permuted(
    weights: Weights, likeness: Likeness, half: Half, way: str, *, permutations: int, seed: int
) -> Float[np.ndarray, " permutations"]:
    """What a head reaches that is chosen and judged with the similarities of other test points of its half."""
    rng, by_half = np.random.default_rng(seed), []
    for side in (False, True):
        part = likeness[:, half == side]
        orders = rng.random((permutations, *part.shape[:2])).argsort(-1)
        drawn = np.stack([np.take_along_axis(part, order[..., None], 1) for order in orders], axis=2)
        a, b = (_unit(centred(one, way)) for one in (weights[:, half == side], drawn))
        by_half.append(np.tensordot(_flat(b), _flat(a), axes=(0, 0)).reshape(permutations, -1))
    first, second = by_half
    rows = np.arange(permutations)
    return (first[rows, second.argmax(1)] + second[rows, first.argmax(1)]) / 2


def _flat(values: Weights) -> Float[np.ndarray, "pairs *heads"]:
    """Sets, points and k as one axis in front."""
    moved = np.moveaxis(values, -1, 2)
    return moved.reshape(-1, *moved.shape[3:])


def _unit(values: Weights) -> Weights:
    """Divided by the root of the sum of squares over all pairs; 0 where nothing varies."""
    axes = (0, 1, values.ndim - 1)
    scale = np.sqrt(np.square(values, dtype=float).sum(axes, keepdims=True))
    return np.divide(values, scale, out=np.zeros(values.shape), where=scale > 0)
