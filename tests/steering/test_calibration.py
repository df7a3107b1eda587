"""Calibration against the formulae of the three papers, written out in loops over single prompts."""

import numpy as np
import pytest
import tiny
from scipy import special

from iclnb.errors import IclnbError
from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Format, Task
from iclnb.llm.demonstrations import Demonstrations, write
from iclnb.llm.models import LoadedModel
from iclnb.llm.reader import Reader
from iclnb.steering import calibration, conditions, estimates_order, measures
from iclnb.steering.calibration import BATCH, CONTEXTUAL, DOMAIN, METHODS, RAW, Ordered
from iclnb.steering.measures import Choices
from iclnb.steering.study import Condition, Study, Texts

RNG = np.random.default_rng(0)


def distributions(*shape):
    return special.softmax(2 * RNG.normal(size=(*shape, 3)), axis=-1)


def test_the_answer_is_that_of_each_papers_formula():
    probabilities, prior = distributions(50), distributions()
    found = calibration.calibrate(probabilities, prior)
    np.testing.assert_allclose(found.sum(-1), 1)
    weights = np.linalg.inv(np.diag(prior))
    for p, ours in zip(probabilities, found, strict=True):
        contextual = special.softmax(weights @ p)  # Zhao et al.: softmax(W p + b), b = 0
        batch = np.log(p) - np.log(prior)  # Zhou et al.: log p - log of the batch's mean
        domain = [p[y] / prior[y] for y in range(3)]  # Fei et al.
        assert ours.argmax() == contextual.argmax() == batch.argmax() == np.argmax(domain)
        np.testing.assert_allclose(np.log(ours[1] / ours[0]), batch[1] - batch[0])
    np.testing.assert_allclose(calibration.calibrate(probabilities, np.full(3, 1 / 3)), probabilities)


FORMAT, WORDS = Format(x="Review: {text}", cue="\nSentiment:"), ("bad", "good")
TASK = Task("toy", ("text",), ("negative", "positive"), WORDS, {"Review": FORMAT})
ROWS = [{"text": text} for text in ("fine film", "dull", "a really fine film", "good", "naïve tabs", "film")]
QUERIES = [{"text": text} for text in ("a dull end", "really good", "film")]
LABELS, TRUTH = np.array([1, 0, 1, 1, 0, 0]), np.array([0, 1, 1])
DOMAIN_ROWS = [{"text": "film fine"}, {"text": "dull dull"}]


@pytest.mark.tiny
def test_priors_are_means_over_their_inputs():
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.pad_token = tokenizer.eos_token = "<s>"
    loaded = LoadedModel(tiny.model("llama", vocab_size=len(tokenizer)).eval(), tokenizer, {})
    texts = Texts(ROWS, RNG.normal(size=(6, 2))), Texts(QUERIES, RNG.normal(size=(3, 2)))
    study = Study(Reader(loaded), TASK, texts[0], LABELS, texts[1], TRUTH, Bandwidth(0.8, 0.6))
    shown = conditions.in_orders(conditions.balanced_sets(LABELS, 2, 3, seed=0), 2, seed=1)
    found = calibration.measure(study, shown, DOMAIN_ROWS)
    plain = study.answers(Condition(shown.for_every(3)))
    np.testing.assert_allclose(found.raw.probabilities, plain.probabilities, atol=1e-6)
    assert (found.raw.truths == TRUTH).all() and found.labels.shape == (3, 2, 2)
    inputs = {CONTEXTUAL: ["N/A", "[MASK]", ""], DOMAIN: ["film fine", "dull dull"]}
    inputs[BATCH] = [row["text"] for row in QUERIES]
    for place in np.ndindex(3, 2):
        one = Demonstrations(shown.rows[place][None], shown.labels[place][None])
        for method, asked in inputs.items():
            each = []
            for text in asked:
                prompts = write(tokenizer, study.wording, ROWS, one, [{"text": text}])
                each.append(special.softmax(study.reader.answers(prompts, study.wording)[0]))
            np.testing.assert_allclose(found.priors[method][place], np.mean(each, axis=0), atol=1e-6)


def test_random_words_are_the_tasks_and_as_many_as_usual():
    rows = [{"text": "one two three four"}, {"text": "five six"}]
    made = calibration.domain_rows(TASK, rows, 400, seed=0)
    drawn = [row["text"].split() for row in made]
    assert {len(words) for words in drawn} == {3}
    every = np.unique([word for words in drawn for word in words], return_counts=True)
    assert set(every[0]) == {"one", "two", "three", "four", "five", "six"}
    assert np.abs(every[1] - 200).max() < 4 * (1200 / 6) ** 0.5
    assert (
        made
        == calibration.domain_rows(TASK, rows, 400, seed=0)
        != calibration.domain_rows(TASK, rows, 400, seed=1)
    )


def biased(sets=8, orders=4, points=40, noise=0.0):
    """Answers whose log-odds are the truth's, plus a bias of each prompt that follows the last label."""
    labels = RNG.permuted(np.broadcast_to([0, 0, 1, 1], (sets, orders, 4)), axis=-1)
    truth = np.arange(points) % 2
    bias = 3.0 * (2 * labels[..., -1] - 1)
    odds = 1.0 * (2 * truth - 1) + bias[..., None] + noise * RNG.normal(size=(sets, orders, points))
    of = np.stack([1 - special.expit(odds), special.expit(odds)], -1)
    raw = Choices(of, np.zeros(odds.shape), np.broadcast_to(truth, odds.shape))
    neutral = np.stack([1 - special.expit(bias), special.expit(bias)], -1)
    return Ordered(labels, raw, {CONTEXTUAL: neutral, BATCH: of.mean(2), DOMAIN: neutral})


@pytest.mark.parametrize("method", METHODS)
def test_calibration_fixes_a_planted_bias_and_other_prompts_priors_do_not(method):
    found = biased()
    assert estimates_order.value(found, estimates_order.accuracy, seed=0).value == pytest.approx(0.5)
    assert estimates_order.value(found, estimates_order.accuracy, method, seed=0).value == 1
    assert estimates_order.value(found, estimates_order.flips, method, seed=0).value == 0
    steadier = estimates_order.after_less_before(found, estimates_order.flips, method, seed=0)
    better = estimates_order.after_less_before(found, estimates_order.accuracy, method, seed=0)
    assert steadier.estimate.high < -0.1 and steadier.estimate.value < steadier.control - 0.1
    assert better.estimate.value == pytest.approx(0.5) and better.control < 0.3


def test_flips_are_pairs_that_differ():
    found = biased(noise=3.0)
    table = estimates_order.flips(found.raw, found)
    for s, p in ((0, 0), (3, 7), (7, 39)):
        answers = found.raw.probabilities[s, :, p].argmax(-1)
        pairs = [answers[i] != answers[j] for i in range(4) for j in range(4) if i < j]
        assert table[s, p] == pytest.approx(np.mean(pairs))
    few, many = (measures.flips(RNG.integers(2, size=(20_000, n))).mean() for n in (2, 8))
    assert few == pytest.approx(0.5, abs=0.02) and many == pytest.approx(0.5, abs=0.02)


def test_the_last_label_pulls_what_was_planted():
    found = biased()
    pull = estimates_order.order(found, estimates_order.last_label, seed=0)
    # 6 nats at the last place; seen from another place its label is the other one more often
    assert pull.estimate.low > 3 and pull.control == 0
    fixed = estimates_order.value(found, estimates_order.last_label, CONTEXTUAL, seed=0)
    assert fixed.value == pytest.approx(0, abs=1e-9)
    said = estimates_order.summary({4: found})["k = 4"]
    assert set(said) == {RAW, *METHODS} and said[BATCH]["accuracy"] == 1


def test_sets_have_as_many_of_each_label_in_different_orders():
    labels = RNG.integers(2, size=60)
    sets = conditions.balanced_sets(labels, 6, 40, seed=3)
    assert (sets.labels == labels[sets.rows]).all() and (sets.labels.sum(1) == 3).all()
    assert all(len(set(row)) == 6 for row in sets.rows.tolist())
    assert np.ptp(sets.labels[:, 0]) == 1 and len({tuple(row) for row in sets.rows.tolist()}) == 40
    turned = conditions.in_orders(sets, 5, seed=4)
    assert turned.rows.shape == (40, 5, 6)
    for given, rows, shown in zip(sets.rows, turned.rows, turned.labels, strict=True):
        assert len({tuple(row) for row in rows}) == 5 and (shown == labels[rows]).all()
        assert all(sorted(row) == sorted(given) for row in rows.tolist())
        assert all({*place} == {0, 1} for place in shown.T.tolist())
    every = conditions.in_orders(conditions.balanced_sets(labels, 2, 3, seed=5), 5, seed=4)
    assert every.rows.shape == (3, 2, 2) and (every.rows[:, 0] == every.rows[:, 1, ::-1]).all()
    with pytest.raises(IclnbError, match="take 2 or more"):
        conditions.in_orders(sets, 1, seed=0)
    with pytest.raises(IclnbError, match="even number"):
        conditions.balanced_sets(labels, 3, 2, seed=0)
    with pytest.raises(IclnbError, match="cannot be drawn"):
        conditions.balanced_sets(np.zeros(9, dtype=int), 2, 2, seed=0)
