"""Choice of demonstrations, against brute force and scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from iclnb.errors import IclnbError
from iclnb.steering import retrieval

RNG = np.random.default_rng(0)
POOL, QUERIES = RNG.normal(size=(30, 5)), RNG.normal(size=(7, 5))
POOL /= np.linalg.norm(POOL, axis=1, keepdims=True)
QUERIES /= np.linalg.norm(QUERIES, axis=1, keepdims=True)
COSINE, AMONG = QUERIES @ POOL.T, POOL @ POOL.T


def as_sets(chosen):
    return [set(row) for row in chosen.tolist()]


def test_nearest_and_farthest_are_scikit_learns():
    for strategy, points in (("nearest", QUERIES), ("farthest", -QUERIES)):
        expected = NearestNeighbors(n_neighbors=4).fit(POOL).kneighbors(points, return_distance=False)
        assert as_sets(retrieval.choose(COSINE, 4, strategy, seed=0)) == as_sets(expected)


def test_order_is_independent_of_similarity():
    """The nearest demonstration stands at every place about equally often."""
    chosen = retrieval.choose(np.tile(COSINE, (200, 1)), 4, "nearest", seed=0)
    place = (chosen == np.tile(COSINE, (200, 1)).argmax(1)[:, None]).argmax(1)
    counts = np.bincount(place, minlength=4)
    assert np.abs(counts - 350).max() < 4 * (1400 * 0.25 * 0.75) ** 0.5


def test_random_ignores_similarity_and_never_repeats():
    chosen = retrieval.choose(np.zeros((4000, 6)), 3, "random", seed=3)
    assert all(len(row) == 3 for row in as_sets(chosen))
    counts = np.bincount(chosen.ravel(), minlength=6)
    assert np.abs(counts - 2000).max() < 4 * (12_000 / 6) ** 0.5
    again = retrieval.choose(np.ones((4000, 6)), 3, "random", seed=3)
    assert (chosen == again).all()
    assert (chosen != retrieval.choose(np.zeros((4000, 6)), 3, "random", seed=4)).any()


@pytest.mark.parametrize("balance", [0.3, 0.5, 0.9])
def test_diverse_is_maximal_marginal_relevance(balance):
    chosen = retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG, balance=balance)
    for query, row in enumerate(as_sets(chosen)):
        taken = []
        while len(taken) < 5:
            scores = {
                i: balance * float(QUERIES[query] @ POOL[i])
                - (1 - balance) * max((float(POOL[i] @ POOL[j]) for j in taken), default=0)
                for i in range(30)
                if i not in taken
            }
            taken.append(max(scores, key=scores.get))
        assert row == set(taken)


def test_diverse_without_weight_on_diversity_is_nearest_and_else_more_spread():
    nearest = retrieval.choose(COSINE, 5, "nearest", seed=0)
    assert as_sets(retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG, balance=1)) == as_sets(nearest)
    spread = retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG)
    inside = [np.mean([AMONG[np.ix_(row, row)].mean() for row in chosen]) for chosen in (spread, nearest)]
    assert inside[0] < inside[1]


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(IclnbError, match="31 demonstrations cannot be chosen from 30 rows"):
        retrieval.choose(COSINE, 31, "nearest", seed=0)
    with pytest.raises(IclnbError, match=r"unknown strategy 'best'; known: diverse"):
        retrieval.choose(COSINE, 3, "best", seed=0)
    with pytest.raises(ValueError, match="among"):
        retrieval.choose(COSINE, 3, "diverse", seed=0)
