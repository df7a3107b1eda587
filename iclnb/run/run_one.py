"""Run one notebook: to a temporary place first, so that a failed or killed run leaves old results whole."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from iclnb import paths
from iclnb.errors import IclnbError
from iclnb.keys import dependencies as keys
from iclnb.keys.inputs import inputs
from iclnb.ladders import SUFFIX
from iclnb.run import notebooks
from iclnb.run.worker import PARSING, Worker

NEVER = "never run"


class Outputs(NamedTuple):
    """The files that a run writes."""

    results: Path  # the claims and values, as JSON
    executed: Path  # the notebook with outputs
    failed: Path  # the notebook up to the cell that failed; removed by the next run that succeeds
    lock: Path  # held while a run to these files is at work


def outputs(project: Path, name: str, folder: Path | None = None) -> Outputs:
    """The files of an ordinary run: all in ``folder``, or in ``build/``."""
    folder = folder and folder.resolve()  # notebooks run in another working directory
    build = folder or project / "build"
    return Outputs(
        (folder or build / "results") / f"{name}.json",
        (folder or build / "executed") / f"{name}.ipynb",
        build / "failed" / f"{name}.ipynb",
        build / f".lock-{name}",
    )


def run(
    project: Path,
    name: str,
    parameters: Mapping[str, Any],
    *,
    to: Outputs | None = None,
    time_limit: float | None = None,
    worker: Worker | None = None,
) -> Path:
    """Run a notebook and keep what it made, if every cell succeeds; gives the executed notebook.

    A second run to the same files waits for the first; what a killed run left is removed.

    Raises IclnbError if a cell fails (the message shows the cell and the error, and where the notebook is
    kept for a look) or takes longer than ``time_limit``, if the notebook saves no results, if its pair has an
    edit that the source lacks, or if a folder cannot be written.
    """
    import papermill

    source = notebooks.source(project, name)
    for edited in notebooks.edited_pair(source):
        raise IclnbError(edited)
    name = source.stem
    to = to or outputs(project, name)
    with PARSING:
        notebook = notebooks.read(source)
        key = keys.key(project, source, notebooks.changed(notebooks.parameters(source), parameters))
    try:
        with (
            _alone(to) as scratch,
            nullcontext(worker) if worker else closing(Worker(project)) as process,
            _failures(name, scratch, to.failed, time_limit),
        ):
            with process.ready(scratch / "results") as kernel:
                done = papermill.execute_notebook(
                    notebook,
                    scratch / f"{name}.ipynb",
                    parameters=dict(parameters),
                    cwd=project,
                    start_timeout=300,  # on a busy machine
                    execution_timeout=time_limit,
                    progress_bar={"desc": name, "leave": False, "disable": None},  # on a terminal
                    km=kernel,
                )
            text = _results(name, scratch, key, done.metadata.papermill.duration)
            _keep(scratch / "results" / f"{name}{SUFFIX}", to.results.with_suffix(SUFFIX))
            paths.write(to.results, text)
            done.metadata = {
                **{part: done.metadata[part] for part in ("kernelspec", "language_info")},
                "iclnb": {"results": hashlib.sha256(text.encode()).hexdigest()},
            }
            paths.write(to.executed, json.dumps(done, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise IclnbError(
            f"{name}: a file could not be written ({error}); free some space or choose a folder that can be "
            "written. Earlier results are as they were."
        ) from error
    to.failed.unlink(missing_ok=True)
    return to.executed


@contextmanager
def _alone(to: Outputs) -> Iterator[Path]:
    """A scratch folder, while no other process runs to these files; what a killed run left is removed."""
    build = to.lock.parent
    build.mkdir(parents=True, exist_ok=True)
    label = to.lock.name.removeprefix(".lock-")
    with FileLock(to.lock):
        for target in (build / label, to.results, to.executed):
            paths.remove_leftovers(target)
        with tempfile.TemporaryDirectory(dir=build, prefix=f".{label}-") as scratch:
            yield Path(scratch)


def why_stale(
    project: Path, name: str, parameters: Mapping[str, Any] | None = None, to: Outputs | None = None
) -> list[str]:
    """Why files (default: those of the book) are not the outputs of exactly this run; nothing if they are.

    Without parameters, of the run that they are of.
    """
    source, to = notebooks.source(project, name), to or outputs(project, name)
    if not (to.results.is_file() and to.executed.is_file()):
        return [NEVER]
    stored = stored_results(to)
    if stored is None:
        return ["damaged, made by an older version, or notebook and results are not of one run"]
    chosen = stored["key"]["parameters"]
    if parameters is not None:
        chosen = notebooks.changed(notebooks.parameters(source), parameters)
    return [*notebooks.edited_pair(source), *keys.stale(keys.key(project, source, chosen), stored["key"])]


def stored_results(to: Outputs) -> dict[str, Any] | None:
    """The results that a run left, if they are whole and of the executed notebook beside them."""
    try:
        executed = json.loads(to.executed.read_text(encoding="utf-8"))
        text = to.results.read_bytes()
        stored = json.loads(text)
        stored["key"]["parameters"], stored["provenance"], stored["claims"]
        together = executed["metadata"]["iclnb"] == {"results": hashlib.sha256(text).hexdigest()}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return stored if together else None


@contextmanager
def _failures(name: str, scratch: Path, failed: Path, time_limit: float | None) -> Iterator[None]:
    """Errors of a run as messages; the notebook up to there is kept as ``failed``."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        yield
    except (papermill.PapermillExecutionError, CellTimeoutError, DeadKernelError) as error:
        _keep(scratch / f"{name}.ipynb", failed)
        said = "failed: Python died, perhaps for lack of memory"
        if isinstance(error, papermill.PapermillExecutionError):
            said = _failure(error)
        elif isinstance(error, CellTimeoutError):
            said = f"failed: a cell took longer than the limit of {time_limit:g} s; raise --time-limit"
        raise IclnbError(f"{name} {said}\n\nThe notebook up to there: {failed}") from error


def _results(name: str, scratch: Path, key: keys.Key, seconds: float) -> str:
    """The JSON that the notebook saved, with its key, and its run time added to the provenance."""
    saved = sorted(path.name for path in (scratch / "results").glob("*.json"))
    if saved != [f"{name}.json"]:
        raise IclnbError(
            f"{name} ran, but saved {', '.join(saved) or 'no results'} instead of {name}.json; its last cell "
            f'should be `results.save()`, of the ladder `ladders.measured("{name}", ...)`'
        )
    content = json.loads((scratch / "results" / saved[0]).read_text(encoding="utf-8"))
    content["provenance"]["seconds"] = round(seconds, 1)
    content["key"] = {**key, "inputs": inputs(content["provenance"])}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _keep(file: Path, path: Path) -> None:
    """Put a file, if there is one, in the place of an earlier one."""
    if file.is_file():
        with paths.replacing(path) as temporary:
            shutil.copyfile(file, temporary)


def _failure(error: Any) -> str:
    """The cell that failed and its traceback; of our own errors the message alone."""
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    message = f"{error.ename}: {error.evalue}" if error.ename == IclnbError.__name__ else trace
    cell = "\n".join(f"    {line}" for line in error.source.splitlines())
    return f"failed in this cell:\n\n{cell}\n\n{message or error.ename}"
