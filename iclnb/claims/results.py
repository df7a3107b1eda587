"""What a notebook found: claims judged for every run of its ladder, values, provenance."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import display

from iclnb import paths
from iclnb.claims.claim import Claim, Evidence, Judgement, NothingToMeasure
from iclnb.claims.strips import Strips
from iclnb.criteria import Criterion, within
from iclnb.display import Author
from iclnb.ladders import HERE, SUFFIX, Ladder, Rung

Estimator = Callable[[Any], Evidence]  # From findings to what decides a claim


@dataclass
class Results:
    """What a notebook found: its claims judged for every run of the ladder, values, provenance."""

    ladder: Ladder
    claims: list[Claim] = field(default_factory=list)  # judged so far
    # of each run by its plain name, as `value` keeps them
    values: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def notebook(self) -> str:
        """The notebook's name."""
        return self.ladder.notebook

    def claim(
        self,
        id: str,
        statement: str,
        criterion: Criterion,
        estimator: Estimator,
        *,
        proof: str = "",
        **about: str,
    ) -> Strips:
        """Judge a claim for every run, keep it and give its strip, to be shown below the figure that it is about.

        Args:
            proof: where the statement is proved, if it is (:meth:`proved`).
            about: whose claim it is and what it says of the paper, as in :class:`~iclnb.claims.claim.Claim`:
                ``paper``, ``section`` and ``speaks``.

        Raises ValueError if the notebook already has a claim of that id.
        """
        if any(id == known.id for known in self.claims):
            raise ValueError(f"claim {id!r} is recorded twice in {self.notebook}")
        judgements, left_out = {}, {}
        for rung in self.ladder.rungs:
            try:
                judgements[rung.name] = Judgement(criterion, *estimator(rung.findings), proof)
            except NothingToMeasure as needs:
                left_out[rung.name] = str(needs)
        self.claims.append(Claim(id, statement, criterion, judgements, left_out, **about))
        return self._strips(self.claims[-1])

    def claim_each(
        self,
        variants: Mapping[str, str],
        id: str,
        statement: str,
        criterion: Criterion,
        estimator: Callable[[Any, str], Evidence],
        **about: str,
    ) -> Strips:
        """Judge one claim in several variants, as :meth:`claim` does: "<id>-own", "<statement> (own words)."

        Args:
            variants: by what their ids end in, in words that end their statements and tell the estimator.
        """
        for name, words in variants.items():

            def ask(found: Any, words: str = words) -> Evidence:
                return estimator(found, words)

            self.claim(f"{id}-{name}", f"{statement} ({words}).", criterion, ask, **about)
        return self._strips(*self.claims[-len(variants) :])

    def proved(
        self,
        id: str,
        statement: str,
        estimator: Estimator,
        *,
        proof: str,
        tolerance: float = 1e-12,
        **about: str,
    ) -> Strips:
        """Keep a statement that is proved, with its check by computer, and give its strip.

        Its verdict is "proved and checked" if the check deviates by no more than the tolerance, else
        "contradicted": then the proof, the code or the precision is at fault.

        Args:
            estimator: from findings to the largest deviation; the control is that of a variant which the proof
                does not cover.
            tolerance: the largest deviation that rounding explains.
            about: as of :meth:`claim`.

        Raises:
            ValueError: if the notebook already has a claim of that id, or for an estimate with an interval: a
                deviation is not sampled.
        """
        strips = self.claim(id, statement, within(-tolerance, tolerance), estimator, proof=proof, **about)
        for judgement in strips.claims[0].judgements.values():
            if float(judgement.estimate.low) < float(judgement.estimate.high):
                raise ValueError(f"{id!r} is proved: give its largest deviation, exactly, not an interval")
        return strips

    def value(self, name: str, function: Callable[[Any], Any]) -> dict[str, Any]:
        """Keep a value of every run's findings under ``name``; returns the values by the run's plain name."""
        found = {rung.name: function(rung.findings) for rung in self.ladder.rungs}
        for run, value in found.items():
            self.values.setdefault(run, {})[name] = value
        return found

    def to_json(self) -> dict[str, Any]:
        """Everything, as plain numbers, strings, lists and dictionaries; not-a-number becomes null.

        At the top what this run found; in ``ladder`` the same of every recorded run.
        """
        rungs = {rung.name: self._run(rung) for rung in self.ladder.rungs}
        here = rungs.pop(HERE)
        return {**here, "ladder": list(rungs.values())}

    def _run(self, rung: Rung) -> dict[str, Any]:
        claims = [claim.to_json(rung.name) for claim in self.claims]
        path = rung.path.relative_to(paths.project_dir()).as_posix() if rung.path else None
        return {
            "notebook": self.notebook,
            "name": rung.name,
            "model": rung.model,
            "task": rung.task,
            "record": path,
            "parameters": _plain(vars(rung.settings)),
            "claims": [claim for claim in claims if claim is not None],
            "left_out": {c.id: c.left_out[rung.name] for c in self.claims if rung.name in c.left_out},
            "values": _plain(self.values.get(rung.name, {})),
            "provenance": _plain(rung.provenance),
        }

    def save(self, folder: Path | None = None) -> Path:
        """Write ``<folder>/<notebook>.json`` and this run's findings beside it, each in one step.

        Where nobody chose a folder, nor ``ICLNB_RESULTS``, the notebook shows where it is.
        """
        path = (folder or paths.results_dir()) / f"{self.notebook}.json"
        rung = self.ladder.rung()
        rung.findings.save(path.with_suffix(SUFFIX), rung.attributes())
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        paths.write(path, text + "\n")
        if folder is None and not os.environ.get("ICLNB_RESULTS"):
            display(Author(f"Results: `{path}`"))
        return path

    def _repr_html_(self) -> str:
        return self._strips(*self.claims)._repr_html_()

    def _strips(self, *claims: Claim) -> Strips:
        return Strips(claims, self.ladder)


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
        return x if math.isfinite(x := float(x)) else None
    return x if x is None else str(x)
