"""Which rows of a pool become a query's demonstrations, by how similar they are to it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from iclnb.errors import IclnbError, unknown
from iclnb.llm.demonstrations import Demonstrations, Seed
from iclnb.llm.similarity import bm25
from iclnb.steering.material import joined
from iclnb.steering.study import Condition, Study

STRATEGIES = ("random", "nearest", "farthest", "diverse")
"""Ways to choose; see :func:`choose`."""

EMBEDDINGS, PREDICTIONS, WORDS = "MiniLM", "prediction", "BM25"
"""Similarities to choose by; see :func:`similarities`."""


class Retrieved(NamedTuple):
    """How demonstrations were chosen.

    Attributes:
        strategy: one of :data:`STRATEGIES`.
        balanced: whether every prompt has as many of each label, or labels come as they fall.
        by: the similarity.
    """

    strategy: str
    balanced: bool = True
    by: str = EMBEDDINGS

    @property
    def name(self) -> str:
        """Strategy, and similarity if it is another than that of embeddings."""
        return self.strategy if self.by == EMBEDDINGS else f"{self.strategy}, {self.by}"


BOTH = tuple(Retrieved(strategy, balanced) for balanced in (True, False) for strategy in STRATEGIES[:3])
"""Random, nearest and farthest ones, with as many of each label, then with labels as they fall."""


class Similarity(NamedTuple):
    """Of the test points with the pool, and of the pool's rows with each other."""

    to_pool: Float[np.ndarray, "points pool"]
    among: Float[np.ndarray, "pool pool"]


def by_embeddings(study: Study) -> dict[str, Similarity]:
    """Cosine of sentence embeddings."""
    vectors = study.pool.vectors
    return {EMBEDDINGS: Similarity(study.queries.vectors @ vectors.T, vectors @ vectors.T)}


def similarities(study: Study) -> dict[str, Similarity]:
    """By sentence embeddings (cosine), by what the model predicts after each text alone, and by words.

    The second is P(o | x)ᵀ P(o | x_i) (paper A, section 5.3), the third lexical overlap (BM25).
    """
    rows, points = [*study.queries.rows, *study.pool.rows], study.points
    written = [study.task.format.x.format_map(row) for row in rows]
    predicted = study.reader.next_token_probabilities(written)
    words = joined(study.task, rows)
    return by_embeddings(study) | {
        PREDICTIONS: Similarity(
            predicted[:points] @ predicted[points:].T, predicted[points:] @ predicted[points:].T
        ),
        WORDS: Similarity(*(bm25(queries, words[points:]) for queries in (words[:points], words[points:]))),
    }


def conditions(
    study: Study,
    alike: Mapping[str, Similarity],
    keys: Iterable[Retrieved],
    k: int,
    *,
    most: int | None,
    seed: Seed,
) -> dict[Retrieved, Condition]:
    """Fresh demonstrations for each test point, with the retriever's own similarities as their kernel.

    With embeddings that is the study's Gaussian kernel, which rises with the cosine.

    Args:
        study: gives the labels.
        alike: similarities by name.
        keys: how to choose.
        k: demonstrations of each test point.
        most: prompts that a row may stand in.
        seed: of random choices and of the order.
    """
    found = {}
    for key in keys:
        to_pool, among = alike[key.by]
        labels = study.labels if key.balanced else None
        chosen = choose(to_pool, k, key.strategy, labels=labels, most=most, among=among, seed=seed)
        own = None if key.by == EMBEDDINGS else np.take_along_axis(to_pool, chosen, axis=1)
        found[key] = Condition(Demonstrations(chosen, study.labels[chosen]), similarity=own)
    return found


def choose(
    similarity: Float[np.ndarray, "queries pool"],
    k: int,
    strategy: str,
    *,
    labels: Int[np.ndarray, " pool"] | None = None,
    most: int | None = None,
    among: Float[np.ndarray, "pool pool"] | None = None,
    relevance: float = 0.5,
    seed: Seed,
) -> Int[np.ndarray, "queries k"]:
    """The demonstrations of each query, in an order that says nothing.

    In each of k rounds every query takes the best row that it may still have; the queries come in an order
    drawn anew for each round.

    Args:
        similarity: of each query with each row of the pool.
        k: demonstrations per query.
        strategy: what is best: any row (``random``), the ``nearest``, the ``farthest`` (ties: the earlier
            row), or for ``diverse`` maximal marginal relevance: ``relevance * similarity to the query - (1 -
            relevance) * similarity to the most similar row taken before`` (Carbonell and Goldstein, SIGIR
            1998).
        labels: of the pool; given, every query gets as many of each label (where k does not divide, which
            label has one more is drawn). ``None``: as they fall.
        most: queries that a row may be chosen for; ``None`` for any number.
        among: similarity of the pool's rows among themselves, on the same scale; for ``diverse`` only.
        relevance: relevance against diversity; 1 is ``nearest``.
        seed: of the random choice and all orders. The order of the demonstrations is shuffled under every
            strategy, so that which rows are chosen and where they stand are not confounded.

    Returns:
        Row numbers of the pool.

    Raises:
        IclnbError: if the strategy is unknown or the rows do not suffice.
        ValueError: if ``diverse`` has no ``among``.
    """
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    if strategy == "diverse" and among is None:
        raise ValueError("diverse demonstrations need the similarities among the pool's rows")
    (queries, pool), rng = similarity.shape, np.random.default_rng(seed)
    score = {"random": rng.random(similarity.shape), "farthest": -similarity}.get(strategy, similarity)
    classes = 1 if labels is None else int(labels.max()) + 1
    wanted = (np.arange(k) + rng.integers(classes, size=(queries, 1))) % classes
    used, chosen = np.zeros(pool, dtype=int), np.empty((queries, k), dtype=int)
    for turn in range(k):
        for query in rng.permutation(queries):
            taken = chosen[query, :turn]
            may = used < (queries if most is None else most)
            may[taken] = False
            if labels is not None:
                may &= labels == wanted[query, turn]
            if not may.any():
                raise IclnbError(_too_few(k, queries, pool, most))
            gain = score[query]
            if strategy == "diverse" and turn:
                gain = relevance * gain - (1 - relevance) * among[taken].max(0)
            row = np.where(may, gain, -np.inf).argmax()
            chosen[query, turn] = row
            used[row] += 1
    return rng.permuted(chosen, axis=1)


def _too_few(k: int, queries: int, pool: int, most: int | None) -> str:
    asked = f"k = {k} demonstrations cannot be chosen from {pool} rows for each of {queries} prompts"
    often = "" if most is None else f" with no row in more than {most}"
    return f"{asked}{often}; take a larger pool"


def commonest_row(shown: Demonstrations) -> float:
    """The share of the prompts that the row which stands in most of them stands in."""
    _, counts = np.unique(shown.rows, return_counts=True)
    return float(counts.max() * shown.k / shown.rows.size)


def own_label(shown: Demonstrations, truth: Int[np.ndarray, " points"]) -> float:
    """The share of the demonstrations that carry the label of their query."""
    return float((shown.labels == truth[:, None]).mean())
