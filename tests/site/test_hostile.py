"""Chapters whose rows, labels and model are named to break out of the page: nothing runs, nothing breaks."""

import re
import shutil

import archives
import audit
import pytest
import tiny
import yaml
from browser import CHROMIUM, WIDTHS, served
from throwaway import ROOT, checkout
from transformers import AutoTokenizer

from iclnb.llm.data import packaged
from iclnb.llm.models import PACKAGED
from iclnb.run import notebooks, run_many
from iclnb.site import book
from iclnb.site.sources import lay_out

pytestmark = [
    pytest.mark.book,
    pytest.mark.packaged,
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
]

RUN = "document.documentElement.dataset.ran=1"
HOSTILE = [
    f"<script>{RUN}</script>",
    f'"\'><img src=x onerror="{RUN}">',
    f"</pre></td></table></div><svg onload={RUN}>",
    f"```{{raw}} html\n<script>{RUN}</script>\n```",
    f"\n\n~~~~~~~~{{raw}} html\n<script>{RUN}</script>\n~~~~~~~~\n\n",
    f":::::::{{admonition}} x\n<img src=x onerror={RUN}>\n:::::::",
    f"[click](javascript:{RUN}) <javascript:{RUN}>",
    "{{ config }} {doc}`nowhere` {eval-rst}`x` {cite}`nobody` {download}`/etc/passwd`",
    "$$ \\frac{a}{ $x$ \\(y\\) \\[z\\] \\href{javascript:1}{x} \\begin{align}",
    "| a | b |\n|---|---|\n| c | d |",
    "# injected heading\n\n## injected heading",
    "<!-- no end of this \\ `` ` *** ___ ~~~ [^1] [x]: y",
    "\u202eright to left\u0007 and a word " + "w" * 400,
    "---\nmyst:\n  html_meta: x\n---\n\n1. one\n- two\n> three\n+++\n% comment\n(target)=",
]
CHAPTERS = {
    "02_attention_allocation": {"task": "sst2"},
    "04_retrieval_and_format": {"task": "sst2"},
    "06_llm_initial_guess": {},
    "07_kernel_induction_or_report": {"task": "sst2"},
}
"""Those that show rows; for the head explorer see ``tests/heads/test_explorer.py``."""


def write_rows(folder):
    """Rows of a task of one text and of one of two, hostile in every text column."""
    for split, size in (("train", 120), ("validation", 60), ("test", 60)):
        texts = [f"{HOSTILE[i % len(HOSTILE)]} good {split} {i}" for i in range(2 * size)]
        single = [{"sentence": text, "label": i % 2} for i, text in enumerate(texts[:size])]
        pairs = zip(texts[::2], texts[1::2], strict=True)
        double = [
            {"sentence1": a, "sentence2": b, "score": i * 7 % 51 / 10} for i, (a, b) in enumerate(pairs)
        ]
        for task, made in (("sst2", single), ("stsb", double)):
            archives.write_rows(folder, task, **{split: made})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A book of the chapters that show rows, all of them from hostile files."""
    sources = {name: (ROOT / "notebooks" / f"{name}.py").read_text() for name in CHAPTERS}
    sources = {name: re.sub(r"\[([^\]]*)\]\(0\w*\)", r"\1", text) for name, text in sources.items()}
    project = checkout(tmp_path_factory.mktemp("checkout"), sources)
    shutil.copytree(ROOT / "book" / "recorded", project / "book" / "recorded", dirs_exist_ok=True)
    write_rows(project / "data")
    model = project / f"x<img src=x onerror={RUN}> `{{doc}}` $a$ |"
    tokenizer = AutoTokenizer.from_pretrained(packaged.folder(PACKAGED))
    tiny.model("llama", vocab_size=len(tokenizer), max_position_embeddings=8192).save_pretrained(model)
    tokenizer.save_pretrained(model)
    tasks = []
    for name, parameters in CHAPTERS.items():
        given = {"profile": "smoke", "model": str(model), "source": "local", **parameters}
        known = notebooks.parameters(notebooks.source(project, name))
        tasks.append(run_many.Task(name, notebooks.check(name, known, list(given.items()))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICLNB_DATA", str(project / "data"))
        failures = run_many.run_all(project, tasks, report=print)
    assert not failures, failures
    toc = yaml.safe_load((project / "_toc.yml").read_text())
    chapters = [{"file": f"notebooks/{name}"} for name in CHAPTERS]
    pages = [{"file": f"book/{name}"} for name in ("results", "architectures", "bibliography")]
    toc["parts"] = [{"caption": "Questions", "chapters": chapters + pages}]
    (project / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False))
    introduction = project / "book" / "introduction.md"
    introduction.write_text("# Book\n")
    (project / "book" / "how_to_run.md").unlink()
    pages = lay_out(project, list(CHAPTERS), project / "build" / "pages")
    return book._html(pages, project / "build" / "site", project / "html").parent


PAGES = [*(f"notebooks/{name}" for name in CHAPTERS), "book/results"]


def test_nothing_in_a_row_runs_or_becomes_part_of_the_page(built):
    with served(built) as at, audit.browser() as browser:
        for page in PAGES:
            with audit.opened(browser, f"{at}/{page}.html") as (drawn, faults):
                text, wrong = drawn.content(), drawn.evaluate(audit.FORMULAS)
                drawn.evaluate(audit.OPEN)
                wrong += [line for width in WIDTHS for line in audit.layout(drawn, width)]
            assert "data-ran" not in text, f"{page}: a script of a row ran"
            headings = re.findall(r"<h[1-6][^>]*>(.*?)</h[1-6]>", text, flags=re.DOTALL)
            assert headings and not any("injected" in heading for heading in headings), page
            assert not re.search(r"<a[^>]*href=\"javascript:", text), page
            assert not wrong + faults, page


def test_rows_are_shown_letter_by_letter(built):
    shown = "".join((built / f"{page}.html").read_text(encoding="utf-8") for page in PAGES)
    assert "&lt;script&gt;document" in shown or "&lt;img src=x onerror=" in shown
