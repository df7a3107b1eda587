"""The mark of each verdict: a sign and a colour, the same on every page, told apart in grey too."""

import html
from collections.abc import Iterable

from iclnb import claims
from iclnb.claims.strips import MARKS

CLASSES = {
    claims.SUPPORTED: "yes", claims.PROVED: "other", claims.NOT_SUPPORTED: "no", claims.CONTRADICTED: "no",
    claims.INCONCLUSIVE: "open",
}  # fmt: skip
"""The CSS class of each verdict, in the order in which marks stand."""

COLOURS = {"yes": "green", "other": "cyan", "no": "red", "open": "yellow"}  # Of each class on a terminal


def mark(verdict: str, label: str, /, **data: str) -> str:
    """A verdict's mark as HTML; ``label`` is what readers hear who do not see it."""
    more = "".join(f' data-{name}="{html.escape(value)}"' for name, value in data.items())
    name = f'role="img" aria-label="{html.escape(label)}" class="iclnb-{CLASSES[verdict]}"'
    return f"<b {name}{more}>{MARKS[verdict]}</b>"


def legend(verdicts: Iterable[str]) -> str:
    """What the marks mean, in one line of HTML."""
    seen = set(verdicts)
    return " · ".join(
        f'<span class="iclnb-key"><b class="iclnb-{name}" aria-hidden="true">{MARKS[verdict]}</b> {verdict}</span>'
        for verdict, name in CLASSES.items()
        if verdict in seen
    )


def badge(text: str) -> str:
    """A word in a frame, as HTML."""
    return f'<span class="iclnb-badge">{html.escape(text)}</span>'
