"""Corrections for many claims, against their definitions tried out on every subset."""

from itertools import combinations

import numpy as np
import pytest

from iclnb.ladders import HERE
from iclnb.site.results import claim_rows, multiplicity

P_VALUES = np.array([0.001, 0.04, 0.013, 0.5, 0.013, 0.02, 0.9])


def test_holm_is_bonferroni_on_every_subset():
    """Closed testing: a hypothesis falls when every set that holds it falls, by its smallest p-value."""
    everyone = range(len(P_VALUES))
    subsets = [set(s) for size in range(1, 8) for s in combinations(everyone, size)]
    for i in everyone:
        worst = max(len(s) * min(P_VALUES[list(s)]) for s in subsets if i in s)
        assert multiplicity.holm(P_VALUES)[i] == pytest.approx(min(worst, 1))
    assert list(multiplicity.holm([0.02])) == [0.02]


def rows(run, *claimed):
    """Rows of a run with claims of those ids, papers, verdicts and p-values."""
    fields = ("statement", "paper", "verdict", "p_value")
    empty = claim_rows.Row(**dict.fromkeys(claim_rows.Row._fields, ""))
    return [empty._replace(run=run, **dict(zip(fields, each, strict=True))) for each in claimed]


CLAIMED = (
    ("sure", "A", "supported", 1e-6),
    ("likely", "A", "not supported", 0.015),
    ("lucky", "ours", "supported", 0.045),
    ("open", "ours", "inconclusive", 0.6),
    ("exact", "ours", "supported", None),
    ("theorem", "B", "proved and checked", None),
)


def test_the_section_counts_what_is_left_by_paper():
    """Of four p-values Benjamini-Hochberg asks 0.0125, 0.025, 0.0375 in turn; Holm 0.0125, 0.0167, 0.025."""
    text = multiplicity.section([*rows(HERE, *CLAIMED), *rows("m", CLAIMED[2])])
    lines = text.splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    assert table[:1] + table[2:] == [
        ["runs", "paper", "claims tested", "at 95 %", "Benjamini-Hochberg", "Holm"],
        ["recorded", "ours", "1", *["1 supported, 0 not"] * 3],
        ["this run", "A", "2", *["1 supported, 1 not"] * 3],
        ["this run", "ours", "2", "1 supported, 0 not", *["0 supported, 0 not"] * 2],
    ]
    assert [line for line in lines if line.startswith("<details>")] == [
        f"<details><summary>this run: 1 not left after {name}</summary><ul><li>lucky (this run)</li></ul></details>"
        for name in ("Benjamini-Hochberg", "Holm")
    ]


def test_without_p_values_there_is_no_table():
    assert "No run has a claim" in multiplicity.section([])
