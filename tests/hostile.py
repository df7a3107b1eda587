"""Chapters whose rows, labels and model are named to break out of their pages."""

import re

import archives
import tiny
from transformers import AutoTokenizer

from iclnb.llm.data import packaged
from iclnb.llm.models import PACKAGED

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
CHAPTERS = (
    "02_attention_allocation", "04_retrieval_and_format", "06_llm_initial_guess", "07_kernel_induction_or_report",
)  # fmt: skip
"""Those that show rows; for the head explorer see ``tests/heads/test_explorer.py``."""

MODEL = f"x<img src=x onerror={RUN}> `{{doc}}` $a$ |"


def chapter(source):
    """A notebook that reads hostile rows and asks a hostile model."""
    for ours, theirs in (
        (r'(task: str = by_profile\(\s*)"\w+"', r'\1"sst2"'),
        (r'(model: str = by_profile\(\s*)"[\w.-]+"', rf"\1{'./' + MODEL!r}"),
        (r'(source: str = )"auto"', r'\1"local"'),
    ):
        source = re.sub(ours, theirs, source, count=1)
    return source


def write_model(folder):
    """A small random model with the packaged one's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(packaged.folder(PACKAGED))
    model = tiny.model("llama", vocab_size=len(tokenizer), max_position_embeddings=8192)
    model.save_pretrained(folder / MODEL)
    tokenizer.save_pretrained(folder / MODEL)


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
