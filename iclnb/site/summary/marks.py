"""The mark of each verdict: a shape and a colour, the same on every page, told apart in grey too."""

import html
from typing import NamedTuple

from iclnb import claims


class Mark(NamedTuple):
    """How a verdict is drawn.

    Attributes:
        key: of its CSS classes and of its SVG symbol.
        colour: its name on a terminal.
        shape: SVG, centred on zero, about ten pixels wide.
    """

    key: str
    colour: str
    shape: str


AGAINST = {claims.NOT_SUPPORTED, claims.CONTRADICTED}
"""Verdicts that say no."""

_MARKS = {
    claims.SUPPORTED: Mark("yes", "green", '<circle r="5"/>'),
    claims.NOT_SUPPORTED: Mark("no", "red", '<path d="M-4.5 -4.5H4.5V4.5H-4.5z"/>'),
    claims.INCONCLUSIVE: Mark("open", "yellow", '<path d="M0 -5.5L5.5 0L0 5.5L-5.5 0z" fill="none"/>'),
}
_MARKS[claims.CONTRADICTED] = _MARKS[claims.NOT_SUPPORTED]
_OTHER = Mark("other", "cyan", '<path d="M0 -5.5L5.5 4.5H-5.5z"/>')
CONTROL = '<path d="M-3.5 -3.5L3.5 3.5M-3.5 3.5L3.5 -3.5" fill="none"/>'


def of(verdict: str) -> Mark:
    """The mark of a verdict; a triangle for what no interval gives, such as a proof that was checked."""
    return _MARKS.get(verdict, _OTHER)


def symbols() -> str:
    """A hidden SVG that defines every mark once; a page that shows marks needs it."""
    every = {mark.key: mark.shape for mark in (*_MARKS.values(), _OTHER)} | {"control": CONTROL}
    parts = "".join(f'<g id="iclnb-{key}" class="iclnb-{key}">{shape}</g>' for key, shape in every.items())
    return f'<svg class="iclnb-symbols" width="0" height="0" aria-hidden="true"><defs>{parts}</defs></svg>'


def glyph(verdict: str, title: str = "") -> str:
    """A verdict's mark in a line of text; ``title`` shows when the pointer rests on it."""
    said = f"<title>{html.escape(title)}</title>" if title else ""
    key = of(verdict).key
    return (
        f'<svg class="iclnb-glyph" viewBox="-7 -7 14 14" aria-hidden="true">{said}'
        f'<use href="#iclnb-{key}"/></svg>'
    )


def legend(verdicts: tuple[str, ...]) -> str:
    """What the marks mean, in one line of HTML."""
    listed = [f"{glyph(verdict)} {html.escape(verdict)}" for verdict in verdicts]
    return " · ".join(f'<span class="iclnb-key">{each}</span>' for each in listed)
