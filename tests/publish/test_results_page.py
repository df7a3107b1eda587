"""The results page and the book's configuration."""

import itertools
import json

import pytest
import yaml
from markdown_it import MarkdownIt
from throwaway import ROOT

from iclnb import claims, stats
from iclnb.errors import IclnbError
from iclnb.publish import book, results_page


def result(name, profile, *rows):
    """Results JSON as a notebook writes it; a row is id, statement, estimate, criterion."""
    results = claims.Results(name, {"profile": profile, "model": "some/model_with_name"})
    for id, statement, value, criterion in rows:
        estimate = stats.Estimate(value, value - 1, value + 1)
        evidence = claims.Evidence(estimate, 0.25, "random weights")
        results.claim(id, statement, criterion, evidence, paper="A", section="5.1")
    content = results.to_json()
    content["provenance"]["seconds"] = 12.5
    return content


@pytest.fixture
def project(tmp_path):
    here = result(
        "01_a", "laptop",
        ("up", "labels get $|a| > b$ | more\nthan others", 5.0, claims.above(0)),
        ("down", "x falls", 5.0, claims.below(0)),
    )  # fmt: skip
    recorded = result(
        "01_a", "paper",
        ("up", "labels get $|a| > b$ | more\nthan others", 7.0, claims.above(0)),
        ("new", "only the long run tests this", 0.5, claims.above(0)),
    )  # fmt: skip
    for folder, content in {"build/results": here, "book/recorded": recorded}.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "01_a.json").write_text(json.dumps(content))
    return tmp_path


def test_a_run_without_a_key_is_marked_as_older(project):
    """Every run has kept one since results are told from stale ones."""
    titles = {"01_a": "A question?"}
    assert results_page.page(project, titles).count("Made by an earlier version") == 2
    path = project / "build" / "results" / "01_a.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "key": {}}))
    lines = results_page.page(project, titles).splitlines()
    assert [line.split(":")[0] for line in lines if "Made by an earlier version" in line] == ["*Recorded*"]


def tables(text):
    """The text of every table's cells, as a reader sees it."""
    found, row = [], []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in itertools.pairwise(tokens):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            row = []
            found[-1].append(row)
        elif token.type == "inline" and before.type in {"td_open", "th_open"}:
            row.append("".join(child.content for child in token.children))
    return found


def test_the_results_page_counts_verdicts_and_sets_runs_side_by_side(project):
    text = results_page.page(project, {"01_a": "A question?"})
    verdicts, claims_table, times = tables(text)
    assert verdicts == [
        ["run", "supported", "not supported", "inconclusive", "claims"],
        ["this machine", "1", "1", "0", "2"],
        ["recorded", "1", "0", "1", "2"],
    ]
    assert [(row[0], row[2], row[4]) for row in claims_table[1:]] == [
        ("labels get $|a| > b$ | more than others (this machine) (paper A, 5.1)", "5 [4, 6]", "supported"),
        ("the same (recorded) (paper A, 5.1)", "7 [6, 8]", "supported"),
        ("x falls (this machine) (paper A, 5.1)", "5 [4, 6]", "not supported"),
        ("only the long run tests this (recorded) (paper A, 5.1)", "0.5 [-0.5, 1.5]", "inconclusive"),
    ]
    assert all(len(row) == 5 for row in claims_table)
    assert [row[:3] + row[4:] for row in times[1:]] == [
        ["A question?", "this machine", "laptop", "12.5"],
        ["A question?", "recorded", "paper", "12.5"],
    ]
    assert "*Recorded*: profile paper; model some/model\\_with\\_name; machine " in text


def test_a_single_run_needs_no_name(project):
    (project / "book" / "recorded" / "01_a.json").unlink()
    _, claims_table, _ = tables(results_page.page(project, {"01_a": "A question?"}))
    assert [row[0] for row in claims_table[1:]] == [
        "labels get $|a| > b$ | more than others (paper A, 5.1)",
        "x falls (paper A, 5.1)",
    ]


def test_a_notebook_without_results_is_listed_and_a_broken_file_is_named(project):
    assert "## Nothing yet" in results_page.page(project, {"09_none": "Nothing yet"})
    (project / "build" / "results" / "01_a.json").write_text("{")
    with pytest.raises(IclnbError, match=r"01_a\.json is not JSON.*run 01_a again"):
        results_page.page(project, {"01_a": "A question?"})


def test_buttons_follow_from_the_repositorys_address_alone():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert "launch_buttons" not in config
    without = book.configuration({**config, "repository": {"url": ""}})
    assert not any(without["launch_buttons"].values()) and not without["html"]["use_repository_button"]
    address = {"url": "https://github.com/owner/name", "branch": "main"}
    launch = book.configuration({**config, "repository": address})
    assert launch["launch_buttons"]["colab_url"] and launch["launch_buttons"]["binderhub_url"]
    assert launch["html"]["use_repository_button"] and launch["repository"]["url"] == address["url"]


def test_chapters_are_found_at_every_depth_of_the_table_of_contents(tmp_path):
    toc = {
        "format": "jb-book",
        "root": "book/introduction",
        "parts": [
            {
                "caption": "Q",
                "chapters": [{"file": "notebooks/02_b", "sections": [{"file": "notebooks/01_a"}]}],
            },
            {"caption": "R", "chapters": [{"file": "book/results"}, {"file": "notebooks/03_c"}]},
        ],
    }
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    assert book.chapters(tmp_path) == ["02_b", "01_a", "03_c"]
