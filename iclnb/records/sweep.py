"""A table of notebooks, models, tasks and seeds, every cell of which becomes a record."""

import itertools
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iclnb.errors import IclnbError
from iclnb.keys.fingerprint import fingerprint
from iclnb.records import needs, records
from iclnb.records.records import Cell
from iclnb.run import notebooks

_LISTS = {"notebooks": "notebook", "models": "model", "tasks": "task", "seeds": "seeds"}
_KNOWN = {*_LISTS, "parameters", "for_model"}


class Planned(NamedTuple):
    """A cell that is to run."""

    cell: Cell  # what runs
    reasons: list[str]  # why
    # about how long, on the machine of the records of this notebook; `None` without any
    seconds: float | None


class Failure(NamedTuple):
    """A cell that failed, and the message."""

    cell: Cell
    message: str


def read(project: Path, file: Path) -> list[Cell]:
    """The cells of a sweep: those of one model together, models in the order of the file.

    The file is TOML: tables ``[[sweep]]``, each with ``notebooks`` and, where they apply, ``models`` (the
    smallest first), ``tasks`` and ``seeds`` (tables of seed parameters). Every combination is a cell;
    ``[sweep.parameters]`` hold for all of its cells, ``[sweep.for_model.NAME]`` for one model's.

    Raises IclnbError with everything that is wrong: a file that cannot be read, unknown keys and notebooks,
    models of ``for_model`` that the table lacks, parameters that a notebook lacks, values of another type.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("sweep", [])
    except (OSError, ValueError) as error:
        raise IclnbError(f"{file} cannot be read as a sweep: {error}") from error
    if not tables or not isinstance(tables, list):
        raise IclnbError(f"{file} has no table [[sweep]]; see sweeps/ladder.toml for an example")
    problems: list[str] = []
    cells = [cell for table in tables for cell in _cells(project, table, problems)]
    if problems:
        raise IclnbError(f"{file}:\n" + "\n".join(f"- {each}" for each in dict.fromkeys(problems)))
    places = [records.path(project, cell) for cell in cells]
    twice = next((place for place in places if places.count(place) > 1), None)
    if twice is not None:
        raise IclnbError(f"{file}: two cells would write {twice.relative_to(project)}; leave one out")
    return [cell for group in by_model(project, cells) for cell in group]


def plan(project: Path, cells: Sequence[Cell]) -> list[Planned]:
    """The cells whose record is missing or stale, in order."""
    known = list(records.all_records(project))
    return [
        Planned(cell, reasons, _seconds(project, cell, known))
        for cell in cells
        if (reasons := records.why_stale(project, cell))
    ]


def by_model(project: Path, cells: Sequence[Cell]) -> list[list[Cell]]:
    """The cells in groups of one model, which is loaded once for all of them; one without a model alone."""
    groups: dict[str, list[Cell]] = {}
    for number, cell in enumerate(cells):
        model = getattr(records.settings(project, cell), "model", None)
        groups.setdefault(f"no model {number}" if model is None else f"model {model}", []).append(cell)
    return list(groups.values())


def run_cells(
    project: Path,
    cells: Sequence[Cell],
    *,
    allow_changes: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> list[Failure]:
    """Measure cells one after another in this process; one that fails, fails alone, and is given back.

    Models that were used last stay loaded. After an edit of the package the process has the old code loaded, and
    stops: what is measured is kept.
    """
    os.environ.setdefault("ICLNB_KEEP_MODELS", "2")
    failures, loaded = [], _package(project)
    for cell in cells:
        name = describe(project, cell)
        if loaded != _package(project):
            failures.append(Failure(cell, "the package was edited while the sweep ran; say it again"))
            continue
        if not records.why_stale(project, cell):  # another process was faster
            continue
        report(f"{name}: running")
        try:
            records.make(project, cell, allow_changes=allow_changes)
        except IclnbError as error:
            failures.append(Failure(cell, str(error)))
            report(f"{name}: failed")
        else:
            report(f"{name}: done")
    return failures


def describe(project: Path, cell: Cell) -> str:
    """Notebook, model and task of a cell."""
    return records.label(project, records.path(project, cell))


def _package(project: Path) -> str:
    return fingerprint(sorted((project / "iclnb").rglob("*.py")))


def _cells(project: Path, table: Mapping[str, Any], problems: list[str]) -> Iterator[Cell]:
    """The cells of one table; what is wrong with it is added to the problems."""
    wrong = list(_wrong(table)) if isinstance(table, Mapping) else ["[[sweep]] must be a table"]
    problems += wrong
    if wrong:
        return
    axes = [[(name, value) for value in table[key]] for key, name in _LISTS.items() if key in table]
    for chosen in map(dict, itertools.product(*axes)):
        seeds = chosen.pop("seeds", {})
        for_model = table.get("for_model", {}).get(chosen.get("model"), {})
        try:
            source = notebooks.source(project, chosen.pop("notebook"))
            given = {**chosen, **table.get("parameters", {}), **for_model, **seeds}
            typed = [(key, str(value)) for key, value in given.items()]
            values = notebooks.check(source.stem, notebooks.parameters(source), typed)
        except IclnbError as error:
            problems.append(str(error))
        else:
            yield Cell(source.stem, values)


def _wrong(table: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the form of a table."""
    if unknown := set(table) - _KNOWN:
        yield f"unknown key {', '.join(sorted(unknown))}; known: {', '.join(sorted(_KNOWN))}"
    if not table.get("notebooks"):
        yield "a table [[sweep]] names no notebooks; add notebooks = [...]"
    for key in _LISTS:
        kind, said = (dict, "{data_seed = 1}") if key == "seeds" else (str, '"a name"')
        values = table.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
            yield f"{key} must be a list such as [{said}], got {values!r}"
    for key in ("parameters", "for_model"):
        if not isinstance(table.get(key, {}), dict):
            yield f"{key} must be a table, [sweep.{key}], got {table[key]!r}"
            return
    models = table.get("models", [])
    for name, values in table.get("for_model", {}).items():
        if name not in models:
            yield f"for_model names {name!r}, which is none of the models of its table: {models}"
        elif not isinstance(values, dict):
            yield f'for_model must hold tables, [sweep.for_model."{name}"], got {values!r}'


def _seconds(project: Path, cell: Cell, known: Sequence[records.Record]) -> float | None:
    """The time of the cell's own record, else the longest of the same notebook and model.

    Else that of the notebook's largest recorded model, in proportion to parameters and test points.
    """
    place = records.path(project, cell)
    same = [record for record in known if record.path == place]
    similar = [record for record in known if record.path.parent == place.parent]
    if same or similar:
        return max(record.seconds for record in same or similar)
    values = vars(records.settings(project, cell))
    scaled = [
        (count, record.seconds * size / count * _points(values) / _points(record.parameters))
        for record in known
        if record.notebook == cell.notebook
        and (count := needs.parameters(str(record.parameters.get("model"))))
        and (size := needs.parameters(str(values.get("model"))))
    ]
    return max(scaled)[1] if scaled else None


def _points(values: Mapping[str, Any]) -> float:
    """How many test points a run has, by the first setting that says so."""
    return next((values[name] for name in ("prompts", "points", "pairs") if values.get(name)), 1)
