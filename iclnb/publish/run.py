"""Run one notebook: to a temporary place first, so that a failed or killed run leaves old results whole."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from nbformat import NotebookNode

from iclnb import paths
from iclnb.errors import IclnbError
from iclnb.publish import keys, notebooks
from iclnb.publish.kernel import this_python


def run(
    project: Path,
    name: str,
    parameters: Mapping[str, Any],
    *,
    executed: Path | None = None,
    results: Path | None = None,
    time_limit: float | None = None,
) -> Path:
    """Run a notebook and keep what it made, if every cell succeeds.

    A second run of the same notebook waits for the first; what a killed run left is removed.

    Args:
        project: the checkout; the notebook's working directory.
        name: the notebook.
        parameters: values for its parameters, as :func:`iclnb.publish.notebooks.check` gives them.
        executed: folder for ``<name>.ipynb`` with outputs; ``None``: ``build/executed``.
        results: folder for ``<name>.json``; ``None``: ``build/results``.
        time_limit: seconds that a cell may take; ``None`` for no limit.

    Returns:
        The path of the executed notebook.

    Raises:
        IclnbError: if a cell fails (the message shows the cell and the error, and where the notebook
            is kept for a look) or takes longer than ``time_limit``, if the notebook saves no results, or
            if a folder cannot be written.
    """
    source = notebooks.source(project, name)
    name = source.stem
    notebook = notebooks.read(source)
    key = keys.key(project, source, notebooks.changed(notebooks.parameters(source), parameters))
    results_path = (results or project / "build" / "results") / f"{name}.json"
    executed_path = (executed or project / "build" / "executed") / f"{name}.ipynb"
    try:
        with _alone(project, name, (results_path, executed_path)) as scratch:
            done = _execute(project, name, notebook, parameters, scratch, time_limit)
            text = _results(name, scratch, key, done.metadata.papermill.duration)
            _write(results_path, text)
            done.metadata = {
                **{part: done.metadata[part] for part in ("kernelspec", "language_info")},
                "iclnb": {"results": hashlib.sha256(text.encode()).hexdigest()},
            }
            _write(executed_path, json.dumps(done, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        raise IclnbError(
            f"{name}: a file could not be written ({error}); free some space or choose a folder that can be "
            "written. Earlier results are as they were."
        ) from error
    (project / "build" / "failed" / executed_path.name).unlink(missing_ok=True)
    return executed_path


@contextmanager
def _alone(project: Path, name: str, targets: tuple[Path, ...]) -> Iterator[Path]:
    """A scratch folder, while no other process runs this notebook here; what a killed run left is removed."""
    build = project / "build"
    build.mkdir(exist_ok=True)
    with FileLock(build / f".lock-{name}"):
        for target in (build / name, *targets):
            paths.remove_leftovers(target)
        with tempfile.TemporaryDirectory(dir=build, prefix=f".{name}-") as scratch:
            yield Path(scratch)


def record(
    project: Path,
    name: str,
    parameters: Mapping[str, Any],
    *,
    allow_changes: bool = False,
    time_limit: float | None = None,
) -> Path:
    """Run a notebook and write its results to ``book/recorded/<name>.json``, which is versioned.

    The results of ordinary runs stay as they are. The executed notebook goes to ``build/recorded``.

    Raises:
        IclnbError: as :func:`run`, and where ``iclnb/`` or ``notebooks/`` differ from the last commit,
            unless ``allow_changes``: the recorded revision would not be the code that ran.
    """
    if not allow_changes:
        command = ["git", "-C", str(project), "status", "--porcelain", "--", "iclnb", "notebooks"]
        status = subprocess.run(command, capture_output=True, text=True, check=False)
        if status.returncode:
            raise IclnbError(f"{project} is not a git checkout, so no revision can be recorded")
        if status.stdout:
            raise IclnbError(
                "a recorded result names the revision that made it, but these files differ from it:\n"
                f"{status.stdout}commit them first, or say --allow-changes"
            )
    recorded = project / "book" / "recorded"
    places = {"executed": project / "build" / "recorded", "results": recorded}
    executed = run(project, name, parameters, **places, time_limit=time_limit)
    return recorded / f"{executed.stem}.json"


def why_stale(project: Path, name: str, parameters: Mapping[str, Any]) -> list[str]:
    """Why ``build/`` does not hold the outputs of exactly this run; nothing if it does."""
    source = notebooks.source(project, name)
    try:
        executed = json.loads((project / "build" / "executed" / f"{name}.ipynb").read_text(encoding="utf-8"))
        results = (project / "build" / "results" / f"{name}.json").read_bytes()
        stored = json.loads(results)["key"]
    except FileNotFoundError:
        return ["never run"]
    except (OSError, ValueError, KeyError, TypeError):
        return ["damaged, or made by an older version"]
    if executed["metadata"].get("iclnb") != {"results": hashlib.sha256(results).hexdigest()}:
        return ["notebook and results are not of one run"]
    chosen = notebooks.changed(notebooks.parameters(source), parameters)
    return keys.stale(keys.key(project, source, chosen), stored)


def _execute(
    project: Path,
    name: str,
    notebook: NotebookNode,
    parameters: Mapping[str, Any],
    scratch: Path,
    time_limit: float | None,
) -> NotebookNode:
    """The notebook with outputs; its results lie in ``scratch/results``."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    executed = scratch / f"{name}.ipynb"
    try:
        with tempfile.TemporaryDirectory(prefix="iclnb-") as sockets:
            return papermill.execute_notebook(
                notebook,
                executed,
                parameters=dict(parameters),
                cwd=project,
                start_timeout=300,  # on a busy machine
                execution_timeout=time_limit,
                progress_bar={"desc": name, "file": sys.stderr} if sys.stderr.isatty() else False,
                kernel_manager_class=this_python(scratch / "results", Path(sockets)),
            )
    except papermill.PapermillExecutionError as error:
        where = _keep_failed(project, executed)
        raise IclnbError(f"{name} {_failure(error)}\n\nThe notebook up to there: {where}") from error
    except CellTimeoutError as error:
        where = _keep_failed(project, executed)
        raise IclnbError(
            f"{name}: a cell took longer than the limit of {time_limit:g} s; raise --time-limit or choose "
            f"smaller sizes. The notebook up to there: {where}"
        ) from error
    except DeadKernelError as error:
        where = _keep_failed(project, executed)
        raise IclnbError(f"{name}: Python died, perhaps for lack of memory; see {where}") from error


def _results(name: str, scratch: Path, key: keys.Key, seconds: float) -> str:
    """The JSON that the notebook saved, with its key, and its run time added to the provenance."""
    saved = sorted(path.name for path in (scratch / "results").glob("*.json"))
    if saved != [f"{name}.json"]:
        raise IclnbError(
            f"{name} ran, but saved {', '.join(saved) or 'no results'} instead of {name}.json; its last cell "
            f'should be `results.save()` of `claims.Results("{name}", ...)`'
        )
    content = json.loads((scratch / "results" / saved[0]).read_text(encoding="utf-8"))
    content["provenance"]["seconds"] = round(seconds, 1)
    content["key"] = {**key, "inputs": keys.inputs(content["provenance"])}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _keep_failed(project: Path, executed: Path) -> Path:
    kept = project / "build" / "failed" / executed.name
    if executed.is_file():
        with paths.replacing(kept) as temporary:
            shutil.copyfile(executed, temporary)
    return kept


def _write(path: Path, text: str) -> None:
    with paths.replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _failure(error: Any) -> str:
    """The cell that failed and its traceback; of our own errors the message alone."""
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    message = f"{error.ename}: {error.evalue}" if error.ename == IclnbError.__name__ else trace
    cell = "\n".join(f"    {line}" for line in error.source.splitlines())
    return f"failed in this cell:\n\n{cell}\n\n{message or error.ename}"
