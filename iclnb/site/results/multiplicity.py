"""Many claims at 95 %: what is left after a correction for their number."""

import html
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import false_discovery_control

from iclnb import claims, display
from iclnb.ladders import HERE
from iclnb.site.results.claim_rows import Row
from iclnb.stats import holm

LEVEL = 0.05
PAPERS = ("A", "B", "ours")

PValues = Float[np.ndarray, " claims"]
Correction = Callable[[PValues], PValues]

TEXT = f"""A hundred intervals of 95 % miss about five times. Each claim has a p-value against the bound of its
criterion, from the same interval as its verdict: it is below {LEVEL:g} just where the interval decides. The table
says how many claims are decided, and how many of them are left when the p-values are corrected for their number,
all claims of the row's runs together: Benjamini and Hochberg keep the expected share of wrong verdicts below
{LEVEL:.0%} (for independent claims, or positively dependent ones; claims on the same data may be neither); Holm
keeps the chance of a single wrong verdict below {LEVEL:.0%}. What is exact or proved has no p-value and is not
counted, nor are smoke runs and models at chance. With few units a p-value is as good as the interval, and no
better."""


CORRECTIONS: Mapping[str, Correction] = {
    "at 95 %": lambda p_values: p_values,
    "Benjamini-Hochberg": false_discovery_control,
    "Holm": holm,
}


def section(rows: Sequence[Row]) -> str:
    """The section of the results page (Markdown): all records, and this machine's runs, each corrected."""
    lines, lost = [], []
    for title, recorded in (("recorded", True), (HERE, False)):
        fair = (row for row in rows if row.recorded == recorded and row.counts)
        tested = [row for row in fair if row.p_value is not None]
        adjusted = adjust([row.p_value for row in tested])
        for paper in PAPERS:
            among = [i for i, row in enumerate(tested) if row.paper == paper]
            if among:
                counts = (_count(tested, values, among) for values in adjusted.values())
                lines.append((title, paper, len(among), *counts))
        lost += _lost(tested, adjusted, title)
    header = ("runs", "paper", "claims tested", *CORRECTIONS)
    table = display.table(header, lines).data if lines else "No run has a claim with a p-value yet."
    return "\n\n".join([TEXT, table, *lost])


def adjust(p_values: Sequence[float]) -> dict[str, PValues]:
    """The p-values under every correction."""
    given = np.array(p_values, dtype=float)
    return {name: correct(given) if len(given) else given for name, correct in CORRECTIONS.items()}


def _count(tested: Sequence[Row], p_values: PValues, among: Sequence[int]) -> str:
    """How many are supported, and how many are not, with a p-value below the level."""
    kept = [tested[i].verdict for i in among if p_values[i] < LEVEL]
    return f"{kept.count(claims.SUPPORTED)} supported, {kept.count(claims.NOT_SUPPORTED)} not"


def _lost(tested: Sequence[Row], adjusted: Mapping[str, PValues], runs: str) -> list[str]:
    """Which decided claims each correction leaves undecided, as lists in HTML that open."""
    before, lines = adjusted["at 95 %"], []
    for name, p_values in adjusted.items():
        gone = [
            f"{row.statement.rstrip('.')} ({row.run})"
            for row, first, then in zip(tested, before, p_values, strict=True)
            if first < LEVEL <= then
        ]
        if gone:
            items = "".join(f"<li>{html.escape(one)}</li>" for one in gone)
            title = f"{runs}: {len(gone)} not left after {name}"
            lines.append(f"<details><summary>{title}</summary><ul>{items}</ul></details>")
    return lines
