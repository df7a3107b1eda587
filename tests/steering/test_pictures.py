"""Pictures and tables show the numbers that they are given, and say them."""

import numpy as np
import pytest

from iclnb.claims import Evidence
from iclnb.kernel_regression import effective_number, gaussian_weights
from iclnb.llm.demonstrations import Demonstrations
from iclnb.stats import Estimate
from iclnb.steering import estimates_order, pictures, tables
from iclnb.steering.calibration import METHODS, RAW, Ordered
from iclnb.steering.head_widths import Widths
from iclnb.steering.lexicon import Lexicon
from iclnb.steering.measures import Choices
from iclnb.steering.perturb import KINDS, TABLE_1
from iclnb.steering.retrieval import Retrieved
from iclnb.steering.study import Condition, Measured

RNG = np.random.default_rng(0)


def choices(*shape, outside=0.2):
    right = RNG.random(shape)
    truths = np.zeros(shape, dtype=int)
    return Choices(np.stack([right, 1 - right], -1), np.full(shape, outside), truths)


def measured(*shape):
    return Measured(choices(*shape), choices(*shape, outside=0.0))


def heights(axes):
    return [np.asarray(line.get_ydata(), dtype=float).tolist() for line in axes.lines]


def right(choices):
    return float(choices.of_truth.mean())


def has(lines, expected):
    return any(np.shape(line) == np.shape(expected) and np.allclose(line, expected) for line in lines)


def test_retrieval_has_balanced_and_fallen_labels_apart():
    found = {Retrieved(*key): measured(9) for key in (("random",), ("nearest",), ("random", False))}
    picture = pictures.retrieval(found, seed=0)
    balanced, fallen = picture.figure.axes
    assert [label.get_text() for label in balanced.get_yticklabels()] == ["random", "nearest"]
    assert [label.get_text() for label in fallen.get_yticklabels()] == ["random"]
    places = [[np.ravel(line.get_xdata()).tolist() for line in axes.lines] for axes in (balanced, fallen)]
    each = list(found.values())
    for side in ("model", "kernel"):
        assert has(places[0], [right(getattr(one, side)) for one in each[:2]])
        assert has(places[1], [right(getattr(each[2], side))])
    assert f"random, as they fall: {right(each[2].model):.3g}" in picture.alt
    (alone,) = pictures.retrieval({Retrieved("nearest", True, "BM25"): each[0]}, seed=0).figure.axes
    assert [label.get_text() for label in alone.get_yticklabels()] == ["nearest, BM25"]


def ordered(k):
    labels = RNG.permuted(np.broadcast_to(np.arange(k) % 2, (3, 4, k)), axis=-1)
    of = RNG.uniform(0.2, 0.8, size=(3, 4, 1))
    return Ordered(labels, choices(3, 4, 5), {m: np.concatenate([of, 1 - of], -1) for m in METHODS})


def test_orders_has_a_line_for_each_calibration():
    found = {2: ordered(2), 4: ordered(4)}
    picture = pictures.orders(found, seed=0)
    measures = (estimates_order.accuracy, estimates_order.flips, estimates_order.last_label)
    for axes, measure in zip(picture.figure.axes, measures, strict=True):
        for method in (RAW, *METHODS):
            means = [np.nanmean(measure(each.calibrated(method), each)) for each in found.values()]
            assert has(heights(axes), means)
    assert "calibration batch: k = 2" in picture.alt
    rows = cells(tables.calibrated(found[4], seed=0))
    assert [row[0] for row in rows] == [RAW, *METHODS]
    right_in_all = found[4].raw.correct.mean()
    assert rows[0][1].startswith(f"{right_in_all:.2f} [")


def test_wordings_at_chance_say_so():
    truths = np.zeros((4, 30), dtype=int)
    truths[:, ::2] = 1
    able = Choices(np.where(truths[..., None] == [0, 1], 0.9, 0.1), np.zeros((4, 30)), truths)
    blind = Choices(np.full((4, 30, 2), 0.5), np.zeros((4, 30)), truths)
    found = {"own": Measured(able, blind), "foo": Measured(blind, blind)}
    picture = pictures.wordings(found, {name: choices(30) for name in found}, seed=0)
    names = [label.get_text() for label in picture.figure.axes[0].get_yticklabels()]
    assert names == ["own", "foo (at chance)"] and "foo (at chance) 0.5" in picture.alt
    rows = cells(tables.table_1({(kind, 1.0): found["foo"] for kind in KINDS}, found["own"], seed=0))
    assert [row[3] for row in rows] == ["yes"] + ["at chance"] * len(KINDS)
    assert rows[0][1] == f"{TABLE_1['none']:.3g}" and rows[0][2] == "1"


def test_wordings_stand_in_their_rows():
    found = {"own": measured(2, 5), "swapped": measured(2, 5)}
    zero_shot = {name: choices(5, outside=0.6) for name in found}
    picture = pictures.wordings(found, zero_shot, seed=0)
    left, other = picture.figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == [f"{name} (at chance)" for name in found]
    places = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in left.lines]
    for side in (
        [right(each.model) for each in found.values()],
        [right(each.kernel) for each in found.values()],
        [right(each) for each in zero_shot.values()],
    ):
        assert has(places, side)
    outside = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in other.lines]
    assert has(outside, [0.2, 0.2]) and has(outside, [0.0, 0.0]) and has(outside, [0.6, 0.6])
    assert left.yaxis_inverted() and f"swapped (at chance) {right(found['swapped'].model):.3g}" in picture.alt


def test_dials_begin_unperturbed():
    plain, dials = measured(2, 5), {(kind, 1.0): measured(2, 5) for kind in KINDS}
    picture = pictures.perturbed(dials, plain, published=True, seed=0)
    (axes,) = picture.figure.axes
    for kind in KINDS:
        for side in (0, 1):
            expected = [each[side].correct.mean() for each in (plain, dials[kind, 1.0])]
            assert has(heights(axes), expected)
    for kind in KINDS[:3]:
        assert [TABLE_1[kind]] in heights(axes)
    noise = {(kind, share): measured(2, 5) for kind in ("random", "flipped") for share in (0.0, 1.0)}
    zero_shot = choices(5)
    picture = pictures.label_noise(noise, zero_shot, seed=0)
    (axes,) = picture.figure.axes
    for kind in ("random", "flipped"):
        assert has(heights(axes), [right(noise[kind, share].model) for share in (0.0, 1.0)])
    assert has(heights(axes), [right(zero_shot)] * 2)
    assert f"flipped labels, share 1: {right(noise['flipped', 1.0].model):.3g}" in picture.alt


def test_effects_has_the_kernel_beside_the_model():
    found = {"nearest - random": Evidence(Estimate(0.1, 0.05, 0.2), 0.4, "")}
    picture = pictures.effects(found)
    (axes,) = picture.figure.axes
    assert {0.1, 0.4} <= {float(np.ravel(line.get_xdata())[0]) for line in axes.lines}
    span = axes.collections[0].get_segments()[0][:, 0]
    np.testing.assert_allclose(span, [0.05, 0.2])
    assert "nearest - random 0.1 (kernel 0.4)" in picture.alt


def cells(table):
    return [[cell.strip() for cell in row.strip("| ").split(" | ")] for row in table.data.split("\n")[2:]]


def test_widths_has_heads_null_and_kernel():
    weights, distance = RNG.random((7, 2, 4)), RNG.random((7, 2, 4))
    found = cells(tables.widths(Widths((), {"random": weights}, {"random": distance}, 0, 0), 0.4, seed=0))
    assert [row[1] for row in found] == ["heads", "heads, permuted", "kernel"]
    assert found[0][2] == f"{effective_number(weights).mean():.3g}" == found[1][2]
    assert found[2][2] == f"{effective_number(gaussian_weights(distance, 0.4)).mean():.3g}"
    assert float(found[2][3]) == pytest.approx(0.4, rel=0.01)


def test_tables_have_a_line_for_every_case():
    one, other = measured(2, 5), measured(2, 5)
    (row,) = cells(tables.contrasts({"a - b": (one, other)}, seed=0))
    assert row[1].split(" ")[0].lstrip("\\") == f"{right(one.model) - right(other.model):.2f}"
    assert row[2].split(" ")[0].lstrip("\\") == f"{one.model.correct.mean() - other.model.correct.mean():.2f}"
    (row,) = cells(tables.accuracy({"a": one}))
    assert row[1:3] == [f"{one.model.correct.mean():.3g}", f"{right(one.model):.3g}"]
    assert row[4:] == ["0.2", f"{one.kernel.correct.mean():.3g}"]
    shown = Demonstrations(np.array([[0, 1], [1, 2]]), np.array([[0, 1], [1, 0]]))
    two = Measured(choices(2), choices(2))
    (row,) = cells(
        tables.retrieval(
            {Retrieved("nearest", False): Condition(shown)}, {Retrieved("nearest", False): two}, seed=0
        )
    )
    assert row[:3] == ["nearest, labels as they fall", "1", "0.5"]
    assert row[4] == f"{two.kernel.correct.mean():.3g}"
    assert row[5] == f"{(two.model.chosen == two.kernel.chosen).mean():.3g}"
    assert len(cells(tables.examples("a *fine* film", Lexicon({}, {}), seed=0))) == 6
    assert r"a \*fine\* film" in tables.examples("a *fine* film", Lexicon({}, {}), seed=0).data
