"""The results page and the book's configuration."""

import itertools
import json

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from throwaway import ROOT, checkout

from iclnb import claims, stats
from iclnb.errors import IclnbError
from iclnb.site import book, repository
from iclnb.site.results import results_page
from iclnb.site.results import runs as all_runs

LONG = "some/model_with_name"


def result(name, profile, model, *rows, **values):
    """Results JSON as a notebook writes it; a row is id, statement, estimate, criterion."""
    chosen = {"profile": profile} | ({"model": model, "task": "sst2"} if model else {})
    results = claims.Results(name, chosen, values=values)
    for id, statement, value, criterion in rows:
        estimate = stats.Estimate(value, value - 1, value + 1)
        evidence = claims.Evidence(estimate, 0.25, "random weights")
        results.claim(id, statement, criterion, evidence, paper="A", section="5.1")
    content = results.to_json()
    content["provenance"]["seconds"] = 12.5
    return content


def put(project, place, content):
    path = project / f"{place}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def project(tmp_path):
    """One chapter: a run of this machine, and records of two models, of which one is at chance."""
    up = ("up", "labels get $|a| > b$ | more\nthan others")
    down = ("down", "x falls", 5.0, claims.below(0))
    here = result("01_a", "laptop", "small-1m", (*up, 5.0, claims.above(0)), down)
    put(tmp_path, "build/results/01_a", {**here, "key": {}})
    new = ("new", "only the long run tests this", 0.5, claims.above(0))
    large = result("01_a", "paper", LONG, (*up, 7.0, claims.above(0)), new, reported={"up": 0.892})
    put(tmp_path, "book/recorded/01_a/large/sst2", large)
    small = result("01_a", "paper", "small-1m", (*up, 6.0, claims.above(2)), at_chance={"sst2": True})
    put(tmp_path, "book/recorded/01_a/small-1m/sst2", small)
    return tmp_path


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
            row.append("".join(child.content for child in token.children).replace("\u200b", ""))
    return found


def page_tables(project):
    return tables(results_page.page(project, {"01_a": "A question?"}))


BADGE = '<span class="iclnb-badge">{}</span>'
STALE, CHANCE = BADGE.format("stale"), BADGE.format("model at chance")


def test_the_results_page_sets_models_side_by_side(project):
    verdicts, _, matrix, times = page_tables(project)
    assert verdicts == [
        [
            "runs",
            "supported",
            "not supported",
            "inconclusive",
            "proved and checked",
            "claims",
            "of them stale",
        ],
        ["this machine", "1", "1", "0", "0", "2", "0"],
        [LONG, "1", "0", "1", "0", "2", "2"],
        ["small-1m", "1", "0", "0", "0", "1", "1"],
    ]
    plain = [[text.split("<br>") for text in row] for row in matrix]
    facts = "paper A, 5.1; lies above 0; control: random weights"
    assert plain == [
        [
            ["claim"], ["paper"],
            ["small-1m", "sst2", "this machine", CHANCE],
            [LONG, "sst2", STALE],
            ["small-1m", "sst2", STALE, CHANCE],
        ],
        [
            ["labels get $|a| > b$ | more than others", facts], ["0.892"],
            ["supported", "5 [4, 6]", "control 0.25", CHANCE],
            ["supported", "7 [6, 8]", "control 0.25", STALE],
            ["supported", "6 [5, 7]", "control 0.25", "here: the whole interval lies above 2", STALE, CHANCE],
        ],
        [
            ["x falls", facts.replace("above", "below")], [""],
            ["not supported", "5 [4, 6]", "control 0.25", CHANCE],
            [""], [""],
        ],
        [
            ["only the long run tests this", facts], [""],
            [""],
            ["inconclusive", "0.5 [-0.5, 1.5]", "control 0.25", "4 × the data would decide", STALE],
            [""],
        ],
    ]  # fmt: skip
    assert [row[:3] + row[4:] for row in times[1:]] == [
        ["A question?", "small-1m, sst2, this machine", "laptop", "12"],
        ["A question?", f"{LONG}, sst2", "paper", "12"],
        ["A question?", "small-1m, sst2", "paper", "12"],
    ]


def test_every_run_is_named_with_why_it_is_stale(project):
    lines = results_page.page(project, {"01_a": "A question?"}).splitlines()
    listed = [line for line in lines if line.startswith("- ")]
    assert len(listed) == 3 and "profile laptop" in listed[0] and "Stale" not in listed[0]
    assert all("Stale: made by an earlier version of the code" in line for line in listed[1:])
    assert "some/model\\_with\\_name, sst2*: profile paper" in listed[1]


def test_more_runs_than_fit_make_a_second_table_and_models_come_by_size(project):
    row = ("up", "x rises", 1.5, claims.above(0))
    for size in ("6b", "1.5b", "135m"):
        put(project, f"book/recorded/01_a/m-{size}/sst2", result("01_a", "paper", f"m2-{size}-x", row))
    _, _, first, second, _ = page_tables(project)
    models = [text.split("<br>")[0] for text in first[0][2:] + second[0][2:]]
    assert models == ["small-1m", LONG, "small-1m", "m2-135m-x", "m2-1.5b-x", "m2-6b-x"]
    assert {len(row) for row in first} == {6} and {len(row) for row in second} == {4}


def test_chance_found_in_every_arm_of_a_table_counts_in_other_chapters(project):
    arms = [("shared", True), ("fresh", True)]
    for third, marked in ((True, True), (False, False)):
        found = [{"task": "sst2", "arm": arm, "at_chance": chance} for arm, chance in arms]
        found[1]["at_chance"] = third
        put(project, "book/recorded/03_c/large/sst2", result("03_c", "paper", LONG, table=found))
        _, _, matrix, _ = page_tables(project)
        assert (CHANCE in matrix[0][3]) == marked


@pytest.mark.parametrize(
    ("criterion", "interval", "more"),
    [
        (claims.above(0), (1.0, -1.0, 3.0), 4.0),
        (claims.below(-0.5), (-1.0, -3.0, 0.5), 9.0),  # (1.5 / 0.5)²
        (claims.within(-1e-06, 2), (1.0, -3.0, 4.0), 16 / 1.000001**2),  # 9 for the upper bound
        (claims.above(1), (1.0, 0.0, 2.0), np.inf),
        (claims.above(0), (1.0, 0.5, 3.0), None),
        (claims.above(0), (1.0, float("nan"), 3.0), None),
    ],
)
def test_how_many_times_the_data_would_decide(criterion, interval, more):
    evidence = claims.Evidence(stats.Estimate(*interval), 0.0, "no effect")
    claim = claims.Results("01_a", {}).claim("a", "a", criterion, evidence).to_json()
    found = all_runs.more_data(claim)
    assert found == (None if more is None else pytest.approx(more))


def test_a_notebook_without_results_is_listed_and_a_broken_file_is_named(project):
    assert "## Nothing yet" in results_page.page(project, {"09_none": "Nothing yet"})
    (project / "build" / "results" / "01_a.json").write_text("{")
    with pytest.raises(IclnbError, match=r"01_a\.json is not JSON.*run 01_a again"):
        results_page.page(project, {"01_a": "A question?"})


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


def test_a_table_of_contents_may_list_pages_anywhere_and_by_pattern(tmp_path):
    project = checkout(tmp_path, {})
    (project / "notes" / "images").mkdir(parents=True)
    (project / "notes" / "mine.md").write_text("# Mine\n\n![](images/it.png)\n")
    (project / "notes" / "images" / "it.png").write_bytes(b"png")
    (project / "NEWS.md").write_text("# News\n")
    toc = {
        "format": "jb-book",
        "root": "book/introduction",
        "chapters": [{"glob": "notes/*"}, {"file": "NEWS", "sections": [{"glob": "book/c*"}]}],
    }
    (project / "_toc.yml").write_text(yaml.safe_dump(toc))
    assert book.listed_pages(project) == ["book/introduction", "notes/mine", "NEWS", "book/citing"]
    pages = book.stage(project, project / "pages")
    for name in ("notes/mine.md", "notes/images/it.png", "NEWS.md", "book/citing.md"):
        assert (pages / name).read_bytes() == (project / name).read_bytes()
    toc["chapters"].append({"file": "notes/missing"})
    (project / "_toc.yml").write_text(yaml.safe_dump(toc))
    with pytest.raises(IclnbError, match="lists notes/missing, and there is no such page"):
        book.stage(project, project / "pages")
    (project / "notebooks" / "02_b.py").write_text("# %%\n")
    (project / "_toc.yml").write_text(
        yaml.safe_dump({"root": "book/introduction", "chapters": [{"glob": "notebooks/*"}]})
    )
    assert book.chapters(project) == ["02_b"]


def test_a_docstring_of_the_api_counts_among_what_the_pages_are_made_from(tmp_path, monkeypatch):
    package = tmp_path / "iclnb"
    (package / "llm").mkdir(parents=True)
    for name in ("__init__", "api", "kernel_regression", "llm/prompts"):
        (package / f"{name}.py").write_text('"""Old."""\n')
    monkeypatch.setattr(book.iclnb, "__file__", str(package / "__init__.py"))
    (tmp_path / "pages").mkdir()
    before = book._content(tmp_path / "pages")
    assert book._content(tmp_path / "pages") == before
    (package / "llm" / "prompts.py").write_text('"""New."""\n')
    assert book._content(tmp_path / "pages") != before
