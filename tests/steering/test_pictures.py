"""Pictures and tables show the numbers that they are given, and say them."""

import numpy as np
import pytest

from iclnb.claims import Evidence
from iclnb.kernel_regression import effective_number, gaussian_weights
from iclnb.stats import Estimate
from iclnb.steering import estimates, pictures, tables
from iclnb.steering.head_widths import Widths
from iclnb.steering.lexicon import Lexicon
from iclnb.steering.measures import Choices
from iclnb.steering.perturb import KINDS, TABLE_1
from iclnb.steering.retrieval import Retrieved
from iclnb.steering.study import Measured

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


def test_retrieval_has_a_panel_for_each_similarity_and_random_ones_in_all():
    keys = [
        ("MiniLM", "random", 1),
        ("MiniLM", "random", 4),
        ("MiniLM", "nearest", 4),
        ("BM25", "nearest", 4),
    ]
    found = {Retrieved(*key): measured(9) for key in keys}
    picture = pictures.retrieval(found, seed=0)
    embeddings, words = picture.figure.axes
    assert [axes.get_title() for axes in (embeddings, words)] == ["MiniLM", "BM25"]
    random = [found[Retrieved(*key)] for key in keys[:2]]
    for axes in (embeddings, words):
        assert has(heights(axes), [right(each.model) for each in random])
        assert has(heights(axes), [right(each.kernel) for each in random])
    for key, axes, other in ((keys[2], embeddings, words), (keys[3], words, embeddings)):
        each = found[Retrieved(*key)]
        assert has(heights(axes), [right(each.model)]) and not has(heights(other), [right(each.model)])
        assert f"nearest by {key[0]}, k = 4: {right(each.model):.3g}" in picture.alt


def test_wordings_stand_in_their_rows():
    found = {"own": measured(2, 5), "swapped": measured(2, 5)}
    zero_shot = {name: choices(5, outside=0.6) for name in found}
    picture = pictures.wordings(found, zero_shot, seed=0)
    left, other = picture.figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["own", "swapped"]
    places = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in left.lines]
    for side in (
        [right(each.model) for each in found.values()],
        [right(each.kernel) for each in found.values()],
        [right(each) for each in zero_shot.values()],
    ):
        assert has(places, side)
    outside = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in other.lines]
    assert has(outside, [0.2, 0.2]) and has(outside, [0.0, 0.0]) and has(outside, [0.6, 0.6])
    assert left.yaxis_inverted() and f"swapped {right(found['swapped'].model):.3g}" in picture.alt


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


def test_orders_shows_every_order():
    found = measured(2, 6, 3)
    labels = RNG.permuted(np.tile([0, 1, 1], (2, 6, 1)), axis=-1)
    labels[:, 0], labels[:, 1], labels[:, 2] = (0, 1, 1), (1, 0, 1), (1, 1, 0)
    shares = {"query": Evidence(Estimate(0.3, 0.2, 0.4), 1.0, "")}
    shares["order"] = Evidence(Estimate(0.7, 0.6, 0.8), 0.0, "")
    picture = pictures.orders(found, labels, shares, seed=0)
    left, middle, bars = picture.figure.axes
    dots = np.concatenate([line.get_xdata() for line in left.lines if line.get_marker() == "."])
    np.testing.assert_allclose(np.sort(dots), np.sort(found.model.log_odds.ravel()))
    assert has(heights(middle), estimates.pulls(found, labels).mean((0, 1)))
    assert [bar.get_height() for bar in bars.patches] == [0.3, 0.7] and "order 0.7" in picture.alt


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
    assert row[1].split(" ")[0].lstrip("\\") == f"{right(one.model) - right(other.model):.3g}"
    assert row[2].split(" ")[0].lstrip("\\") == f"{one.model.correct.mean() - other.model.correct.mean():.3g}"
    (row,) = cells(tables.accuracy({"a": one}))
    assert row[1:3] == [f"{one.model.correct.mean():.3g}", f"{right(one.model):.3g}"]
    assert row[4:] == ["0.2", f"{one.kernel.correct.mean():.3g}"]
    dials = [{(kind, 1.0): measured(2, 5) for kind in KINDS} for _ in range(2)]
    found = cells(tables.perturbed(*dials, one))
    assert [row[0] for row in found] == ["none", *KINDS] and found[1][1] == f"{TABLE_1['typos']:.3g}"
    typos = [f"{each.correct.mean():.3g}" for dial in dials for each in dial["typos", 1.0]]
    assert found[1][2:] == typos
    assert len(cells(tables.examples("a *fine* film", Lexicon({}, {}), seed=0))) == 6
    assert r"a \*fine\* film" in tables.examples("a *fine* film", Lexicon({}, {}), seed=0).data
