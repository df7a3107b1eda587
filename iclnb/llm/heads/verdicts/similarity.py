"""Section 5.3: do the weights of a head follow prediction similarity?"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from iclnb import claims, stats
from iclnb.claims import Results
from iclnb.llm.heads import correlation
from iclnb.llm.heads.verdicts.rules import MARGIN, NULL_IS, beyond


def similarity(
    results: Results,
    weights: Mapping[str, Float[np.ndarray, "sets points layers heads k"]],
    similarities: Mapping[str, Mapping[str, Float[np.ndarray, "sets points k"]]],
    *,
    permutations: int,
    seed: int,
) -> dict[str, tuple[int, int]]:
    """Section 5.3: the weights of the best head against prediction similarity and its rivals.

    Args:
        results: where the claims go.
        weights: kernel weights on the ``selection`` and the ``evaluation`` points.
        similarities: for the same two, similarity by name; ``prediction`` is the paper's, the others are
            its rivals.
        permutations: size of the permutation null.
        seed: of null and intervals.

    Returns:
        The head that was chosen for each way to correlate, ``raw`` and ``query-dependent``.
    """
    chosen = {}
    for name, correlate in (("raw", correlation.pooled), ("query-dependent", correlation.query_dependent)):
        by_head = correlate(weights["selection"], similarities["selection"]["prediction"])
        head = chosen[name] = tuple(map(int, np.unravel_index(by_head.argmax(), by_head.shape)))
        own = weights["evaluation"][:, :, head[0], head[1]]
        found = correlation.interval(correlate, own, similarities["evaluation"]["prediction"], seed=seed)
        maxima = correlation.permuted_maxima(
            correlate, weights["evaluation"], similarities["evaluation"]["prediction"],
            permutations=permutations, seed=seed,
        )  # fmt: skip
        estimate, median = beyond(found, maxima)
        strict = name != "raw"
        results.claim(
            f"similarity-{name}", paper="A", section="5.3, stricter" if strict else "5.3",
            statement="The best head's weights correlate with prediction similarity"
            + (", in the part of both that changes with the query," if strict else "")
            + " more than the best of all heads' do with similarities of other test points.",
            criterion=claims.above(MARGIN), estimate=estimate, control=median, control_is=NULL_IS,
        )  # fmt: skip
    _rivals(results, own, similarities["evaluation"], seed)
    return chosen


def _rivals(
    results: Results,
    weights: Float[np.ndarray, "sets points k"],
    similarities: Mapping[str, Float[np.ndarray, "sets points k"]],
    seed: int,
) -> None:
    """Whether it is prediction similarity that the weights follow, or any other likeness of texts."""
    names = [name for name in similarities if name != "prediction"]
    correlate = correlation.query_dependent
    strongest = max(names, key=lambda name: float(correlate(weights, similarities[name])))

    def difference(a: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
        return float(correlate(a, ours) - correlate(a, theirs))

    both = similarities["prediction"], similarities[strongest]
    results.claim(
        "similarity-rivals", paper="A", section="5.3, stricter",
        statement="In the part that changes with the query, the best head's weights correlate with "
        f"prediction similarity more than with {strongest} similarity.",
        criterion=claims.above(MARGIN),
        estimate=stats.crossed_bootstrap(weights, *both, statistic=difference, seed=seed),
        control=float(correlate(weights, similarities[strongest])),
        control_is=f"correlation with {strongest} similarity",
    )  # fmt: skip
