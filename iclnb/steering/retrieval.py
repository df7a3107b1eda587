"""Which rows of a pool become a query's demonstrations, by how similar they are to it."""

from collections.abc import Mapping, Sequence
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
    """How demonstrations were chosen: by which similarity, strategy, how many."""

    by: str
    strategy: str
    k: int


class Similarity(NamedTuple):
    """Of the test points with the pool, and of the pool's rows with each other."""

    to_pool: Float[np.ndarray, "points pool"]
    among: Float[np.ndarray, "pool pool"]


def similarities(study: Study) -> dict[str, Similarity]:
    """By sentence embeddings (cosine), by what the model predicts after each text alone, and by words.

    The second is P(o | x)ᵀ P(o | x_i) (paper A, section 5.3), the third lexical overlap (BM25).
    """
    rows, points = [*study.queries.rows, *study.pool.rows], study.points
    written = [study.task.format.x.format_map(row) for row in rows]
    predicted = study.reader.next_token_probabilities(written)
    words = joined(study.task, rows)
    vectors = study.pool.vectors
    return {
        EMBEDDINGS: Similarity(study.queries.vectors @ vectors.T, vectors @ vectors.T),
        PREDICTIONS: Similarity(
            predicted[:points] @ predicted[points:].T, predicted[points:] @ predicted[points:].T
        ),
        WORDS: Similarity(*(bm25(queries, words[points:]) for queries in (words[:points], words[points:]))),
    }


def conditions(
    study: Study,
    alike: Mapping[str, Similarity],
    k: int,
    *,
    ks: Sequence[int],
    others: Sequence[str],
    seed: Seed,
) -> dict[Retrieved, Condition]:
    """Fresh demonstrations for each test point.

    Args:
        study: gives the labels.
        alike: :func:`similarities`.
        k: of every strategy.
        ks: of random and nearest demonstrations (by embeddings), beside ``k``.
        others: strategies of the similarities other than embeddings.
        seed: of random choices and of the order.
    """
    keys = [
        Retrieved(EMBEDDINGS, strategy, count) for strategy in STRATEGIES[:2] for count in sorted({*ks, k})
    ]
    keys += [Retrieved(EMBEDDINGS, strategy, k) for strategy in STRATEGIES[2:]]
    keys += [Retrieved(by, strategy, k) for by in alike if by != EMBEDDINGS for strategy in others]
    found = {}
    for key in keys:
        to_pool, among = alike[key.by]
        chosen = choose(to_pool, key.k, key.strategy, seed=seed, among=among)
        found[key] = Condition(Demonstrations(chosen, study.labels[chosen]))
    return found


def choose(
    similarity: Float[np.ndarray, "queries pool"],
    k: int,
    strategy: str,
    *,
    seed: Seed,
    among: Float[np.ndarray, "pool pool"] | None = None,
    balance: float = 0.5,
) -> Int[np.ndarray, "queries k"]:
    """The demonstrations of each query, in an order that says nothing.

    Args:
        similarity: of each query with each row of the pool.
        k: demonstrations per query.
        strategy: one of :data:`STRATEGIES`: ``random`` (uniform, without replacement), ``nearest`` and
            ``farthest`` (ties: the earlier row), or ``diverse``: maximal marginal relevance, which takes one
            row after the other, each with the largest ``balance * similarity to the query - (1 - balance) *
            similarity to the most similar row taken before`` (Carbonell and Goldstein, SIGIR 1998).
        seed: seeds the random choice and the order of the demonstrations. The order is shuffled under every
            strategy, so that which rows are chosen and where they stand are not confounded.
        among: similarity of the pool's rows among themselves, on the same scale; for ``diverse`` only.
        balance: relevance against diversity; 1 is ``nearest``.

    Returns:
        Row numbers of the pool.

    Raises:
        IclnbError: if the strategy is unknown or the pool has fewer than ``k`` rows.
        ValueError: if ``diverse`` has no ``among``.
    """
    queries, pool = similarity.shape
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    if k > pool:
        raise IclnbError(f"k = {k} demonstrations cannot be chosen from {pool} rows; take a larger pool")
    rng = np.random.default_rng(seed)
    if strategy == "random":
        return np.stack([rng.choice(pool, size=k, replace=False) for _ in range(queries)])
    if strategy == "diverse":
        if among is None:
            raise ValueError("diverse demonstrations need the similarities among the pool's rows")
        chosen = np.stack([_diverse(row, among, k, balance) for row in similarity])
    else:
        sign = -1 if strategy == "nearest" else 1
        chosen = np.argsort(sign * similarity, axis=1, kind="stable")[:, :k]
    return rng.permuted(chosen, axis=1)


def _diverse(
    relevance: Float[np.ndarray, " pool"], among: Float[np.ndarray, "pool pool"], k: int, balance: float
) -> Int[np.ndarray, " k"]:
    """Maximal marginal relevance, greedy."""
    taken: list[int] = []
    closest = np.zeros(len(relevance))
    for _ in range(k):
        gain = balance * relevance - (1 - balance) * closest
        gain[taken] = -np.inf
        taken.append(int(gain.argmax()))
        nearest = among[taken[-1]]
        closest = np.maximum(closest, nearest) if len(taken) > 1 else nearest.astype(float)
    return np.array(taken)
