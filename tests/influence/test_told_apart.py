"""Planted mechanisms are told apart by the chapter's own numbers; heads that write nothing change none of them."""

import numpy as np
import pytest

from iclnb.claims import NothingToMeasure
from iclnb.influence import estimates, estimates_heads, estimates_prediction
from iclnb.influence.candidates import BLIND, CLASSES, EMBEDDINGS, FAMILIES, HEADS, POSITION, STATES
from iclnb.influence.findings import CHOSEN, COMBINED, RANDOM
from iclnb.influence.levels import LEVELS
from iclnb.influence.material import ARBITRARY

pytestmark = pytest.mark.tiny


def share(found, part):
    return float(estimates.share(found, ARBITRARY, part, seed=0).value)


def follows(found, name, level):
    return float(estimates_prediction.follows(found, ARBITRARY, (name,), level, seed=0).value)


def explained(found, name):
    return float(estimates_prediction.explained(found, ARBITRARY, name, seed=0).value)


def value(evidence):
    return float(evidence.estimate.value)


def test_a_kernel_over_texts_belongs_to_pairs_and_follows_texts(measured):
    found = measured("kernel")
    assert share(found, "pair") > 0.6 and share(found, "text") > 0.2
    assert value(estimates.negative(found, ARBITRARY, seed=0)) < 0.05
    assert value(estimates.other_over_same(found, ARBITRARY, seed=0)) == pytest.approx(0, abs=0.1)
    assert value(estimates.adds_up(found, ARBITRARY, "log-odds", seed=0)) == pytest.approx(1, abs=0.05)
    for level in ("pairs", "texts"):
        assert follows(found, HEADS, level) > 0.98 and follows(found, EMBEDDINGS, level) > 0.95
    assert explained(found, HEADS) > 0.97 and explained(found, POSITION) < 0.1
    assert explained(found, STATES) > 0.4, "a ridge regression on states comes near a kernel"


def test_a_kernel_over_classes_tells_classes_apart_and_no_texts(measured):
    found = measured("classes")
    assert share(found, "pair") > 0.5 and share(found, "text") < 0.05
    assert value(estimates.other_over_same(found, ARBITRARY, seed=0)) == pytest.approx(0, abs=0.1)
    assert abs(follows(found, EMBEDDINGS, "texts")) < 0.4 < follows(found, CLASSES, "pairs")


def test_what_copies_labels_belongs_to_demonstrations(measured):
    found = measured("recency")
    assert share(found, "demonstration") > 0.95
    assert value(estimates.pair_over_demonstration(found, ARBITRARY, seed=0)) < -0.9
    assert value(estimates.other_over_same(found, ARBITRARY, seed=0)) == pytest.approx(1, abs=0.05)
    assert explained(found, POSITION) > 0.9


def test_a_mapping_that_is_applied_pulls_the_other_way_for_the_other_class(measured):
    found = measured("mapping")
    assert share(found, "pair") > 0.9
    assert value(estimates.other_over_same(found, ARBITRARY, seed=0)) == pytest.approx(-1, abs=0.1)
    assert value(estimates.negative(found, ARBITRARY, seed=0)) == pytest.approx(0.5, abs=0.1)
    assert explained(found, CLASSES) > 0.5, "rank one"


def numbers(found):
    """Every number of the chapter that a claim or a figure shows."""
    shares = {part: share(found, part) for part in (*estimates.PARTS, "text")}
    judged = {
        question.__name__: value(question(found, ARBITRARY, seed=0))
        for question in (
            estimates.negative, estimates.pair_over_demonstration, estimates.other_over_same,
            estimates_heads.chosen_over_random, estimates_heads.following_heads_carry,
        )
    }  # fmt: skip
    r2 = {name: explained(found, name) for name in (*FAMILIES, *BLIND, *COMBINED)}
    best = {f"{HEADS}, {level}": follows(found, HEADS, level) for level in LEVELS}
    return shares | judged | r2 | best


def test_inert_heads_change_nothing(measured):
    """Heads that attend to the labels of the answer, and write nothing: before, they made a kernel "report"."""
    plain, found = measured("not inert"), measured("inert")
    np.testing.assert_allclose(found.influence, plain.influence, atol=1e-4)
    assert numbers(found) == pytest.approx(numbers(plain), abs=2e-3)
    for one in (plain, found):
        assert follows(one, HEADS, "pairs") > 0.98
        assert float(estimates_heads.lost(one, ARBITRARY, CHOSEN, seed=0).value) > 0.95
        left = one.of("left", ARBITRARY).sum(0) / one.of("whole", ARBITRARY).sum()
        assert np.unravel_index(left.argmin(), left.shape) == (1, 1)
        np.testing.assert_allclose(left[3, :3], 1, atol=1e-4)


@pytest.mark.parametrize("name", ["kernel", "classes", "recency"])
def test_the_head_that_carries_influence_is_chosen_on_other_sets(measured, name):
    found = measured(name)
    assert float(estimates_heads.lost(found, ARBITRARY, CHOSEN, seed=0).value) > 0.9
    assert abs(float(estimates_heads.lost(found, ARBITRARY, RANDOM, seed=0).value)) < 0.05
    assert value(estimates_heads.chosen_over_random(found, ARBITRARY, seed=0)) > 0.9


def test_the_head_whose_weights_follow_pairs_carries_them(measured):
    for name in ("kernel", "classes", "inert"):
        assert value(estimates_heads.following_heads_carry(measured(name), ARBITRARY, seed=0)) > 0.9


def test_where_labels_change_nothing_there_is_nothing_to_explain(measured):
    """Though heads attend to the labels of an answer that was known before."""
    found = measured("report")
    for question in (estimates.negative, estimates.pair_over_demonstration, estimates.other_over_same):
        with pytest.raises(NothingToMeasure, match="labels that matter"):
            question(found, ARBITRARY, seed=0)
