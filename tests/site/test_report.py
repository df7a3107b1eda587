"""Claims as rows: their files, the forest plot, the terminal, the check against records."""

import csv
import io
import json
import math
import re

import click
import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as some

from iclnb import claims, stats
from iclnb.cli import report_commands
from iclnb.errors import IclnbError
from iclnb.site.results import claim_rows, forest
from iclnb.site.results.runs import Run


def run(*rows, model="m-1b", task="sst2", recorded=False, stale=(), name="01_a"):
    """A run whose claims are (id, estimate, low, high, criterion)."""
    results = claims.Results(name, {"profile": "laptop", "model": model, "task": task})
    for id, value, low, high, criterion in rows:
        evidence = claims.Evidence(stats.Estimate(value, low, high), 0.25, "random | weights")
        results.claim(id, "=SUM(A1) <b>rises</b>", criterion, evidence, paper="A", section="5.1")
    return Run(recorded, model, task, results.to_json(), stale, False)


def rows(*runs):
    return claim_rows.rows({"01_a": runs}, {"01_a": "A <question>?"})


UP = ("up", 2.0, 1.0, 3.0, claims.above(0.5))


@pytest.mark.parametrize(
    ("criterion", "region"),
    [
        (claims.above(-0.25), (-0.25, None)),
        (claims.below(1e-12), (None, 1e-12)),
        (claims.within(-1e-6, 2), (-1e-6, 2)),
        (claims.within(0, math.inf), (0, None)),
    ],
)
def test_the_region_of_a_criterion_is_read_from_its_words(criterion, region):
    assert claim_rows.region(str(criterion)) == region


def test_the_region_of_a_proof_is_its_tolerance():
    assert claim_rows.region("the largest deviation is at most 1e-12") == (-1e-12, 1e-12)


def test_json_and_csv_say_the_same_and_no_cell_is_a_formula():
    found = rows(run(UP), run(("nan", math.nan, math.nan, math.nan, claims.above(0)), recorded=True))
    read = list(csv.DictReader(io.StringIO(claim_rows.as_csv(found))))
    as_json = json.loads(claim_rows.as_json(found))
    assert [row["claim"] for row in read] == [row["claim"] for row in as_json] == ["up", "nan"]
    assert [float(read[0][name]) for name in ("estimate", "low", "high", "above")] == [2.0, 1.0, 3.0, 0.5]
    assert as_json[1]["estimate"] is None and read[1]["estimate"] == "" and read[0]["below"] == ""
    assert not [cell for row in read for cell in row.values() if cell[:1] in tuple("=+-@")]


def drawn(*runs):
    """Each line of the plot: its verdict, and the positions of region, interval and marks in percent."""
    page = BeautifulSoup(forest.card(rows(*runs)), "html.parser")
    for line in page.select("li"):
        percent = {
            part: [float(value.rstrip("%")) for value in values]
            for part, values in {
                "region": [line.rect["x"], line.rect["width"]],
                "interval": [line.select_one(".i")[end] for end in ("x1", "x2")],
                "marks": [mark["x"] for mark in line.select("use")],
            }.items()
        }
        yield line["data-verdict"], percent


NUMBERS = some.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 3))


@given(some.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted), NUMBERS, some.sampled_from(["above", "below"]))
@settings(deadline=None)
def test_the_plot_shows_what_the_verdict_says(interval, bound, kind):
    """A supported interval lies inside its region, another outside, an inconclusive one across its bound."""
    low, value, high = interval
    criterion = getattr(claims, kind)(float(f"{bound:.4g}"))
    ((verdict, seen),) = drawn(run(("a", value, low, high, criterion)))
    left, right = seen["region"][0], sum(seen["region"])
    start, end = seen["interval"]
    slack = 0.7  # positions have one decimal, and a region is at least 0.6 wide
    assert 0 <= start <= end <= 100 and all(0 <= mark <= 100 for mark in seen["marks"])
    inside = left - slack <= start and end <= right + slack
    outside = end <= left + slack or start >= right - slack
    across = start <= left + slack <= end + 2 * slack or start - slack <= right <= end + slack
    wanted = {claims.SUPPORTED: inside, claims.NOT_SUPPORTED: outside, claims.INCONCLUSIVE: across}
    assert wanted[verdict], (verdict, seen)


def test_a_control_far_away_leaves_the_bound_visible():
    ((_, seen),) = drawn(run(("a", 1e-15, 0.0, 1e-14, claims.below(1e-12))))
    assert seen["interval"][1] < sum(seen["region"]) - 0.5 < seen["marks"][0]


def test_runs_of_a_claim_share_an_axis_and_text_is_escaped():
    (_, small), (_, large) = drawn(run(UP), run(("up", 20.0, 10.0, 30.0, claims.above(0.5)), recorded=True))
    assert small["interval"][1] < large["interval"][0] and small["region"] == large["region"]
    text = forest.card(rows(run(UP)))
    assert "<b>rises" not in text and "&lt;b&gt;rises" in text and "\n\n" not in text


def test_the_check_compares_runs_of_the_same_model_and_task_only():
    down = ("up", -2.0, -3.0, -1.0, claims.above(0.5))
    here = run(UP)
    assert claim_rows.compared(rows(here, run(UP, recorded=True))) == ([], 1)
    differences, count = claim_rows.compared(rows(here, run(down, recorded=True)))
    assert count == 1 and [(d.here.verdict, d.recorded.verdict) for d in differences] == [
        ("supported", "not supported")
    ]
    assert claim_rows.compared(rows(here, run(down, recorded=True, task="mnli"))) == ([], 0)
    with pytest.raises(IclnbError, match=r"1 of 1 verdicts differ[\s\S]*supported here"):
        report_commands._check(differences, count)
    with pytest.raises(IclnbError, match="nothing could be compared"):
        report_commands._check([], 0)


@pytest.mark.parametrize("width", [20, 60, 80, 140])
def test_no_line_on_the_terminal_is_wider_than_it(width):
    found = [click.unstyle(line) for line in report_commands.lines(rows(run(UP, stale=["old"])), width)]
    assert max(map(len, found)) <= max(width, 40)
    assert any("supported" in line for line in found) and found[-1] == "1 verdicts: 1 supported"
    assert sum(line.endswith("(stale)") for line in found) == (width >= 60)


def test_colours_only_on_a_terminal(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").touch()
    (tmp_path / "notebooks" / "01_a.py").write_text("# %% [markdown]\n# # A question?\n")
    place = tmp_path / "build" / "results" / "01_a.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({**run(UP).results, "key": {}}))
    monkeypatch.chdir(tmp_path)
    plain = CliRunner().invoke(report_commands.report).output
    coloured = CliRunner().invoke(report_commands.report, color=True).output
    assert "\x1b[" in coloured and re.sub(r"\x1b\[\d*m", "", coloured) == plain
    assert json.loads(CliRunner().invoke(report_commands.report, ["--json"]).output)[0]["claim"] == "up"
    failed = CliRunner().invoke(report_commands.report, ["--check"])
    assert isinstance(failed.exception, IclnbError)
