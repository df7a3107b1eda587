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
from iclnb.provenance import provenance
from iclnb.stats import Estimate

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE = "supported", "not supported", "inconclusive"


@dataclass(frozen=True)
class Criterion:
    """The region of values (bounds excluded unless ``closed``) in which a claim would hold.

    ``low`` and ``high`` may be infinite. Make one with :func:`above`, :func:`below` or :func:`within`.
    """

    low: float
    high: float
    closed: bool = False

    def __str__(self) -> str:
        if self.closed:
            return f"the whole interval lies within [{self.low:.4g}, {self.high:.4g}]"
        if math.isinf(self.high):
            return f"the whole interval lies above {self.low:.4g}"
        return f"the whole interval lies below {self.high:.4g}"

    def verdict(self, interval: tuple[float, float]) -> str:
        """Supported if the whole interval meets the criterion, not supported if none of it does.

        Args:
            interval: lower and upper confidence limit of the estimate.

        Returns:
            ``"supported"``, ``"not supported"``, or ``"inconclusive"`` where the interval has values of
            both kinds or is not a number.
        """
        low, high = interval
        if math.isnan(low) or math.isnan(high):
            return INCONCLUSIVE
        inside = [self.low <= x <= self.high if self.closed else self.low < x < self.high for x in interval]
        if all(inside):
            return SUPPORTED
        apart = (
            (high < self.low or low > self.high) if self.closed else (high <= self.low or low >= self.high)
        )
        return NOT_SUPPORTED if apart else INCONCLUSIVE


def above(threshold: float) -> Criterion:
    """The claim holds for values greater than ``threshold``."""
    return Criterion(float(threshold), math.inf)


def below(threshold: float) -> Criterion:
    """The claim holds for values less than ``threshold``."""
    return Criterion(-math.inf, float(threshold))


def within(low: float, high: float) -> Criterion:
    """The claim holds for values from ``low`` to ``high``, both included."""
    return Criterion(float(low), float(high), closed=True)


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
    """

    id: str
    paper: str
    section: str
    statement: str
    criterion: Criterion
    estimate: Estimate
    control: float
    control_is: str

    @property
    def verdict(self) -> str:
        """Computed from the interval by the criterion; inconclusive without a control to hold it against."""
        if not math.isfinite(self.control):
            return INCONCLUSIVE
        return self.criterion.verdict((float(self.estimate.low), float(self.estimate.high)))

    def _repr_markdown_(self) -> str:
        claim = self.to_json()
        control = f"{_show(claim['control'])} ({claim['control_is']})"
        return (
            f"> **Claim** ({_source(claim)}): {display.escape(self.statement)}\n>\n"
            f"> {_estimate(claim)}; it holds if {claim['criterion']}. Control: {display.escape(control)}. "
            f"Verdict: **{self.verdict}**."
        )

    def to_json(self) -> dict[str, Any]:
        """The claim as it stands in ``build/results/<notebook>.json``."""
        return {
            "id": self.id, "paper": self.paper, "section": self.section, "statement": self.statement,
            "criterion": str(self.criterion), "estimate": _number(self.estimate.value),
            "interval": [_number(self.estimate.low), _number(self.estimate.high)],
            "control": _number(self.control), "control_is": self.control_is, "verdict": self.verdict,
        }  # fmt: skip


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
        claim = Claim(id, paper, section, statement, criterion, *evidence)
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
