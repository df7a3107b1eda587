"""Evidence by hand and against numpy; a planted kernel head does what a kernel does, a random model not."""

from dataclasses import replace

import numpy as np
import planted
import pytest
import tiny

from iclnb import claims, stats
from iclnb.claims import Claim, Evidence
from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Task
from iclnb.llm.demonstrations import Demonstrations, draw
from iclnb.llm.models import LoadedModel
from iclnb.llm.reader import Reader
from iclnb.stats import Estimate
from iclnb.steering import calibration, conditions, estimates, estimates_order, head_widths
from iclnb.steering.head_widths import Widths
from iclnb.steering.measures import Choices
from iclnb.steering.retrieval import choose
from iclnb.steering.study import Condition, Measured, Study, Texts

RNG = np.random.default_rng(0)


def choices(right, outside=0.0):
    """Choices in which the right word, the second, has the given probabilities."""
    right = np.array(right, dtype=float)
    return Choices(np.stack([1 - right, right], -1), np.full(right.shape, outside), np.ones(right.shape, int))


def measured(model, kernel=0.5, outside=0.0):
    model = np.array(model, dtype=float)
    return Measured(choices(model, outside), choices(np.broadcast_to(kernel, model.shape)))


ONE = measured([[0.9, 0.7], [0.5, 0.5]], 0.8, 0.1)
OTHER = measured([[0.6, 0.6], [0.6, 0.4]], 0.5, 0.3)


def test_evidence_by_hand():
    found = estimates.difference(ONE, OTHER, seed=0)
    assert found.estimate.value == pytest.approx((0.3 + 0.1 - 0.1 + 0.1) / 4)
    assert found.control == pytest.approx(0.3) and found.control_is == estimates.KERNEL
    found = estimates.accuracy_difference(ONE, OTHER, seed=0)
    assert (found.estimate.value, found.control) == (pytest.approx((0 + 0 - 1 + 0) / 4), 1)
    found = estimates.changed_answers([ONE, OTHER], OTHER, seed=0)
    assert (found.estimate.value, found.control) == (pytest.approx(1 / 8), pytest.approx(1 / 2))
    assert estimates.changed_by_redrawing(OTHER.model) == pytest.approx(1 / 2)
    found = estimates.right_word(ONE, seed=0)
    assert (found.estimate.value, found.control) == (pytest.approx(0.65), pytest.approx(0.8))
    zero_shot = choices([0.2, 0.6], outside=0.8)
    found = estimates.less_zero_shot(ONE, zero_shot, "outside", seed=0)
    assert (found.estimate.value, found.control) == (pytest.approx(-0.7), 0)
    found = estimates.less_zero_shot(ONE, zero_shot, "of_truth", seed=0)
    assert found.estimate.value == pytest.approx(0.65 - 0.4)


def test_the_design_follows_from_the_shape():
    table, row = RNG.random((4, 5)), RNG.random(9)
    assert estimates.over(row, seed=2) == stats.interval(row, design="units", seed=2)
    assert estimates.over(table, seed=2) == stats.interval(table, design="sets x points", seed=2)
    same = estimates.difference(measured(row + 0.25), measured(row), seed=2).estimate
    np.testing.assert_allclose(same, 0.25)  # paired: no spread is left


def test_agreement_beyond_what_the_truth_explains_by_hand():
    """Model and kernel answer three of four queries with label 1 alike, and both with label 0."""
    model, kernel, truths = (
        np.array(part) for part in ([1, 1, 0, 0, 0, 1], [1, 0, 0, 0, 0, 1], [1] * 4 + [0] * 2)
    )
    sides = (Choices(np.eye(2)[side], np.zeros(6), truths) for side in (model, kernel))
    expected = []
    for i in range(6):
        others = [model[i] == kernel[j] for j in range(6) if j != i and truths[j] == truths[i]]
        expected.append((model[i] == kernel[i]) - np.mean(others))
    found = estimates.agreement(Measured(*sides), seed=0)
    assert found.estimate.value == pytest.approx(np.mean(expected)) and found.control == 0


def test_agreement_finds_a_shared_error_and_nothing_in_independent_ones():
    truths = np.arange(400) % 2
    wrong = RNG.random((2, 400)) < 0.3
    one, other = (np.where(each, 1 - truths, truths) for each in wrong)
    first, second = (Choices(np.eye(2)[side], np.zeros(400), truths) for side in (one, other))
    assert (one == other).mean() > 0.55
    independent = estimates.agreement(Measured(first, second), seed=0).estimate
    assert abs(independent.value) < 0.08 and independent.low < 0 < independent.high
    assert estimates.agreement(Measured(first, first), seed=0).estimate.low > 0.3


def test_a_model_is_at_chance_unless_shown_to_be_above_it():
    truths = np.tile(np.arange(30) % 2, (4, 1))
    guesses, knows = RNG.integers(2, size=truths.shape), np.where(RNG.random(truths.shape) < 0.9, truths, 0)
    blind, able, constant = (
        Choices(np.eye(2)[c], np.zeros(c.shape), truths) for c in (guesses, knows, 0 * truths)
    )
    assert estimates.is_at_chance(blind, seed=0) and estimates.is_at_chance(constant, blind, seed=0)
    assert not estimates.is_at_chance(able, seed=0) and not estimates.is_at_chance(blind, able, seed=0)


def test_narrowing_is_numpys_weighted_average():
    weights, distance = RNG.random((60, 2, 5)), RNG.random((60, 2, 5))
    found = estimates.narrowing_of_heads(Widths((), {"a": weights}, {"a": distance}, 0, 0), "a", seed=0)
    expected = np.mean([
        np.average(d, weights=w) - d.mean()
        for w, d in zip(weights.reshape(-1, 5), distance.reshape(-1, 5), strict=True)
    ])  # fmt: skip
    assert found.estimate.value == pytest.approx(expected)
    tight = Widths((), {"a": np.exp(-20 * distance)}, {"a": distance}, 0, 0)
    found = estimates.narrowing_of_heads(tight, "a", seed=1)
    assert found.estimate.high < -0.1 and abs(found.control) < 0.1


def claim(id, criterion, interval, control):
    evidence = Evidence(Estimate(sum(interval) / 2, *interval), control, estimates.KERNEL)
    return Claim(id, "A", "4.2", "", criterion, *evidence)


def test_the_answer_is_worded_by_verdicts():
    made = [claim(name, claims.above(0), (0.1, 0.3), 0.4) for name in estimates.QUESTIONS]
    made[1] = claim(made[1].id, claims.above(0), (-0.1, 0.3), 0.4)
    made[2] = claim(made[2].id, claims.above(0), (-0.3, -0.1), 0.4)
    made[3] = claim(made[3].id, claims.above(0), (0.1, 0.3), 0.0)
    lines = [line for line in estimates.answer(made, "tiny-1m", False).split("\n") if line.startswith("- ")]
    assert [line.split("** ")[1].split(" ")[0] for line in lines[:4]] == ["Yes.", "Undecided.", "No.", "Yes."]
    assert len(lines) == len(estimates.QUESTIONS) and "0.2 [0.1, 0.3]" in lines[0]
    said = [estimates.answer(made, "tiny-1m", chance).split("\n")[0] for chance in (True, False)]
    assert "tiny-1m is not shown to be above chance" in said[0] and "tiny-1m is above chance" in said[1]
    last = estimates.answer(made, "tiny-1m", False).split("\n")[-1]
    assert f"Of {len(made) - 2} claims" in last and f"criterion of {len(made) - 3}: {made[0].id}" in last
    assert made[3].id not in last


def test_the_record_has_every_condition():
    found = estimates.summary(noise={("random", 1.0): ONE}, words={"own": OTHER})
    assert found["noise"]["random 1.0"]["right"] == pytest.approx(0.65)
    assert found["words"]["own"]["kernel_right"] == pytest.approx(0.5)
    assert found["words"]["own"]["outside"] == pytest.approx(0.3)


POINTS = 40


def put(head, bandwidth):
    """A study of the planted model: words with their places as embeddings, labelled by cluster."""
    made = planted.plant(head=head, bandwidth=bandwidth)
    order = np.random.default_rng(0).permutation(len(made.places))
    labels = made.clusters % 2
    pool, asked = order[POINTS:], order[:POINTS]
    texts = [Texts([{"text": f"w{i}"} for i in part], made.places[part]) for part in (pool, asked)]
    task = Task("planted", ("text",), ("A", "B"), planted.LABEL_WORDS, {"only": planted.FORMAT})
    width = Bandwidth(bandwidth**-0.5, np.nan)
    return Study(Reader(made.loaded), task, texts[0], labels[pool], texts[1], labels[asked], width)


def put_to(study, k=6):
    """The chapter's claims on a study, by the functions that it calls."""
    similarity = study.queries.vectors @ study.pool.vectors.T
    shown = {}
    for name in ("random", "nearest", "farthest", "balanced"):
        given = {"strategy": "nearest", "labels": study.labels} if name == "balanced" else {"strategy": name}
        rows = choose(similarity, k, seed=1, most=10, **given)
        shown[name] = Condition(Demonstrations(rows, study.labels[rows]))
    retrieved = study.measure_all(shown)
    few = study.first(10)
    drawn = draw(study.labels, k, 4, seed=1)
    noised = few.measure_all(conditions.label_noise(drawn, (1.0,), few.points, seed=2))
    turned = conditions.in_orders(conditions.balanced_sets(study.labels, 4, 4, seed=1), 4, seed=2)
    in_order = calibration.measure(few, turned, few.queries.rows[:2])
    widths = head_widths.measure(study, {name: shown[name] for name in ("random", "nearest")}, 1, seed=0)
    plain = noised["random", 0.0]
    found = {
        "nearest": estimates.difference(retrieved["nearest"], retrieved["random"], seed=0),
        "farthest": estimates.difference(retrieved["farthest"], retrieved["random"], seed=0),
        "flipped": estimates.right_word(noised["flipped", 1.0], seed=0),
        "random labels": estimates.difference(noised["random", 1.0], plain, seed=0),
        "flips": estimates_order.order(in_order, estimates_order.flips, seed=0),
        "flips less preference": estimates_order.value(
            in_order, estimates_order.flips, calibration.BATCH, seed=0
        ),
        "pull": estimates_order.order(in_order, estimates_order.last_label, seed=0),
        "agreement": estimates.agreement(retrieved["random"], seed=0),
        "narrowing": estimates.narrowing_of_heads(widths, "random", seed=0),
    }
    return found, widths, retrieved


@pytest.mark.tiny
def test_the_planted_head_does_what_its_kernel_does():
    found, widths, retrieved = put_to(put((3, 1), 8.0))
    assert widths.heads == ((3, 1),)
    assert found["nearest"].estimate.low > 0 and found["nearest"].control > 0
    assert found["farthest"].estimate.high < 0 and found["farthest"].control < 0
    assert found["flipped"].estimate.high < 0.5 and found["flipped"].control < 0.5
    assert found["random labels"].estimate.high < 0 and found["random labels"].control < -0.05
    assert found["flips"].estimate.value < 0.05
    assert found["pull"].estimate.low < 0 < found["pull"].estimate.high
    assert found["agreement"].estimate.low > 0.1
    assert found["narrowing"].estimate.high < -0.1 < found["narrowing"].control < 0.1
    for each in retrieved.values():
        assert np.corrcoef(each.model.of_truth, each.kernel.of_truth)[0, 1] > 0.8


@pytest.mark.tiny
def test_a_random_model_neither_narrows_nor_follows_labels_and_depends_on_order():
    """(Near demonstrations help it all the same: most of them carry the right label.)"""
    study = put((3, 1), 8.0)
    tokenizer = study.reader.tokenizer
    random = tiny.model("gpt2", vocab_size=len(tokenizer)).eval()
    found, _, _ = put_to(replace(study, reader=Reader(LoadedModel(random, tokenizer, {}))))
    assert found["narrowing"].estimate.low < 0 < found["narrowing"].estimate.high
    assert not found["flipped"].estimate.high < 0.5
    assert found["flips less preference"].value > 0.05  # it always says one word; calibrated it need not
    assert found["agreement"].estimate.low < 0.1
