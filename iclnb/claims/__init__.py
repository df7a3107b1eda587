"""Falsifiable claims: a statement, the criterion that could refute it, and the verdict of every run's findings.

A notebook makes one :class:`Results` of its ladder, records claims and values in it and saves it; the saved JSON
is what the pages of the book are made from.
"""

from iclnb.claims.claim import (
    CONTRADICTED,
    PROVED,
    VERDICTS,
    Claim,
    Evidence,
    Judgement,
    NothingToMeasure,
    by_row,
    by_run,
)
from iclnb.claims.results import Results
from iclnb.claims.strips import Strips
from iclnb.criteria import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Criterion, above, below, within

__all__ = [
    "CONTRADICTED", "INCONCLUSIVE", "NOT_SUPPORTED", "PROVED", "SUPPORTED", "VERDICTS", "Claim", "Criterion",
    "Evidence", "Judgement", "NothingToMeasure", "Results", "Strips", "above", "below", "by_row", "by_run",
    "within",
]  # fmt: skip
