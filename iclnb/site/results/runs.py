"""Claims down, runs across: what each model says of a chapter's claims, beside the paper's number."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iclnb import claims, criteria, display
from iclnb.errors import IclnbError
from iclnb.records import records
from iclnb.site.results import margins
from iclnb.site.results.margins import Margin

HERE = "this machine"
ACROSS = 4
"""Runs in one table, so that with claims and the paper's number it has six columns at most."""


class Run(NamedTuple):
    """A run of one notebook.

    Attributes:
        recorded: whether it is a record, and not the run of this machine.
        model: that was asked; empty where none was.
        task: of its rows; empty where the notebook has no choice of one.
        results: the JSON that it saved.
        stale: why it is not what the code would give now.
        at_chance: whether the model does no better there than naming the most frequent label.
    """

    recorded: bool
    model: str
    task: str
    results: Mapping[str, Any]
    stale: Sequence[str]
    at_chance: bool

    @property
    def title(self) -> str:
        """Model, task and where it ran, in one line of text."""
        return ", ".join(filter(None, (self.model, self.task, "" if self.recorded else HERE)))


def runs(project: Path, names: Sequence[str]) -> dict[str, list[Run]]:
    """For each notebook the run of this machine, if there is one, and the recorded ones of its ladder.

    Whether a model is at chance on a task is a property of the two, whichever chapter found it.

    Raises:
        IclnbError: if a results file cannot be read.
    """
    here = {name: _here(project, name) for name in names}
    listed = {
        name: [results, *results.get("ladder", ())] for name, results in here.items() if results is not None
    }
    chance = {key for each in listed.values() for results in each for key in _at_chance(results)}
    known = {record.path: record for record in records.all_records(project)}
    found: dict[str, list[Run]] = {name: [] for name in names}
    for name, each in listed.items():
        for results in each:
            record = known.get(project / results["record"]) if results.get("record") else None
            stale = records.stale(project, record) if record else ()
            found[name].append(_run(bool(results.get("record")), results, stale, chance))
    return {name: sorted(runs, key=order) for name, runs in found.items()}


def tables(listed: Sequence[Run], known: Sequence[Margin] = ()) -> Iterator[str]:
    """The matrix of one chapter in Markdown; more than one table for more than :data:`ACROSS` runs.

    Below a verdict stands what it is at half and at twice the margin, where ``known`` has one. The paper's
    numbers are those that a run's values give as ``reported``, by the claim's id.
    """
    reported: dict[str, Any] = {}
    for run in listed:
        reported |= run.results.get("values", {}).get("reported", {})
    for start in range(0, len(listed), ACROSS):
        part = listed[start : start + ACROSS]
        by_id = [{claim["id"]: claim for claim in run.results["claims"]} for run in part]
        ids = list(dict.fromkeys(id for each in by_id for id in each))
        papers = bool(reported.keys() & set(ids))
        rows = []
        for id in ids:
            first = next(each[id] for each in by_id if id in each)
            paper = [display.Author(_number(reported[id]) if id in reported else "")] if papers else []
            cells = [_cell(run, each.get(id), first, known) for run, each in zip(part, by_id, strict=True)]
            rows.append((_claim(first), *paper, *cells))
        if rows:
            header = ("claim", *(["paper"] if papers else []), *map(_header, part))
            yield display.table(header, rows).data


def more_data(claim: Mapping[str, Any]) -> float | None:
    """How many times the data an inconclusive claim of a results file would take, were its estimate right.

    Returns:
        ``None`` for a claim that is decided, or has no interval (:meth:`iclnb.criteria.Criterion.more_data`).
    """
    value, (low, high) = claim["estimate"], claim["interval"]
    if claim["verdict"] != claims.INCONCLUSIVE or None in (value, low, high, claim["control"]):
        return None
    return criteria.read(claim["criterion"]).more_data(value, (low, high))


def _here(project: Path, name: str) -> Mapping[str, Any] | None:
    path = project / "build" / "results" / f"{name}.json"
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise IclnbError(f"{path} is not JSON ({error}); delete it and run {name} again") from error


def _run(
    recorded: bool, results: Mapping[str, Any], stale: Sequence[str], chance: set[tuple[str, str]]
) -> Run:
    model, task = _model(results), str(results["parameters"].get("task") or "")
    return Run(recorded, model, task, results, stale, (model, task) in chance)


def _model(results: Mapping[str, Any]) -> str:
    """The model's name: of a folder of this machine its last part; empty where no model was asked."""
    origin = results["provenance"].get("model") or {}
    return str(origin.get("name") or results["parameters"].get("model") or "")


def _at_chance(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Models and tasks that a run found at chance.

    In its values, ``at_chance`` says of each task whether the model is; a ``table`` of tasks (chapter 03)
    says it in every row, of which one for each way to choose demonstrations.
    """
    model, values = _model(results), results.get("values", {})
    said = values.get("at_chance", {})
    if isinstance(said, Mapping):
        yield from ((model, task) for task, holds in said.items() if holds)
    rows = values.get("table", ())
    rows = [row for row in rows if isinstance(row, Mapping) and "at_chance" in row]
    for task in {row["task"] for row in rows}:
        if all(row["at_chance"] for row in rows if row["task"] == task):
            yield model, task


def order(run: Run) -> tuple[bool, int]:
    """This machine's run first, then models by their size, as far as their names or weights tell."""
    return run.recorded, _size(run.model)


def _size(model: str) -> int:
    found = re.search(r"(\d+(?:\.\d+)?)\s*([mb])(?![a-z])", model.lower())
    return int(float(found[1]) * {"m": 1, "b": 1000}[found[2]]) if found else 0


def _header(run: Run) -> str:
    lines = [breakable(part) for part in (run.model, run.task) if part]
    lines += [] if run.recorded else [f"*{HERE}*"]
    lines += [*badges(run)]
    return "<br>".join(lines) or "recorded"


def badges(run: Any) -> Iterator[str]:
    """Marks of a run, or of a row of its claims: that it is stale, that its model is at chance."""
    if run.stale:
        yield '<span class="iclnb-badge">stale</span>'
    if run.at_chance:
        yield '<span class="iclnb-badge">model at chance</span>'


def _claim(claim: Mapping[str, Any]) -> display.Author:
    whose = "ours" if claim["paper"] == "ours" else f"paper {claim['paper']}, {claim['section']}"
    criterion = claim["criterion"].removeprefix("the whole interval ")
    proof = f"; proof: {claim['proof']}" if claim.get("proof") else ""
    facts = display.escape(f"{whose}; {criterion}; control: {claim['control_is']}{proof}")
    return display.Author(f"{display.escape(claim['statement'])}<br>*{facts}*")


def _cell(
    run: Run, claim: Mapping[str, Any] | None, first: Mapping[str, Any], known: Sequence[Margin]
) -> display.Author:
    """Verdict, estimate and control of one run, and what it words differently from the row's claim."""
    if claim is None:
        return display.Author("")
    low, high = map(_number, claim["interval"])
    other = [claim[part] for part in ("statement", "criterion") if claim[part] != first[part]]
    lines = [
        f"**{claim['verdict']}**",
        display.escape(f"{_number(claim['estimate'])} [{low}, {high}]"),
        display.escape(f"control {_number(claim['control'])}"),
        *(f"*here: {display.escape(text)}*" for text in other),
        *_undecided(claim),
        *(f"*{line}*" for line in margins.lines(known, run.results["notebook"], claim)),
        *badges(run),
    ]
    return display.Author("<br>".join(lines))


def _undecided(claim: Mapping[str, Any]) -> Iterator[str]:
    more = more_data(claim)
    if more is not None:
        yield f"*{criteria.wanting(more)}*"


def _number(value: float | None, digits: int = 3) -> str:
    return display.number(None if value is None else float(value), digits)


def breakable(text: str) -> str:
    """Text whose long names may be broken after a sign (zero-width spaces)."""
    return re.sub(r"(?<=[-_./])(?=\w)", "\u200b", display.escape(text))
