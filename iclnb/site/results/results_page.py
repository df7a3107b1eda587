"""The book's results page: claims down, runs across, one mark a cell; a line opens to its intervals."""

import html
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from iclnb import display
from iclnb.claims import strips
from iclnb.display import interval_text, number
from iclnb.site import marks
from iclnb.site.results import margins, multiplicity
from iclnb.site.results.claim_rows import Row
from iclnb.site.results.margins import Margin
from iclnb.site.results.runs import Run

INTRODUCTION = """# Results

Every claim of every chapter. A column is a model of the recorded runs, with a mark for each task on record; the
last one is *this run*, which made this copy of the book. A line opens to estimates, 95 % intervals and
controls; all of them are in {download}`JSON <../downloads/claims.json>` and {download}`CSV
<../downloads/claims.csv>`. *Stale* marks a record whose measuring code, versions or data have changed since.
*At chance* marks a model that answers no better than always naming the most frequent label: what a claim says
of its answers then means little."""


def page(
    titles: Mapping[str, str],
    runs: Mapping[str, Sequence[Run]],
    rows: Sequence[Row],
    known: Sequence[Margin] = (),
) -> str:
    """The page in MyST Markdown."""
    folded = {
        "How many verdicts are left after a correction for their number": multiplicity.section(rows),
        "The margins of the criteria, and verdicts across them": margins.section(known, rows),
        "The runs": _runs(titles, runs),
    }
    closed = [f":::::{{dropdown}} {title}\n\n{text}\n\n:::::" for title, text in folded.items()]
    return "\n\n".join([INTRODUCTION, f"```{{raw}} html\n{table(rows, known)}\n```", *closed]) + "\n"


def table(rows: Sequence[Row], known: Sequence[Margin] = ()) -> str:
    """The table of all claims in HTML, without blank lines: a section a chapter, those of appendices folded."""
    parts = [
        '<div class="iclnb-results mathjax_ignore">',
        f'<p class="iclnb-legend">{marks.legend(row.verdict for row in rows)}</p>',
        _filters(rows),
    ]
    for chapter, listed in groupby(rows, lambda row: row.chapter):
        parts.append(_chapter(chapter, list(listed), known))
    return "\n".join([*parts, "</div>"])


def _filters(rows: Sequence[Row]) -> str:
    """The form that ``results.js`` shows and obeys; without a script it stays hidden, and all claims show."""
    choices = {
        "paper": {row.paper: "ours" if row.paper == "ours" else f"paper {row.paper}" for row in rows},
        "verdict": {
            verdict: verdict for verdict in marks.CLASSES if verdict in {row.verdict for row in rows}
        },
        "run": {_column(row): _column(row) for row in rows},
    }
    fields = "".join(
        f'<label>{name} <select name="{name}"><option value="*">all</option>'
        + "".join(f'<option value="{html.escape(v)}">{html.escape(t)}</option>' for v, t in known.items())
        + "</select></label>"
        for name, known in choices.items()
    )
    return f'<form class="iclnb-filters" hidden>{fields}<output aria-live="polite"></output></form>'


def _chapter(chapter: str, rows: Sequence[Row], known: Sequence[Margin]) -> str:
    columns = list(dict.fromkeys(_column(row) for row in rows))
    link = f'<a href="../notebooks/{chapter}.html">{html.escape(rows[0].title)}</a>'
    stale = {_column(row) for row in rows if row.stale}
    heads = "".join(
        f"<span>{_broken(column)}{marks.badge('stale') if column in stale else ''}</span>"
        for column in columns
    )
    ids = dict.fromkeys(row.claim for row in rows)
    lines = [_claim([row for row in rows if row.claim == id], columns, known) for id in ids]
    body = f'<div class="iclnb-heads" aria-hidden="true">{heads}</div>' + "\n".join(lines)
    style = f'style="--runs:{len(columns)}"'
    if not chapter[2:3].isalpha():
        return f"<section {style}><h2>{link}</h2>{body}</section>"
    total = f"{len(ids)} claim{'s' * (len(ids) > 1)}"
    return (
        f'<details class="iclnb-appendix" {style}><summary>{html.escape(rows[0].title)} ({total})'
        f"</summary><p>{link}</p>{body}</details>"
    )


def _claim(rows: Sequence[Row], columns: Sequence[str], known: Sequence[Margin]) -> str:
    """One claim: its statement and a cell of marks for each column; opened, its numbers."""
    first = rows[0]
    cells = "".join(
        f"<span>{''.join(_mark(row) for row in rows if _column(row) == column)}</span>" for column in columns
    )
    whose = "ours" if first.paper == "ours" else f"paper {first.paper}, {first.section}"
    facts = [whose, first.criterion, *([f"proof: {first.proof}"] if first.proof else [])]
    if first.speaks != "neither":
        facts.append(f"speaks {first.speaks} the paper if it holds")
    return (
        f'<details class="iclnb-row" data-paper="{html.escape(first.paper)}"><summary>'
        f"<span>{html.escape(first.statement)}</span>{cells}</summary><p>{html.escape('; '.join(facts))}.</p>"
        f"{strips.table(_numbers(row, known) for row in rows)}</details>"
    )


def _mark(row: Row) -> str:
    return marks.mark(row.verdict, f"{row.run}: {row.verdict}", run=_column(row), verdict=row.verdict)


def _numbers(row: Row, known: Sequence[Margin]) -> tuple[str, ...]:
    notes = [row.data_needed, *margins.notes(known, row), *(["model at chance"] if row.at_chance else [])]
    verdict = "; ".join(filter(None, [row.verdict, *notes]))
    estimate = interval_text(row.estimate, row.low, row.high, row.region.bounds)
    who = row.run if row.recorded else ", ".join(filter(None, (row.run, row.model, row.task)))
    return who, estimate, f"{number(row.control)} ({row.control_is})", verdict


def _column(row: Row) -> str:
    """The column that a run stands in: its model's, or this run's."""
    return (row.model or "recorded") if row.recorded else row.run


def _broken(name: str) -> str:
    """A model's name on two lines: family and size."""
    family, _, size = name.rpartition("-")
    return f"{html.escape(family)}<br>{html.escape(size)}" if family else html.escape(name)


def _runs(titles: Mapping[str, str], runs: Mapping[str, Sequence[Run]]) -> str:
    """Every run: sizes, machine, time, revision, and why it is stale."""
    rows = [row for name, title in titles.items() for run in runs[name] for row in _run(title, run)]
    return display.table(
        ("chapter", "run", "profile", "machine, date, revision", "seconds", "stale"), rows
    ).data


def _run(title: str, run: Run) -> Iterator[tuple[object, ...]]:
    source = run.results["provenance"]
    made = f"{source['machine']}, {source['time'][:10]}, {str(source.get('revision') or 'not known')[:7]}"
    profile = run.results["parameters"].get("profile", "")
    took = "" if run.seconds is None else round(run.seconds)
    stale = ", ".join(
        dict.fromkeys(reason.partition(":")[0] for reason in run.stale)
    )  # `iclnb status` has the rest
    yield display.Author(title), run.name, profile, made, took, stale
