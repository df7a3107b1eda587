"""The command `iclnb report`: every claim on a terminal, and the check against records."""

import json
import re

import click
import pytest
from click.testing import CliRunner
from runs_by_hand import NO, YES, claim, results, rows, run, save

from iclnb.cli import report_commands
from iclnb.errors import IclnbError
from iclnb.ladders import HERE
from iclnb.site.results import claim_rows, multiplicity
from iclnb.site.summary import papers


@pytest.mark.parametrize("width", [20, 60, 140])
def test_no_line_on_the_terminal_is_wider_than_it_and_no_statement_is_cut(width):
    long = claim(
        "up", YES, statement="Under shared demonstrations the best head agrees more than controls do."
    )
    listed = report_commands.lines(rows(run("SmolLM2-135M", long, stale=["old"])), width)
    found = [click.unstyle(line) for line in listed]
    assert max(map(len, found)) <= max(width, 40) and found[-1] == "1 supported"
    assert "".join(long["statement"].split()) in "".join("".join(found).split())
    assert "stale" in "".join(found[:4])


def test_the_check_names_the_verdicts_that_differ():
    here = run(HERE, claim("up", YES), model="m", task="sst2")
    pairs = claim_rows.compared(rows(run("m", claim("up", NO), task="sst2"), here))
    with pytest.raises(IclnbError, match=r"1 of 1 verdicts differ[\s\S]*01_a, up: supported here"):
        report_commands._check(pairs)
    with pytest.raises(IclnbError, match="nothing could be compared"):
        report_commands._check([])


def test_the_command_shows_claims_in_colour_and_narrowed_as_it_is_asked(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").touch()
    for name in ("01_a", "02_b"):
        (tmp_path / "notebooks" / f"{name}.py").write_text("# %% [markdown]\n# # A question?\n")
    mine = [claim("up", YES), claim("down", NO), claim("ours", YES, paper="ours")]
    record = results("m", [claim("up", NO)]) | {"record": None}
    save(tmp_path, results(HERE, mine, model="Qwen2.5-7B"), record)
    save(tmp_path, results(HERE, [claim("other", YES)], notebook="02_b"))
    monkeypatch.chdir(tmp_path)

    def found(*words):
        done = CliRunner().invoke(report_commands.report, [*words, "--json"])
        return [(row["run"], row["claim"]) for row in json.loads(done.output)]

    assert len(found()) == 5
    assert found("02_b") == found("--chapter", "02") == [(HERE, "other")]
    assert found("--model", "qwen") == [(HERE, "up"), (HERE, "down"), (HERE, "ours")]
    assert found("--verdict", "not supported") == [("m", "up"), (HERE, "down")]
    assert found("--paper", "ours", "--paper", "B") == [(HERE, "ours")]
    assert found("01", "--paper", "A", "--verdict", "supported") == [(HERE, "up")]
    plain = CliRunner().invoke(report_commands.report).output
    coloured = CliRunner().invoke(report_commands.report, color=True).output
    assert "\x1b[" in coloured and re.sub(r"\x1b\[\d*m", "", coloured) == plain


def test_smoke_runs_and_models_at_chance_are_shown_and_enter_no_sum():
    smoke = run(HERE, claim("up", YES), parameters={"profile": "smoke"})
    listed = rows(run("a", claim("up", YES)), run("b", claim("up", YES), at_chance=True), smoke)
    assert [row.counts for row in listed] == [True, False, False]
    assert papers.sides(listed) == {"for": 1}
    assert papers.tally(listed) == "1 supported, 2 of a smoke run or at chance, not counted"
    assert report_commands.lines(listed, 80)[-1] == papers.tally(listed)
    assert "| recorded | A | 1 |" in multiplicity.section(listed)
