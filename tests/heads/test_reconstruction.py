"""Reconstruction, priors and nulls against loops and exact enumeration."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats as scipy_stats

from iclnb import stats
from iclnb.heads import correlation, estimates, nulls, reconstruction
from iclnb.heads.material import split
from iclnb.heads.reconstruction import agree, over
from iclnb.llm.kernel_weights import KernelWeights

pytestmark = pytest.mark.tiny


def weighed(lead, *, layers=2, heads=3, k=5, classes=2, seed=0, planted=None):
    """Random weights and answers; the planted head's reconstruction is the model's answer."""
    rng = np.random.default_rng(seed)
    weights = (rng.random((*lead, layers, heads, k)) ** 6).astype(np.float32)  # few count
    labels = rng.integers(classes, size=(*lead, k))
    said = np.log(rng.dirichlet(np.ones(classes), size=lead))
    if planted is not None:
        said = np.log(nulls.reconstruct(weights, labels, classes)[..., planted[0], planted[1], :] + 1e-9)
    return KernelWeights({"maximum": weights}, labels, said, rng.integers(classes, size=lead))


@pytest.mark.parametrize("lead", [(7,), (2, 4)])
@pytest.mark.parametrize("classes", [2, 3])
def test_reconstruction_is_the_weighted_vote(lead, classes):
    found = weighed(lead, classes=classes)
    shares = nulls.reconstruct(found.weights["maximum"], found.labels, classes)
    for index in np.ndindex(*lead):
        for layer, head in itertools.product(range(2), range(3)):
            votes = Counter()
            for a, y in zip(found.weights["maximum"][index][layer, head], found.labels[index], strict=True):
                votes[int(y)] += Fraction(float(a))
            want = [float(votes[c] / sum(votes.values())) for c in range(classes)]
            np.testing.assert_allclose(shares[index][layer, head], want, atol=1e-6)


def test_the_prior_of_two_classes_is_the_median_log_odds():
    said = np.log(np.random.default_rng(0).dirichlet([5, 1], size=41))
    off = reconstruction.prior(said, (0,))
    odds = said[:, 1] - said[:, 0]
    assert off[1] - off[0] == pytest.approx(np.median(odds))
    assert (((said - off).argmax(-1) == 1) == (odds > np.median(odds))).all()


def test_permuted_maximum_has_the_exact_distribution():
    """One prompt, one head, k = 3: every order of the labels counted."""
    found = weighed((1,), layers=1, heads=1, k=3, seed=4)
    found.labels[:] = [[0, 0, 1]]
    weights = found.weights["maximum"][0, 0, 0]
    target = np.array([1])
    orders = list(itertools.permutations([0, 0, 1]))
    hit = [sum(w for w, y in zip(weights, o, strict=True) if y) > weights.sum() / 2 for o in orders]
    found.weights["maximum"][0, 0, 0] = weights = np.array([0.1, 0.2, 0.9], dtype=np.float32)
    hit = [sum(w for w, y in zip(weights, o, strict=True) if y) > weights.sum() / 2 for o in orders]
    maxima = nulls.permuted_agreement(found, target, permutations=4000, seed=0).max((1, 2))
    assert 0 < np.mean(hit) < 1
    assert maxima.mean() == pytest.approx(np.mean(hit), abs=0.03)


def test_the_null_chooses_a_head_as_the_procedure_does():
    """Oracle: loops over permutations; and it never exceeds the best of all heads."""
    found = weighed((3, 40), layers=3, heads=4, k=6)
    keep = split(40, 0.5, seed=0)
    got = agree(found, keep, permutations=12, seed=7)
    parts = found.take(keep), found.take(~keep)
    seeds = {"permuted": ((7, 1), 7, "prompt"), "permuted_sets": (7, 7, "set")}
    for name, (first, second, within) in seeds.items():
        agreement = []
        for part, seed in zip(parts, (first, second), strict=True):
            rng, rows = np.random.default_rng(seed), []
            for _ in range(12):
                sets, points, k = part.labels.shape
                order = rng.random((sets, points if within == "prompt" else 1, k)).argsort(-1)
                labels = np.take_along_axis(part.labels, np.broadcast_to(order, part.labels.shape), -1)
                ahead = (part.weights["maximum"] * (2 * labels - 1)[:, :, None, None]).sum(-1) > 0
                rows.append((ahead == part.answers.argmax(-1)[..., None, None]).mean((0, 1)))
            agreement.append(np.array(rows).reshape(12, -1))
        chosen = [judged[picked.argmax()] for picked, judged in zip(*agreement, strict=True)]
        reached = getattr(got, name)
        np.testing.assert_allclose(reached.chosen, chosen)
        np.testing.assert_allclose(reached.best, agreement[1].max(1))
        assert (reached.chosen <= reached.best).all() and (reached.chosen < reached.best).any()


def test_permuting_sets_is_the_same_for_all_points_of_a_set():
    """With the same weights on every test point a set's permutation moves all decisions together."""
    found = weighed((3, 6), layers=1, heads=1)
    found.weights["maximum"][:] = found.weights["maximum"][:, :1]
    found.labels[:] = found.labels[:, :1]
    target = np.zeros((3, 6), dtype=int)
    by_set = nulls.permuted_agreement(found, target, within="set", permutations=200, seed=0)[:, 0, 0]
    assert set(np.round(by_set * 3, 6)) <= {0.0, 1.0, 2.0, 3.0}
    by_prompt = nulls.permuted_agreement(found, target, within="prompt", permutations=200, seed=0)[:, 0, 0]
    assert len(set(np.round(by_prompt * 3, 6))) > 4


def test_blind_decisions():
    selection, evaluation = weighed((30,), seed=1), weighed((20,), seed=2)
    target = selection.labels[:, -1]
    found = nulls.blind(selection, target, evaluation)
    assert (found.last == evaluation.labels[:, -1]).all()
    assert found.factor <= 0.5  # then the last label alone decides
    assert (found.recency == evaluation.labels[:, -1]).all()
    for labels, decided in zip(evaluation.labels.tolist(), found.majority, strict=True):
        assert decided == int(sum(labels) > 2.5)
    even = weighed((50,), k=4, seed=3)
    ties = nulls.blind(even, even.labels[:, -1], even).majority[even.labels.sum(-1) == 2]
    assert (ties == even.labels[even.labels.sum(-1) == 2][:, -1]).mean() > 0.6


@pytest.mark.parametrize("lead", [(200,), (3, 80)])
@pytest.mark.parametrize("corrected", [False, True])
def test_a_planted_head_is_chosen_and_beats_every_null(lead, corrected):
    found = weighed(lead, layers=4, heads=5, k=8, planted=(2, 3))
    chosen = split(lead[-1], seed=0)
    assert chosen.sum() == round(0.7 * lead[-1])
    got = agree(found, chosen, corrected=corrected, permutations=30, seed=0)
    assert got.head == (2, 3) and got.best.mean() > 0.95 and got.best.shape[-1] == (~chosen).sum()
    assert got.permuted.best.max() < got.best.mean() and got.modal < 0.8
    assert len(got.rivals()) == 4 and all(hits.mean() < 0.85 for hits in got.rivals().values())
    assert (got.accuracy == (got.target == got.truth)).all()
    assert got.by_head(got.truth)[2, 3] == pytest.approx(got.performance.mean())
    assert got.best[got.against_last].mean() > np.nanmax(got.permuted_against.best)
    depth = estimates.best_depth(got, top=1, seed=0)
    assert depth.value == 2 / 4 and 0 <= depth.low <= 2 / 4 <= depth.high <= 1


def test_without_a_kernel_the_chosen_head_does_not_beat_the_permuted_maximum():
    found = weighed((3, 100), layers=4, heads=5, k=8)
    got = agree(found, split(100, seed=0), permutations=50, seed=0)
    assert got.best.mean() < np.quantile(got.permuted.best, 0.95)


def test_intervals_leave_out_what_was_not_chosen():
    values = np.array([1.0, 0, 1, 1, 0, 1])
    chosen = np.array([True, True, True, False, False, False])
    got = over(np.where(chosen, values, np.nan), seed=0)
    assert got.value == pytest.approx(2 / 3)
    crossed = over(np.where(np.tile(chosen, (3, 1)), np.tile(values, (3, 1)), np.nan), seed=0)
    assert crossed.value == pytest.approx(2 / 3) and crossed.low < crossed.value < crossed.high


def test_pooled_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    weights, similarity = rng.random((2, 7, 3, 4, 5)), rng.random((2, 7, 5))
    got = correlation.pooled(weights, similarity)
    for layer, head in itertools.product(range(3), range(4)):
        want = scipy_stats.pearsonr(weights[:, :, layer, head].ravel(), similarity.ravel()).statistic
        assert got[layer, head] == pytest.approx(want)


def test_query_dependent_correlation_ignores_position_and_finds_a_kernel():
    rng = np.random.default_rng(1)
    query, text = rng.normal(size=(1, 40, 1, 4)), rng.normal(size=(2, 1, 6, 4))
    similarity = (query * text).sum(-1) + 3 * np.arange(6)
    positional = np.broadcast_to(np.arange(6.0), (2, 40, 6)) + 0.1 * rng.normal(size=(2, 40, 6))
    heads = np.stack([positional, similarity**2, (query * text).sum(-1)], axis=2)
    naive, strict = correlation.pooled(heads, similarity), correlation.query_dependent(heads, similarity)
    assert naive[0] > 0.8 and abs(strict[0]) < 0.15
    assert strict[2] == pytest.approx(1)
    maxima = correlation.permuted(
        correlation.query_dependent, heads[:, :, None], similarity, permutations=40, seed=0
    ).max((1, 2))
    assert strict[0] < np.quantile(maxima, 0.95) < strict[2]
    got = stats.interval(
        heads[:, :, 2], similarity, design="sets x points", statistic=correlation.query_dependent, seed=0
    )
    assert got.value == pytest.approx(1)
