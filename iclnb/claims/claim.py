"""One claim: a statement, the criterion that could refute it, and what every run's findings say of it."""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from iclnb.criteria import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Criterion, data_needed
from iclnb.ladders import HERE
from iclnb.stats import Estimate

F = TypeVar("F")
T = TypeVar("T")

PROVED, CONTRADICTED = "proved and checked", "contradicted"
"""Verdicts on what is proved: the check by computer agrees with the proof, or does not."""

VERDICTS = (SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, PROVED, CONTRADICTED)


class NothingToMeasure(Exception):
    """An estimator's word that a run's settings leave a claim nothing to measure, and what it would need."""


class Evidence(NamedTuple):
    """What decides a claim: the functions of a chapter's ``estimates`` give it."""

    estimate: Estimate  # the measured number and its interval (`iclnb.stats.exact` for exact results)
    # the number that a blind method, or no effect, would have given; not-a-number where the data give none,
    # as of a model that always answers the same
    control: float
    control_is: str  # what that control is ("random weights, same prompts")


def by_run(ladder: Mapping[str, F], ask: Callable[[F], T]) -> dict[str, T]:
    """What is found in every run that has something to measure, by the run's plain name."""
    found = {}
    for run, one in ladder.items():
        with suppress(NothingToMeasure):
            found[run] = ask(one)
    return found


def by_row(
    ladder: Mapping[str, F], rows: Mapping[str, Any] | Iterable[str], ask: Callable[[F, Any], T]
) -> dict[str, dict[str, T]]:
    """The same for each row: its name, or what a mapping has in its place, is what is asked for."""
    asked = rows if isinstance(rows, Mapping) else {row: row for row in rows}
    return {row: by_run(ladder, lambda one, what=what: ask(one, what)) for row, what in asked.items()}


@dataclass(frozen=True)
class Judgement:
    """What one run says of a claim."""

    criterion: Criterion  # what the interval must satisfy
    estimate: Estimate  # the evidence (`Evidence`)
    control: float
    control_is: str
    # where the statement is proved, if it is. Then the estimate is the largest deviation that a check by
    # computer found, and the criterion the tolerance
    proof: str = ""

    @property
    def verdict(self) -> str:
        """Computed from the interval by the criterion; inconclusive without a control to hold it against."""
        if not math.isfinite(self.control):
            return INCONCLUSIVE
        verdict = self.criterion.verdict((float(self.estimate.low), float(self.estimate.high)))
        return verdict if not self.proof else PROVED if verdict == SUPPORTED else CONTRADICTED

    @property
    def p_value(self) -> float:
        """Of the estimate against the criterion; not a number if it is exact, or there is no control."""
        if self.proof or not math.isfinite(self.control):
            return math.nan
        return self.criterion.p_value(self.estimate)

    @property
    def data_needed(self) -> str:
        """How much more data would decide an inconclusive claim, in words; empty where nothing is wanted."""
        known = not self.proof and math.isfinite(self.control)
        return data_needed(self.criterion, self.estimate) if known else ""

    def to_json(self) -> dict[str, Any]:
        """The numbers as they stand in the results file."""
        return {
            "estimate": _number(self.estimate.value),
            "interval": [_number(self.estimate.low), _number(self.estimate.high)],
            "control": _number(self.control), "control_is": self.control_is, "verdict": self.verdict,
            "p_value": _number(self.p_value), **({"proof": self.proof} if self.proof else {}),
        }  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """One falsifiable claim, and what every run of the ladder says of it."""

    id: str  # short name, unique in its notebook ("labels-middle-layers")
    statement: str  # what is claimed, in our words
    criterion: Criterion  # what the interval must satisfy
    judgements: Mapping[str, Judgement]  # by the run's plain name
    left_out: Mapping[str, str]  # runs whose settings leave it nothing to measure, with what it would need
    paper: str = (
        "ours"  # "A" (Han et al. 2025), "B" (Xie et al. 2025), or "ours" for a claim that no paper makes
    )
    section: str = "this notebook"  # where the paper makes it
    speaks: Literal["for", "against", "neither"] = "neither"  # what it says of the paper if it holds

    def to_json(self, run: str = HERE) -> dict[str, Any] | None:
        """The claim as it stands in the results file for one run; ``None`` where it is left out there."""
        judgement = self.judgements.get(run)
        if judgement is None:
            return None
        words = str(self.criterion)
        if judgement.proof:
            words = f"the largest deviation is at most {self.criterion.high:.4g}"
        return {
            "id": self.id, "paper": self.paper, "section": self.section, "statement": self.statement,
            "criterion": words, "region": [_number(self.criterion.low), _number(self.criterion.high)],
            "speaks": self.speaks,
        } | judgement.to_json()  # fmt: skip


def _number(x: Any) -> float | None:
    x = float(x)
    return x if math.isfinite(x) else None
