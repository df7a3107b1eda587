"""Section 5.3: do the weights of a head follow prediction similarity?"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from iclnb import claims, stats
from iclnb.claims import Results
from iclnb.heads import correlation
from iclnb.heads.kernel import Weighed, reconstruct
from iclnb.heads.verdicts.rules import MAP, MARGIN, NULL_IS, beyond


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
            correlate,
            weights["evaluation"],
            similarities["evaluation"]["prediction"],
            permutations=permutations,
            seed=seed,
        )
        estimate, median = beyond(found, maxima)
        strict = name != "raw"
        results.claim(
            f"similarity-{name}",
            paper="A",
            section="5.3, stricter" if strict else "5.3",
            statement="The best head's weights correlate with prediction similarity"
            + (", in the part of both that changes with the query," if strict else "")
            + " more than the best of all heads' do with similarities of other test points.",
            criterion=claims.above(MARGIN),
            evidence=claims.Evidence(estimate=estimate, control=median, control_is=NULL_IS),
        )
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
        "similarity-rivals",
        paper="A",
        section="5.3, stricter",
        statement="In the part that changes with the query, the best head's weights correlate with "
        f"prediction similarity more than with {strongest} similarity.",
        criterion=claims.above(MARGIN),
        evidence=claims.Evidence(
            estimate=stats.crossed_bootstrap(weights, *both, statistic=difference, seed=seed),
            control=float(correlate(weights, similarities[strongest])),
            control_is=f"correlation with {strongest} similarity",
        ),
    )


def same_map(
    results: Results,
    found: Weighed,
    similarities: Mapping[str, Mapping[str, Float[np.ndarray, "sets points k"]]],
    selecting: Bool[np.ndarray, " points"],
    *,
    seed: int,
) -> None:
    """Whether heads that agree with the model are those whose weights follow prediction similarity.

    The two maps are measured on different test points, so that no prompt speaks for both.

    Args:
        results: where the claims go.
        found: prompts over (sets, points).
        similarities: as in :func:`similarity`.
        selecting: the points on which agreement is measured; similarity is on the others.
        seed: of the intervals.
    """
    a, b = found.take(selecting), found.take(~selecting)
    hits = (
        reconstruct(a.weights["maximum"], a.labels, a.classes).argmax(-1)
        == a.said.argmax(-1)[..., None, None]
    )
    agreement = hits.mean(axis=(0, 1))
    weights, given = b.weights["maximum"], similarities["evaluation"]["prediction"]
    rng = np.random.default_rng(seed)
    for name, correlate in (("raw", correlation.pooled), ("query-dependent", correlation.query_dependent)):

        def resemble(w: np.ndarray, s: np.ndarray, correlate: correlation.Correlation = correlate) -> float:
            a, b = correlate(w, s).ravel(), agreement.ravel()
            return float(np.corrcoef(a, b)[0, 1]) if a.std() * b.std() > 0 else 0.0

        order = rng.random(given.shape[:2]).argsort(-1)
        blind = resemble(weights, np.take_along_axis(given, order[..., None], 1))
        results.claim(
            f"map-{name}",
            paper="A",
            section="5.3" if name == "raw" else "5.3, stricter",
            statement="Heads that agree with the model are heads whose weights correlate with prediction "
            "similarity" + ("" if name == "raw" else ", in the part that changes with the query") + ".",
            criterion=claims.above(MAP),
            evidence=claims.Evidence(
                estimate=stats.crossed_bootstrap(
                    weights, given, statistic=resemble, seed=seed, resamples=100
                ),
                control=blind,
                control_is="similarities of other test points",
            ),
        )
