"""Choice of demonstrations, against scikit-learn and what chance gives."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from iclnb.llm.demonstrations import Demonstrations
from iclnb.steering import retrieval
from iclnb.steering.study import Texts

RNG = np.random.default_rng(0)
POOL, QUERIES = RNG.normal(size=(30, 5)), RNG.normal(size=(7, 5))
POOL /= np.linalg.norm(POOL, axis=1, keepdims=True)
QUERIES /= np.linalg.norm(QUERIES, axis=1, keepdims=True)
COSINE = QUERIES @ POOL.T
LABELS = np.arange(30) % 3


def nearest(similarity, k, *, most=1000, seed=0):
    return retrieval.nearest(similarity, np.zeros(similarity.shape[1], int), k, most=most, seed=seed).rows


def as_sets(chosen):
    return [set(row) for row in chosen.tolist()]


def test_without_limits_nearest_and_farthest_are_scikit_learns():
    for sign in (1, -1):
        expected = NearestNeighbors(n_neighbors=4).fit(POOL).kneighbors(sign * QUERIES, return_distance=False)
        assert as_sets(nearest(sign * COSINE, 4)) == as_sets(expected)
    shown = retrieval.nearest(COSINE, LABELS, 4, most=7, seed=0)
    assert (shown.labels == LABELS[shown.rows]).all()


def test_a_row_passed_over_was_full_and_none_is_shown_too_often():
    """Nobody could have had a nearer row that stands in fewer prompts than allowed."""
    chosen = nearest(COSINE, 4, most=2, seed=3)
    counts = Counter(chosen.ravel().tolist())
    assert max(counts.values()) <= 2 and all(len(row) == 4 for row in as_sets(chosen))
    passed = 0
    for query, row in enumerate(chosen.tolist()):
        worst = min(COSINE[query, i] for i in row)
        for i in set(range(30)) - set(row):
            if COSINE[query, i] > worst:
                passed += 1
                assert counts[i] == 2
    assert passed


def test_order_is_independent_of_similarity():
    """The nearest demonstration stands at every place about equally often."""
    table = np.tile(COSINE, (200, 1))
    place = (nearest(table, 4, most=10**6) == table.argmax(1)[:, None]).argmax(1)
    counts = np.bincount(place, minlength=4)
    assert np.abs(counts - 350).max() < 4 * (1400 * 0.25 * 0.75) ** 0.5


def test_random_rows_take_over_labels_and_their_places_and_nothing_else():
    wanted = RNG.integers(3, size=(1000, 4))
    shown = Demonstrations(np.zeros(wanted.shape, int), wanted)
    like = retrieval.with_labels_of(shown, LABELS, seed=0)
    assert (like.labels == wanted).all() and (LABELS[like.rows] == wanted).all()
    assert all(len(row) == 4 for row in as_sets(like.rows))
    counts = np.bincount(like.rows.ravel(), minlength=30)
    assert np.abs(counts - 4000 / 30).max() < 4.5 * (4000 / 30) ** 0.5
    assert (like.rows != retrieval.with_labels_of(shown, LABELS, seed=1).rows).any()


@pytest.mark.wrong_arguments  # a reader that gives known predictions, and no more
def test_similarities_are_by_embeddings_by_predictions_and_by_words(monkeypatch):
    """Predictions a block at a time are products of all of them at once."""
    monkeypatch.setattr(retrieval, "BLOCK", 4)
    predicted = {}

    def next_token_probabilities(texts):
        assert len(texts) <= 7
        return np.stack([predicted.setdefault(text, RNG.dirichlet(np.ones(9))) for text in texts])

    words = ["good film", "dull", "film"]
    pool, queries = (
        [{"text": f"{words[i % 3]} {name}{i}"} for i in range(n)] for name, n in (("p", 30), ("q", 7))
    )
    task = SimpleNamespace(inputs=("text",), format=SimpleNamespace(x="Review: {text}"))
    reader = SimpleNamespace(next_token_probabilities=next_token_probabilities)
    study = SimpleNamespace(task=task, reader=reader, pool=Texts(pool, POOL), queries=Texts(queries, QUERIES))
    found = retrieval.similarities(study)
    np.testing.assert_allclose(found["MiniLM"], COSINE)
    for q, p in ((0, 0), (6, 29), (3, 17)):
        one, other = (predicted[f"Review: {rows[i]['text']}"] for rows, i in ((queries, q), (pool, p)))
        assert np.isclose(found["prediction"][q, p], sum(one * other))
    assert found["BM25"][1, 1] > found["BM25"][1, 2] == 0
