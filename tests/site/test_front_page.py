"""The front page and the reproduction cards: what they compute, and that what they name exists."""

import json
import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from throwaway import ROOT

from iclnb.errors import IclnbError
from iclnb.records import records
from iclnb.run import notebooks
from iclnb.site import book, computed_pages
from iclnb.site.results import claim_rows
from iclnb.site.results import runs as all_runs
from iclnb.site.summary import front_page, papers, reproduction_page

YES, NO, OPEN = "supported", "not supported", "inconclusive"
ROW = claim_rows.Row(**dict.fromkeys(claim_rows.Row._fields, ""), **{})._replace(
    chapter="01_a", paper="A", section="5.1", recorded=True, profile="paper", stale=""
)


def claimed(verdict, **changes):
    return ROW._replace(**{"verdict": verdict, "statement": f"it is {verdict}", **changes})


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [
        ([], "not tested"),
        ([YES, YES], "holds"),
        ([NO], "does not hold"),
        ([YES, NO, OPEN], "holds in part"),
        ([OPEN, OPEN], "undecided"),
        ([YES, OPEN], "holds, as far as decided"),
        ([NO, OPEN], "does not hold, as far as decided"),
        (["proved and checked", YES], "holds"),
        (["contradicted", NO], "does not hold"),
        (["proved and checked", "contradicted"], "holds in part"),
    ],
)
def test_what_several_verdicts_say_together(verdicts, together):
    assert papers.verdict([claimed(verdict) for verdict in verdicts]) == together


def test_a_record_speaks_for_its_model_and_this_machine_where_there_is_none():
    here = [claimed(NO, model=model, recorded=False) for model in ("a-1b", "b-2b")]
    found = papers.shown([*here, claimed(YES, model="a-1b")])
    assert {(row.model, row.verdict) for rows in found.values() for row in rows} == {
        ("a-1b", YES),
        ("b-2b", NO),
    }


ANSWER = """**Answer.** Of the attention:

- The end draws more (difference 0.1 [0.05, 0.2]; control 0).
- **Do labels count?** Yes. Right word: 0.1
  [0.1, 0.2]; kernel: 0. More follows.

**And $x$?** It falls. Then it rises."""


@pytest.mark.parametrize(
    ("quote", "sentence"),
    [
        ("", "The end draws more (difference 0.1 [0.05, 0.2]; control 0)."),
        ("labels count", "*Do labels count?* Yes. Right word: 0.1 [0.1, 0.2]; kernel: 0."),
        ("And $x$", "*And $x$?* It falls."),
        ("is not there", "The end draws more (difference 0.1 [0.05, 0.2]; control 0)."),
    ],
)
def test_one_sentence_of_an_answer(quote, sentence):
    assert front_page.sentence(ANSWER, quote) == sentence
    assert front_page.sentence("") == ""


@pytest.mark.parametrize(
    ("model", "size"),
    [("smollm2-135m-instruct", "135M"), ("qwen2.5-coder-1.5b-instruct", "1.5B"), ("gpt2", "gpt2"), ("", "")],
)
def test_sizes_are_read_from_names(model, size):
    assert papers.size(model) == size


@pytest.fixture
def project(tmp_path):
    """A chapter with an answer, of which two models have records and this machine a run of a third."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "papers.toml").write_text(
        '[papers]\nA = "First <et al.>"\n[[question]]\nchapter = "01_a"\nsays = "It <rises>."\n'
        'quote = "labels count"\n[[question]]\nchapter = "09_gone"\nsays = "?"\n'
        '[[experiment]]\npaper = "A"\nsection = "5.1"\nchapter = "01_a"\nwhat = "Rise"\n'
        'open = [["how many", "{k} of {nothing}"]]\n'
        '[[experiment]]\npaper = "A"\nsection = "5"\nchapter = "01_a"\nwhat = "Fall"\nopen = []\n'
    )
    cell = nbformat.v4.new_code_cell("x", metadata={"tags": ["answer"]})
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/markdown": ANSWER})]
    (tmp_path / "build" / "executed").mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "build" / "executed" / "01_a.ipynb")
    return tmp_path


def run(model, *verdicts, recorded=True, section="5.1"):
    claim = {
        "paper": "A", "section": section, "statement": "it <rises>", "criterion": "lies above 0",
        "estimate": 1.0, "interval": [0.5, 2.0], "control": 0.0, "control_is": "nothing",
    }  # fmt: skip
    listed = [{**claim, "id": str(i), "verdict": verdict} for i, verdict in enumerate(verdicts)]
    provenance = {"machine": "a laptop", "seconds": 90, "time": "2026-01-01", "revision": "abc"}
    content = {"claims": listed, "provenance": provenance, "parameters": {"k": 4, "profile": "paper"}}
    return all_runs.Run(recorded, model, "sst2", content, ("old",) if recorded else (), False)


TITLES = {"01_a": "Does it rise?"}


def test_the_front_page_shows_every_run_that_speaks_and_quotes_the_answer(project):
    runs = {"01_a": [run("m-1b", YES, NO), run("m-2b", YES, YES), run("m-2b", NO, NO, recorded=False)]}
    text = front_page.fill(f"# T\n\n{front_page.PLACE}\n", project, claim_rows.rows(runs, TITLES), TITLES)
    page = BeautifulSoup(text, "html.parser")
    assert [mark["aria-label"] for mark in page.select("[role=img]")] == [
        "m-1b: 1 supported, 1 not supported",
        "m-2b: 2 supported",
    ]
    assert [len(mark.select("use")) for mark in page.select("[role=img]")] == [2, 2]
    assert "4 of 4 decided; 2 models agree on 1 of 2" in page.get_text()
    assert page.select_one("td").get_text() == "It <rises>." and front_page.PLACE not in text
    assert "{doc}`Does it rise? </notebooks/01_a>` *Do labels count?* Yes. Right word" in text
    assert "09_gone" not in text and "\n\n" not in text.split("```{raw} html\n")[1].split("\n```")[0]


def test_records_of_several_models_answer_in_the_place_of_this_run(project):
    path = project / "book" / "papers.toml"
    path.write_text(path.read_text().replace('quote = "labels count"', 'claims = ["1", "0", "gone"]'))
    runs = {"01_a": [run("m-1b", YES, NO), run("m-2b", YES, YES), run("m-3b", NO, NO, recorded=False)]}
    text = front_page.fill(front_page.PLACE, project, claim_rows.rows(runs, TITLES), TITLES)
    stale = '<span class="iclnb-badge">stale</span>'
    said = (
        f"</notebooks/01_a>` it \\<rises\\>: *not supported* on 1B {stale}; *supported* on 2B {stale}. "
        f"it \\<rises\\>: *supported* on 1B {stale}, 2B {stale}."
    )
    assert text.endswith(said)
    alone = {"01_a": [run("m-1b", YES, NO), run("m-2b", NO, NO, recorded=False)]}
    assert "*supported* on" not in front_page.fill(
        front_page.PLACE, project, claim_rows.rows(alone, TITLES), TITLES
    )


def test_a_chapter_without_an_answer_says_how_many_claims_hold(project):
    (project / "build" / "executed" / "01_a.ipynb").unlink()
    rows = claim_rows.rows({"01_a": [run("m-1b", YES, NO, NO)]}, TITLES)
    text = front_page.fill(front_page.PLACE, project, rows, TITLES)
    assert "Of the paper's 3 claims on 1B: 1 supported, 2 not supported." in text


def test_a_card_names_choices_verdicts_and_minutes_of_its_own_section_alone(project):
    runs = {"01_a": [run("m-1b", YES, NO), run("m-2b", NO, section="5.1, stricter")]}
    text = reproduction_page.page(project, TITLES, runs, claim_rows.rows(runs, TITLES))
    rise, fall = re.split(r"^### ", text, flags=re.M)[1:]
    assert "*how many*: 4 of (nothing)" in rise and "1.5 min on a laptop" in rise
    assert "**holds in part** (1 supported, 1 not supported); m-1b" in rise
    assert "**does not hold** (1 not supported); m-2b, stricter" in rise
    assert ": not run yet" in fall and "First \\<et al.\\>" in text


@pytest.mark.parametrize(
    "text", ["", "[papers", '[papers]\n[[question]]\nsay = "x"', '[papers]\n[[experiment]]\npaper = "A"']
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "papers.toml").write_text(text)
    with pytest.raises(IclnbError, match=r"papers\.toml cannot be read"):
        papers.read(tmp_path)


def test_the_books_own_file_names_chapters_settings_and_sections_that_exist():
    known = papers.read(ROOT)
    main = [name for name in book.chapters(ROOT) if re.match(r"\d+_", name)]
    assert [question.chapter for question in known.questions] == main
    claims = {}
    for record in records.all_records(ROOT):
        claims.setdefault(record.notebook, []).extend(record.results["claims"])
    for each in known.questions:
        assert set(each.claims) <= {claim["id"] for claim in claims[each.chapter]}, each
    for each in known.experiments:
        settings = notebooks.parameters(notebooks.source(ROOT, each.chapter))
        named = re.findall(r"\{(\w+)\}", " ".join(choice for _, choice in each.open))
        assert each.paper in known.names and set(named) <= set(settings), each
        if each.chapter in claims:
            rows = [ROW._replace(chapter=each.chapter, paper=c["paper"], section=c["section"])
                    for c in claims[each.chapter]]  # fmt: skip
            assert any(map(each.holds, rows)), f"no claim of {each.chapter} is of section {each.section}"


def test_the_front_page_has_one_place_for_its_picture_and_everything_is_written(tmp_path, project):
    assert (ROOT / "book" / "introduction.md").read_text("utf-8").count(front_page.PLACE) == 1
    folder = tmp_path / "site"
    for part in ("book", "downloads"):
        (folder / part).mkdir(parents=True)
    (folder / "book" / "introduction.md").write_text(front_page.PLACE)
    recorded = project / "book" / "recorded"
    recorded.mkdir()
    (recorded / "architectures.json").write_text('{"transformers": "5", "architectures": []}')
    place = project / "build" / "results" / "01_a.json"
    place.parent.mkdir()
    content = {**run("m-1b", YES, recorded=False).results, "notebook": "01_a", "values": {}}
    place.write_text(json.dumps(content))
    computed_pages.write(project, folder, TITLES)
    assert json.loads((folder / "downloads" / "claims.json").read_text())[0]["verdict"] == YES
    names = {path.stem for path in (folder / "book").iterdir()}
    pages = {"introduction", "results", "reproduction", "architectures", "benchmark", "benchmark_gpu"}
    assert names == {*pages, "_assets"}
    scripts = folder / "book" / "_assets" / "explorer"
    assert [path.name for path in scripts.iterdir()] == ["runs.js"], "no record holds what the explorer shows"
