"""Does the weight of a demonstration grow with its similarity to the query (paper A, section 5.3)?"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from iclnb.llm.demonstrations import Seed

Correlation = Callable[..., Float[np.ndarray, "*heads"]]


def pooled(
    weights: Float[np.ndarray, "sets points *heads k"], similarity: Float[np.ndarray, "sets points k"]
) -> Float[np.ndarray, "*heads"]:
    """Pearson's correlation of a_i and sim(x_test, x_i) over all prompts and demonstrations, as in the paper.

    It also counts what has nothing to do with the query: a demonstration near the end draws attention, and a
    text whose next token is easily predicted is like all others.
    """
    return _pearson(*_aligned(weights, similarity))


def query_dependent(
    weights: Float[np.ndarray, "sets points *heads k"], similarity: Float[np.ndarray, "sets points k"]
) -> Float[np.ndarray, "*heads"]:
    """The same correlation once every demonstration's mean over the test points of its set is taken off.

    What is left of a_i and of sim(x_test, x_i) changes with x_test alone. A kernel must have it; position
    and the demonstrations' own ways of drawing attention cannot give it.
    """
    both = _aligned(weights, similarity)
    return _pearson(*(part - part.mean(axis=1, keepdims=True) for part in both))


def permuted(
    correlation: Correlation,
    weights: Float[np.ndarray, "sets points layers heads k"],
    similarity: Float[np.ndarray, "sets points k"],
    *,
    permutations: int,
    seed: Seed,
) -> Float[np.ndarray, "permutations layers heads"]:
    """The correlation of every head when the test points of each set's similarities are permuted."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(permutations):
        order = rng.random(similarity.shape[:2]).argsort(-1)
        found.append(correlation(weights, np.take_along_axis(similarity, order[..., None], 1)))
    return np.stack(found)


def _aligned(weights: np.ndarray, similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 of shape (sets, points, k, *heads)."""
    weights = np.moveaxis(np.asarray(weights, dtype=float), -1, 2)
    extra = weights.ndim - similarity.ndim
    return weights, np.asarray(similarity, dtype=float).reshape(*similarity.shape, *[1] * extra)


def _pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Over the first three axes; 0 where one of them does not vary."""
    axes = (0, 1, 2)
    a, b = a - a.mean(axes), b - b.mean(axes)
    scale = np.sqrt(np.square(a).sum(axes) * np.square(b).sum(axes))
    return np.divide((a * b).sum(axes), scale, out=np.zeros_like(scale), where=scale > 0)
