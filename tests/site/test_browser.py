"""A chapter in a browser, at the widths of a desktop, a tablet and a phone."""

import json
import subprocess

import audit
import numpy as np
import pytest
import yaml
from browser import CHROMIUM, HEIGHT, WIDTHS, served
from bs4 import BeautifulSoup
from throwaway import MEASURE, NOTEBOOK, checkout, command, set_address

from iclnb.heads import explorer_view

pytestmark = [
    pytest.mark.book,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]

HARD = """# %% [markdown]
# ## What is hard to fit
#
# $$ f(x) = WIDE $$
#
# Inline, $g(x) = WIDE$, `a_name_of_code.that_goes_on_and_on.without_a_place_to_break.and_on_and_on.and_on`.
#
# | a | table | of | many | columns | each |
# |---|---|---|---|---|---|
# | statements_without_spaces | 0.123 [0.1, 0.2] | in some words | code `a_b_c_d_e_f` | $\\alpha$ | z |

# %%
wide = "a line of code that is LONG".replace("LONG", "longer than a page is wide, which sometimes happens")
print("x" * 300)
""".replace("WIDE", " + ".join(f"x_{{{i}}}^{{{i}}}" for i in range(40)))
ANSWER = """# %% [markdown] tags=["answer"]
# **Answer.** {claim}`The mean of many draws says little <mean: inconclusive on Qwen2.5-Coder-0.5B>`.

# %% [markdown]
# ## Claims"""


RECORD = "Qwen2.5-Coder-0.5B"
URL = "https://github.com/owner/name"
EXPLORER = """# %%
import json

from iclnb.heads import explorer_view

explorer_view.view(json.loads({data!r}))

# %% [markdown]
# ## Claims"""


def explored(seed, title="this run", layers=3, heads=4, k=4):
    """What the head explorer shows of a model, made up."""
    rng, every = np.random.default_rng(seed), layers * heads

    def numbers(count, most):
        return " ".join(map(str, rng.integers(1, most, count)))

    prompts = [
        {
            "query": f"query {i} of <b>{seed}</b>",
            "truth": i % 2,
            "texts": [f"text {i} {row} of {seed}" for row in range(k)],
            "labels": rng.integers(2, size=k).tolist(),
            "similarity": {"prediction similarity": "0.1 0.2 0.3 0.4", "embedding similarity": "0.9 0 0.5 0"},
            "answers": "60 40",
            "shares": numbers(every * k, 400),
        }
        for i in range(2)
    ]
    names = ("agreement with the model", "position", "prediction similarity", "embedding similarity")
    maps = {name: numbers(every, 100) for name in names}
    sizes = {"title": title, "layers": layers, "heads": heads, "head": [1, 2], "words": ["bad", "good"]}
    return sizes | {"maps": maps, "prompts": prompts}


MODELS = ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")


def record(project):
    """Records of the chapter by several models, with numbers of many digits."""
    made = {}
    exec(MEASURE, made)
    for model in MODELS:
        facts = {
            "model": {"name": model},
            "revision": "abcdefgh",
            "time": "2026-01-02T03",
            "machine": "a laptop",
        }
        facts["cost"] = {"seconds": 90}
        key = {"module": "iclnb.mean.measure", "code": {}, "versions": {}, "inputs": {}, "device": "cpu"}
        run = {"profile": "paper", "task": "tweet_eval_offensive", "k": 3, "scale": 1.0, "seed": 0}
        made["Draws"](x=np.array([-12345.678, 0.0123, 23456.789])).save(
            project / "book" / "recorded" / "00_mean" / model / "tweet_eval_offensive.nc",
            {"parameters": run, "provenance": facts, "key": key | {"parameters": run}},
        )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The HTML of a book of one chapter, made by two builds that were started at once."""
    chapter = NOTEBOOK.replace("# %% [markdown]\n# ## Claims", HARD + "\n# %% [markdown]\n# ## Claims")
    chapter = chapter.replace(
        "# %% [markdown]\n# ## Claims", EXPLORER.format(data=json.dumps([explored(0), explored(1, RECORD)]))
    )
    chapter = chapter.replace("# %% [markdown]\n# ## Claims", ANSWER)
    project = checkout(tmp_path_factory.mktemp("checkout"), {"00_mean": chapter})
    toc = yaml.safe_load((project / "_toc.yml").read_text())
    for part in toc["parts"]:
        part["chapters"] = [one for one in part["chapters"] if not one["file"].startswith("notebooks/")]
    toc["parts"][0]["chapters"] = [{"file": "notebooks/00_mean"}]
    (project / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False))
    set_address(project / "_config.yml", URL)
    record(project)
    words = command("book", "--profile", "smoke")
    both = [
        subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("waiting for it" in text for text in said) == 1
    assert sum("00_mean: up to date" in text for text in said) == 1
    return project / "_build" / "html"


@pytest.fixture(scope="module")
def address(site):
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with audit.browser() as browser:
        yield browser


def test_the_answer_is_on_the_first_screen_at_every_width(address, chromium):
    with audit.opened(chromium, f"{address}/notebooks/00_mean.html") as (page, _):
        assert all(0 < audit.answer(page, width) < HEIGHT / 2 for width in WIDTHS)
        assert page.locator("mjx-container svg").count() >= 4, "measured before formulas were drawn"


PAGES = ("notebooks/00_mean", "book/introduction", "book/results")
"""A page of each look; the whole book's are opened the other way round (test_book)."""


@pytest.mark.parametrize("page", PAGES)
def test_pages_serve_every_reader_on_a_phone_first_and_in_the_dark_first(address, chromium, page):
    place = f"{address}/{page}.html"
    assert audit.audit(chromium, place, widths=WIDTHS[::-1], schemes=audit.SCHEMES[::-1]) == []


def test_the_audit_sees_what_it_should(site, address, chromium):
    """A page with a fault of every kind."""
    wrong = site / "wrong.html"
    wrong.write_text(
        "<!doctype html><html lang=en><title>t</title><article><h1>a</h1><h3>b</h3>"
        "<p style='color:#ccc;width:2000px'>pale</p><img src=missing.png>"
        "<span class='math notranslate'>x</span>"
        "<figure class=iclnb-picture>"
        "<img width=90 height=9 data-text=10 alt=a src=no.png></figure>"
        "<p style='margin-top:1000px'><strong>Answer.</strong></p>"
        "</article><script>x(</script>"
    )
    try:
        found = "\n".join(audit.audit(chromium, f"{address}/wrong.html", schemes=("dark",)))
    finally:
        wrong.unlink()
    for part in (
        "console", "script", "sideways", "too wide", "no size", "h1 before h3", "axe color-contrast", "scheme",
        "formula not drawn", "px in a figure", "without a finding: a", "the answer is at",
    ):  # fmt: skip
        assert part in found, found


def test_the_filters_of_the_results_page_show_what_they_say(address, chromium):
    with audit.opened(chromium, f"{address}/book/results.html") as (page, faults):
        rows = page.locator(".iclnb-row:visible")
        assert rows.count() == 1 and page.locator(".iclnb-row summary b:visible").count() == 4
        page.locator("[name=run]").select_option(RECORD)
        assert rows.count() == 1
        page.locator("[name=verdict]").select_option("supported")
        assert rows.count() == 0 and page.locator("output").inner_text() == "0 of 1 claims"
        page.locator("[name=run]").select_option("this run")
        assert page.locator("output").inner_text() == "1 of 1 claims"
        page.locator("select").first.focus()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "verdict", "the keyboard reaches every filter"
        assert not faults


def test_without_scripts_and_in_print_every_claim_shows(site, address, chromium):
    shown = BeautifulSoup((site / "book" / "results.html").read_text(), "html.parser")
    assert len(shown.select(".iclnb-row tbody tr")) == 4 and shown.select_one(".iclnb-filters").has_attr(
        "hidden"
    )
    with audit.opened(chromium, f"{address}/book/results.html") as (page, _):
        page.emulate_media(media="print")
        assert page.locator(".iclnb-row summary b:visible").count() == 4
        assert page.locator(".iclnb-filters:visible").count() == 0


def test_a_phone_gets_the_narrow_figure_and_the_dark_scheme_follows_at_once(address, chromium):
    chapter = f"{address}/notebooks/00_mean.html"
    widths = {}
    for width in (390, 1400):
        with audit.opened(chromium, chapter, width=width) as (page, _):
            image = page.locator(".iclnb-picture img").first
            widths[width] = image.evaluate("image => image.currentSrc.length"), image.bounding_box()["width"]
            assert image.evaluate("image => getComputedStyle(image).filter") == "none"
            page.evaluate("document.documentElement.dataset.theme = 'dark'")
            assert "invert" in image.evaluate("image => getComputedStyle(image).filter")
    assert widths[390][0] != widths[1400][0] and 250 < widths[390][1] <= 390


def test_a_sentence_of_the_answer_shows_its_estimate_on_hover_and_by_keyboard(address, chromium):
    with audit.opened(chromium, f"{address}/notebooks/00_mean.html") as (page, _):
        sentence = page.locator(".iclnb-bound")
        assert sentence.inner_text() == "The mean of many draws says little"
        told = "span => getComputedStyle(span, '::after').content"
        assert RECORD not in sentence.evaluate(told)
        sentence.hover()
        assert f"{RECORD}: inconclusive" in sentence.evaluate(told)
        page.mouse.move(0, 0)
        assert RECORD not in sentence.evaluate(told)
        sentence.focus()
        assert f"{RECORD}: inconclusive" in sentence.evaluate(told)


def test_launch_buttons_lead_to_the_notebook(site):
    """Of a book whose address is known; without one there are none (test_results_page)."""
    page = BeautifulSoup((site / "notebooks" / "00_mean.html").read_text(), "html.parser")
    links = {link["href"] for link in page.select("a[href]")}
    assert "https://colab.research.google.com/github/owner/name/blob/colab/notebooks/00_mean.ipynb" in links
    assert "https://mybinder.org/v2/gh/owner/name/main?urlpath=tree/notebooks/00_mean.ipynb" in links
    assert URL in links


def weights(run, layer, head, prompt=0):
    """What the table should say of a head, in percent."""
    shares = np.array(run["prompts"][prompt]["shares"].split(), dtype=float)
    return shares.reshape(run["layers"], run["heads"], -1)[layer, head] / 10


def shown(page):
    cells = page.locator(".iclnb-explorer td:last-child").all_inner_texts()
    return [float(cell.removesuffix(" %")) for cell in cells]


def test_the_head_explorer_follows_mouse_and_keyboard(address, chromium):
    data = explored(0)
    with audit.opened(chromium, f"{address}/notebooks/00_mean.html") as (page, faults):
        view = page.locator(".iclnb-explorer")
        assert view.locator(".said").inner_text() == explorer_view.said(data)
        np.testing.assert_allclose(shown(page), weights(data, 1, 2))
        view.locator("[name=layer]").focus()
        page.keyboard.press("ArrowRight")
        np.testing.assert_allclose(shown(page), weights(data, 2, 2))
        assert view.locator(".said").inner_text().startswith("Layer 2, head 2 gives")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("ArrowRight")
        np.testing.assert_allclose(shown(page), weights(data, 2, 2, 1), err_msg="the second prompt")
        cells = view.locator("svg").first.locator(".every rect")
        cells.nth(3).hover()
        view.get_by_text("layer 0, head 3: ").wait_for()
        cells.nth(3).click()
        np.testing.assert_allclose(shown(page), weights(data, 0, 3, 1), err_msg="the head that was clicked")
        view.locator("[name=run]").select_option(label=RECORD)
        page.locator(".query", has_text="query 1 of <b>1</b>").wait_for()
        np.testing.assert_allclose(shown(page), weights(explored(1), 1, 2, 1), err_msg="a record")
        assert not faults


def test_the_head_explorer_fits_its_screen_and_follows_the_scheme(address, chromium):
    with audit.opened(chromium, f"{address}/notebooks/00_mean.html") as (page, _):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.wait_for_function("() => [...document.querySelectorAll('.charts > div')].every(box => "
                                   "box.querySelector('svg').clientWidth <= box.clientWidth)")  # fmt: skip
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            sizes = "texts => Math.min(...texts.map(text => parseFloat(getComputedStyle(text).fontSize)))"
            assert page.locator(".charts text").evaluate_all(sizes) >= 11
        ink = "text => getComputedStyle(text).fill"
        before = page.locator(".charts text").first.evaluate(ink)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        assert page.locator(".charts text").first.evaluate(ink) != before


def test_from_a_disk_in_print_and_without_scripts_the_head_explorer_is_whole(site, chromium):
    chapter = site / "notebooks" / "00_mean.html"
    static = BeautifulSoup(chapter.read_text(), "html.parser").select_one(".iclnb-explorer")
    assert len(static.select("tbody tr")) == 4 and static.form.has_attr("hidden")
    with audit.opened(chromium, chapter.as_uri()) as (page, faults):
        page.locator("[name=run]").select_option(index=1)
        page.locator(".query", has_text="query 0 of <b>1</b>").wait_for()
        assert page.locator("mjx-container svg").count() >= 4, "formulas are drawn from a disk too"
        page.emulate_media(media="print")
        assert page.locator(".iclnb-explorer tr:visible").count() == 5
        assert page.locator(".iclnb-explorer form:visible").count() == 0
        assert not [fault for fault in faults if "font" not in fault], "icons are fonts, which a disk refuses"
