"""What is fresh, what is stale and why: every notebook, every record, and every cell of the book's own sweep."""

from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from iclnb.records import own, records, sweep
from iclnb.run import notebooks, run_one

FRESH, STALE, FAILED, NEVER = "fresh", "stale", "failed", run_one.NEVER

LADDER = "ladder.toml"  # The sweep of the book's own records; those beside it are for other machines


class Status(NamedTuple):
    """One notebook's results on this machine, or one record."""

    name: str  # of the notebook, or the record's notebook, model and task
    state: str  # one of `fresh`, `stale`, `failed`, `never run`
    reasons: list[str]  # why it is stale, or that a proof carries it
    seconds: float | None  # how long the run took; `None` where that is not known

    def __str__(self) -> str:
        took = "" if self.seconds is None else f"{self.seconds:.0f} s"
        lines = "".join(f"\n{'':20}{line}" for line in self.reasons)
        return f"{self.state:<10}{took:>8}  {self.name}{lines}"


def everything(project: Path) -> Iterator[Status]:
    """All notebooks, runs of one's own, then all records: those there are and those of the book's own sweep.

    A record that a sweep of the folder ``sweeps`` lists is held against the sweep's parameters.
    """
    yield from (of_notebook(project, name) for name in notebooks.names(project))
    for one in own.all_runs(project):
        yield of_notebook(project, one.notebook, one.outputs)._replace(name=f"{one.label} (your own)")
    found = {record.path: record for record in records.all_records(project)}
    files = sorted((project / "sweeps").glob("*.toml"))
    cells = {file.name: {records.path(project, c): c for c in sweep.read(project, file)} for file in files}
    listed = dict(ChainMap(*cells.values()))
    for place in sorted({*found, *cells.get(LADDER, {})}):
        yield _of_record(project, place, found.get(place), listed.get(place))


def of_notebook(project: Path, name: str, to: run_one.Outputs | None = None) -> Status:
    """The last run of a notebook to these files (default: the book's), whatever its parameters were."""
    to = to or run_one.outputs(project, name)
    stored = run_one.stored_results(to)
    seconds = stored["provenance"].get("seconds") if stored else None
    if to.failed.is_file():
        kept = "; the results of an earlier run are kept" if stored else ""
        return Status(name, FAILED, [f"see {to.failed.relative_to(project)}{kept}"], seconds)
    reasons = run_one.why_stale(project, name, to=to)
    if reasons == [NEVER]:
        return Status(name, NEVER, notebooks.edited_pair(notebooks.source(project, name)), None)
    return Status(name, STALE if reasons else FRESH, reasons, seconds)


def _of_record(
    project: Path, place: Path, record: records.Record | None, cell: records.Cell | None
) -> Status:
    name = records.label(project, place)
    if record is None:
        return Status(name, NEVER, [], None)
    reasons = records.why_stale(project, cell) if cell else records.stale(project, record)
    carried = ["carried by a proof"] if reasons.carried else []
    return Status(name, STALE if reasons else FRESH, [*reasons, *carried], record.seconds)
