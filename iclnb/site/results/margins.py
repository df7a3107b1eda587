"""The margins of criteria: what each is derived from, and what verdicts become at half and at twice of it."""

import math
import tomllib
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from iclnb import display
from iclnb.criteria import Criterion
from iclnb.errors import IclnbError
from iclnb.site.results.claim_rows import Row

FILE = Path("book") / "margins.toml"
FACTORS = {"half": 0.5, "twice": 2.0}
DIRECTIONS = (0.0, 1.0)  # Bounds that need no reason where none is given: no difference, and no ratio

TEXT = """A criterion asks for more than "not zero": for an effect that a reader would care about. The table says
what each margin is derived from. A verdict that turns on the choice is one to doubt, so each is computed once more
with the bound at half and at twice its distance from no effect (of a share the odds are halved and doubled); what
becomes of it stands in the opened line of a claim. Claims about a direction, with zero (of a ratio, one) as their
bound, have no margin."""


class Margin(NamedTuple):
    """One entry of the file."""

    name: str  # size and unit, in words
    claims: Sequence[str]  # patterns of "chapter/id"
    why: str  # what the margin is derived from
    # value of no effect; `None` if the bound itself is what a claim compares with
    around: float | None = None
    size: float | None = None  # distance of the bounds from it; `None` for any
    odds: bool = False  # whether it is a share, whose odds are halved and doubled

    def fits(self, place: str, criterion: Criterion) -> bool:
        """Whether the margin is that of the claim at ``place`` ("chapter/id")."""
        named = any(fnmatchcase(place, pattern) for pattern in self.claims)
        if not named or self.around is None or self.size is None:
            return named
        return all(math.isclose(abs(b - self.around), self.size, rel_tol=1e-3) for b in criterion.bounds)

    def moved(self, criterion: Criterion, factor: float) -> Criterion:
        """The criterion with its bounds ``factor`` times as far from no effect."""
        around = self.around

        def further(bound: float) -> float:
            if around is None or math.isinf(bound):
                return bound
            distance = bound - around
            if not self.odds:
                return around + factor * distance
            odds = factor * abs(distance) / (1 - abs(distance))
            return around + math.copysign(odds / (1 + odds), distance)

        return Criterion(further(criterion.low), further(criterion.high), criterion.closed)


def read(project: Path) -> list[Margin]:
    """The margins of a checkout; none without the file. Raises IclnbError if it cannot be read as such."""
    path = project / FILE
    if not path.is_file():
        return []
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return [Margin(**entry) for entry in content["margin"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IclnbError(f"{path} cannot be read: {error}") from error


def margin_for(margins: Sequence[Margin], row: Row) -> Margin | None:
    """The first margin that fits a claim."""
    place = f"{row.chapter}/{row.claim}"
    return next((margin for margin in margins if margin.fits(place, row.region)), None)


def unexplained(margins: Sequence[Margin], row: Row) -> bool:
    """Whether a claim has a bound other than zero or one for which no reason is given."""
    if row.proof or all(bound in DIRECTIONS for bound in row.region.bounds):
        return False
    return margin_for(margins, row) is None


def across(margins: Sequence[Margin], row: Row) -> dict[str, str]:
    """The verdicts of a claim at half and at twice its margin; empty where one of the two cannot be had."""
    margin = None if row.proof else margin_for(margins, row)
    if margin is None or margin.around is None or None in (row.low, row.high, row.control):
        return {}
    interval = (row.low, row.high)
    return {name: margin.moved(row.region, factor).verdict(interval) for name, factor in FACTORS.items()}


def notes(margins: Sequence[Margin], row: Row) -> list[str]:
    """What stands beside a verdict: that it is stable, or where it changes."""
    found = across(margins, row)
    changed = {name: verdict for name, verdict in found.items() if verdict != row.verdict}
    stable = ["margin stable"] if found and not changed else []
    return stable + [f"at {name} the margin: {verdict}" for name, verdict in changed.items()]


def section(margins: Sequence[Margin], rows: Sequence[Row]) -> str:
    """The section of the results page (Markdown)."""
    counts: dict[int, Counter[str]] = {i: Counter() for i in range(len(margins))}
    without = {f"{row.claim} ({row.chapter})" for row in rows if unexplained(margins, row)}
    for row in rows:
        if row.counts and (found := across(margins, row)):
            changed = [name for name, other in found.items() if other != row.verdict]
            counts[margins.index(margin_for(margins, row))].update(changed or ["stable"])
    table = [
        (margin.name, margin.why, *(counts[i][key] for key in ("stable", *FACTORS)))
        for i, margin in enumerate(margins)
    ]
    header = ("margin", "derived from", "verdicts stable", "other at half", "other at twice")
    said = display.table(header, table).data if table else "This book gives no reasons for margins."
    missing = f"No reason is given for the margins of {display.escape(', '.join(sorted(without)))}."
    return "\n\n".join([TEXT, said, *([missing] if without else [])])
