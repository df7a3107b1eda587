"""Kernel weights, reconstruction, priors and nulls against loops and exact enumeration."""

import itertools
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import tiny
from scipy import stats as scipy_stats

from iclnb.heads import agreement, correlation, kernel, nulls
from iclnb.heads.kernel import Weighed
from iclnb.llm import prompts
from iclnb.llm.data.definitions import Format
from iclnb.llm.kernel_weights import VARIANTS, kernel_weights
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration

pytestmark = pytest.mark.tiny

FORMAT = Format(x="Review: {text}", cue="\nSentiment:")
TEXTS = ("fine film", "a really long text with many words, and dull", "good", "naïve 😀")


def weighed(lead, *, layers=2, heads=3, k=5, classes=2, seed=0, planted=None):
    """Random weights and answers; the planted head's reconstruction is the model's answer."""
    rng = np.random.default_rng(seed)
    weights = (rng.random((*lead, layers, heads, k)) ** 6).astype(np.float32)  # few count
    labels = rng.integers(classes, size=(*lead, k))
    said = np.log(rng.dirichlet(np.ones(classes), size=lead))
    if planted is not None:
        said = np.log(kernel.reconstruct(weights, labels, classes)[..., planted[0], planted[1], :] + 1e-9)
    return Weighed({"maximum": weights}, labels, said, rng.integers(classes, size=lead))


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_are_what_the_variant_says(variant):
    tokenizer = tiny.tokenizers()["gpt2"]
    shown = [Demonstration({"text": text}, i % 2) for i, text in enumerate(TEXTS)]
    made = prompts.build(tokenizer, FORMAT, ("bad", "good"), shown, {"text": TEXTS[0]})
    attention = np.random.default_rng(0).dirichlet(np.ones(len(made.input_ids)), size=(2, 3))
    attention[:, :, 0] = 9  # the sink: it must never count
    got = kernel_weights(attention, made, variant)
    decoded = [tokenizer.decode([token]) for token in made.input_ids]
    for i, text in enumerate(TEXTS):
        inside = range(made.x[i].start, made.y[i].stop)
        written = "".join(decoded[t] for t in inside)
        assert written.strip().startswith("Review") and written.endswith(("good", "bad")), (text, written)
        tokens = made.y[i].tokens if variant == "label" else [t for t in inside if t > 0]
        reduce = sum if variant == "sum" else max
        for layer, head in itertools.product(range(2), range(3)):
            want = reduce(attention[layer, head, t] for t in tokens)
            assert got[layer, head, i] == pytest.approx(want)


def test_weigh_reads_every_prompt_into_its_row():
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.pad_token = "<s>"
    model = tiny.model("llama", vocab_size=len(tokenizer))
    sets = [
        [prompts.build(tokenizer, FORMAT, ("bad", "good"),
                       [Demonstration({"text": TEXTS[i]}, i % 2), Demonstration({"text": TEXTS[-i]}, 1)],
                       {"text": query}) for query in TEXTS[1:]]
        for i in range(2)
    ]  # fmt: skip
    loaded = LoadedModel(model, tokenizer, {})
    found = kernel.weigh_sets(loaded, sets, [0, 1, 1], [5, 9], variants=VARIANTS, batch_size=2)
    assert found.truth.tolist() == [[0, 1, 1]] * 2 and found.classes == 2
    for s, t in itertools.product(range(2), range(3)):
        ids = tiny.torch.tensor([sets[s][t].input_ids])
        with tiny.torch.no_grad():
            out = model.eval()(ids, output_attentions=True)
        rows = np.stack([a[0, :, -1].numpy() for a in out.attentions])
        for variant in VARIANTS:
            want = kernel_weights(rows, sets[s][t], variant)
            np.testing.assert_allclose(found.weights[variant][s, t], want, atol=1e-5)
        np.testing.assert_allclose(found.said[s, t], out.logits[0, -1].log_softmax(-1)[[5, 9]], atol=1e-5)
        assert found.labels[s, t].tolist() == list(sets[s][t].labels)
    part = found.take(np.array([False, True, True]))
    assert (part.weights["sum"] == found.weights["sum"][:, 1:]).all() and part.said.shape == (2, 2, 2)


@pytest.mark.parametrize("lead", [(7,), (2, 4)])
@pytest.mark.parametrize("classes", [2, 3])
def test_reconstruction_is_the_weighted_vote(lead, classes):
    found = weighed(lead, classes=classes)
    shares = kernel.reconstruct(found.weights["maximum"], found.labels, classes)
    for index in np.ndindex(*lead):
        for layer, head in itertools.product(range(2), range(3)):
            votes = Counter()
            for a, y in zip(found.weights["maximum"][index][layer, head], found.labels[index], strict=True):
                votes[int(y)] += Fraction(float(a))
            want = [float(votes[c] / sum(votes.values())) for c in range(classes)]
            np.testing.assert_allclose(shares[index][layer, head], want, atol=1e-6)


def test_the_prior_of_two_classes_is_the_median_log_odds():
    said = np.log(np.random.default_rng(0).dirichlet([5, 1], size=41))
    off = kernel.prior(said, (0,))
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
    maxima = nulls.permuted_maxima(found, target, permutations=4000, seed=0)
    assert 0 < np.mean(hit) < 1
    assert maxima.mean() == pytest.approx(np.mean(hit), abs=0.03)


def test_permuting_sets_is_the_same_for_all_points_of_a_set():
    """With the same weights on every test point a set's permutation moves all decisions together."""
    found = weighed((3, 6), layers=1, heads=1)
    found.weights["maximum"][:] = found.weights["maximum"][:, :1]
    found.labels[:] = found.labels[:, :1]
    target = np.zeros((3, 6), dtype=int)
    by_set = nulls.permuted_maxima(found, target, within="set", permutations=200, seed=0)
    assert set(np.round(by_set * 3, 6)) <= {0.0, 1.0, 2.0, 3.0}
    by_prompt = nulls.permuted_maxima(found, target, within="prompt", permutations=200, seed=0)
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
    chosen = agreement.split(lead[-1], seed=0)
    assert chosen.sum() == round(0.7 * lead[-1])
    got = agreement.agree(found, chosen, corrected=corrected, permutations=30, seed=0)
    assert got.head == (2, 3) and got.best.mean() > 0.95 and got.best.shape[-1] == (~chosen).sum()
    assert got.permuted.max() < got.best.mean() and got.modal < 0.8
    assert len(got.rivals()) == 4 and all(hits.mean() < 0.85 for hits in got.rivals().values())
    assert (got.accuracy == (got.target == got.truth)).all()
    assert got.by_head(got.truth)[2, 3] == pytest.approx(got.performance.mean())
    assert got.best[got.against_last].mean() > np.nanmax(got.permuted_against)
    depth = agreement.best_depth(got.hits, top=1, seed=0)
    assert depth.value == 2 / 4 and depth.low == depth.high == 2 / 4


def test_without_a_kernel_the_chosen_head_does_not_beat_the_permuted_maximum():
    found = weighed((3, 100), layers=4, heads=5, k=8)
    got = agreement.agree(found, agreement.split(100, seed=0), permutations=50, seed=0)
    assert got.best.mean() < np.quantile(got.permuted, 0.95)


def test_intervals_leave_out_what_was_not_chosen():
    values = np.array([1.0, 0, 1, 1, 0, 1])
    chosen = np.array([True, True, True, False, False, False])
    got = agreement.interval(agreement.where(values, chosen), seed=0)
    assert got.value == pytest.approx(2 / 3)
    crossed = agreement.interval(agreement.where(np.tile(values, (3, 1)), np.tile(chosen, (3, 1))), seed=0)
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
    maxima = correlation.permuted_maxima(
        correlation.query_dependent, heads[:, :, None], similarity, permutations=40, seed=0
    )
    assert strict[0] < np.quantile(maxima, 0.95) < strict[2]
    got = correlation.interval(correlation.query_dependent, heads[:, :, 2], similarity, seed=0)
    assert got.value == pytest.approx(1)
