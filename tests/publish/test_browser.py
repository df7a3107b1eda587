"""A chapter in a browser, at the widths of a desktop, a tablet and a phone."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import threading

import pytest
import yaml
from throwaway import NOTEBOOK, checkout, command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--window-size=1600,1000", "--virtual-time-budget=20000", "--dump-dom",
]  # fmt: skip

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
PROBE = """<!doctype html><title>probe</title>
<iframe src="PAGE" style="border: 0; width: WIDTHpx; height: 844px"></iframe>
<script>
const frame = document.querySelector("iframe");
frame.onload = async () => {
  const page = frame.contentWindow, body = frame.contentDocument;
  if (page.MathJax && page.MathJax.startup) await page.MathJax.startup.promise;
  for (const fold of body.querySelectorAll("details")) fold.open = true;
  for (const fold of body.querySelectorAll(".toggle-hidden")) fold.classList.remove("toggle-hidden");
  const root = body.documentElement, article = body.querySelector("article");
  const right = e => e.getBoundingClientRect().right, parts = [...article.querySelectorAll("*")];
  const formula = e => e.closest("mjx-container, .math") || e.matches("p:has(mjx-container)");
  const scrolls = e => e.clientWidth && e.scrollWidth > e.clientWidth + 1
    && page.getComputedStyle(e).overflowX != "visible";
  const wide = parts.filter(e => !formula(e) && scrolls(e));
  const out = parts.filter(e => !formula(e) && e.textContent.trim() && right(e) > right(article) + 1);
  const answer = [...article.querySelectorAll("p")].find(e => e.textContent.includes("The answer is"));
  const name = e => `${e.tagName}.${e.className} ${e.scrollWidth} ${e.textContent.slice(0, 30)}`;
  document.title = "probe " + JSON.stringify({
    scroll: root.scrollWidth, client: root.clientWidth, scrolling: wide.map(name), outside: out.map(name),
    answer: answer ? answer.getBoundingClientRect().bottom : null,
    formulas: body.querySelectorAll("mjx-container").length,
  });
};
</script>
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        """Nothing: a failing test shows what was measured."""


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
    """Where the site is served; a page may look into a frame of its own host only."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def probe(site, address, page, width, tmp_path):
    """What the browser measures of a page in a frame: its windows are never narrower than 500 pixels."""
    (site / "probe.html").write_text(PROBE.replace("PAGE", page).replace("WIDTH", str(width)))
    words = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}", f"{address}/probe.html"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>probe (\{.*\})</title>", done.stdout)
    assert title, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


@pytest.mark.parametrize("width", [1400, 900, 390])
def test_nothing_scrolls_sideways_and_the_answer_is_on_the_first_screen(site, address, tmp_path, width):
    seen = probe(site, address, "notebooks/00_mean.html", width, tmp_path)
    assert seen["client"] == width and seen["scroll"] <= seen["client"], seen
    assert not seen["scrolling"] and not seen["outside"], seen
    assert seen["answer"] and seen["answer"] <= 844, seen
    assert seen["formulas"] >= 4, "formulas were measured before they were drawn"


@pytest.mark.parametrize("page", ["results", "how_to_run", "introduction"])
def test_other_pages_fit_a_phone(site, address, tmp_path, page):
    seen = probe(site, address, f"book/{page}.html", 390, tmp_path)
    assert seen["scroll"] <= 390 and not seen["scrolling"] and not seen["outside"], seen
