"""Many claims at 95 %: what is left after a correction for their number."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import false_discovery_control

from iclnb import claims, display
from iclnb.site.results.runs import Run
from iclnb.stats import holm

LEVEL = 0.05
PAPERS = ("A", "B", "ours")

PValues = Float[np.ndarray, " claims"]
Correction = Callable[[PValues], PValues]

TEXT = f"""## How many verdicts are left after a correction

A hundred intervals of 95 % miss about five times. Each claim has a p-value against the bound of its
criterion, from the same interval as its verdict: it is below {LEVEL:g} just where the interval decides. The
table says how many claims a run decides, and how many of them are left when the p-values are corrected for
their number, all claims of the row's runs together: Benjamini and Hochberg keep the expected share of wrong
verdicts below {LEVEL:.0%} (for independent claims, or positively dependent ones; claims on the same data may
be neither); Holm keeps the chance of a single wrong verdict below {LEVEL:.0%}. What is exact or proved has no
p-value and is not counted. With few units a p-value is as good as the interval, and no better."""


CORRECTIONS: Mapping[str, Correction] = {
    "at 95 %": lambda p_values: p_values,
    "Benjamini-Hochberg": false_discovery_control,
    "Holm": holm,
}


def section(runs: Sequence[Run]) -> str:
    """The section of the results page (Markdown): this machine's runs, and all records, each corrected."""
    rows, lost = [], []
    for title, here in (("this machine", False), ("recorded", True)):
        listed = [claim for run in runs if run.recorded == here for claim in run.results["claims"]]
        tested = [claim for claim in listed if claim.get("p_value") is not None]
        adjusted = adjust(tested)
        for paper in PAPERS:
            among = [claim["paper"] == paper for claim in tested]
            if any(among):
                counts = (_count(tested, values, among) for values in adjusted.values())
                rows.append((title, paper, sum(among), *counts))
        lost += [f"- *{title}*: {text}" for text in _lost(tested, adjusted)]
        if without := sum("p_value" not in claim for claim in listed):
            lost.append(f"- *{title}*: {without} claims of older records have no p-value and are left out.")
    header = ("runs", "paper", "claims tested", *CORRECTIONS)
    table = display.table(header, rows).data if rows else "No run has a claim with a p-value yet."
    return "\n\n".join([TEXT, table, *(["\n".join(lost)] if lost else [])])


def adjust(tested: Sequence[Mapping[str, Any]]) -> dict[str, PValues]:
    """The claims' p-values under every correction."""
    p_values = np.array([claim["p_value"] for claim in tested], dtype=float)
    return {name: correct(p_values) if len(p_values) else p_values for name, correct in CORRECTIONS.items()}


def _count(tested: Sequence[Mapping[str, Any]], p_values: PValues, among: Sequence[bool]) -> str:
    """How many are supported, and how many are not, with a p-value below the level."""
    kept = [
        claim["verdict"] for claim, p, own in zip(tested, p_values, among, strict=True) if own and p < LEVEL
    ]
    return f"{kept.count(claims.SUPPORTED)} supported, {kept.count(claims.NOT_SUPPORTED)} not"


def _lost(tested: Sequence[Mapping[str, Any]], adjusted: Mapping[str, PValues]) -> list[str]:
    """Which decided claims each correction leaves undecided."""
    before, lines = adjusted["at 95 %"], []
    for name, p_values in adjusted.items():
        gone = [
            claim["id"]
            for claim, first, then in zip(tested, before, p_values, strict=True)
            if first < LEVEL <= then and not math.isnan(then)
        ]
        if gone:
            lines.append(f"not left after {name}: {display.escape(', '.join(gone))}.")
    return lines
