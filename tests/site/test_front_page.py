"""The front page and the reproduction cards: what they show, and that what they name exists."""

import re

import pytest
from bs4 import BeautifulSoup
from runs_by_hand import NO, OPEN, YES, claim, rows, run
from throwaway import ROOT

from iclnb.errors import IclnbError
from iclnb.ladders import HERE
from iclnb.run import notebooks
from iclnb.site import book
from iclnb.site.summary import front_page, papers, reproduction_page

SMALL, LARGE = "SmolLM2-135M", "Qwen2.5-Coder-1.5B"
TITLES = {"01_a": "Does it rise?"}
TOML = """[papers]
A = "First <et al.>"
[[question]]
chapter = "01_a"
answer = "{claim}`It *rises* <up: supported everywhere>`."
[[question]]
chapter = "09_gone"
[[experiment]]
paper = "A"
section = "5.1"
chapter = "01_a"
what = "Rise"
did = "Saw it rise."
found = "{claim}`It rose <up: supported everywhere>`."
open = [["how many", "{k} of {nothing}"]]
[[experiment]]
paper = "A"
section = "5"
chapter = "01_a"
what = "Fall"
open = []
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "papers.toml").write_text(TOML)
    return tmp_path


RUNS = (
    run(SMALL, claim("up", YES), claim("other", NO)),
    run(LARGE, claim("up", YES), claim("against", YES, speaks="against"), stale=("old",)),
    run(HERE, claim("up", NO)),
)


def front(project, *runs):
    listed = rows(*runs, title=TITLES["01_a"])
    return front_page.fill(f"# T\n\n{front_page.PLACE}\n", project, TITLES, {"01_a": runs}, listed)


def test_the_front_page_shows_every_sentence_with_the_verdicts_that_it_rests_on(project):
    text = front(project, *RUNS)
    (line,) = [line for line in text.splitlines() if "{doc}" in line]
    link, *cells = line.strip("| ").split(" | ")
    said, marks = (BeautifulSoup(cell, "html.parser") for cell in cells)
    assert link == "{doc}`Does it rise? </notebooks/01_a>`"
    assert said.get_text() == "It *rises*." and f"\n{SMALL}: supported" in said.span["data-told"]
    assert [each.get_text() for each in marks.select(".iclnb-run")] == [f"{SMALL} ✓", f"{LARGE} ✓ stale"]
    assert marks.b["aria-label"] == "claim <up> supported"
    assert (
        "Of 4 recorded verdicts that bear on paper A (First \\<et al.\\>), 2 speak for it, 2 against" in text
    )
    assert "09_gone" not in text and front_page.PLACE not in text


def test_runs_on_other_tasks_have_no_line_beside_those_of_the_figures(project):
    shown = run(SMALL, claim("up", YES), task="sst2")
    other = run(f"{SMALL} on hate", claim("up", YES), model=SMALL, task="tweet_eval_hate")
    for runs, expected in ((shown, other), [SMALL]), ((other,), [f"{SMALL} on hate"]):
        lines = re.findall(r'class="iclnb-run">([^<]+) <', front(project, *runs))
        assert lines == expected


def test_a_sentence_that_does_not_hold_and_one_without_records(project):
    with pytest.raises(IclnbError, match=f"up is supported on {SMALL}, and the record says not supported"):
        front(project, run(SMALL, claim("up", NO)))
    path = project / "book" / "papers.toml"
    path.write_text(TOML.replace("{claim}`It *rises* <up: supported everywhere>`.", ""))
    assert "| Not on record yet. |" in front(project, RUNS[-1])


@pytest.mark.parametrize(
    ("speaks", "value", "side"),
    [("for", YES, "for"), ("for", NO, "against"), ("for", OPEN, "open"), ("against", YES, "against"),
     ("against", NO, "for"), ("neither", YES, None)],
)  # fmt: skip
def test_a_claim_that_fails_speaks_the_other_way_round(speaks, value, side):
    assert papers.sides(rows(run(SMALL, claim("a", value, speaks=speaks)))) == ({side: 1} if side else {})


def test_a_card_names_what_was_done_left_open_and_came_out_of_its_own_section_alone(project):
    runs = [*RUNS[:2], run("m", claim("strict", NO, section="5.1, read strictly"), claim("up", YES))]
    text = reproduction_page.page(project, TITLES, {"01_a": runs}, rows(*runs))
    rise, fall = (
        BeautifulSoup(part, "html.parser").get_text() for part in re.split(r"^### ", text, flags=re.M)[1:]
    )
    assert "Saw it rise." in rise and "It rose." in rise and "*how many*: 4 of (nothing)" in rise
    assert f"{SMALL}: 1 supported, 1 not supported" in rise and "m: 1 supported, 1 not supported" in rise
    assert "m: 1.5 min on a laptop" in rise
    assert "supported" not in fall and "Saw" not in fall and "First \\<et al.\\>" in text


def test_a_card_without_a_record_shows_no_verdicts_and_one_of_two_chapters_links_to_both(project):
    (project / "book" / "papers.toml").write_text(TOML.replace("found = ", "# "))
    one, other = run(HERE, claim("up", YES)), run(SMALL, claim("else", YES))
    listed = [*rows(one), *(row._replace(chapter="02_b") for row in rows(other))]
    text = reproduction_page.page(
        project, {**TITLES, "02_b": "Why?"}, {"01_a": [one], "02_b": [other]}, listed
    )
    rise = re.split(r"^### ", text, flags=re.M)[1]
    assert "Not on record yet." in rise and "supported" not in rise and "Cost" not in rise
    assert "</notebooks/01_a>" in rise and "</notebooks/02_b>" in rise


@pytest.mark.parametrize(
    "text", ["", "[papers", '[papers]\n[[question]]\nsay = "x"', '[papers]\n[[experiment]]\npaper = "A"']
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "papers.toml").write_text(text)
    with pytest.raises(IclnbError, match=r"papers\.toml cannot be read"):
        papers.read(tmp_path)


def test_the_books_own_file_names_chapters_settings_and_papers_that_exist():
    known = papers.read(ROOT)
    main = [name for name in book.chapters(ROOT) if re.match(r"\d+_", name)]
    assert [question.chapter for question in known.questions] == main
    assert (ROOT / "book" / "introduction.md").read_text("utf-8").count(front_page.PLACE) == 1
    for each in known.experiments:
        settings = notebooks.parameters(notebooks.source(ROOT, each.chapter))
        named = re.findall(r"\{(\w+)\}", " ".join(choice for _, choice in each.open))
        assert each.paper in known.names and set(named) <= set(settings), each
        source = (ROOT / "notebooks" / f"{each.chapter}.py").read_text("utf-8")
        assert f'section="{each.section}' in source, (
            f"no claim of {each.chapter} is of section {each.section}"
        )
