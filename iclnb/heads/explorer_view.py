"""The head explorer as HTML: a table that stands without scripts, and the data that ``explorer.js`` draws."""

import html
import json
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from IPython.display import HTML
from jaxtyping import Float

from iclnb.errors import IclnbError
from iclnb.heads.explorer import FEATURES, SIMILARITIES, Explored
from iclnb.keys.measurement import inputs_changed
from iclnb.ladders import HERE, Ladder, Rung
from iclnb.llm.demonstrations import TaskRows, task_rows

SCRIPTS = ("plot/d3.min.js", "plot/plot.umd.min.js", "explorer.js")
"""In the book's ``_static``: the library, and what draws the charts; in this order."""

LETTERS = 60  # Of each text that the page shows

FIELDS = {
    "run": "Run", "similarity": "Similarity", "map": "The map shows", "prompt": "Prompt", "layer": "Layer",
    "head": "Head",
}  # fmt: skip
CHOICES = ("run", "similarity", "map")  # Fields with names to choose from; the others are sliders

COLUMNS = ("position", "demonstration", "label", "similarity", "weight")


def pages(ladder: Ladder[Explored]) -> list[dict[str, Any]]:
    """What the page holds of every run, this one first."""
    names = [HERE, *(rung.name for rung in ladder.recorded)]
    return [page(ladder[name], name, _rows(ladder.rung(name))) for name in names]


def page(found: Explored, title: str, rows: TaskRows | None) -> dict[str, Any]:
    """One run as JSON can hold it, small: whole numbers in strings.

    Weights are shares a_i / Σ_j a_j in thousandths, heads one after the other, layer by layer; maps are in
    hundredths.

    Where the rows of its task are not at hand, places stand for texts.
    """
    maps = {"agreement with the model": found.agreement} | dict(zip(FEATURES, found.followed, strict=True))
    words = rows.task.label_words if rows else [f"class {c}" for c in range(found.probability.shape[1])]
    prompts = []
    for i, truth in enumerate(found.truth):
        shown = found.rows[i].tolist()
        texts = rows.texts([rows.pool[row] for row in shown]) if rows else [f"row {row}" for row in shown]
        query = rows.texts([rows.queries[i]])[0] if rows else f"test point {i + 1}"
        alike = {name: " ".join(f"{x:.3g}" for x in found.alike[s, i]) for s, name in enumerate(SIMILARITIES)}
        prompts.append({
            "query": _short(query), "truth": int(truth), "texts": list(map(_short, texts)),
            "labels": found.labels[i].tolist(), "similarity": alike,
            "answers": _packed(found.probability[i] * 100), "shares": _packed(found.share[i] * 1000),
        })  # fmt: skip
    layers, heads = found.agreement.shape
    return {
        "title": title, "layers": layers, "heads": heads, "head": list(found.head), "words": list(words),
        "maps": {name: _packed(values * 100) for name, values in maps.items()}, "prompts": prompts,
    }  # fmt: skip


def view(runs: list[Mapping[str, Any]]) -> HTML:
    """The explorer; without scripts, and on paper, the best head's weights on the first prompt as a table."""
    first, fields = runs[0], "".join(map(_field, FIELDS))
    data = json.dumps(runs, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    scripts = "".join(f'<script defer src="../_static/{file}"></script>' for file in SCRIPTS)
    return HTML(
        '<figure class="iclnb-explorer mathjax_ignore tex2jax_ignore">'
        f'<form hidden aria-label="What is shown">{fields}</form>'
        f'<p class="query">Query: {html.escape(first["prompts"][0]["query"])}</p>'
        f'<p class="said" aria-live="polite">{html.escape(said(first))}</p>'
        f'<div class="charts"></div>{_table(first)}'
        "<figcaption>A weight is the head's share a<sub>i</sub> / Σ<sub>j</sub> a<sub>j</sub>, in percent."
        f'</figcaption><script type="application/json">{data}</script></figure>{scripts}'
    )


def said(run: Mapping[str, Any]) -> str:
    """What is to be seen of the first prompt, in the words that ``explorer.js`` uses of every other."""
    (layer, head), prompt, words = run["head"], run["prompts"][0], run["words"]
    labels, shares = np.array(prompt["labels"]), _shares(run)
    votes = [shares[labels == c].sum() / shares.sum() for c in range(len(words))]
    answers = _numbers(prompt["answers"])
    at = layer * run["heads"] + head
    agrees, *follows = ((name, _numbers(text)[at]) for name, text in run["maps"].items())
    explained = ", ".join(f"{name} {share:.0f} %" for name, share in follows)
    return (
        f"Layer {layer}, head {head} gives {100 * max(votes):.0f} % of its weight to demonstrations labelled "
        f"“{words[int(np.argmax(votes))]}”; the model answers “{words[answers.argmax()]}” "
        f"({answers.max():.0f} %); the true label is “{words[prompt['truth']]}”. Over all prompts this head "
        f"gives the model's answer in {agrees[1]:.0f} % (priors off), and of the variance of its weights' "
        f"ranks is explained by {explained}; by chance {100 / (len(labels) - 1):.0f} %."
    )


def _rows(rung: Rung) -> TaskRows | None:
    """The rows of a run's task; nothing where they cannot be had, or are others by now."""
    settings = rung.settings
    if inputs_changed(rung.key["inputs"], vars(settings)):
        return None
    try:
        return task_rows(
            settings.task, settings.prompts, seed=settings.data_seed, source=settings.source, at_most=True
        )
    except IclnbError:
        return None


def _field(name: str) -> str:
    if name in CHOICES:
        return f'<label>{FIELDS[name]} <select name="{name}" autocomplete="off"></select></label>'
    slider = f'<input type="range" name="{name}" min="0" value="0" autocomplete="off">'
    return f"<label><span>{FIELDS[name]} <output></output></span> {slider}</label>"


def _table(run: Mapping[str, Any]) -> str:
    prompt, shares = run["prompts"][0], _shares(run)
    name, similarity = next(iter(prompt["similarity"].items()))
    head = "".join(f'<th scope="col">{column}</th>' for column in COLUMNS)
    rows = zip(prompt["texts"], prompt["labels"], similarity.split(), shares, strict=True)
    body = "".join(
        f"<tr><td>{position}</td><td>{html.escape(text)}</td><td>{html.escape(run['words'][label])}</td>"
        f'<td>{like}</td><td style="--w:{share / max(shares):.2f}">{share / 10:.1f} %</td></tr>'
        for position, (text, label, like, share) in enumerate(rows, start=1)
    )
    caption = f"The demonstrations of this prompt, in its order; similarity: {html.escape(name)}"
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shares(run: Mapping[str, Any]) -> Float[np.ndarray, " k"]:
    """Of the best head on the first prompt, in thousandths."""
    return _numbers(run["prompts"][0]["shares"]).reshape(run["layers"], run["heads"], -1)[*run["head"]]


def _numbers(text: str) -> Float[np.ndarray, " numbers"]:
    return np.array(text.split(), dtype=float)


def _packed(values: Float[np.ndarray, "..."]) -> str:
    return " ".join(map(str, np.rint(values).astype(int).ravel().tolist()))


def _short(text: str) -> str:
    return textwrap.shorten(text, LETTERS, placeholder=" …")
