"""Planted mechanisms are told apart by the chapter's own numbers; heads that write nothing change none of them."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import planted
import pytest

from iclnb.claims import NothingToMeasure
from iclnb.influence import estimates, estimates_heads, estimates_prediction, measure, rivals
from iclnb.influence.estimates_prediction import BLIND, CLASSES, EMBEDDINGS, FAMILIES, HEADS, POSITION, STATES
from iclnb.influence.findings import CHOSEN, COMBINED, RANDOM
from iclnb.influence.material import ARBITRARY
from iclnb.influence.matrix import LEVELS
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny


PLANTED = {
    "kernel": planted.plant,
    "classes": planted.plant_classes,
    "recency": planted.plant_recency,
    "mapping": planted.plant_mapping,
    "inert": lambda: planted.plant_inert(3),
    "not inert": lambda: planted.plant_inert(0),
    "report": planted.plant_report,
}
RUN = SimpleNamespace(
    task="planted", source="", model="planted", words=",".join(planted.LABEL_WORDS), revision=None, dtype=None,
    device_map=None, k=8, sets=6, points=4, asked=2, heads=1, redraws=4, batch_size=8, data_seed=0,
    demonstration_seed=1, sampling_seed=3,
)  # fmt: skip


@cache
def measured(name):
    """The findings of a planted model, measured once."""
    model = PLANTED[name]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("iclnb.influence.material.task_rows", lambda *_, **__: model.rows())
        patch.setattr(measure, "load_reader", lambda *_, **__: Reader(model.loaded, batch_size=8))
        patch.setattr(rivals, "embed", lambda texts: model.places[[int(text[1:]) for text in texts]])
        return measure.measure(RUN)


def share(found, part):
    return float(estimates.share(found, ARBITRARY, part, seed=0).value)


def follows(found, name, level):
    return float(estimates_prediction.follows(found, ARBITRARY, (name,), level, seed=0).value)


def explained(found, name):
    return float(estimates_prediction.explained(found, ARBITRARY, name, seed=0).value)


def value(evidence):
    return float(evidence.estimate.value)


def test_a_kernel_over_texts_belongs_to_pairs_and_follows_texts():
    found = measured("kernel")
    assert share(found, "pair") > 0.6 and share(found, "text") > 0.2
    assert value(estimates.negative(found, ARBITRARY, seed=0)) < 0.05
    assert value(estimates.other_over_same(found, ARBITRARY, seed=0)) == pytest.approx(0, abs=0.1)
    assert value(estimates.adds_up(found, ARBITRARY, "log-odds", seed=0)) == pytest.approx(1, abs=0.05)
    for level in ("pairs", "texts"):
        assert follows(found, HEADS, level) > 0.98 and follows(found, EMBEDDINGS, level) > 0.95
    assert explained(found, HEADS) > 0.97 and explained(found, POSITION) < 0.1
    assert explained(found, STATES) > 0.4, "a ridge regression on states comes near a kernel"


def test_a_kernel_over_classes_tells_classes_apart_and_no_texts():
    found = measured("classes")
    assert share(found, "pair") > 0.5 and share(found, "text") < 0.05
    assert value(estimates.other_over_same(found, ARBITRARY, seed=0)) == pytest.approx(0, abs=0.1)
    assert abs(follows(found, EMBEDDINGS, "texts")) < 0.4 < follows(found, CLASSES, "pairs")


def test_what_copies_labels_belongs_to_demonstrations():
    found = measured("recency")
    assert share(found, "demonstration") > 0.95
    assert value(estimates.pair_over_demonstration(found, ARBITRARY, seed=0)) < -0.9
    assert value(estimates.other_over_same(found, ARBITRARY, seed=0)) == pytest.approx(1, abs=0.05)
    assert explained(found, POSITION) > 0.9


def test_a_mapping_that_is_applied_pulls_the_other_way_for_the_other_class():
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


def test_inert_heads_change_nothing():
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
def test_the_head_that_carries_influence_is_chosen_on_other_sets(name):
    found = measured(name)
    assert float(estimates_heads.lost(found, ARBITRARY, CHOSEN, seed=0).value) > 0.9
    assert abs(float(estimates_heads.lost(found, ARBITRARY, RANDOM, seed=0).value)) < 0.05
    assert value(estimates_heads.chosen_over_random(found, ARBITRARY, seed=0)) > 0.9
    if name != "recency":  # its weights follow places, not pairs
        assert value(estimates_heads.following_heads_carry(found, ARBITRARY, seed=0)) > 0.9


def test_where_labels_change_nothing_there_is_nothing_to_explain():
    """Though heads attend to the labels of an answer that was known before."""
    found = measured("report")
    for question in (estimates.negative, estimates.pair_over_demonstration, estimates.other_over_same):
        with pytest.raises(NothingToMeasure, match="labels that matter"):
            question(found, ARBITRARY, seed=0)
