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
from iclnb.site.results import claim_rows


@pytest.mark.parametrize("width", [20, 60, 140])
def test_no_line_on_the_terminal_is_wider_than_it_and_no_statement_is_cut(width):
    long = claim(
        "up", YES, statement="Under shared demonstrations the best head agrees more than controls do."
    )
    listed = report_commands.lines(rows(run("SmolLM2-135M", long, stale=["old"])), width)
    found = [click.unstyle(line) for line in listed]
    assert max(map(len, found)) <= max(width, 40) and found[-1] == "1 verdicts: 1 supported"
    assert "".join(long["statement"].split()) in "".join("".join(found).split())
    assert "stale" in "".join(found[:4])


def test_the_check_names_the_verdicts_that_differ():
    here = run(HERE, claim("up", YES), model="m", task="sst2")
    pairs = claim_rows.compared(rows(run("m", claim("up", NO), task="sst2"), here))
    with pytest.raises(IclnbError, match=r"1 of 1 verdicts differ[\s\S]*01_a, up: supported here"):
        report_commands._check(pairs)
    with pytest.raises(IclnbError, match="nothing could be compared"):
        report_commands._check([])


def test_the_command_shows_notebooks_that_are_named_in_colour_on_a_terminal(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_toc.yml").touch()
    for name in ("01_a", "02_b"):
        (tmp_path / "notebooks" / f"{name}.py").write_text("# %% [markdown]\n# # A question?\n")
        save(tmp_path, results(HERE, [claim(f"of-{name}", YES)], notebook=name))
    monkeypatch.chdir(tmp_path)
    plain = CliRunner().invoke(report_commands.report).output
    coloured = CliRunner().invoke(report_commands.report, color=True).output
    assert "\x1b[" in coloured and re.sub(r"\x1b\[\d*m", "", coloured) == plain
    listed = json.loads(CliRunner().invoke(report_commands.report, ["02_b", "--json"]).output)
    assert [row["claim"] for row in listed] == ["of-02_b"]
    failed = CliRunner().invoke(report_commands.report, ["--check"])
    assert isinstance(failed.exception, IclnbError)
