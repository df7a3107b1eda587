"""The report card: a forest plot of every claim, one line for each run, as HTML that needs no script.

Every claim has an axis of its own, since claims are about different things. Positions are percentages, so
that the plot has the width of its column on a phone, on a desktop and on paper, and its text keeps its size.
"""

import html
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from iclnb import display
from iclnb.site.results.claim_rows import Row
from iclnb.site.results.runs import HERE
from iclnb.site.summary import marks, papers

EDGE = 4.0
"""Percent of the axis kept free at either end."""

BENT = 50.0
"""How many times its own scale an axis may span before it is bent (inverse hyperbolic sine)."""


def card(rows: Sequence[Row]) -> str:
    """The filters and the plot of every claim in HTML, without blank lines.

    Args:
        rows: of all runs, ordered by chapter.
    """
    legend = marks.legend(tuple(dict.fromkeys(row.verdict for row in papers.ordered(rows))))
    parts = [
        '<div class="iclnb-report mathjax_ignore">',
        marks.symbols(),
        _filters(rows),
        f'<p class="iclnb-legend">{legend} · <span class="iclnb-key">{_control()} control</span> · '
        '<span class="iclnb-key"><span class="iclnb-region"></span> where the claim holds</span></p>',
    ]
    for chapter, listed in groupby(rows, lambda row: row.chapter):
        of_chapter = list(listed)
        parts.append(f'<section data-chapter="{chapter}"><h3>{html.escape(of_chapter[0].title)}</h3>')
        ids = dict.fromkeys(row.claim for row in of_chapter)
        parts += [_claim([row for row in of_chapter if row.claim == id]) for id in ids]
        parts.append("</section>")
    return "\n".join([*parts, "</div>"])


def _control() -> str:
    return (
        '<svg class="iclnb-glyph" viewBox="-7 -7 14 14" aria-hidden="true"><use href="#iclnb-control"/></svg>'
    )


def _filters(rows: Sequence[Row]) -> str:
    """The form that ``report.js`` shows and obeys; without a script it stays hidden, and all claims show."""
    choices = {
        "paper": {row.paper: "ours" if row.paper == "ours" else f"paper {row.paper}" for row in rows},
        "chapter": {row.chapter: row.title for row in rows},
        "verdict": {row.verdict: row.verdict for row in papers.ordered(rows)},
        "model": {row.model: row.model or "without a model" for row in rows},
    }
    fields = "".join(
        f'<label>{name} <select name="{name}"><option value="*">all</option>'
        + "".join(f'<option value="{_attribute(v)}">{html.escape(t)}</option>' for v, t in known.items())
        + "</select></label>"
        for name, known in choices.items()
    )
    return f'<form class="iclnb-filters" hidden>{fields}<output aria-live="polite"></output></form>'


def _claim(rows: Sequence[Row]) -> str:
    """One claim: what it says, and a line for each run on one axis."""
    first = rows[0]
    whose = "ours" if first.paper == "ours" else f"paper {first.paper}, {first.section}"
    criterion = first.criterion.removeprefix("the whole interval ")
    proof = f"; proof: {html.escape(first.proof)}" if first.proof else ""
    place, ends = axis(rows)
    lines = "".join(_line(row, place) for row in rows)
    return (
        f'<article class="iclnb-claim" data-paper="{_attribute(first.paper)}"><div>'
        f"<p>{html.escape(first.statement)}</p><p><small>{html.escape(whose)}; {html.escape(criterion)}; "
        f"control: {html.escape(first.control_is)}{proof}</small></p></div>"
        f'<div><ul>{lines}</ul><p class="iclnb-ends" aria-hidden="true"><span>{ends[0]}</span>'
        f"<span>{ends[1]}</span></p></div></article>"
    )


def _line(row: Row, place: Callable[[float], float]) -> str:
    """One run of a claim: who ran, the plot, the numbers, the verdict."""
    here = "" if row.recorded else ", ".join(filter(None, (HERE, row.profile)))
    who = ", ".join(filter(None, (row.model, row.task, here))) or "recorded"
    badges = [*(["stale"] if row.stale else []), *(["model at chance"] if row.at_chance else [])]
    low, high = display.number(row.low), display.number(row.high)
    value = f"{display.number(row.estimate)} [{low}, {high}]; control {display.number(row.control)}"
    key = marks.of(row.verdict).key
    faded = ' class="iclnb-old"' if row.stale else ""
    return (
        f'<li data-verdict="{_attribute(row.verdict)}" data-model="{_attribute(row.model)}"{faded}>'
        f"<span>{html.escape(who)}"
        + "".join(f' <span class="iclnb-badge">{badge}</span>' for badge in badges)
        + f"</span><span>{value}</span>{_plot(row, place)}"
        f'<strong class="iclnb-{key}">{html.escape(row.verdict)}</strong></li>'
    )


def _plot(row: Row, place: Callable[[float], float]) -> str:
    left = 0.0 if row.above is None else place(row.above)
    right = 100.0 if row.below is None else place(row.below)
    region = f'<rect x="{left:.1f}%" width="{max(right - left, 0.6):.1f}%" height="100%"/>'
    edges = "".join(
        f'<line class="b" x1="{place(x):.1f}%" x2="{place(x):.1f}%" y2="100%"/>'
        for x in (row.above, row.below)
        if x is not None
    )
    interval = ""
    if row.low is not None and row.high is not None:
        x1, x2 = place(row.low), place(row.high)
        interval = f'<line class="i" x1="{x1:.1f}%" x2="{x2:.1f}%" y1="50%" y2="50%"/>'
    points = "".join(
        f'<use href="#iclnb-{key}" x="{place(x):.1f}%" y="50%"/>'
        for key, x in (("control", row.control), (marks.of(row.verdict).key, row.estimate))
        if x is not None
    )
    bare = region if row.above is not None or row.below is not None else ""
    return f'<svg class="iclnb-plot" aria-hidden="true">{bare}{edges}{interval}{points}</svg>'


def axis(rows: Iterable[Row]) -> tuple[Callable[[float], float], tuple[str, str]]:
    """The axis that the runs of one claim share.

    It is linear where the numbers lie within fifty times the scale of the claim, its bound or the width of
    its intervals, and bent beyond, so that a control far away leaves the bound visible.

    Returns:
        A function from numbers to percent of the width, and the numbers at both ends as text.
    """
    rows = list(rows)
    bounds = [x for row in rows for x in (row.above, row.below) if x is not None]
    numbers = [x for row in rows for x in (row.estimate, row.low, row.high, row.control) if x is not None]
    every = [*bounds, *numbers] or [0.0]
    low, high = min(every), max(every)
    scale = _scale(rows, bounds)
    bent = scale > 0 and high - low > BENT * scale

    def straight(x: float) -> float:
        return math.asinh(x / scale) if bent else x

    start, width = straight(low), straight(high) - straight(low)

    def place(x: float) -> float:
        share = (straight(x) - start) / width if width else 0.5
        return EDGE + (100 - 2 * EDGE) * min(max(share, 0.0), 1.0)

    return place, (display.number(low), display.number(high))


def _scale(rows: Sequence[Row], bounds: Sequence[float]) -> float:
    """What counts as small for a claim: its bound, else half of its interval, else its estimate."""
    if near := [abs(bound) for bound in bounds if bound]:
        return min(near)
    halves = [(row.high - row.low) / 2 for row in rows if row.low is not None and row.high is not None]
    if wide := [half for half in halves if half > 0]:
        return statistics.median(wide)
    return max((abs(row.estimate) for row in rows if row.estimate), default=0.0)


def _attribute(text: str) -> str:
    return html.escape(text, quote=True)
