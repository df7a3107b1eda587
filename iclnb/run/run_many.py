"""Run many notebooks, two at a time where the machine can; each fails alone."""

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from iclnb.errors import IclnbError
from iclnb.run import progress, run_one
from iclnb.run.worker import Worker

MEMORY = 3 * 2**30
"""Bytes that must be free for each notebook at a time; those of the laptop profile need less."""

MOST = 2
"""Notebooks at a time, unless more are asked for: chapters are few, and each may fill a graphics card."""


class Task(NamedTuple):
    """A notebook to run."""

    name: str  # the notebook
    # values for its parameters, as `iclnb.run.notebooks.check` gives them
    parameters: Mapping[str, Any]
    why: str = ""  # words for the line that says that it runs
    # how long it may take, at least in comparison; only the order of chapters goes by it
    seconds: float = 0.0


class Failure(NamedTuple):
    """A notebook that failed, and the message."""

    name: str
    message: str


def at_a_time() -> int:
    """How many notebooks this machine can run at a time: fewer than :data:`MOST` with few cores or memory."""
    return max(1, min(MOST, cores(), psutil.virtual_memory().available // MEMORY))


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    project: Path, tasks: Sequence[Task], *, jobs: int | None = None, report: Callable[[str], None]
) -> list[Failure]:
    """Run notebooks, side by side in one process for each; one that fails, fails alone. Gives the failures.

    Those of a chapter (the same two digits in front) run one after another, since an appendix reads what its
    chapter measured. The chapter that may take longest starts first, so that none is left alone at the end.
    Each line of progress is about one notebook.
    """
    chapters: dict[str, list[Task]] = {}
    for task in tasks:
        chapters.setdefault(task.name[:2], []).append(task)
    jobs = min(jobs or at_a_time(), len(chapters))
    longest_first = sorted(chapters.values(), key=lambda chapter: -sum(task.seconds for task in chapter))
    lanes = _Lanes(project, longest_first, _threads(jobs), report)
    lanes.run(jobs)
    order = [task.name for task in tasks]
    return sorted(lanes.failures, key=lambda failure: order.index(failure.name))


def _threads(jobs: int) -> dict[str, str]:
    """Each process gets its share of the cores, unless the user has chosen."""
    if jobs < 2 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // jobs))}


class _Lanes:
    """Threads that take chapters until none is left, in a process each that keeps its imports and a model."""

    def __init__(
        self,
        project: Path,
        chapters: Sequence[Sequence[Task]],
        env: Mapping[str, str],
        report: Callable[[str], None],
    ):
        self.project, self.env, self._report = project, env, report
        self.failures: list[Failure] = []
        self._errors: list[BaseException] = []
        self._waiting: queue.SimpleQueue[Sequence[Task]] = queue.SimpleQueue()
        for chapter in chapters:
            self._waiting.put(chapter)
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._workers: list[Worker] = []

    def run(self, jobs: int) -> None:
        """Run everything; an interrupt ends every process at once."""
        import papermill  # noqa: F401 - before there are threads

        threads = [threading.Thread(target=self._lane) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            progress.tick(threads)
        except BaseException:
            self._stopped.set()
            while any(thread.is_alive() for thread in threads):
                for worker in tuple(self._workers):
                    worker.stop()
                time.sleep(0.05)
            raise
        if self._errors:
            raise self._errors[0]

    def _lane(self) -> None:
        try:
            with Worker(self.project, keep_models=1, env=self.env) as worker:
                self._workers.append(worker)
                while True:
                    for task in self._waiting.get_nowait():
                        if self._stopped.is_set():
                            return
                        self._run(task, worker)
        except queue.Empty:
            return
        except BaseException as error:
            self._errors.append(error)

    def _run(self, task: Task, worker: Worker) -> None:
        self.report(f"{task.name}: running{', ' if task.why else ''}{task.why}")
        start = time.monotonic()
        failed = run_one.outputs(self.project, task.name).failed
        kept = failed.is_file()
        try:
            run_one.run(self.project, task.name, task.parameters, worker=worker)
        except IclnbError as error:
            if self._stopped.is_set():  # it did not fail, it was stopped
                if not kept:
                    failed.unlink(missing_ok=True)
                return
            self.failures.append(Failure(task.name, str(error)))
            self.report(f"{task.name}: failed after {progress.spoken(time.monotonic() - start)}")
        else:
            self.report(f"{task.name}: done in {progress.spoken(time.monotonic() - start)}")

    def report(self, line: str) -> None:
        """A line, above the bars of progress where there are any."""
        from tqdm import tqdm

        with self._lock, tqdm.external_write_mode():
            if not self._stopped.is_set():
                self._report(line)
