"""The head explorer as HTML: a table that stands without scripts, and the data that ``explorer.js`` draws."""

import html
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from IPython.display import HTML

SCRIPTS = ("plot/d3.min.js", "plot/plot.umd.min.js", "explorer/runs.js", "explorer.js")
"""In the book's ``_static``: the library, the records, and what draws them; in this order."""

FIELDS = {
    "run": "Model", "task": "Task", "similarity": "Similarity", "map": "The map shows",
    "k": "Demonstrations", "prompt": "Prompt", "layer": "Layer", "head": "Head",
}  # fmt: skip
CHOICES = ("run", "task", "similarity", "map")
"""Fields with names to choose from; the others are sliders."""

COLUMNS = ("position", "demonstration", "label", "similarity", "weight")


def view(page: Mapping[str, Any], title: str) -> HTML:
    """The explorer; without scripts, and on paper, the chosen head's weights on the first prompt as a table.

    Args:
        page: from :func:`iclnb.heads.explorer.for_page`.
        title: of the run.
    """
    task, k = page["tasks"][0], max(map(int, page["tasks"][0]["maps"]))
    prompt, fields = task["prompts"][0], "".join(map(_field, FIELDS))
    data = json.dumps(page, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    scripts = "".join(f'<script defer src="../_static/{file}"></script>' for file in SCRIPTS)
    return HTML(
        f'<figure class="iclnb-explorer mathjax_ignore tex2jax_ignore" data-title="{html.escape(title)}">'
        f'<form hidden aria-label="What is shown">{fields}</form>'
        f'<p class="query">Query: {html.escape(prompt["query"])}</p>'
        f'<p class="said" aria-live="polite">{html.escape(said(page, task, k))}</p>'
        f'<div class="charts"></div>{_table(page, task, k)}'
        "<figcaption>A weight is the head's share a<sub>i</sub> / Σ<sub>j</sub> a<sub>j</sub>, in percent."
        f'</figcaption><script type="application/json">{data}</script></figure>{scripts}'
    )


def said(page: Mapping[str, Any], task: Mapping[str, Any], k: int) -> str:
    """What is to be seen of the first prompt, in the words that ``explorer.js`` uses of every other."""
    (layer, head), prompt, words = page["head"], task["prompts"][0], task["words"]
    labels, shares = np.array(prompt["labels"][:k]), _shares(page, prompt, k)
    votes = [shares[labels == c].sum() / shares.sum() for c in range(len(words))]
    answers = _numbers(prompt["answers"][str(k)])
    at = layer * page["heads"] + head
    maps = {name: _numbers(text)[at] for name, text in task["maps"][str(k)].items()}
    agrees, *follows = maps.items()
    explained = ", ".join(f"{name} {share:.0f} %" for name, share in follows)
    return (
        f"Layer {layer}, head {head} gives {100 * max(votes):.0f} % of its weight to demonstrations labelled "
        f"“{words[int(np.argmax(votes))]}”; the model answers “{words[answers.argmax()]}” "
        f"({answers.max():.0f} %); the true label is “{words[prompt['truth']]}”. Over all prompts this head "
        f"gives the model's answer in {agrees[1]:.0f} % (priors off), and of the variance of its weights' "
        f"ranks is explained by {explained}; by chance {100 / (k - 1):.0f} %."
    )


def _field(name: str) -> str:
    if name in CHOICES:
        return f'<label>{FIELDS[name]} <select name="{name}" autocomplete="off"></select></label>'
    slider = f'<input type="range" name="{name}" min="0" value="0" autocomplete="off">'
    return f"<label><span>{FIELDS[name]} <output></output></span> {slider}</label>"


def _table(page: Mapping[str, Any], task: Mapping[str, Any], k: int) -> str:
    prompt, shares = task["prompts"][0], _shares(page, task["prompts"][0], k)
    name, similarity = next(iter(prompt["similarity"].items()))
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    rows = zip(prompt["texts"], prompt["labels"], similarity.split(), shares, strict=False)
    body = "".join(
        f"<tr><td>{position}</td><td>{html.escape(text)}</td><td>{html.escape(task['words'][label])}</td>"
        f'<td>{like}</td><td style="--w:{share / max(shares):.2f}">{share / 10:.1f} %</td></tr>'
        for position, (text, label, like, share) in enumerate(rows, start=1)
    )
    caption = f"The demonstrations of this prompt, in its order; similarity: {html.escape(name)}"
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shares(page: Mapping[str, Any], prompt: Mapping[str, Any], k: int) -> np.ndarray:
    shape = page["layers"], page["heads"], k
    return _numbers(prompt["shares"][str(k)]).reshape(shape)[*page["head"]]


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=float)
