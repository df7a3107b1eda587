"""The results page, its rows and files, against runs set by hand."""

import csv
import io
import json
import math

import pytest
import yaml
from bs4 import BeautifulSoup
from runs_by_hand import NO, OPEN, YES, claim, results, rows, run, save
from throwaway import ROOT

from iclnb import claims
from iclnb.errors import IclnbError
from iclnb.ladders import HERE
from iclnb.site import book, repository
from iclnb.site.results import claim_rows, results_page
from iclnb.site.results import runs as all_runs

SMALL, LARGE = "SmolLM2-135M", "Qwen2.5-Coder-1.5B"
RUNS = (
    run(SMALL, claim("up", YES), claim("down", NO), at_chance=True),
    run(LARGE, claim("up", OPEN), stale=["code changed"]),
    run(HERE, claim("up", YES), claim("new", YES, paper="ours", section="this notebook", speaks="neither")),
)


def page(*runs):
    return BeautifulSoup(results_page.table(rows(*runs)), "html.parser")


def test_every_claim_is_a_line_with_a_mark_for_each_run():
    shown = page(*RUNS)
    assert [span.get_text(" ") for span in shown.select(".iclnb-heads span")] == [
        "SmolLM2 135M", "Qwen2.5-Coder 1.5B stale", "stale", "this run",
    ]  # fmt: skip
    lines = {
        line.summary.span.get_text(): [mark["aria-label"] for mark in line.select("summary b")]
        for line in shown.select("details.iclnb-row")
    }
    assert lines == {
        "claim <up>": [f"{SMALL}: supported", f"{LARGE}: inconclusive", "this run: supported"],
        "claim <down>": [f"{SMALL}: not supported"],
        "claim <new>": ["this run: supported"],
    }
    assert shown.select_one("section h2 a")["href"] == "../notebooks/01_a.html"
    assert "<question>" in shown.h2.get_text() and "\n\n" not in results_page.table(rows(*RUNS))


def test_an_opened_line_has_the_numbers_of_every_run():
    line = page(*RUNS).select_one(".iclnb-row")
    assert "paper A, 5.1; the whole interval lies above 0; speaks for" in line.p.get_text()
    cells = [[cell.get_text() for cell in row.select("th, td")] for row in line.select("tbody tr")]
    assert cells == [
        [SMALL, "5.0 [4.0, 6.0]", "0 (random | weights)", "supported; model at chance"],
        [LARGE, "0.5 [-0.5, 1.5]", "0 (random | weights)", "inconclusive; 4 × the data would decide"],
        ["this run", "5.0 [4.0, 6.0]", "0 (random | weights)", "supported"],
    ]


def test_claims_of_appendices_are_folded_and_those_of_several_tasks_share_a_cell():
    two = [run(f"{SMALL}, {task}", claim("up", YES), model=SMALL, task=task) for task in ("sst2", "mnli")]
    listed = claim_rows.rows({"01a_b": two}, {"01a_b": "Another"})
    shown = BeautifulSoup(results_page.table(listed), "html.parser")
    assert shown.select_one("details.iclnb-appendix > summary").get_text() == "Another (1 claim)"
    (cell,) = shown.select(".iclnb-row summary > span")[1:]
    assert [mark["aria-label"] for mark in cell.select("b")] == [
        f"{SMALL}, sst2: supported", f"{SMALL}, mnli: supported",
    ]  # fmt: skip


def test_the_page_holds_the_filters_and_the_runs():
    text = results_page.page({"01_a": "A"}, {"01_a": RUNS}, rows(*RUNS))
    options = BeautifulSoup(text, "html.parser").select("select[name=run] option")
    assert [option["value"] for option in options] == ["*", SMALL, LARGE, "this run"]
    assert f"| A | {SMALL} | paper | a laptop, 2026-01-02, abcdefg | 90 |  |" in text
    assert "| 90 | code changed |" in text
    assert "No run has a claim" in results_page.page({"09_none": "N"}, {"09_none": []}, [])


def test_runs_are_those_of_the_results_file_and_chance_counts_in_other_chapters(tmp_path):
    chance = results(SMALL, [claim("up", YES)], model=SMALL, task="sst2", notebook="03_c", record=None)
    save(tmp_path, results(HERE, [], notebook="03_c"), {**chance, "values": {"at_chance": {"sst2": True}}})
    ladder = [
        results(SMALL, [claim("up", YES)], model=SMALL, task=task, record=None) for task in ("sst2", "x")
    ]
    path = save(tmp_path, results(HERE, [claim("up", OPEN)]), *ladder)
    found = all_runs.runs(tmp_path, ["01_a", "02_none", "03_c"])
    assert [(each.name, each.task, each.at_chance, each.recorded) for each in found["01_a"]] == [
        (SMALL, "sst2", True, True), (SMALL, "x", False, True), (HERE, "", False, False),
    ]  # fmt: skip
    assert found["02_none"] == []
    path.write_text("{")
    with pytest.raises(IclnbError, match=r"01_a\.json cannot be read.*run 01_a again"):
        all_runs.runs(tmp_path, ["01_a"])


@pytest.mark.parametrize(
    ("criterion", "value", "half", "data_needed"),
    [
        (claims.above(0), 1.0, 2.0, "4 × the data would decide"),
        (claims.within(-1e-06, 2), 1.0, 4.0, "16 × the data would decide"),
        (claims.above(1), 1.0, 1.0, "at the margin itself"),
        (claims.below(0.5), -1.0, math.nan, ""),
    ],
)
def test_how_much_data_would_decide(criterion, value, half, data_needed):
    (row,) = rows(run(HERE, claim("a", value, criterion, half=half)))
    assert row.data_needed == data_needed
    assert (row.region.low, row.region.high, row.region.closed) == (
        criterion.low, criterion.high, criterion.closed,
    )  # fmt: skip


def test_json_and_csv_say_the_same_and_no_cell_is_a_formula():
    formula = claim("up", YES, claims.above(0.5), statement="=SUM(A1)")
    found = rows(run(HERE, formula), run(SMALL, claim("nan", math.nan)))
    read = list(csv.DictReader(io.StringIO(claim_rows.as_csv(found))))
    as_json = json.loads(claim_rows.as_json(found))
    assert [row["claim"] for row in read] == [row["claim"] for row in as_json] == ["up", "nan"]
    assert [float(read[0][name]) for name in ("estimate", "low", "high", "above")] == [5.0, 4.0, 6.0, 0.5]
    assert as_json[1]["estimate"] is None and read[1]["estimate"] == "" and read[0]["below"] == ""
    assert read[0]["statement"] == "'=SUM(A1)" and as_json[0]["statement"] == "=SUM(A1)"


def test_this_machine_is_compared_with_records_of_the_same_model_and_task_only():
    here = run(HERE, claim("up", YES), model=SMALL, task="sst2")
    for verdict, task, found in ((YES, "sst2", [False]), (NO, "sst2", [True]), (NO, "mnli", [])):
        recorded = run(SMALL, claim("up", verdict), task=task)
        assert [a.verdict != b.verdict for a, b in claim_rows.compared(rows(recorded, here))] == found


def test_buttons_follow_from_the_repositorys_address_alone():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    without = repository.configuration({**config, "repository": {"url": ""}})
    assert not any(without["launch_buttons"].values()) and not without["html"]["use_repository_button"]
    address = {"url": "https://github.com/owner/name", "branch": "main"}
    launch = repository.configuration({**config, "repository": address})
    assert launch["launch_buttons"]["colab_url"] and launch["launch_buttons"]["binderhub_url"]
    own = repository.configuration({**config, "repository": address, "launch_buttons": {"colab_url": "x"}})
    assert own["launch_buttons"] == {**launch["launch_buttons"], "colab_url": "x"}
    assert launch["html"]["use_repository_button"] and launch["repository"]["url"] == address["url"]


def test_chapters_are_the_notebooks_of_the_table_of_contents_in_its_order(tmp_path):
    parts = [{"chapters": [{"file": "notebooks/02_b", "sections": [{"file": "notebooks/01_a"}]}]}]
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump({"root": "book/introduction", "parts": parts}))
    assert book.chapters(tmp_path) == ["02_b", "01_a"]


def test_whatever_the_pages_are_made_from_counts(tmp_path, monkeypatch):
    """A docstring of the package too: the page of the API shows it."""
    files = (
        "iclnb/__init__.py", "iclnb/llm/prompts.py", "book/papers.toml", "book/recorded/bench.json",
        "notebooks/01_a.py", "build/results/01_a.json", "build/executed/01_a.ipynb", "_toc.yml", "_config.yml",
    )  # fmt: skip
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('"""Old."""\n')
    monkeypatch.setattr(book.iclnb, "__file__", str(tmp_path / "iclnb" / "__init__.py"))
    known = {book._content(tmp_path)}
    assert book._content(tmp_path) in known
    for name in files:
        (tmp_path / name).write_text('"""New."""\n')
        known.add(book._content(tmp_path))
    assert len(known) == len(files) + 1
