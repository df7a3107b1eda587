"""Verdicts, and the JSON that the results page reads."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float
from runs_by_hand import ladder
from scipy.stats import norm, ttest_1samp

from iclnb import claims, paths
from iclnb.claims.claim import Claim
from iclnb.claims.tasks import across_tasks
from iclnb.findings import Findings, variable
from iclnb.ladders import HERE, Rung
from iclnb.stats import Estimate, exact, interval

BOUND = st.integers(-5, 5).map(float)


@dataclass(frozen=True, kw_only=True)
class Draws(Findings):
    """Of a mean."""

    x: Float[np.ndarray, " draw"] = variable("draws", unit="1")


def mean(found):
    if len(found.x) < 2:
        raise claims.NothingToMeasure("two draws at least")
    return claims.Evidence(interval(found.x, seed=0), 0.0, "no effect")


@given(BOUND, BOUND, BOUND)
def test_the_verdict_is_what_every_value_of_the_interval_says(a, b, threshold):
    """Brute force: ask each point of a fine grid over the interval."""
    low, high = sorted((a, b))
    grid = np.linspace(low, high, 1001)
    for criterion, holds in [
        (claims.above(threshold), grid > threshold),
        (claims.below(threshold), grid < threshold),
        (claims.within(threshold, threshold + 2), (grid >= threshold) & (grid <= threshold + 2)),
    ]:
        expected = "supported" if holds.all() else "inconclusive" if holds.any() else "not supported"
        got = criterion.verdict((low, high))
        # an interval that contains all of [threshold, threshold + 2] may miss the grid, never the verdict
        assert got == expected


def test_not_a_number_is_inconclusive():
    assert claims.above(0).verdict((math.nan, 1.0)) == "inconclusive"


@given(BOUND, BOUND, BOUND, st.integers(1, 30))
def test_a_p_value_is_below_a_twentieth_just_where_the_verdict_is_decided(a, b, threshold, degrees):
    """On intervals that no bound touches, whichever side is wider."""
    low, high = min(a, b) - 0.25, max(a, b) + 0.35
    estimate = Estimate((2 * low + high) / 3, low, high).with_degrees(degrees)
    for criterion in (claims.above(threshold), claims.below(threshold), claims.within(threshold, 3)):
        if criterion.low < criterion.high:
            decided = criterion.verdict((low, high)) != "inconclusive"
            assert (criterion.p_value(estimate) < 0.05) == decided, (criterion, estimate)


@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_so_many_times_the_data_decide_an_undecided_claim(spread):
    """Brute force: the same units repeated, and the interval of the normal law."""
    values = np.tile(np.random.default_rng(0).normal(0.1, spread, 200), 100)

    def at(n):
        value, half = values[:200].mean(), 1.96 * values[:200].std() / math.sqrt(n)
        return value, (value - half, value + half)

    criterion = claims.above(0.05)
    more = criterion.more_data(*at(20))
    assert more > 1 and criterion.more_data(*at(math.ceil(20 * more * 1.001))) is None
    assert criterion.more_data(*at(math.floor(20 * more * 0.999))) is not None


def test_a_wide_interval_of_this_run_does_not_squeeze_that_of_a_record():
    def drawn(*intervals):
        above = claims.above(0)
        found = {
            run: claims.Judgement(above, Estimate(v, a, b), 0.0, "chance") for run, (v, a, b) in intervals
        }
        made = Claim("a", "a", above, found, {})
        page = BeautifulSoup(claims.Strips([made])._repr_html_(), "html.parser")
        return [
            [one.get("d") or one.get("cx") for one in svg.select(".interval, .value")] for svg in page("svg")
        ]

    (alone,) = drawn(("m", (1, 0.5, 2)))
    beside, here = drawn(("m", (1, 0.5, 2)), (HERE, (50, -100, 100)))
    assert beside == alone and len(here) == 1, "a value outside is not drawn at the edge"
    assert here == ["M5.0 8.0H67.0"], "from edge to edge"


def test_p_values_of_few_units_are_students():
    values = np.random.default_rng(0).normal(1, 1, size=5)
    found = interval(values, seed=0)
    for criterion in (claims.above(-0.5), claims.below(2.5)):
        bound = -0.5 if criterion.low == -0.5 else 2.5
        assert criterion.p_value(found) == pytest.approx(ttest_1samp(values, bound).pvalue, rel=1e-9)
    both = claims.within(-0.5, 2.5).p_value(found)  # the larger of the two: both sides have to be excluded
    assert both == pytest.approx(max(ttest_1samp(values, bound).pvalue for bound in (-0.5, 2.5)))
    lifted = claims.above(0.5).p_value(found.minus(-1.0))
    assert lifted == pytest.approx(ttest_1samp(values, -0.5).pvalue, rel=1e-9)
    sets = interval(np.tile(values[:, None], (1, 7)), design="sets x points", seed=0)
    assert claims.above(-0.5).p_value(sets) == pytest.approx(ttest_1samp(values, -0.5).pvalue, rel=1e-3)
    columns = interval(np.column_stack([values, [np.nan, *values[1:]]]), seed=0).at(1)
    assert claims.above(0).p_value(columns) == pytest.approx(ttest_1samp(values[1:], 0).pvalue, rel=1e-9)
    assert math.isnan(claims.above(0).p_value(exact(1.0)))


def proved(deviation, **settings):
    evidence = claims.Evidence(deviation, 0.5, "one head less")
    made = claims.Results(ladder("99_test"))
    return made.proved("p", "a = b", lambda _: evidence, proof="99a, lemma", **settings).claims[0]


def test_what_is_proved_is_checked_and_can_be_contradicted():
    right, wrong, broken = proved(exact(-3e-13)), proved(exact(2e-6), tolerance=1e-6), proved(exact(math.nan))
    verdicts = [claim.judgements[HERE].verdict for claim in (right, wrong, broken)]
    assert verdicts == ["proved and checked", "contradicted", "contradicted"]
    saved = right.to_json()
    assert saved["proof"] == "99a, lemma" and saved["p_value"] is None and "proof" not in first_claim()
    assert saved["criterion"] == "the largest deviation is at most 1e-12"
    shown = claims.Strips([right])._repr_html_()
    assert "∎" in shown and "proof: 99a, lemma" in shown
    with pytest.raises(ValueError, match="not an interval"):
        proved(Estimate(0.0, -1.0, 1.0))


def first_claim():
    return results().to_json()["claims"][0]


def results(**changes):
    run = ladder("99_test", Draws(x=np.ones(2)), facts={"model": {"name": "m"}}, k=np.int64(3), task="t")
    made = claims.Results(run)
    found = {"estimate": Estimate(np.float64(2.0), 1.5, 2.5), "control": 1.0, "control_is": "no effect"}
    evidence = claims.Evidence(**found | changes)
    made.claim("one", "x | y", claims.above(1), lambda _: evidence, paper="A", section="5.1")
    return made


def test_text_in_a_claim_stays_text():
    made = claims.Results(ladder("99_test"))
    hostile = "<script> | `x` $y$ {doc}`z`\n\n# heading"
    found = claims.Evidence(exact(2.0), 1.0, hostile)
    shown = made.claim("one", hostile, claims.above(1), lambda _: found, paper=hostile, section=hostile)
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    assert not page.find_all(["script", "h1", "code"])
    for place in (".statement", "p", "tbody td:nth-of-type(2)"):
        assert hostile in page.select_one(place).text


def test_the_saved_file(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_RESULTS", str(tmp_path))
    made = results()
    kept = {"curve": np.arange(3.0), "bad": [math.inf, 1], "nested": {"n": np.int64(2), "ok": True}}
    for name, value in kept.items():
        made.value(name, lambda _, value=value: value)
    saved = json.loads(made.save().read_text())
    assert saved["notebook"] == "99_test" and saved["name"] == "this run" and saved["ladder"] == []
    assert saved["parameters"] == {"k": 3, "task": "t"}
    assert saved["claims"] == [{
        "id": "one", "paper": "A", "section": "5.1", "statement": "x | y",
        "criterion": "the whole interval lies above 1", "region": [1.0, None], "speaks": "neither",
        "estimate": 2.0, "interval": [1.5, 2.5],
        "control": 1.0, "control_is": "no effect", "verdict": "supported",
        "p_value": pytest.approx(2 * norm.sf(1.96 * 2), rel=1e-3),
    }]  # fmt: skip
    assert saved["values"] == {"curve": [0, 1, 2], "bad": [None, 1], "nested": {"n": 2, "ok": True}}
    assert saved["provenance"] == {"model": {"name": "m"}}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["99_test.json", "99_test.nc"]


def test_a_claim_needs_its_own_id_and_without_a_control_decides_nothing():
    made = results()
    with pytest.raises(ValueError, match="twice"):
        made.claim("one", "another", claims.above(1), mean)
    without = results(control=math.nan).to_json()["claims"][0]
    assert without["control"] is None and without["verdict"] == "inconclusive"
    assert "n/a (no effect)" in results(control=math.nan)._repr_html_()
    assert results(estimate=exact(math.nan)).to_json()["claims"][0]["verdict"] == "inconclusive"


def test_replacing_keeps_the_old_when_the_block_fails(tmp_path):
    target = tmp_path / "a" / "b.json"
    with paths.replacing(target) as temporary:
        temporary.write_text("old")
    with pytest.raises(RuntimeError), paths.replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old" and [p.name for p in target.parent.iterdir()] == ["b.json"]


def rung(name, x, path):
    return Rung(name, Draws(x=x), SimpleNamespace(k=len(x)), {"model": {"name": name}}, {}, path)


def test_a_claim_is_judged_for_every_run_of_the_ladder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    draws = {"big-7b": rng.normal(3, 1, 50), "small-1m": rng.normal(-3, 1, 50), "one-2m": np.ones(1)}
    rungs = [rung(name, x, tmp_path / f"{name}.nc") for name, x in draws.items()]
    run = ladder("99_test", Draws(x=rng.normal(0, 1, 8)), *rungs)
    assert list(run) == ["small-1M", "one-2M", "big-7B", "this run"]
    made = claims.Results(run)
    (one,) = made.claim("mean", "above 0", claims.above(0), mean, paper="A", speaks="against").claims
    for name, x in draws.items():
        spelled = name[:-1] + name[-1].upper()
        if len(x) > 1:
            expected = ttest_1samp(x, 0).confidence_interval()
            low, high = one.judgements[spelled].estimate[1:]
            assert (low, high) == (
                pytest.approx(expected.low, rel=0.05),
                pytest.approx(expected.high, rel=0.05),
            )
    verdicts = {name: said.verdict for name, said in one.judgements.items()}
    assert verdicts == {"small-1M": "not supported", "big-7B": "supported", "this run": "inconclusive"}
    assert one.left_out == {"one-2M": "two draws at least"}
    made.value("draws", lambda one: len(one.x))
    saved = json.loads(made.save(tmp_path).read_text())
    assert [run["name"] for run in saved["ladder"]] == ["small-1M", "one-2M", "big-7B"]
    assert [run["values"]["draws"] for run in saved["ladder"]] == [50, 1, 50]
    assert saved["ladder"][2]["claims"][0]["speaks"] == "against"
    assert saved["ladder"][1]["left_out"] == {"mean": "two draws at least"}
    np.testing.assert_array_equal(Draws.load(tmp_path / "99_test.nc").x, run.here.x)


def recorded(model, task, x):
    facts = {"model": {"name": model}}
    return Rung("", Draws(x=np.array(x)), SimpleNamespace(task=task), facts, {}, Path(f"{model}/{task}.nc"))


def test_records_of_other_tasks_are_judged_and_shown_apart():
    """A claim holds in one task and fails in another: marks in strips are of the main task, rows of both."""
    listed = [
        recorded("gpt-1b", "hate", [-2.0, -3.0, -2.5]),
        recorded("gpt-6m", "hate", [1.5, 2.5, 2.0]),
        recorded("gpt-1b", "sst2", [2.0, 3.0, 2.5]),
        recorded("gpt-6m", "sst2", [1.0, 1.5, 2.0]),
    ]
    results = claims.Results(ladder("99_test", Draws(x=np.ones(3)), *listed, task="hate"))
    strips = results.claim("positive", "It is positive.", claims.above(0), mean)
    said = {run: one.verdict for run, one in results.claims[0].judgements.items()}
    assert said == {
        "GPT-6M on hate": "supported", "GPT-6M": "supported", "GPT-1B on hate": "not supported",
        "GPT-1B": "supported", HERE: "supported",
    }  # fmt: skip
    assert list(results.ladder) == ["GPT-6M", "GPT-1B", HERE]
    page = BeautifulSoup(strips._repr_html_(), "html.parser")
    assert [name.text for name in page.select("summary .name")] == ["GPT-6M", "GPT-1B", HERE]
    assert len(page.select("tbody tr")) == 5

    picture = across_tasks(results, "positive")
    (axes,) = picture.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["SST-2", "hate"]
    drawn = {bars.get_label(): sorted(bars.lines[0].get_xdata().tolist()) for bars in axes.containers}
    assert drawn == {"GPT-6M": [1.5, 2.0], "GPT-1B": [-2.5, 2.5]}
    assert "hate: GPT-6M 2, GPT-1B -2.5" in picture.alt


def test_a_claim_in_variants_is_judged_once_for_each():
    results = claims.Results(ladder("99_test", Draws(x=np.array([4.0, 5.0, 6.0]))))

    def of(found, sign):
        return mean(Draws(x=found.x if sign == "as drawn" else -found.x))

    strips = results.claim_each(
        {"up": "as drawn", "down": "negated"}, "sign", "It is positive", claims.above(0), of, paper="A"
    )
    told = [(one.id, one.statement, one.paper, one.judgements[HERE].verdict) for one in strips.claims]
    assert told == [
        ("sign-up", "It is positive (as drawn).", "A", "supported"),
        ("sign-down", "It is positive (negated).", "A", "not supported"),
    ]
    assert results.claims == strips.claims
