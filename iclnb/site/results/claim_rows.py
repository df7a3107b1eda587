"""Every claim of every run as flat rows: for the report card, for its files, and for the terminal."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from iclnb import criteria
from iclnb.site.results.runs import Run


class Row(NamedTuple):
    """One claim as one run judged it; the columns of the CSV file.

    Attributes:
        chapter: name of the notebook.
        title: of the chapter.
        claim: its id.
        paper: "A", "B" or "ours".
        section: where the paper makes it.
        statement: what is claimed.
        criterion: in words.
        above: lower bound of the region in which the claim holds; ``None`` for none.
        below: upper bound of it.
        estimate: the measured number; ``None`` where there is none.
        low: lower limit of its interval.
        high: upper limit of its interval.
        control: what a blind method, or no effect, gives.
        control_is: what that control is.
        verdict: as the criterion computes it.
        p_value: of the estimate against the criterion; ``None`` where the run gives none.
        proof: where the statement is proved; empty for what is measured.
        recorded: whether the run is a record, and not the run of this machine.
        model: that was asked; empty where none was.
        task: of its rows.
        profile: of the run.
        machine: it ran on.
        seconds: that it took.
        revision: of the code.
        time: when it ended.
        stale: why it is not what the code would give now; empty where it is.
        at_chance: whether the model does no better than naming the most frequent label.
    """

    chapter: str
    title: str
    claim: str
    paper: str
    section: str
    statement: str
    criterion: str
    above: float | None
    below: float | None
    estimate: float | None
    low: float | None
    high: float | None
    control: float | None
    control_is: str
    verdict: str
    p_value: float | None
    proof: str
    recorded: bool
    model: str
    task: str
    profile: str
    machine: str
    seconds: float | None
    revision: str
    time: str
    stale: str
    at_chance: bool


def rows(runs: Mapping[str, Sequence[Run]], titles: Mapping[str, str]) -> list[Row]:
    """The claims of all runs, chapter by chapter, run by run.

    Args:
        runs: of each notebook (:func:`iclnb.site.results.runs.runs`).
        titles: of each notebook, in the book's order.
    """
    return [row for name, title in titles.items() for run in runs[name] for row in _of(name, title, run)]


def _of(name: str, title: str, run: Run) -> Iterator[Row]:
    source, parameters = run.results["provenance"], run.results["parameters"]
    about = {
        "recorded": run.recorded, "model": run.model, "task": run.task,
        "profile": str(parameters.get("profile") or ""), "machine": str(source.get("machine") or ""),
        "seconds": source.get("seconds"), "revision": str(source.get("revision") or ""),
        "time": str(source.get("time") or ""), "stale": "; ".join(run.stale), "at_chance": run.at_chance,
    }  # fmt: skip
    for claim in run.results["claims"]:
        above, below = region(claim["criterion"])
        low, high = claim["interval"]
        same = {
            key: claim[key] for key in ("paper", "section", "statement", "criterion", "control_is", "verdict")
        }
        numbers = {"estimate": claim["estimate"], "low": low, "high": high, "control": claim["control"]}
        more = {"p_value": claim.get("p_value"), "proof": claim.get("proof", "")}
        where = {"chapter": name, "title": title, "claim": claim["id"]}
        yield Row(**where, above=above, below=below, **same, **numbers, **more, **about)


def region(criterion: str) -> tuple[float | None, float | None]:
    """Lower and upper bound of the region in which a claim holds, read from its criterion in words."""
    try:
        found = criteria.read(criterion)
    except ValueError:  # a record of an older or another book
        return None, None
    low, high = (bound if math.isfinite(bound) else None for bound in (found.low, found.high))
    return low, high


def as_json(rows: Iterable[Row]) -> str:
    """All rows as a JSON list of objects."""
    return json.dumps([row._asdict() for row in rows], indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(rows: Iterable[Row]) -> str:
    """All rows as CSV with a header; what is missing is empty, yes and no are ``True`` and ``False``.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    stream = io.StringIO(newline="")
    table = csv.writer(stream)
    table.writerow(Row._fields)
    for row in rows:
        table.writerow([_plain(value) for value in row])
    return stream.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in tuple("=+-@\t"):
        return f"'{value}"
    return "" if value is None else value


class Difference(NamedTuple):
    """A claim of this machine's run whose verdict is not the record's."""

    here: Row
    recorded: Row


def compared(rows: Sequence[Row]) -> tuple[list[Difference], int]:
    """Hold the runs of this machine against the records of the same model and task.

    Args:
        rows: of all runs.

    Returns:
        The claims with another verdict, and how many claims were compared.
    """
    key = ("chapter", "claim", "model", "task")
    records = {tuple(getattr(row, name) for name in key): row for row in rows if row.recorded}
    found = [
        (row, records.get(tuple(getattr(row, name) for name in key))) for row in rows if not row.recorded
    ]
    pairs = [(here, recorded) for here, recorded in found if recorded is not None]
    return [Difference(*pair) for pair in pairs if pair[0].verdict != pair[1].verdict], len(pairs)
