"""Evidence of chapter 07 on planted models and by hand; pictures and answer say what the numbers say."""

import numpy as np
import pytest

from iclnb import claims
from iclnb.mechanism import (
    ceiling,
    decision,
    estimates,
    estimates_flow,
    function_vectors,
    material,
    pictures,
    verdict,
)
from iclnb.mechanism.function_vectors import Tried

pytestmark = pytest.mark.tiny


def test_a_kernel_head_decides_and_a_report_head_comes_after(kernel, report):
    for found, decided in ((kernel, 0), (report, 1)):
        for name, one in found.conditions.items():
            runs = found.measured.runs
            query = verdict.slope(runs, one.name, "query", one.verdict.layer)
            assert estimates_flow.ratio(*query, seed=0).value == pytest.approx(1, abs=0.1), (
                "the query is there before the heads in both"
            )
            left = estimates_flow.without_labels(runs, one, seed=0)
            assert left.estimate.value == pytest.approx(decided, abs=0.1)
            lens = {name: decision.lens(found.reader, runs, found.material, name)}
            first = estimates.after_decision(one, lens, seed=0).estimate.value
            assert first > 0 if decided else first < 0
    assert (
        estimates_flow.heads_follow(report.measured.runs, report.conditions["own words"], seed=0).estimate.low
        > 0.8
    )
    for found, earlier in ((kernel, 0), (report, 0)):
        for one in found.conditions.values():  # a kernel reads labels at its head, a report needs none
            estimate = estimates_flow.read_earlier(found.measured.runs, one, seed=0).estimate
            assert estimate.value == pytest.approx(earlier, abs=0.1)
    assert estimates_flow.decided_before(kernel.conditions["own words"]).estimate.high < 0.1


def test_labels_are_read_in_the_layer_of_the_kernel_head(kernel):
    left = dict(estimates_flow.windows(kernel.measured.runs, "own words", seed=0))
    assert set(left) == {"0 to 0", "1 to 1", "2 to 2", "3 to 3"}
    assert left["2 to 2"].value < 0.1 < 0.9 < min(left[name].value for name in left if name != "2 to 2")


def test_a_model_that_follows_labels_is_right_under_any_of_them(kernel, report):
    for one in kernel.conditions.values():
        assert estimates.follows_demonstrations(one, kernel.material).estimate.value > 0.9
    for one in report.conditions.values():
        assert one.accuracy.value == pytest.approx(0.5, abs=0.1), "right in one labelling, wrong in the other"


def test_the_probe_finds_the_decision_and_its_control_does_not(report):
    hits, blind = decision.probe(report.measured.runs, "own words", folds=4, seed=0)
    assert hits[..., -1].mean() > 0.9 and hits[..., 0].mean() < 0.7 and blind[..., -1].mean() < 0.7


def test_the_best_kernel_is_found_where_there_is_one(kernel, counting):
    def agreement(found):
        return ceiling.ceilings(
            found.reader,
            found.measured.runs,
            found.material,
            found.measured.texts,
            "own words",
            depths=4,
            folds=4,
        )

    over_x = agreement(kernel)
    assert max(over_x[name].mean() for name in ceiling.OVER_X) > 0.9
    evidence = estimates.ceiling_over_rivals(over_x, seed=0)
    assert claims.above(0).verdict(evidence.estimate[1:]) == claims.SUPPORTED
    counts = agreement(counting)
    assert counts[ceiling.COUNTS].mean() > 0.8
    assert estimates.ceiling_over_rivals(counts, seed=0).estimate.value <= 0


def test_vectors_that_hold_the_answer_are_found(report, kernel):
    """What the report model knows needs no vector; a kernel has no vector that knows other queries."""
    for found in (report, kernel):
        runs, drawn = found.measured.runs, found.material
        tried = function_vectors.attempt(found.reader, runs, drawn, "own words", depths=4, seed=0)
        assert tried.log_probability.shape == (16, 2, 1 + 4 * 4 + 3)
        gained = {name: row for name, *row in estimates.gains(tried, seed=0)}
        shown, added = gained["demonstrations"][2], gained[function_vectors.ADDED][2]
        if found is kernel:
            assert shown.low > 0.3 and added.value < 0.5 * shown.value
        else:
            assert abs(shown.value) < 0.1


def test_replacing_the_state_after_the_last_layer_would_give_the_mean_answer(kernel):
    """The plain step is the zero-shot answer that the reader gives."""
    runs, drawn = kernel.measured.runs, kernel.material
    tried = function_vectors.attempt(kernel.reader, runs, drawn, "own words", depths=4, seed=0)
    answers = kernel.reader.answers(drawn.alone, drawn.wordings[material.OWN])
    expected = np.take_along_axis(answers, drawn.truth[..., None], -1)[..., 0]
    np.testing.assert_allclose(tried.log_probability[..., 0], expected, atol=1e-4)


def tried(right, shown):
    """Two steps of each kind in four sets, by hand: what each adds to nothing."""
    steps = ((function_vectors.NOTHING, 0), *((kind, at) for kind in function_vectors.KINDS for at in (0, 1)))
    values = np.zeros((4, 2, len(steps)))
    for i, (kind, at) in enumerate(steps):
        values[..., i] = -5 + right.get((kind, at), 0)
    values += np.arange(4)[:, None, None] * 0.01
    base = -5 + np.arange(4)[:, None] * 0.01 + np.zeros((4, 2))
    return Tried(steps, values, values, values, base + shown, base + shown, base + shown)


def test_the_share_that_comes_back_by_hand():
    made = tried({(function_vectors.ADDED, 1): 3.0, (function_vectors.OTHER_LABELS, 0): 1.0}, shown=4.0)
    back, gain = function_vectors.share_back(made, function_vectors.ADDED)
    np.testing.assert_allclose(back, 3), np.testing.assert_allclose(gain, 4)
    evidence = estimates.gain_back(made, seed=0)
    assert (evidence.estimate.value, evidence.control) == (pytest.approx(0.75), pytest.approx(0.25))
    assert estimates.right_over_wrong(made, seed=0).estimate.value == pytest.approx(2)
    nothing = estimates.gain_back(tried({}, 0.0), seed=0)
    assert np.isnan(nothing.estimate.value), "a share of no gain is no number"


def test_the_answer_follows_from_the_verdict(kernel, report):
    assert f"**{verdict.KERNEL}**" in estimates.answer(list(kernel.conditions.values()))
    assert f"**{verdict.REPORT}**" in estimates.answer(list(report.conditions.values()))


def test_pictures_say_the_finding(kernel):
    runs, conditions = kernel.measured.runs, list(kernel.conditions.values())
    own = conditions[0]
    readings = {
        name: {"lens": decision.lens(kernel.reader, runs, kernel.material, name)}
        for name in kernel.conditions
    }
    made = [
        pictures.shares(conditions),
        pictures.heads(own),
        pictures.decision(readings, conditions, seed=0),
        pictures.flow(runs, conditions, seed=0),
        pictures.vectors({"own words": estimates.gains(tried({}, 4.0), seed=0)}),
    ]
    assert "kernel over x has most" in made[0].alt
    assert f"The {len(own.best)} best agree" in made[1].alt
    assert "demonstrations gain 4" in made[4].alt
    assert all("nan" not in picture.alt for picture in made)
