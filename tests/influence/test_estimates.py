"""Estimates on findings made by hand: shares, predictions and choices against brute force."""

import numpy as np
import pytest
from drawn import shows

from iclnb.claims import NothingToMeasure
from iclnb.influence import estimates, estimates_heads, pictures
from iclnb.influence import estimates_prediction as prediction
from iclnb.influence.findings import CHOSEN, COMBINED, SCALES, WORDINGS, Influence
from iclnb.influence.material import ARBITRARY, OWN
from iclnb.influence.matrix import LEVELS, moments
from iclnb.influence.rivals import RIVALS

SETS, POINTS, K, LAYERS, HEADS, DEPTH = 10, 4, 6, 3, 4, 4


def findings(influence, weights=None, **changes):
    """Findings with one influence matrix under both wordings, and heads of given weights."""
    rng = np.random.default_rng(5)
    sets, points, k = influence.shape
    truth, label = np.tile(np.arange(points) % 2, (sets, 1)), np.tile(np.arange(k) % 2, (sets, 1))
    weights = rng.random((sets, LAYERS, HEADS, points, k)) if weights is None else weights
    states = rng.random((sets, DEPTH, points, k))
    both = (WORDINGS, influence, truth, label)

    def sums(candidate):
        square, product = moments(candidate, influence, truth, label)
        return np.stack([square] * 2), np.stack([[product, product / 10]] * 2)

    (head_square, head_product), (state_square, state_product) = sums(weights), sums(states)
    twice = lambda array: np.stack([array] * len(both[0]))  # noqa: E731
    blank = np.ones((2, len(SCALES), sets, points, 2))
    values = {
        "influence": twice(influence), "pull": twice(influence / 10), "truth": truth, "label": label,
        "right": np.ones((2, sets, points), bool), "shown": twice(label), "summed": blank, "together": blank,
        "rivals": rng.random((len(RIVALS), sets, points, k)),
        "combined": np.zeros((2, len(COMBINED), sets, points, k)), "head_mean": twice(weights.mean((3, 4))),
        "head_square": head_square, "head_product": head_product, "state_mean": twice(states.mean((2, 3))),
        "state_square": state_square, "state_product": state_product, "whole": np.ones((2, sets)),
        "left": np.ones((2, sets, LAYERS, HEADS)), "left_window": np.ones((2, 2, sets, 3)),
        "left_all": np.zeros((2, 2, sets)), "left_group": np.ones((2, 2, 3, sets)), "heads": 1,
        "best_layer": np.zeros(2, int), "best_head": np.zeros(2, int),
        "best_weights": twice(weights[0, 0, 0]),
    }  # fmt: skip
    return Influence(**values | changes)


@pytest.fixture
def noise():
    return np.random.default_rng(0).normal(size=(SETS, POINTS, K))


def test_shares_of_what_was_put_in():
    rng = np.random.default_rng(1)
    of_demonstration = np.repeat(rng.normal(size=(SETS, 1, K)), POINTS, axis=1)
    of_query = np.repeat(rng.normal(size=(SETS, POINTS, 1)), K, axis=2)
    for part, matrix in (("demonstration", of_demonstration), ("query", of_query)):
        shares = {p: float(estimates.share(findings(matrix), OWN, p, seed=0).value) for p in estimates.PARTS}
        assert shares.pop(part) == pytest.approx(1) and max(shares.values()) < 1e-6
    found = findings(of_demonstration + of_query)
    whole = sum(float(estimates.share(found, OWN, part, seed=0).value) for part in estimates.PARTS)
    assert whole == pytest.approx(1)


def test_noise_has_the_shares_of_its_degrees_of_freedom():
    found = findings(np.random.default_rng(2).normal(size=(400, POINTS, K)))
    for part in estimates.PARTS:
        share = float(estimates.share(found, OWN, part, seed=0).value)
        assert share == pytest.approx(estimates.chance(found, part), abs=0.02)


def test_negative_influence_by_hand(noise):
    matrix = np.full((SETS, POINTS, K), 1.0)
    matrix[:, :, 0] = -2.0
    evidence = estimates.negative(findings(matrix), OWN, seed=0)
    assert float(evidence.estimate.value) == pytest.approx(2 / (2 + K - 1))
    assert float(estimates.negative(findings(noise), OWN, seed=0).estimate.value) == pytest.approx(
        0.5, abs=0.1
    )


def test_classes_by_hand():
    truth, label = np.arange(POINTS) % 2, np.arange(K) % 2
    same = (truth[:, None] == label).astype(float)
    matrix = np.tile(2.0 * same - 0.5 * (1 - same), (SETS, 1, 1))
    found = findings(matrix)
    assert float(estimates.other_over_same(found, OWN, seed=0).estimate.value) == pytest.approx(-0.25)
    with pytest.raises(NothingToMeasure, match="draw towards"):
        estimates.other_over_same(findings(-matrix), OWN, seed=0)


def test_what_adds_up_by_hand(noise):
    summed = np.random.default_rng(3).normal(size=(2, 2, SETS, POINTS, 2))
    found = findings(noise, summed=2 * summed, together=summed)
    assert float(estimates.adds_up(found, OWN, "probability", seed=0).estimate.value) == pytest.approx(
        2, rel=1e-3
    )


def test_a_line_on_the_best_head_against_lines_on_its_weights(noise):
    """R² from sums alone is that of least squares on the weights themselves."""
    rng = np.random.default_rng(4)
    weights = rng.random((SETS, LAYERS, HEADS, POINTS, K))
    matrix = 0.3 + 2 * weights[:, 1, 2] + 0.3 * noise
    found = findings(matrix, weights)

    def of_lines(choose):
        fits = []
        for layer, head in np.ndindex(LAYERS, HEADS):
            x, y = weights[choose, layer, head].ravel(), matrix[choose].ravel()
            slope, start = np.polyfit(x, y, 1)
            fits.append((np.square(y - start - slope * x).mean(), layer, head, slope, start))
        _, layer, head, slope, start = min(fits)
        assert (layer, head) == (1, 2)
        guess = start + slope * weights[~choose, layer, head]
        both = matrix[~choose] - guess, matrix[~choose] - matrix[choose].mean()
        return np.stack([np.square(part).mean((1, 2)) for part in both])

    errors, spread = prediction.over_redraws(of_lines, SETS, seed=0)
    explained = prediction.explained(found, OWN, prediction.HEADS, seed=0)
    assert float(explained.value) == pytest.approx(1 - errors.sum() / spread.sum(), abs=2e-3)
    assert explained.low < explained.value < explained.high <= 1


def test_a_head_that_follows_is_found_on_every_level_and_noise_is_not(noise):
    rng = np.random.default_rng(6)
    weights = rng.random((SETS, LAYERS, HEADS, POINTS, K))
    follows = dict.fromkeys(LEVELS)
    for level in LEVELS:
        found = findings(weights[:, 2, 0] + 0.02 * noise, weights)
        follows[level] = prediction.follows(found, OWN, (prediction.HEADS,), level, seed=0)
        assert float(follows[level].value) > 0.95
    blind = prediction.follows(findings(noise, weights), OWN, (prediction.HEADS,), "pairs", seed=0)
    assert abs(float(blind.value)) < 0.25, "chosen on other sets, the best of many heads has no advantage"


def test_heads_that_carry_by_hand(noise):
    group = np.ones((2, 2, 3, SETS))
    group[:, 0], group[:, 1] = 0.2, 0.9
    group[:, :, 0, : SETS // 2] = np.nan
    found = findings(noise, left_group=group)
    evidence = estimates_heads.chosen_over_random(found, OWN, seed=0)
    assert float(evidence.estimate.value) == pytest.approx(0.7, abs=1e-3)
    left, weights = (
        np.ones((2, SETS, LAYERS, HEADS)),
        np.random.default_rng(7).random((SETS, LAYERS, HEADS, POINTS, K)),
    )
    left[:, :, 1, 3] = 0.4
    found = findings(weights[:, 1, 3] + 0.01 * noise, weights, left=left)
    evidence = estimates_heads.following_heads_carry(found, OWN, seed=0)
    assert float(evidence.estimate.value) == pytest.approx(0.6, abs=1e-3)


def test_halves_choose_without_judging():
    chosen = []
    found = prediction.over_redraws(
        lambda choose: chosen.append(choose) or np.flatnonzero(~choose), 11, seed=1
    )
    np.testing.assert_allclose(found, np.arange(11))
    assert len({tuple(row) for row in chosen}) > 20 and {*np.sum(chosen, 1)} == {5, 6}


def test_nothing_to_measure_where_labels_do_not_matter(noise):
    with pytest.raises(NothingToMeasure, match="labels that matter"):
        estimates.negative(findings(noise * 1e-3), OWN, seed=0)


def test_pictures_show_what_is_estimated():
    noise = np.random.default_rng(0).normal(size=(2, SETS, POINTS, K))
    ladder = {"kernel 1M": findings(1.0 + noise[0]), "this run": findings(1.0 + noise[1])}
    bars = pictures.shares(ladder | {"nothing 1M": findings(1e-3 * noise[0])})
    assert "nothing" not in bars.alt and "kernel 1M, own words: demonstration" in bars.alt
    for axes, wording in zip(bars.figure.axes, (OWN, ARBITRARY), strict=True):
        widths = np.array([[bar.get_width() for bar in part] for part in axes.containers]).T
        for one, width in zip(ladder.values(), widths, strict=True):
            parts = [float(estimates.share(one, wording, part, seed=0).value) for part in estimates.PARTS]
            assert [*width[:2], width[2:].sum()] == pytest.approx(parts) and width.sum() == pytest.approx(1)
    names = ("form", "explained", "levels", "carriers", "by_depth")
    drawn = [getattr(pictures, name)(ladder, seed=0) for name in names]
    assert all(name in picture.alt for picture in drawn for name in ladder)
    form, explained, levels, carriers, _ = (picture.figure.axes for picture in drawn)
    for one in ladder.values():
        assert shows(form[1], estimates.other_over_same(one, ARBITRARY, seed=0).estimate.value)
        assert shows(explained[1], prediction.explained(one, ARBITRARY, prediction.HEADS, seed=0).value)
        follows = prediction.follows(one, ARBITRARY, prediction.FAMILIES[:1], "pairs", seed=0)
        assert shows(levels[0], follows.value)
        assert shows(carriers[1], estimates_heads.lost(one, ARBITRARY, CHOSEN, seed=0).value)
