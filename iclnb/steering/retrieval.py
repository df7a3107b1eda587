"""Which rows of a pool become a query's demonstrations, by how similar they are to it."""

import numpy as np
from jaxtyping import Float, Int

from iclnb.errors import IclnbError, unknown

STRATEGIES = ("random", "nearest", "farthest", "diverse")
"""Ways to choose; see :func:`choose`."""


def choose(
    similarity: Float[np.ndarray, "queries pool"],
    k: int,
    strategy: str,
    *,
    seed: int,
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
