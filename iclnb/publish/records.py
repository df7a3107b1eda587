"""Records: results of long runs that belong to the repository, one for each notebook, model and task."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from iclnb.errors import IclnbError
from iclnb.publish import keys
from iclnb.run import notebooks, run_one
from iclnb.run.worker import Worker
from iclnb.settings import PROFILES

FOLDER = Path("book") / "recorded"
OLD = "made by an earlier version of the code, before results had keys"
NEVER = "never run"


class Cell(NamedTuple):
    """A run to record.

    Attributes:
        notebook: its name.
        parameters: those given, by name; the others have the notebook's defaults.
    """

    notebook: str
    parameters: Mapping[str, Any]


class Record(NamedTuple):
    """A record of the repository.

    Attributes:
        path: of its file.
        results: what the run saved, with its key.
    """

    path: Path
    results: Mapping[str, Any]

    @property
    def notebook(self) -> str:
        """The notebook's name."""
        return self.results["notebook"]

    @property
    def seconds(self) -> float | None:
        """How long the run took."""
        return self.results["provenance"].get("seconds")


def path(project: Path, cell: Cell) -> Path:
    """Where the record of a run belongs: ``book/recorded/<notebook>/<model>/<task>.json``.

    A notebook that asks no model has no folder for one, and the profile's name stands for the task of one
    that has no choice of task: ``book/recorded/05_yq_lsa/paper.json``. Seeds that are not the notebook's own
    follow the task: ``sst2@data_seed=7.json``.
    """
    known = notebooks.parameters(notebooks.source(project, cell.notebook))
    changed = notebooks.changed(known, cell.parameters)
    profile = _value(known, cell, "profile", PROFILES[1])
    model = _value(known, cell, "model", profile)
    task = _value(known, cell, "task", profile) or profile
    seeds = ",".join(f"{name}={value}" for name, value in changed.items() if name.endswith("seed"))
    name = _file_name(task) + (f"@{seeds}" if seeds else "")
    return project.joinpath(FOLDER, cell.notebook, *([_file_name(model)] if model else []), f"{name}.json")


def model(project: Path, cell: Cell) -> str | None:
    """The name of the model that a run asks; ``None`` where it asks none."""
    known = notebooks.parameters(notebooks.source(project, cell.notebook))
    return _value(known, cell, "model", _value(known, cell, "profile", PROFILES[1]))


def all_records(project: Path) -> Iterator[Record]:
    """The records of a checkout, by notebook, model and task.

    Raises:
        IclnbError: if a file is no record.
    """
    for file in sorted((project / FOLDER).glob("*/**/*.json")):
        yield Record(file, _content(file))


def label(project: Path, record: Path) -> str:
    """Notebook, model and task of a record, by its file's place."""
    return " / ".join(record.with_suffix("").relative_to(project / FOLDER).parts)


def outputs(project: Path, record: Path) -> run_one.Outputs:
    """What a recorded run writes: the record, and below ``build`` the executed notebook."""
    place, build = record.relative_to(project / FOLDER), project / "build"
    notebook = place.with_suffix(".ipynb")
    lock = build / f".lock-recorded-{_file_name(place.with_suffix('').as_posix())}."  # begins no other's
    return run_one.Outputs(record, build / "recorded" / notebook, build / "failed" / notebook, lock)


def make(
    project: Path,
    cell: Cell,
    *,
    allow_changes: bool = False,
    time_limit: float | None = None,
    worker: Worker | None = None,
) -> Path:
    """Run a notebook and write its record; the results of ordinary runs stay as they are.

    Raises:
        IclnbError: as :func:`iclnb.run.run_one.run`, and where ``iclnb/`` or ``notebooks/`` differ from the
            last commit, unless ``allow_changes``: the recorded revision would not be the code that ran.
    """
    if not allow_changes:
        check_committed(project)
    target = path(project, cell)
    to = outputs(project, target)
    run_one.run(project, cell.notebook, cell.parameters, to=to, time_limit=time_limit, worker=worker)
    return target


def check_committed(project: Path) -> None:
    """Refuse to record what no revision names.

    Raises:
        IclnbError: if ``iclnb/`` or ``notebooks/`` differ from the last commit, or there is none.
    """
    command = ["git", "-C", str(project), "status", "--porcelain", "--", "iclnb", "notebooks"]
    status = subprocess.run(command, capture_output=True, text=True, check=False)
    if status.returncode:
        raise IclnbError(f"{project} is not a git checkout, so no revision can be recorded")
    if status.stdout:
        raise IclnbError(
            "a recorded result names the revision that made it, but these files differ from it:\n"
            f"{status.stdout}commit them first, or say --allow-changes"
        )


def why_stale(project: Path, cell: Cell) -> list[str]:
    """Why the record of a run is missing or not what a run would give now; nothing where it is."""
    target = path(project, cell)
    if not target.is_file():
        return [NEVER]
    chosen = notebooks.changed(
        notebooks.parameters(notebooks.source(project, cell.notebook)), cell.parameters
    )
    return stale(project, Record(target, _content(target)), chosen)


def stale(project: Path, record: Record, chosen: Mapping[str, Any] | None = None) -> list[str]:
    """Why a record is not what a run would give now; nothing where it is.

    Args:
        project: the checkout.
        record: the record.
        chosen: the parameters that should differ from the notebook's defaults; ``None`` for those of the
            record.
    """
    stored = record.results.get("key")
    if stored is None:
        return [OLD]
    source = project / "notebooks" / f"{record.notebook}.py"
    if not source.is_file():
        return [f"there is no notebook {record.notebook} any more"]
    key = keys.key(project, source, stored["parameters"] if chosen is None else chosen)
    return keys.stale(key, stored, drawing=False)


def _content(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        found["notebook"], found["claims"], found["provenance"], found["parameters"]
    except (ValueError, KeyError, TypeError) as error:
        raise IclnbError(f"{file} is no record ({error!r}); delete it and run it again") from error
    return found


def _value(known: Mapping[str, notebooks.Parameter], cell: Cell, name: str, profile: str) -> str | None:
    """A parameter's value as text; ``None`` for one that the notebook has not."""
    if name not in known:
        return None
    value = cell.parameters.get(name, known[name].under(profile))
    return None if value is None else str(value)


def _file_name(text: str) -> str:
    """A name fit for a file: of a path its last part, of ``owner/model`` both."""
    name = Path(text).name if text.startswith((".", "/", "~")) else text
    return re.sub(r"[^\w.+@=,-]+", "--", name).strip(".") or "unnamed"
