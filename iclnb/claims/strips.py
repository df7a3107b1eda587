"""Claim strips: one line a claim, with a mark and a small interval for each run; numbers on demand."""

import html
import math
from collections.abc import Collection, Iterable, Sequence

from iclnb.claims.claim import Claim, Judgement
from iclnb.display import interval_text, number
from iclnb.ladders import HERE

MARKS = {
    "supported": "✓", "not supported": "✗", "inconclusive": "?", "proved and checked": "∎",
    "contradicted": "✗",
}  # fmt: skip
"""A sign for each verdict, told apart without colour."""

_WIDTH, _HEIGHT, _EDGE = 72, 16, 5


class Strips:
    """Claims as HTML, a line each; a line opens to estimates, controls and verdicts.

    Lines have a mark for each of the ``runs`` (by default for all), and open to all of them.
    """

    def __init__(self, claims: Iterable[Claim], runs: Collection[str] | None = None):
        self.claims, self.runs = list(claims), runs

    def _repr_html_(self) -> str:
        return f'<div class="iclnb-strips">{"".join(_line(claim, self.runs) for claim in self.claims)}</div>'


def _line(claim: Claim, runs: Collection[str] | None) -> str:
    whose = "" if claim.paper == "ours" else f"paper {claim.paper}, {claim.section}"
    cells = "".join(
        _cell(claim, run, judgement)
        for run, judgement in claim.judgements.items()
        if runs is None or run in runs
    )
    rows = [_row(claim, run, judgement) for run, judgement in claim.judgements.items()]
    rows += [(run, "", "", f"left out: {needs}") for run, needs in claim.left_out.items()]
    places = dict.fromkeys(judgement.proof for judgement in claim.judgements.values() if judgement.proof)
    decided = [f"proof: {place}" for place in places] or [f"holds if {claim.criterion}"]
    about = "; ".join(filter(None, [whose, *decided]))
    return (
        f'<details class="iclnb-claim" id="claim-{html.escape(claim.id)}"><summary>'
        f'<span class="statement">{html.escape(claim.statement)}</span>'
        f'<span class="runs">{cells}</span></summary><p>{html.escape(about)}</p>'
        f"{table(rows)}</details>"
    )


def table(rows: Iterable[Sequence[str]]) -> str:
    """What runs say of a claim, a row each, as HTML: run, estimate, control, verdict."""
    header = "".join(f'<th scope="col">{name}</th>' for name in ("run", "estimate", "control", "verdict"))
    body = "".join(
        f'<tr><th scope="row">{html.escape(run)}</th>'
        + "".join(f"<td>{html.escape(text)}</td>" for text in cells)
        + "</tr>"
        for run, *cells in rows
    )
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def _cell(claim: Claim, run: str, judgement: Judgement) -> str:
    """A run's mark and interval, with words for those who see neither."""
    words = f"{run}: {judgement.verdict}, {told(claim, judgement)}"
    mark = f'<span class="mark">{MARKS[judgement.verdict]}</span>'
    return (
        f'<span class="run" title="{html.escape(words)}"><span class="name">{html.escape(run)}</span>'
        f'{mark}{_interval(claim, judgement)}<span class="sr-only">{html.escape(words)}</span></span>'
    )


def _row(claim: Claim, run: str, judgement: Judgement) -> tuple[str, ...]:
    control = f"{number(judgement.control)} ({judgement.control_is})"
    verdict = judgement.verdict + (f" ({judgement.data_needed})" if judgement.data_needed else "")
    return run, told(claim, judgement), control, verdict


def told(claim: Claim, judgement: Judgement) -> str:
    """An estimate and its interval as text, which shows on which side of the criterion's bounds they lie."""
    return interval_text(*(float(part) for part in judgement.estimate), claim.criterion.bounds)


def _interval(claim: Claim, judgement: Judgement) -> str:
    """A small drawing: the interval, the bounds of the criterion (lines) and the control (a cross).

    All runs of a claim have the same scale, that of the recorded ones where there are any: what reaches beyond it
    ends at the edge. Where there is nothing to draw, empty.
    """
    leading = [one for run, one in claim.judgements.items() if run != HERE] or [judgement]
    numbers = [x for one in leading for x in (*map(float, one.estimate), one.control)]
    finite = [x for x in (*numbers, *claim.criterion.bounds) if math.isfinite(x)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    value, start, end = map(float, judgement.estimate)
    if not low < high or not all(map(math.isfinite, (value, start, end))):
        return ""

    def at(x: float) -> float:
        return _EDGE + min(max((x - low) / (high - low), 0.0), 1.0) * (_WIDTH - 2 * _EDGE)

    middle = _HEIGHT / 2
    parts = [
        f'<path class="bound" d="M{at(bound):.1f} 1V{_HEIGHT - 1}"/>' for bound in claim.criterion.bounds
    ]
    if math.isfinite(judgement.control):
        x = at(judgement.control)
        cross = f"M{x - 3:.1f} {middle - 3}l6 6m0 -6l-6 6"
        parts.append(f'<path class="control" d="{cross}"/>')
    parts.append(f'<path class="interval" d="M{at(start):.1f} {middle}H{at(end):.1f}"/>')
    if low <= value <= high:
        parts.append(f'<circle class="value" cx="{at(value):.1f}" cy="{middle}" r="3"/>')
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )
