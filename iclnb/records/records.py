"""Records: findings of long runs that belong to the repository, one for each notebook, model and task."""

import ast
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from iclnb import findings, ladders
from iclnb.errors import IclnbError
from iclnb.findings import Findings
from iclnb.keys import measurement
from iclnb.keys.inputs import content_hash
from iclnb.keys.measurement import Freshness
from iclnb.ladders import RECORDED, SUFFIX
from iclnb.provenance import changes
from iclnb.run import notebooks, run_one
from iclnb.settings import PROFILES, Settings, chosen_profile


class Cell(NamedTuple):
    """A run to record."""

    notebook: str  # its name
    parameters: Mapping[str, Any]  # those given, by name; the others have the notebook's defaults


class Record(NamedTuple):
    """A record of the repository."""

    path: Path  # of its file
    parameters: Mapping[str, Any]  # of the run, all of them
    provenance: Mapping[str, Any]  # model, data, revision, versions, machine, cost
    key: Mapping[str, Any]  # what its findings depend on (`iclnb.keys.measurement.key`)

    @property
    def notebook(self) -> str:
        """The notebook's name."""
        parts = self.path.parts
        return parts[len(parts) - 1 - parts[::-1].index(RECORDED.name) + 1]

    @property
    def seconds(self) -> float:
        """What measuring it cost, all of it."""
        return self.provenance["cost"]["seconds"]


def path(project: Path, cell: Cell) -> Path:
    """Where the record of a run belongs: ``book/recorded/<notebook>/<model>/<task>.nc``.

    A notebook that asks no model has no folder for one, and the profile's name stands for the task of one
    that has no choice of task: ``book/recorded/05_yq_lsa/paper.nc``. Seeds that are not the notebook's own
    follow the task: ``sst2@data_seed=7.nc``. The folder of a local model ends in the hash of its weights.
    """
    run = vars(settings(project, cell))
    known = notebooks.parameters(notebooks.source(project, cell.notebook))
    changed = notebooks.changed(known, cell.parameters)
    seeds = ",".join(f"{name}={value}" for name, value in changed.items() if name.endswith("seed"))
    name = file_name(str(run.get("task") or run.get("profile", PROFILES[1]))) + (f"@{seeds}" if seeds else "")
    model = [_model_folder(str(run["model"]))] if run.get("model") else []
    return project.joinpath(RECORDED, cell.notebook, *model, f"{name}{SUFFIX}")


def settings(project: Path, cell: Cell) -> Settings:
    """All settings of a run: those given, and the notebook's defaults under its profile."""
    known = notebooks.parameters(notebooks.source(project, cell.notebook))
    profile = chosen_profile(known, cell.parameters)
    return Settings(**{name: cell.parameters.get(name, one.under(profile)) for name, one in known.items()})


def tasks(run: Mapping[str, Any]) -> list[str]:
    """The names of the tasks that a run's settings ask for."""
    named = f"{run.get('task') or ''},{run.get('table') or ''}".split(",")
    return [name.strip() for name in named if name.strip()]


def measuring(source: Path) -> Callable[[Any], Findings]:
    """The ``measure`` that a notebook imports, which makes its findings. Raises IclnbError if it imports none."""
    if found := _imported(source, "measure"):
        return found
    raise IclnbError(f"{source.stem} measures nothing of its own, so there is nothing to record")


def designing(source: Path) -> Callable[[Any], None]:
    """The function that refuses settings which a task cannot have: the ``design`` that a notebook imports.

    For a notebook without one, a function that refuses nothing.
    """
    return _imported(source, "design") or (lambda run: None)


def _imported(source: Path, name: str) -> Callable[[Any], Any] | None:
    """What a notebook imports under a name."""
    for cell in notebooks.read(source).cells:
        if cell.cell_type != "code" or "import" not in cell.source:
            continue
        for node in ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE))):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        return getattr(importlib.import_module(node.module), alias.name)
    return None


def all_records(project: Path) -> Iterator[Record]:
    """The records of a checkout, by notebook, model and task. Raises IclnbError if a file is no record."""
    for file in sorted((project / RECORDED).rglob(f"*{SUFFIX}")):
        yield _read(file, file.stat().st_mtime_ns)


def label(project: Path, record: Path) -> str:
    """Notebook, model and task of a record, by its file's place."""
    return " / ".join(record.with_suffix("").relative_to(project / RECORDED).parts)


def make(project: Path, cell: Cell, *, allow_changes: bool = False) -> Path:
    """Measure a notebook's findings in this process, and write their record in one step.

    Raises IclnbError if there is nothing to measure; where ``iclnb/`` or ``notebooks/`` differ from the last
    commit, unless ``allow_changes``: the recorded revision would not be the code that ran; and if the package
    was edited meanwhile.
    """
    if not allow_changes:
        check_committed(project)
    measure = measuring(notebooks.source(project, cell.notebook))
    before = measurement.code(measure.__module__)
    rung = ladders.measure_one(measure, settings(project, cell))
    if measurement.code(measure.__module__) != before:
        raise IclnbError(
            "the package was edited while it measured, so no revision would be its code; say it again (what was "
            "measured is kept, and serves where its code is the same)"
        )
    return rung.findings.save(path(project, cell), rung.attributes())


def check_committed(project: Path) -> None:
    """Raise IclnbError if ``iclnb/`` or ``notebooks/`` differ from the last commit, or there is none."""
    try:
        differing = changes(project)
    except IclnbError as error:
        raise IclnbError(f"a record names its revision, and there is none: {error}") from error
    if differing:
        raise IclnbError(
            "a record names its revision, but these files differ from it:\n"
            f"{differing}\ncommit them first, or say --allow-changes"
        )


def why_stale(project: Path, cell: Cell) -> Freshness:
    """Why the record of a run is missing or not what a run would give now; empty where it is."""
    target = path(project, cell)
    if not target.is_file():
        return Freshness([run_one.NEVER])
    wanted = vars(settings(project, cell))
    return stale(project, _read(target, target.stat().st_mtime_ns), wanted)


def stale(project: Path, record: Record, wanted: Mapping[str, Any] | None = None) -> Freshness:
    """Why a record is not what a run with the wanted parameters (default: its own) would give, if so."""
    return measurement.stale(record.key, project, parameters=wanted)


@cache
def _read(file: Path, changed: int) -> Record:
    facts = findings.attributes(file)
    try:
        return Record(file, facts["parameters"], facts["provenance"], facts["key"])
    except KeyError as error:
        raise IclnbError(f"{file} is no record (no {error}); delete it and run it again") from error


def _model_folder(name: str) -> str:
    place = Path(name).expanduser()
    local = place.is_file() or (place / "config.json").is_file()
    return f"{file_name(name)}-{content_hash(place)[:8]}" if local else file_name(name)


def file_name(text: str) -> str:
    """A name fit for a file: of a path its last part, of ``owner/model`` both."""
    name = Path(text).name if text.startswith((".", "/", "~")) else text
    return re.sub(r"[^\w.+@=,-]+", "--", name).strip(".") or "unnamed"
