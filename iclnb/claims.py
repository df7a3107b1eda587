"""Falsifiable claims: a statement, the criterion that could refute it, and the verdict the data give.

A notebook makes one :class:`Results`, records claims and values in it and saves it; the saved JSON is what
the results page of the book reads.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from iclnb import display, paths
from iclnb.criteria import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Criterion, above, below, wanting, within
from iclnb.provenance import provenance
from iclnb.stats import Estimate

__all__ = [
    "CONTRADICTED", "INCONCLUSIVE", "NOT_SUPPORTED", "PROVED", "SUPPORTED", "VERDICTS", "Claim", "Criterion",
    "Evidence", "Results", "above", "below", "table", "within",
]  # fmt: skip

PROVED, CONTRADICTED = "proved and checked", "contradicted"
"""Verdicts on what is proved: the check by computer agrees with the proof, or does not."""

VERDICTS = (SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE, PROVED, CONTRADICTED)


class Evidence(NamedTuple):
    """What decides a claim: the functions of a chapter's ``estimates`` give it.

    Attributes:
        estimate: the measured number and its interval (:func:`iclnb.stats.exact` for exact results).
        control: the number that a blind method, or no effect, would have given; not-a-number where the data
            give none, as of a model that always answers the same.
        control_is: what that control is ("random weights, same prompts").
    """

    estimate: Estimate
    control: float
    control_is: str


@dataclass(frozen=True)
class Claim:
    """One falsifiable claim with the evidence and the verdict.

    Attributes:
        id: short name, unique in its notebook ("labels-middle-layers").
        paper: "A" (Han et al. 2025), "B" (Xie et al. 2025), or "ours" for a claim that no paper makes.
        section: where the paper makes it.
        statement: what is claimed, in our words.
        criterion: what the interval must satisfy.
        estimate: the measured number and its interval (:func:`iclnb.stats.exact` for exact results).
        control: the number that a blind method, or no effect, would have given.
        control_is: what that control is ("random weights, same prompts").
        proof: where the statement is proved, if it is ("05a, at most d+1 heads"). Then the estimate is the
            largest deviation that a check by computer found, and the criterion the tolerance.
    """

    id: str
    paper: str
    section: str
    statement: str
    criterion: Criterion
    estimate: Estimate
    control: float
    control_is: str
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
    def wants(self) -> str:
        """How much more data would decide an inconclusive claim, in words; empty where nothing is wanted."""
        if self.proof or not math.isfinite(self.control):
            return ""
        value, low, high = map(float, self.estimate)
        more = self.criterion.more_data(value, (low, high))
        return "" if more is None else wanting(more)

    def _repr_markdown_(self) -> str:
        claim = self.to_json()
        wants = f" ({self.wants})" if self.wants else ""
        control = f"{_show(claim['control'])} ({claim['control_is']})"
        kind, measured = "Claim", f"{_estimate(claim)}; it holds if {claim['criterion']}"
        if self.proof:
            kind, proof = "Proved", display.escape(self.proof)
            found, most = (_show(x) for x in (claim["estimate"], self.criterion.high))
            measured = f"Proof: {proof}. Largest deviation {found}, tolerance {most}"
        return (
            f"> **{kind}** ({_source(claim)}): {display.escape(self.statement)}\n>\n"
            f"> {measured}. Control: {display.escape(control)}. Verdict: **{self.verdict}**{wants}."
        )

    def to_json(self) -> dict[str, Any]:
        """The claim as it stands in ``build/results/<notebook>.json``."""
        return {
            "id": self.id, "paper": self.paper, "section": self.section, "statement": self.statement,
            "criterion": self._criterion(), "estimate": _number(self.estimate.value),
            "interval": [_number(self.estimate.low), _number(self.estimate.high)],
            "control": _number(self.control), "control_is": self.control_is, "verdict": self.verdict,
            "p_value": _number(self.p_value), **({"proof": self.proof} if self.proof else {}),
        }  # fmt: skip

    def _criterion(self) -> str:
        if self.proof:
            return f"the largest deviation is at most {self.criterion.high:.4g}"
        return str(self.criterion)


@dataclass
class Results:
    """What a run of one notebook found: parameters, claims, values, provenance.

    Args:
        notebook: name of the notebook, without ending ("02_attention_allocation").
        parameters: the parameters that the run used, the profile's sizes resolved.
        sources: for each model and data set used, where it came from (merged into the provenance).
    """

    notebook: str
    parameters: Mapping[str, Any]
    sources: Mapping[str, Any] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def claim(
        self,
        id: str,
        statement: str,
        criterion: Criterion,
        evidence: Evidence,
        *,
        paper: str = "ours",
        section: str = "this notebook",
    ) -> Claim:
        """Judge a claim, keep it and return it, to be shown below the figure that it is about.

        Args:
            id, statement, criterion, paper, section: as in :class:`Claim`.
            evidence: estimate and control.

        Raises:
            ValueError: if the notebook already has a claim of that id.
        """
        return self._keep(Claim(id, paper, section, statement, criterion, *evidence))

    def proved(
        self,
        id: str,
        statement: str,
        evidence: Evidence,
        *,
        proof: str,
        tolerance: float = 1e-12,
        paper: str = "ours",
        section: str = "this notebook",
    ) -> Claim:
        """Keep a statement that is proved, with its check by computer, and return it to be shown.

        Its verdict is "proved and checked" if the check deviates by no more than the tolerance, else
        "contradicted": then the proof, the code or the precision is at fault.

        Args:
            id, statement, paper, section: as in :class:`Claim`.
            evidence: the largest deviation; the control is that of a variant which the proof does not cover.
            proof: where the proof stands.
            tolerance: the largest deviation that rounding explains.

        Raises:
            ValueError: if the notebook already has a claim of that id, or for an estimate with an interval: a
                deviation is not sampled.
        """
        if float(evidence.estimate.low) < float(evidence.estimate.high):
            raise ValueError(f"{id!r} is proved: give its largest deviation, exactly, not an interval")
        criterion = within(-tolerance, tolerance)
        return self._keep(Claim(id, paper, section, statement, criterion, *evidence, proof))

    def _keep(self, claim: Claim) -> Claim:
        id = claim.id
        if any(id == known.id for known in self.claims):
            raise ValueError(f"claim {id!r} is recorded twice in {self.notebook}")
        self.claims.append(claim)
        return claim

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain numbers, strings, lists and dictionaries; not-a-number becomes null."""
        return {
            "notebook": self.notebook,
            "parameters": _plain(self.parameters),
            "claims": [claim.to_json() for claim in self.claims],
            "values": _plain(self.values),
            "provenance": _plain({**provenance(), **self.sources}),
        }

    def save(self, folder: Path | None = None) -> Path:
        """Write ``<folder>/<notebook>.json`` (default: :func:`iclnb.paths.results_dir`) in one step."""
        path = (folder or paths.results_dir()) / f"{self.notebook}.json"
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        with paths.replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        return path

    def _repr_markdown_(self) -> str:
        return table([claim.to_json() for claim in self.claims])


def table(claims: Iterable[Mapping[str, Any]]) -> str:
    """The claims (as in the JSON) as a Markdown table: statement, estimate, interval, control, verdict."""
    rows = (
        (
            display.Author(f"{display.escape(claim['statement'])} *({_source(claim)})*"),
            claim["criterion"],
            _estimate(claim),
            f"{_show(claim['control'])} ({claim['control_is']})",
            display.Author(f"**{claim['verdict']}**"),
        )
        for claim in claims
    )
    header = ("claim", "criterion", "estimate [95 % interval]", "control", "verdict")
    return display.table(header, rows).data


def _source(claim: Mapping[str, Any]) -> str:
    """Whose claim it is: "paper A, 5.1", or "ours"."""
    paper, section = (display.escape(claim[name]) for name in ("paper", "section"))
    return paper if paper == "ours" else f"paper {paper}, {section}"


def _estimate(claim: Mapping[str, Any]) -> str:
    low, high = map(_show, claim["interval"])
    return f"{_show(claim['estimate'])} [{low}, {high}]"


def _number(x: Any) -> float | None:
    x = float(x)
    return x if math.isfinite(x) else None


def _show(x: float | None) -> str:
    return "n/a" if x is None else f"{x:.4g}"


def _plain(x: Any) -> Any:
    """Numbers, strings, lists and dictionaries only, as JSON needs them."""
    if isinstance(x, Mapping):
        return {str(key): _plain(value) for key, value in x.items()}
    if isinstance(x, np.ndarray):
        return _plain(x.tolist())
    if isinstance(x, list | tuple):
        return [_plain(value) for value in x]
    if isinstance(x, bool | np.bool_):
        return bool(x)
    if isinstance(x, int | np.integer):
        return int(x)
    if isinstance(x, float | np.floating):
        return _number(x)
    return x if x is None else str(x)
