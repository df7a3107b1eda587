"""Estimates on findings made by hand: shares, predictions and choices against brute force."""

import numpy as np
import pytest
from made_influence import HEADS, LAYERS, POINTS, SETS, K, findings

from iclnb.claims import NothingToMeasure
from iclnb.influence import candidates, estimates, estimates_heads, estimates_prediction
from iclnb.influence.levels import LEVELS
from iclnb.influence.material import OWN


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


def test_limits_of_shares_stay_in_range(noise):
    for part in (*estimates.PARTS, "text"):
        share = estimates.share(findings(noise * 0.001 + noise.mean(1, keepdims=True)), OWN, part, seed=0)
        assert 0 <= share.low <= share.value <= share.high <= 1


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
    errors = np.zeros(SETS), np.zeros(SETS), np.zeros(SETS)
    for choose in candidates.halves(SETS, seed=0):
        fits = []
        for layer, head in np.ndindex(LAYERS, HEADS):
            x, y = weights[choose, layer, head].ravel(), matrix[choose].ravel()
            slope, start = np.polyfit(x, y, 1)
            fits.append((np.square(y - start - slope * x).mean(), layer, head, slope, start))
        _, layer, head, slope, start = min(fits)
        assert (layer, head) == (1, 2)
        guess = start + slope * weights[~choose, layer, head]
        errors[0][~choose] += np.square(matrix[~choose] - guess).mean((1, 2))
        errors[1][~choose] += np.square(matrix[~choose] - matrix[choose].mean()).mean((1, 2))
        errors[2][~choose] += 1
    expected = 1 - (errors[0] / errors[2]).sum() / (errors[1] / errors[2]).sum()
    explained = estimates_prediction.explained(found, OWN, candidates.HEADS, seed=0)
    assert float(explained.value) == pytest.approx(expected, abs=2e-3)
    assert explained.low < explained.value < explained.high <= 1


def test_a_head_that_follows_is_found_on_every_level_and_noise_is_not(noise):
    rng = np.random.default_rng(6)
    weights = rng.random((SETS, LAYERS, HEADS, POINTS, K))
    follows = dict.fromkeys(LEVELS)
    for level in LEVELS:
        found = findings(weights[:, 2, 0] + 0.02 * noise, weights)
        follows[level] = estimates_prediction.follows(found, OWN, (candidates.HEADS,), level, seed=0)
        assert float(follows[level].value) > 0.95
    blind = estimates_prediction.follows(findings(noise, weights), OWN, (candidates.HEADS,), "pairs", seed=0)
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
    chosen = candidates.halves(11, seed=1)
    assert len(chosen) >= 20 and len({tuple(row) for row in chosen}) > 20
    assert {*chosen.sum(1)} == {5, 6} and (chosen.sum(0) == len(chosen) / 2).all(), "every set judges"


def test_nothing_to_measure_where_labels_do_not_matter(noise):
    with pytest.raises(NothingToMeasure, match="labels that matter"):
        estimates.negative(findings(noise * 1e-3), OWN, seed=0)
