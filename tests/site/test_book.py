"""The whole book in the smoke profile, built with warnings as errors, its pages opened in a browser."""

import json
import re
import shutil
import sys
import urllib.parse

import audit
import hostile
import pytest
import yaml
from browser import CHROMIUM, served
from bs4 import BeautifulSoup
from throwaway import NOTEBOOK, ROOT, checkout, iclnb

from iclnb.errors import IclnbError
from iclnb.run import notebooks
from iclnb.site import book

pytestmark = pytest.mark.book


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the checkout, with one more notebook, and its book; chapters that show rows show hostile ones."""
    sources = {name: (ROOT / "notebooks" / f"{name}.py").read_text() for name in notebooks.names(ROOT)}
    sources |= {name: hostile.chapter(sources[name]) for name in hostile.CHAPTERS}
    project = checkout(tmp_path_factory.mktemp("checkout"), {"00_mean": NOTEBOOK, **sources})
    if (ROOT / "book" / "recorded").is_dir():
        shutil.copytree(ROOT / "book" / "recorded", project / "book" / "recorded", dirs_exist_ok=True)
    toc = yaml.safe_load((project / "_toc.yml").read_text())
    toc["parts"].insert(0, {"caption": "Test", "chapters": [{"file": "notebooks/00_mean"}]})
    (project / "_toc.yml").write_text(yaml.safe_dump(toc))
    hostile.write_model(project)
    hostile.write_rows(project / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ICLNB_RESULTS", raising=False)
        patch.setenv("ICLNB_DATA", str(project / "data"))
        done = iclnb(project, "book", "--profile", "smoke")
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"the book: {project / '_build' / 'html' / 'index.html'}" in done.stdout
        yield project


def pages(project):
    """Every chapter and page of the table of contents, as HTML files."""
    toc = json.dumps(yaml.safe_load((project / "_toc.yml").read_text()))
    files = re.findall(r'"(?:root|file)": "([^"]+)"', toc)
    return [project / "_build" / "html" / f"{file}.html" for file in files]


def references(page):
    """Where a page's links, images, scripts and style sheets lead."""
    elements = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select(
        "[src], a[href], link[href]"
    )
    return [element.get("src") or element["href"] for element in elements]


def test_every_page_is_there_and_every_local_reference_leads_somewhere(built):
    assert len(pages(built)) >= 5
    for page in [*pages(built), built / "_build" / "html" / "index.html"]:
        for reference in references(page):
            parts = urllib.parse.urlsplit(reference)
            if not parts.scheme and parts.path:
                target = page.parent / urllib.parse.unquote(parts.path)
                assert target.exists(), f"{page.name} refers to {reference}"


def test_chapters_can_be_downloaded(built):
    for name in book.chapters(built):
        page = built / "_build" / "html" / "notebooks" / f"{name}.html"
        links = [link for link in references(page) if "_downloads" in link]
        found = {link.rpartition("/")[2]: page.parent / link for link in links}
        assert {*found} == {f"{name}{kind}" for kind in (".py", ".ipynb", "-executed.ipynb", ".json", ".nc")}
        results = (built / "build" / "results" / f"{name}.json").read_bytes()
        assert found[f"{name}.json"].read_bytes() == results
        assert found[f"{name}.py"].read_bytes() == (built / "notebooks" / f"{name}.py").read_bytes()
        counts = [
            sum(len(cell.get("outputs", [])) for cell in json.loads(found[file].read_text())["cells"])
            for file in (f"{name}.ipynb", f"{name}-executed.ipynb")
        ]
        assert counts[0] == 0 < counts[1]


def test_no_page_shows_a_path_of_this_machine(built):
    for page in pages(built):
        text = page.read_text(encoding="utf-8")
        assert not [place for place in (str(built), sys.prefix, str(ROOT)) if place in text], page.name


def test_every_chapter_leaves_claims_that_can_be_judged(built):
    verdicts = {"supported", "not supported", "inconclusive", "proved and checked"}
    for name in book.chapters(built):
        content = json.loads((built / "build" / "results" / f"{name}.json").read_text())
        assert content["notebook"] == name and content["parameters"]["profile"] == "smoke"
        assert content["claims"] and content["provenance"]["seconds"] > 0
        for claim in content["claims"]:
            assert {"id", "paper", "section", "statement", "criterion", "control_is"} <= set(claim)
            low, high = claim["interval"]
            assert (low is None) == (high is None) and (low is None or low <= high)
            undefined = claim["estimate"] is None and claim["verdict"] == "inconclusive"  # no prompt counts
            assert isinstance(claim["control"], int | float) or undefined
            assert claim["verdict"] in verdicts
        page = (built / "_build" / "html" / "book" / "results.html").read_text()
        title = notebooks.title(notebooks.read(built / "notebooks" / f"{name}.py"))
        assert page.count(title) >= 2


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_every_page_serves_every_reader_without_a_network(built):
    html = built / "_build" / "html"
    with served(html) as address, audit.browser() as browser:
        for page in pages(built):
            assert audit.audit(browser, f"{address}/{page.relative_to(html)}") == [], page.name


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_nothing_in_a_row_runs_or_becomes_part_of_a_page(built):
    html, shown = built / "_build" / "html", ""
    with served(html) as at, audit.browser() as browser:
        for page in (*(f"notebooks/{name}" for name in hostile.CHAPTERS), "book/results"):
            with audit.opened(browser, f"{at}/{page}.html") as (drawn, faults):
                drawn.evaluate(audit.OPEN)
                text = drawn.content()
            assert "data-ran" not in text, f"{page}: a script of a row ran"
            headings = re.findall(r"<h[1-6][^>]*>(.*?)</h[1-6]>", text, flags=re.DOTALL)
            assert headings and not any("injected" in heading for heading in headings), page
            assert not re.search(r"<a[^>]*href=\"javascript:", text), page
            assert not faults, page
            shown += (html / f"{page}.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;document" in shown or "&lt;img src=x onerror=" in shown, "letter by letter"


def test_no_page_is_heavier_than_a_reader_should_wait_for(built):
    weights = {page.name: page.stat().st_size for page in pages(built)}
    assert max(weights.values()) <= audit.BUDGET, weights


def test_a_second_build_runs_nothing_again(built):
    before = {path: path.stat().st_mtime_ns for path in (built / "build" / "executed").iterdir()}
    done = iclnb(built, "book", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("up to date") == len(before) + 1, "every notebook, and the pages"
    assert "running" not in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_warning_fails_the_build_and_leaves_the_old_pages(tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "_config.yml").write_text("title: t\nonly_build_toc_files: true\n")
    (pages / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    (pages / "intro.md").write_text("# Title\n\n{ref}`nowhere`\n")
    old = tmp_path / "_build" / "html" / "index.html"
    old.parent.mkdir(parents=True)
    old.write_text("old")
    with pytest.raises(IclnbError, match="nowhere"):
        book._html(pages, tmp_path / "build" / "site", old.parent)
    assert old.read_text() == "old"
