"""What a notebook's cells show: tables and text, with everything that comes from data escaped."""

import html
import math
import re
from collections.abc import Iterable, Sequence

import numpy as np
from IPython.display import HTML, Markdown

from iclnb.stats import Estimate

_SPECIAL = re.compile(r"^[#+:%(=-]|[\\`*_{}\[\]<>|$~&]")
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")


class Author(str):
    """Text of ours, in Markdown: shown as it is. Any other text is data and is escaped."""


def escape(text: object) -> str:
    """Text on one line of Markdown that is shown letter by letter, whatever it holds."""
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split())))


def number(value: float | None, digits: int = 3) -> str:
    """A number with ``digits`` significant digits; ``n/a`` where there is none."""
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{value:.{digits}g}"


def cell(value: object) -> str:
    """A value as it stands in a table or a sentence: estimates with their interval, text escaped."""
    if isinstance(value, Author):
        return str(value)
    if isinstance(value, Estimate):
        low, high = number(float(value.low)), number(float(value.high))
        return f"{number(float(value.value))} [{low}, {high}]"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if value is None or isinstance(value, float | np.floating):
        return number(value)
    return escape(value)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """A table.

    Args:
        header: column names, in our own Markdown.
        rows: values (:func:`cell`), as many as there are columns; :class:`Author` for Markdown of ours.

    Raises:
        ValueError: if a row has another number of cells.
    """
    lines = [list(header), ["---"] * len(header)]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"expected {len(header)} cells, got {len(row)}: {list(row)}")
        lines.append([cell(value) for value in row])
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


def verbatim(text: str) -> HTML:
    """Text from a model or data, letter by letter, its lines kept and wrapped."""
    kind = "iclnb-verbatim mathjax_ignore tex2jax_ignore"
    return HTML(f'<pre class="{kind}">\n{html.escape(text)}</pre>')  # browsers drop the first line break
