"""A chapter in a browser, at the widths of a desktop, a tablet and a phone."""

import subprocess

import pytest
import yaml
from browser import CHROMIUM, HEIGHT, WIDTHS, measured, served
from throwaway import NOTEBOOK, checkout, command

from iclnb import claims, stats

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
ANSWER = """# %% tags=["answer", "hide-input"]
from IPython.display import Markdown

from iclnb import display

Markdown(f"The answer is {display.cell(results.claims[0].estimate)}.")

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - More draws.

# %%
results.save()"""


def recorded(project, *models):
    """Records of the chapter, of several models, on a task where they are at chance."""
    task = "tweet_eval_offensive"
    for model in models:
        values = {"at_chance": {task: True}, "reported": {"mean": 0.892}}
        results = claims.Results("00_mean", {"model": model, "task": task}, values=values)
        evidence = claims.Evidence(stats.Estimate(0.0123, -12345.678, 0.0234), 0.25, "random weights")
        statement = "Under shared demonstrations the best head agrees with the model more than controls do."
        results.claim("mean", statement, claims.within(-0.00123, 1e-6), evidence, paper="A", section="5.2")
        saved = results.save(project / "book" / "recorded" / "00_mean" / model)
        saved.rename(saved.with_name(f"{task}.json"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The HTML of a book of one chapter, made by two builds that were started at once."""
    chapter = NOTEBOOK.replace("# %% [markdown]\n# ## Claims", HARD + "\n# %% [markdown]\n# ## Claims")
    chapter = chapter.replace("# %%\nresults.save();", ANSWER)
    project = checkout(tmp_path_factory.mktemp("checkout"), {"00_mean": chapter})
    toc = yaml.safe_load((project / "_toc.yml").read_text())
    keep = [part for part in toc["parts"] if not part["chapters"][0]["file"].startswith("notebooks/")]
    toc["parts"] = [{"caption": "Questions", "chapters": [{"file": "notebooks/00_mean"}]}, *keep]
    (project / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False))
    recorded(project, "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct")
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


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_scrolls_sideways_and_the_answer_is_on_the_first_screen(site, address, tmp_path, width):
    [seen] = measured(site, address, ["notebooks/00_mean.html"], [width], tmp_path)
    assert seen["scroll"] <= width and not seen["faults"], seen
    assert 0 < seen["answer"] < HEIGHT / 2, seen
    assert seen["formulas"] >= 4, "formulas were measured before they were drawn"


def test_without_the_style_sheet_the_same_page_would_scroll(site, address, tmp_path):
    """The measurement sees what it should."""
    sheet = site / "_static" / "iclnb.css"
    text = sheet.read_text()
    sheet.write_text("")
    try:
        assert measured(site, address, ["notebooks/00_mean.html"], [390], tmp_path)[0]["faults"]
    finally:
        sheet.write_text(text)


@pytest.mark.parametrize(
    ("page", "width"), [("results", 900), ("results", 390), ("how_to_run", 390), ("introduction", 390)]
)
def test_other_pages_fit_a_phone_and_the_results_a_tablet(site, address, tmp_path, page, width):
    [seen] = measured(site, address, [f"book/{page}.html"], [width], tmp_path)
    assert seen["scroll"] <= width and not seen["faults"], seen
