"""Reconstruction, choices across halves, controls and correlations against loops and exact enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from iclnb.heads import correlation, nulls, reconstruction
from iclnb.heads.correlation import POOLED, QUERY_DEPENDENT
from iclnb.heads.material import halves
from iclnb.heads.reconstruction import decide
from iclnb.llm.kernel_weights import KernelWeights

pytestmark = pytest.mark.tiny


def weighed(lead, *, layers=2, heads=3, k=5, classes=2, seed=0, planted=None):
    """Random weights and answers; the planted head's reconstruction is the model's answer."""
    rng = np.random.default_rng(seed)
    weights = (rng.random((*lead, layers, heads, k)) ** 6).astype(np.float32)  # few count
    labels = rng.integers(classes, size=(*lead, k))
    said = np.log(rng.dirichlet(np.ones(classes), size=lead))
    if planted is not None:
        shares = reconstruction.reconstruct(weights, labels, classes)
        said = np.log(shares[..., planted[0], planted[1], :] + 1e-9)
    return KernelWeights({"maximum": weights}, labels, said, rng.integers(classes, size=lead))


def test_the_prior_of_two_classes_is_the_median_log_odds_of_the_other_half():
    said, half = np.log(np.random.default_rng(0).dirichlet([5, 1], size=41)), halves(41, seed=0)
    off = reconstruction.prior(said, half, 1)
    odds = said[:, 1] - said[:, 0]
    for point in range(41):
        median = np.median(odds[half != half[point]])
        assert off[point, 1] - off[point, 0] == pytest.approx(median)


def sides(lead, half):
    """Every prompt with the prompts of the other half."""
    for index in np.ndindex(*lead):
        yield index, [other for other in np.ndindex(*lead) if half[other[-1]] != half[index[-1]]]


@pytest.mark.parametrize("lead", [(30,), (3, 12)])
def test_heads_are_chosen_on_the_other_half(lead):
    found, half = weighed(lead, seed=1), halves(lead[-1], seed=1)
    decided = decide(found, half)
    shares = reconstruction.reconstruct(found.weights["maximum"], found.labels, 2)
    answers, truth = found.answers.argmax(-1), found.truth
    best = {}
    for index, others in sides(lead, half):
        agree = {
            (layer, head): np.mean([shares[o][layer, head].argmax() == answers[o] for o in others])
            for layer, head in itertools.product(range(2), range(3))
        }
        layer, head = max(agree, key=agree.get)
        assert decided.chosen[int(half[index[-1]])] == (layer, head)
        said = shares[index][layer, head].argmax()
        assert decided.hit[index] == (said == answers[index])
        label = np.bincount([truth[o] for o in others]).argmax()
        expected = [answers[index] == truth[index], said == truth[index], label == truth[index]]
        assert decided.right[(slice(None), *index)].tolist() == expected
        for layer in range(2):
            top = max(range(3), key=lambda head, layer=layer: agree[layer, head])
            best[(*index, layer)] = shares[index][layer, top].argmax() == answers[index]
    by_layer = reconstruction.best_of_layers(decided)
    assert all(by_layer[place] == hit for place, hit in best.items())


@pytest.mark.parametrize("lead", [(16,), (2, 10)])
def test_rules_that_do_not_look_at_the_query(lead):
    found, half = weighed(lead, seed=2), halves(lead[-1], seed=0)
    decided = decide(found, half)
    got = nulls.controls(found, decided, permutations=2, seed=0)
    weights, labels, answers = found.weights["maximum"], found.labels, found.answers.argmax(-1)

    def vote(index, factors):
        ahead = sum(f * (2 * y - 1) for f, y in zip(factors, labels[index], strict=True))
        return int(ahead > 0)

    for index, others in sides(lead, half):
        modal = np.bincount([answers[o] for o in others]).argmax()
        assert got[nulls.MODAL][index] == (modal == answers[index])
        assert got[nulls.LAST][index] == (labels[index][-1] == answers[index])
        assert got[nulls.MAJORITY][index] == (int(labels[index].sum() > 2.5) == answers[index])
        orders = [[factor ** (4 - i) for i in range(5)] for factor in nulls.RECENCY]
        right = [np.mean([vote(o, order) == answers[o] for o in others]) for order in orders]
        assert got[nulls.ORDER][index] == (vote(index, orders[int(np.argmax(right))]) == answers[index])
        averaged = {}  # weights averaged over the other half, judged where they are not averaged
        for layer, head in itertools.product(range(2), range(3)):

            def mean(i, layer=layer, head=head):
                rows = [o for o in np.ndindex(*lead) if half[o[-1]] != half[i[-1]] and o[:-1] == i[:-1]]
                return np.mean([weights[o][layer, head] for o in rows], axis=0)

            averaged[layer, head] = (
                np.mean([vote(o, mean(o)) == answers[o] for o in others]),
                vote(index, mean(index)),
            )
        _, said = max(averaged.values(), key=lambda pair: pair[0])
        assert got[nulls.AVERAGED][index] == (said == answers[index])


def test_ties_of_the_majority_go_to_the_last_label():
    found, half = weighed((40,), k=4, seed=3), halves(40, seed=0)
    got = nulls.controls(found, decide(found, half), permutations=1, seed=0)
    tied = found.labels.sum(-1) == 2
    np.testing.assert_array_equal(got[nulls.MAJORITY][tied], got[nulls.LAST][tied])
    assert tied.sum() > 5


def test_permuted_labels_average_over_all_orders():
    """One head, k = 3: every order of the labels counted; under sets all points of a set have one order."""
    found, half = weighed((2,), layers=1, heads=1, k=3, seed=4), np.array([False, True])
    found.labels[:] = [[0, 0, 1], [0, 1, 1]]
    answers = found.answers.argmax(-1)
    got = nulls.controls(found, decide(found, half), permutations=3000, seed=0)[nulls.PERMUTED]
    for i in range(2):
        weights = found.weights["maximum"][i, 0, 0]
        orders = set(itertools.permutations(found.labels[i].tolist()))
        hits = [
            (sum(w * y for w, y in zip(weights, o, strict=True)) > weights.sum() / 2) == answers[i]
            for o in orders
        ]
        assert got[i] == pytest.approx(np.mean(hits), abs=0.03)
    shared = weighed((3, 6), layers=1, heads=1)
    shared.weights["maximum"][:] = shared.weights["maximum"][:, :1]
    shared.labels[:] = shared.labels[:, :1]
    shared.answers[:] = shared.answers[:1, :1]
    once = nulls.controls(shared, decide(shared, halves(6, seed=0)), permutations=1, seed=0)[nulls.PERMUTED]
    assert all(len(set(row)) == 1 for row in once.tolist())


def test_halves_are_even_from_the_start_on():
    for seed in range(5):
        half = halves(31, seed=seed)
        assert all(abs(half[:n].sum() - n / 2) <= 1 for n in range(32))
    assert len({tuple(halves(10, seed=seed)) for seed in range(20)}) > 10


def test_pooled_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    weights, likeness = rng.random((2, 7, 3, 4, 5)), rng.random((2, 7, 5))
    got = correlation.correlations(weights, likeness, POOLED)
    for layer, head in itertools.product(range(3), range(4)):
        want = scipy_stats.pearsonr(weights[:, :, layer, head].ravel(), likeness.ravel()).statistic
        assert got[layer, head] == pytest.approx(want)
    assert correlation.correlations(np.ones((2, 7, 1, 1, 5)), likeness, POOLED) == 0


def test_query_dependent_correlation_ignores_position_and_finds_a_kernel():
    rng = np.random.default_rng(1)
    query, text = rng.normal(size=(1, 40, 1, 4)), rng.normal(size=(2, 1, 6, 4))
    likeness = (query * text).sum(-1) + 3 * np.arange(6)
    positional = np.broadcast_to(np.arange(6.0), (2, 40, 6)) + 0.1 * rng.normal(size=(2, 40, 6))
    heads = np.stack([positional, likeness**2, (query * text).sum(-1)], axis=2)[:, :, None]
    naive, strict = (correlation.correlations(heads, likeness, way)[0] for way in (POOLED, QUERY_DEPENDENT))
    assert naive[0] > 0.8 and abs(strict[0]) < 0.15 and strict[2] == pytest.approx(1)
    half = halves(40, seed=0)
    assert correlation.most_alike(heads, likeness, half, QUERY_DEPENDENT) == ((0, 2), (0, 2))
    chance = correlation.permuted(heads, likeness, half, QUERY_DEPENDENT, permutations=40, seed=0)
    assert abs(chance.mean()) < 0.2 < 0.8 < strict[2]


@pytest.mark.parametrize("way", [POOLED, QUERY_DEPENDENT])
def test_products_of_prompts_add_up_to_the_correlation(way):
    rng = np.random.default_rng(2)
    weights, likeness, half = rng.random((3, 10, 2, 2, 4)), rng.random((3, 10, 4)), halves(10, seed=0)
    heads = ((0, 1), (1, 0))
    ab, aa, bb = correlation.judged(weights, {"own": likeness}, heads, half, way)[0]
    for side, (layer, head) in zip((False, True), heads, strict=True):
        a, b = weights[:, half == side, layer, head], likeness[:, half == side]
        if way == QUERY_DEPENDENT:
            a, b = (part - part.mean(1, keepdims=True) for part in (a, b))
        mine = [part[:, half == side].sum() for part in (ab, aa, bb)]
        want = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        assert mine[0] / np.sqrt(mine[1] * mine[2]) == pytest.approx(want)
    blocks = correlation.in_blocks(weights, likeness, way, 5)
    own = correlation.correlations(weights[1:2, 4:6], likeness[1:2, 4:6], way)
    np.testing.assert_allclose(blocks[1, 2], own)


def test_permuted_similarities_are_those_of_other_test_points_of_the_half():
    """With all of a half's test points alike there is nothing to permute; the choice crosses the halves."""
    rng = np.random.default_rng(3)
    weights, half = rng.random((2, 8, 2, 2, 5)), halves(8, seed=0)
    likeness = np.broadcast_to(rng.random((2, 1, 5)), (2, 8, 5))
    got = correlation.permuted(weights, likeness, half, POOLED, permutations=3, seed=0)
    parts = [
        correlation.correlations(weights[:, half == s], likeness[:, half == s], POOLED).ravel()
        for s in (0, 1)
    ]
    want = (parts[0][parts[1].argmax()] + parts[1][parts[0].argmax()]) / 2
    np.testing.assert_allclose(got, want)
