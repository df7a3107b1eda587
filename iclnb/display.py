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

DUST = 1e-12  # What is left of rounding in numbers of ordinary size: shown as 0


class Author(str):
    """Text of ours, in Markdown: shown as it is. Any other text is data and is escaped."""

    def _repr_markdown_(self) -> str:
        return str(self)


def escape(text: object) -> str:
    """Text on one line of Markdown that is shown letter by letter, whatever it holds."""
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\g<0>", " ".join(str(text).split())))


def number(value: float | np.number | None, digits: int = 3, dust: float = DUST) -> str:
    """A number with ``digits`` significant digits; ``n/a`` where there is none.

    What is smaller than ``dust`` is shown as 0; give 0 for deviations from a proof, which are small on purpose.
    """
    if value is None or not math.isfinite(value):
        return "n/a"
    if abs(value) < dust or value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(float(text)) < 1e6 else text


def interval_text(
    value: float | None, low: float | None, high: float | None, bounds: Iterable[float] = (0,)
) -> str:
    """An estimate and its interval with as many digits as the interval resolves: ``0.31 [0.19, 0.41]``.

    Half the interval's width is taken for the uncertainty and rounded as the Particle Data Group does: two
    digits up to 354, else one, and at most four digits of the largest number. What rounds to nothing is 0.
    An interval without width is shown as its value.

    Limits that are no finite numbers are none. Where the interval does not hold one of the bounds (a
    criterion's, say), rounding never makes it seem to: the number keeps the digits that show its side.
    """
    value, low, high = numbers = [
        math.nan if x is None else 0.0 if abs(x) < DUST else float(x) for x in (value, low, high)
    ]
    known = [x for x in numbers if math.isfinite(x)]
    half = (max(known, default=0) - min(known, default=0)) / (2 if len(known) == 3 else 1)
    if len(known) == 3 and half <= DUST * max(map(abs, known)):
        return number(value)
    decimals = _decimals(half, max(map(abs, known))) if half else None
    excluded = [bound for bound in bounds if low > bound or high < bound]
    middle, start, end = (_rounded(x, decimals, excluded) for x in numbers)
    return f"{middle} [{start}, {end}]"


def _decimals(half: float, largest: float) -> int:
    """Decimals that an uncertainty of ``half`` resolves, for numbers up to ``largest``."""
    exponent = math.floor(math.log10(half))
    kept = 2 if half / 10.0**exponent < 3.55 else 1
    return min(kept - 1 - exponent, 3 - math.floor(math.log10(largest)))


def _rounded(x: float, decimals: int | None, bounds: Iterable[float]) -> str:
    """The number to so many decimals (tens if negative), or more where it would seem to reach a bound."""
    if decimals is None or not math.isfinite(x):
        return number(x)
    rounded, digits = round(x, decimals), 0
    while any(np.sign(rounded - bound) != np.sign(x - bound) for bound in bounds):
        digits += 1
        rounded = float(f"{x:.{digits}g}")
    if rounded == 0:
        return "0"
    if digits:
        return number(x, digits)
    if decimals <= 5 and abs(rounded) < 1e6:
        return f"{rounded:.{max(decimals, 0)}f}"
    return f"{rounded:.{max(decimals + math.floor(math.log10(abs(rounded))), 0)}e}"


def cell(value: object) -> str:
    """A value as it stands in a table or a sentence: estimates with their interval, text escaped."""
    if isinstance(value, Author):
        return str(value)
    if isinstance(value, Estimate):
        return interval_text(*map(float, value))
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if value is None or isinstance(value, float | np.floating):
        return number(value)
    return escape(value)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """A table. Raises ValueError if a row has another number of cells."""
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
