"""The front page's picture and sentences: what each chapter found, computed from results and records."""

import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat

from iclnb import claims
from iclnb.site.results.claim_rows import Row
from iclnb.site.results.runs import HERE
from iclnb.site.summary import marks, papers
from iclnb.site.summary.papers import Question

PLACE = "<!-- the front page's picture and sentences -->"
_SENTENCE = re.compile(r"(?<=[.!?])(?:\*\*)?\s+(?=[A-Z“*$])")
_BARE = re.compile(r"^(yes|no|undecided|in part|partly)\.$", flags=re.IGNORECASE)


def fill(text: str, project: Path, rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """The front page with its picture and sentences where :data:`PLACE` stands.

    Args:
        text: of ``book/introduction.md``.
        project: the checkout, its notebooks executed.
        rows: the claims of all runs.
        titles: of the book's notebooks.

    Raises:
        IclnbError: if ``book/papers.toml`` cannot be read.
    """
    asked = [question for question in papers.read(project).questions if question.chapter in titles]
    if not asked:
        return text.replace(PLACE, "")
    of = {q.chapter: [row for row in rows if row.chapter == q.chapter] for q in asked}
    sentences = [
        f"- {{doc}}`{titles[q.chapter]} </notebooks/{q.chapter}>` {_sentence(project, q, of[q.chapter])}"
        for q in asked
    ]
    shown = picture(asked, of, titles)
    made = f"```{{raw}} html\n{shown}\n```\n\n## In short\n\n" + "\n".join(sentences)
    return text.replace(PLACE, made)


def picture(asked: Sequence[Question], of: Mapping[str, Sequence[Row]], titles: Mapping[str, str]) -> str:
    """Questions down; across: what the paper says, what was found at which model size, how sure. HTML.

    Args:
        asked: the questions.
        of: the claims of each chapter.
        titles: of the chapters.
    """
    every = papers.ordered(row for listed in of.values() for row in listed)
    legend = marks.legend(tuple(dict.fromkeys(row.verdict for row in every)))
    columns = "".join(f'<col class="iclnb-{name}">' for name in ("asks", "says", "found", "sure"))
    header = "".join(
        f'<th role="columnheader" scope="col">{name}</th>'
        for name in ("question", "the paper says", "found, claim by claim", "together")
    )
    body = "\n".join(_row(question, titles[question.chapter], of[question.chapter]) for question in asked)
    return (
        f'<figure class="iclnb-front mathjax_ignore">{marks.symbols()}\n<table role="table">{columns}'
        f'<thead role="rowgroup"><tr role="row">{header}</tr></thead><tbody role="rowgroup">\n{body}\n'
        f"</tbody></table>\n<figcaption>One mark is one claim: {legend}. <em>As the paper tests it</em> are "
        "the paper's own claims, <em>with controls</em> our stricter readings and additions. A record speaks "
        "for its model; without one, the run that made this copy of the book.</figcaption></figure>"
    )


def _row(question: Question, title: str, rows: Sequence[Row]) -> str:
    runs = papers.shown(rows)
    found = "".join(_run(listed) for listed in runs.values()) or "<p>not run yet</p>"
    listed = [row for of_run in runs.values() for row in of_run]
    own, ours = [row for row in listed if not strict(row)], [row for row in listed if strict(row)]
    words = "".join(
        f"<p><strong>{papers.verdict(part)}</strong> <small>{said}, {_sure(part)}</small></p>"
        for said, part in (("as the paper tests it", own), ("with controls", ours))
        if part
    )
    cells = (
        f'<a href="../notebooks/{question.chapter}.html">{html.escape(title)}</a>',
        html.escape(question.says), found, words,
    )  # fmt: skip
    first, *others = cells
    return (
        f'<tr role="row"><th role="rowheader" scope="row">{first}</th>'
        + "".join(f'<td role="cell">{cell}</td>' for cell in others)
        + "</tr>"
    )


def strict(row: Row) -> bool:
    """Whether a claim is our addition or stricter reading, and not the paper's own."""
    return row.paper == "ours" or row.section.endswith(", stricter")


def _run(rows: Sequence[Row]) -> str:
    """One run: its model's size, and a mark for each claim."""
    first = rows[0]
    where = [] if first.recorded else [f"{HERE}, {first.profile}" if first.profile else HERE]
    name = ", ".join([papers.size(first.model) or "no model", *where])
    badge = ' <span class="iclnb-badge">stale</span>' if first.stale else ""
    groups = (
        papers.ordered(row for row in rows if not strict(row)),
        papers.ordered(row for row in rows if strict(row)),
    )
    drawn = '<span class="iclnb-gap"></span>'.join(
        "".join(marks.glyph(row.verdict, f"{row.statement} {row.verdict}") for row in group)
        for group in groups
        if group
    )
    said = html.escape(f"{first.model or 'no model'}: {papers.tally(rows)}", quote=True)
    return (
        f'<p class="iclnb-run"><span>{html.escape(name)}{badge}</span> '
        f'<span class="iclnb-marks" role="img" aria-label="{said}">{drawn}</span></p>'
    )


def _sure(rows: Sequence[Row]) -> str:
    """How many claims are decided, and on how many models they were tested."""
    decided = sum(row.verdict != claims.INCONCLUSIVE for row in rows)
    said = f"{decided} of {len(rows)} decided"
    models = {row.model for row in rows}
    if len(models) < 2:
        return said
    by_claim: dict[str, set[str]] = {}
    for row in rows:
        by_claim.setdefault(row.claim, set()).add(row.verdict)
    agree = sum(len(found) == 1 for found in by_claim.values())
    return f"{said}; {len(models)} models agree on {agree} of {len(by_claim)}"


def _sentence(project: Path, question: Question, rows: Sequence[Row]) -> str:
    """What records of several models found, claim by claim; else a sentence of the chapter's answer.

    Where its page gives none, how many claims hold.
    """
    if told := papers.told(rows, question.claims, numbers=False):
        return " ".join(told)
    path = project / "build" / "executed" / f"{question.chapter}.ipynb"
    if path.is_file() and (text := answer(nbformat.read(path, as_version=4))):
        return sentence(text, question.quote)
    listed = [row for of_run in papers.shown(rows).values() for row in of_run]
    own = [row for row in listed if not strict(row)]
    sizes = sorted({row.model for row in own})
    on = f" on {', '.join(filter(None, map(papers.size, sizes)))}" if any(sizes) else ""
    return f"Of the paper's {len(own)} claims{on}: {papers.tally(own)}." if own else "Not run yet."


def answer(notebook: nbformat.NotebookNode) -> str:
    """The Markdown that a notebook's cells tagged ``answer`` put out; empty for none."""
    outputs = [
        output.data["text/markdown"]
        for cell in notebook.cells
        if cell.cell_type == "code" and "answer" in cell.metadata.get("tags", ())
        for output in cell.outputs
        if "text/markdown" in output.get("data", {})
    ]
    return "\n\n".join("".join(text) for text in outputs)


def sentence(text: str, quote: str = "") -> str:
    """One sentence of an answer: of the part that holds ``quote``, else of the first that says something.

    A question in bold stays before its answer, and a bare "yes" takes the next sentence along.

    Args:
        text: Markdown of paragraphs and lists.
        quote: words of the part.
    """
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n|\n(?=\s*- )|^- ", text)]
    blocks = [block.removeprefix("- ").removeprefix("**Answer.** ").strip() for block in blocks]
    blocks = [block for block in blocks if block and not block.endswith(":")]
    if not blocks:
        return ""
    chosen = next((block for block in blocks if quote and quote.lower() in block.lower()), blocks[0])
    bold, _, rest = chosen.rpartition("** ") if chosen.startswith("**") else ("", "", chosen)
    parts = _SENTENCE.split(rest)
    kept = parts[: 2 if _BARE.match(parts[0]) else 1]
    return " ".join([*([f"*{bold.strip('*')}*"] if bold else []), *kept])
