"""Every claim of every run as flat rows: for all pages that show verdicts, for files, and for the terminal."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from iclnb import criteria
from iclnb.criteria import Criterion
from iclnb.ladders import HERE
from iclnb.settings import PROFILES
from iclnb.site.results.runs import Run
from iclnb.stats import Estimate


class Row(NamedTuple):
    """One claim as one run judged it; the columns of the CSV file."""

    chapter: str  # name of the notebook
    title: str  # of the chapter
    claim: str  # its id
    paper: str  # "A", "B" or "ours"
    section: str  # where the paper makes it
    statement: str  # what is claimed
    speaks: str  # what it says of the paper if it holds: "for", "against" or "neither"
    criterion: str  # in words
    above: float | None  # lower bound of the region in which the claim holds; `None` for none
    below: float | None  # upper bound of it
    estimate: float | None  # the measured number; `None` where there is none
    low: float | None  # lower limit of its interval
    high: float | None  # upper limit of its interval
    control: float | None  # what a blind method, or no effect, gives
    control_is: str  # what that control is
    verdict: str  # as the criterion computes it
    p_value: float | None  # of the estimate against the criterion; `None` where the run gives none
    proof: str  # where the statement is proved; empty for what is measured
    run: str  # plain name of the run
    model: str  # that was asked; empty where none was
    task: str  # of its rows
    profile: str  # of the run
    machine: str  # it ran on
    seconds: float | None  # that it took
    revision: str  # of the code
    time: str  # when it ended
    stale: str  # why a record is not what the code would give now; empty where it is
    at_chance: bool  # whether the model does no better than naming the most frequent label

    @property
    def recorded(self) -> bool:
        """Whether a record says so, and not the run of this machine."""
        return not self.run.startswith(HERE)

    @property
    def counts(self) -> bool:
        """Whether it may enter a sum: not of a smoke run, and not of a model at chance."""
        return self.profile != PROFILES[0] and not self.at_chance

    @property
    def region(self) -> Criterion:
        """The criterion as a region."""
        low = -math.inf if self.above is None else self.above
        high = math.inf if self.below is None else self.below
        return Criterion(low, high, closed=math.isfinite(low) and math.isfinite(high))

    @property
    def data_needed(self) -> str:
        """How much more data would decide an inconclusive claim, in words; empty where nothing is wanted."""
        if None in (self.estimate, self.low, self.high, self.control) or self.proof:
            return ""
        return criteria.data_needed(self.region, Estimate(self.estimate, self.low, self.high))


def rows(runs: Mapping[str, Sequence[Run]], titles: Mapping[str, str]) -> list[Row]:
    """The claims of all runs, chapter by chapter, run by run."""
    return [row for name, title in titles.items() for run in runs[name] for row in _of(name, title, run)]


def _of(name: str, title: str, run: Run) -> Iterator[Row]:
    source = run.results["provenance"]
    about = {
        "chapter": name, "title": title, "run": run.name, "model": run.model, "task": run.task,
        "profile": str(run.results["parameters"].get("profile") or ""), "seconds": run.seconds,
        "stale": "; ".join(run.stale), "at_chance": run.at_chance, "proof": "",
        **{key: str(source.get(key) or "") for key in ("machine", "revision", "time")},
    }  # fmt: skip
    for claim in run.results["claims"]:
        mine = {key: claim[key] for key in claim.keys() & set(Row._fields)}
        ends = zip(("above", "below", "low", "high"), (*claim["region"], *claim["interval"]), strict=True)
        yield Row(**about | mine | dict(ends) | {"claim": claim["id"]})


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


def compared(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """The claims of this machine's runs, each with the record's of the same model and task, if there is one."""

    def place(row: Row) -> tuple[str, ...]:
        return row.chapter, row.claim, row.model, row.task

    records = {place(row): row for row in rows if row.recorded}
    here = [row for row in rows if not row.recorded]
    return [(row, records[place(row)]) for row in here if place(row) in records]
