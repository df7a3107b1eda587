"""Choice of demonstrations, against a loop over sets, an optimal assignment and scikit-learn."""

from collections import Counter

import numpy as np
import pytest
from scipy import optimize
from sklearn.neighbors import NearestNeighbors

from iclnb.errors import IclnbError
from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Format, Task
from iclnb.llm.demonstrations import Demonstrations
from iclnb.steering import retrieval
from iclnb.steering.retrieval import Retrieved, Similarity
from iclnb.steering.study import Study, Texts

RNG = np.random.default_rng(0)
POOL, QUERIES = RNG.normal(size=(30, 5)), RNG.normal(size=(7, 5))
POOL /= np.linalg.norm(POOL, axis=1, keepdims=True)
QUERIES /= np.linalg.norm(QUERIES, axis=1, keepdims=True)
COSINE, AMONG = QUERIES @ POOL.T, POOL @ POOL.T
LABELS = np.arange(30) % 2


def as_sets(chosen):
    return [set(row) for row in chosen.tolist()]


def test_without_limits_nearest_and_farthest_are_scikit_learns():
    for strategy, points in (("nearest", QUERIES), ("farthest", -QUERIES)):
        expected = NearestNeighbors(n_neighbors=4).fit(POOL).kneighbors(points, return_distance=False)
        assert as_sets(retrieval.choose(COSINE, 4, strategy, seed=0)) == as_sets(expected)


@pytest.mark.parametrize("strategy", retrieval.STRATEGIES)
@pytest.mark.parametrize("most", [1, 2, 7])
def test_no_row_stands_in_more_prompts_and_labels_are_balanced(strategy, most):
    given = {"labels": LABELS, "most": most, "among": AMONG, "seed": 1}
    chosen = retrieval.choose(COSINE, 4, strategy, **given)
    assert max(Counter(chosen.ravel().tolist()).values()) <= most
    assert all(len(row) == 4 for row in as_sets(chosen))
    assert (LABELS[chosen].sum(1) == 2).all()
    odd = retrieval.choose(COSINE, 3, strategy, **given)
    assert set(LABELS[odd].sum(1)) == {1, 2}


def test_each_label_gives_its_nearest_rows():
    chosen = retrieval.choose(COSINE, 6, "nearest", labels=LABELS, seed=2)
    for label in (0, 1):
        rows = np.flatnonzero(label == LABELS)
        nearest = NearestNeighbors(n_neighbors=3).fit(POOL[rows]).kneighbors(QUERIES, return_distance=False)
        ours = [set(row[LABELS[row] == label].tolist()) for row in chosen]
        assert ours == as_sets(rows[nearest])


def test_a_row_passed_over_was_full():
    """Nobody could have had a nearer row that stands in fewer prompts than allowed."""
    chosen = retrieval.choose(COSINE, 4, "nearest", labels=LABELS, most=2, seed=3)
    counts = Counter(chosen.ravel().tolist())
    passed = 0
    for query, row in enumerate(chosen.tolist()):
        for label in (0, 1):
            worst = min(COSINE[query, i] for i in row if LABELS[i] == label)
            for i in range(30):
                if LABELS[i] == label and i not in row and COSINE[query, i] > worst:
                    passed += 1
                    assert counts[i] == 2
    assert passed


def test_rounds_come_close_to_the_best_assignment():
    """One row each, no row twice: the greedy rounds lose little against the Hungarian algorithm."""
    rng, totals = np.random.default_rng(1), []
    for seed in range(20):
        table = rng.random((6, 12))
        greedy = retrieval.choose(table, 1, "nearest", most=1, seed=seed)
        best = table[optimize.linear_sum_assignment(-table)].sum()
        totals.append(np.take_along_axis(table, greedy, 1).sum() / best)
        assert totals[-1] <= 1 + 1e-12
    assert np.mean(totals) > 0.9


def test_nobody_is_always_last():
    """The best row, which only one may have, goes to each query about equally often."""
    table = np.tile([1.0, 0.5, 0.4, 0.3], (4, 1))
    firsts = [int((retrieval.choose(table, 1, "nearest", most=1, seed=s) == 0).argmax()) for s in range(400)]
    assert np.abs(np.bincount(firsts, minlength=4) - 100).max() < 4 * (400 * 0.25 * 0.75) ** 0.5


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


@pytest.mark.parametrize("relevance", [0.3, 0.5, 0.9])
def test_diverse_is_maximal_marginal_relevance(relevance):
    chosen = retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG, relevance=relevance)
    for query, row in enumerate(as_sets(chosen)):
        taken = []
        while len(taken) < 5:
            scores = {
                i: relevance * float(QUERIES[query] @ POOL[i])
                - (1 - relevance) * max((float(POOL[i] @ POOL[j]) for j in taken), default=0)
                for i in range(30)
                if i not in taken
            }
            taken.append(max(scores, key=scores.get))
        assert row == set(taken)


def test_diverse_without_weight_on_diversity_is_nearest_and_else_more_spread():
    nearest = retrieval.choose(COSINE, 5, "nearest", seed=0)
    assert as_sets(retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG, relevance=1)) == as_sets(
        nearest
    )
    spread = retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG)
    inside = [np.mean([AMONG[np.ix_(row, row)].mean() for row in chosen]) for chosen in (spread, nearest)]
    assert inside[0] < inside[1]


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(IclnbError, match="k = 31 demonstrations cannot be chosen from 30 rows for each of 7"):
        retrieval.choose(COSINE, 31, "nearest", seed=0)
    with pytest.raises(IclnbError, match=r"no row in more than 1; take a larger pool"):
        retrieval.choose(COSINE, 5, "nearest", most=1, seed=0)
    with pytest.raises(IclnbError, match=r"unknown strategy 'best'; known: diverse"):
        retrieval.choose(COSINE, 3, "best", seed=0)
    with pytest.raises(ValueError, match="among"):
        retrieval.choose(COSINE, 3, "diverse", seed=0)


def test_the_retrievers_own_similarity_is_the_kernel():
    task = Task("toy", ("text",), ("n", "p"), ("bad", "good"), {"only": Format(x="{text}", cue=":")})
    truth = np.arange(7) % 2
    study = Study(None, task, Texts([], POOL), LABELS, Texts([], QUERIES), truth, Bandwidth(0.7, 0.5))
    overlap = RNG.random((7, 30))
    alike = retrieval.by_embeddings(study) | {"BM25": Similarity(overlap, np.eye(30))}
    np.testing.assert_allclose(alike["MiniLM"].to_pool, COSINE)
    keys = [Retrieved("nearest", False, "BM25"), Retrieved("nearest")]
    found = retrieval.conditions(study, alike, keys, 4, most=3, seed=0)
    assert [key.name for key in keys] == ["nearest, BM25", "nearest"]
    for key, weights in zip(keys, (overlap, np.exp(-(1 - COSINE) / 0.7**2)), strict=True):
        shown, answers = found[key].shown, study.kernel_answers(found[key])
        for query, (row, labels) in enumerate(zip(shown.rows, shown.labels, strict=True)):
            assert (labels == LABELS[row]).all()
            votes = [sum(weights[query, i] for i in row if LABELS[i] == label) for label in (0, 1)]
            np.testing.assert_allclose(answers.probabilities[query], np.array(votes) / sum(votes))


def test_shares_by_hand():
    shown = Demonstrations(
        np.array([[0, 1], [1, 2], [3, 1], [4, 5]]), np.array([[0, 1], [1, 1], [0, 1], [0, 0]])
    )
    assert retrieval.commonest_row(shown) == pytest.approx(3 / 4)
    assert retrieval.own_label(shown, np.array([0, 1, 1, 0])) == pytest.approx(6 / 8)
