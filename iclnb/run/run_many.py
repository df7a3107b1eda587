"""Run many notebooks, two at a time where the machine can: each in a fresh process, each failing alone."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from iclnb.errors import IclnbError
from iclnb.publish import imported
from iclnb.run import forking, notebooks, progress, run_one
from iclnb.run.forking import ForkServer
from iclnb.run.worker import Worker, environment

MEMORY = 3 * 2**30
"""Bytes that must be free for each notebook at a time; those of the laptop profile need less."""

MOST = 2
"""Notebooks at a time, unless more are asked for: chapters are few, and each may fill a graphics card."""


class Task(NamedTuple):
    """A notebook to run.

    Attributes:
        name: the notebook.
        parameters: values for its parameters, as :func:`iclnb.run.notebooks.check` gives them.
        why: words for the line that says that it runs.
        seconds: how long it may take, in whatever measure: only the order of chapters goes by it.
    """

    name: str
    parameters: Mapping[str, Any]
    why: str = ""
    seconds: float = 0.0


class Failure(NamedTuple):
    """A notebook that failed, and the message."""

    name: str
    message: str


def at_a_time() -> int:
    """How many notebooks this machine can run at a time: as many as it has cores and memory for, and two."""
    return max(1, min(MOST, cores(), psutil.virtual_memory().available // MEMORY))


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    project: Path, tasks: Sequence[Task], *, jobs: int | None = None, report: Callable[[str], None]
) -> list[Failure]:
    """Run notebooks, each in a fresh process; one that fails, fails alone.

    Those of a chapter (the same two digits in front) run one after another, since an appendix reads what its
    chapter measured. The chapter that may take longest starts first, so that none is left alone at the end.
    Each line of progress is about one notebook.

    Args:
        project: the checkout.
        tasks: notebooks and parameters; no notebook twice.
        jobs: how many at a time; ``None`` for :func:`at_a_time`.
        report: called with lines of progress, from one thread at a time.

    Returns:
        The failures, in the order of the tasks.
    """
    chapters: dict[str, list[Task]] = {}
    for task in tasks:
        chapters.setdefault(task.name[:2], []).append(task)
    jobs = max(1, min(jobs or at_a_time(), len(chapters)))
    env = _threads(jobs)
    longest_first = sorted(chapters.values(), key=lambda chapter: -sum(task.seconds for task in chapter))
    with _server(project, tasks, env) as server:
        crew = _Crew(project, longest_first, env, server, report)
        crew.run(jobs)
    order = [task.name for task in tasks]
    return sorted(crew.failures, key=lambda failure: order.index(failure.name))


def _threads(jobs: int) -> dict[str, str]:
    """Each process gets its share of the cores, unless the user has chosen."""
    if jobs == 1 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // jobs))}


@contextmanager
def _server(project: Path, tasks: Sequence[Task], env: Mapping[str, str]) -> Iterator[ForkServer | None]:
    """A process with the libraries that two of the notebooks import at least; none where it is no help."""
    needed = [imported.package_files(project, notebooks.source(project, task.name)) for task in tasks]
    if not forking.POSSIBLE or sum(map(bool, needed)) < 2:
        yield None
        return
    asking = sum(project / "iclnb" / "llm" / "models.py" in files for files in needed)
    modules = forking.EVERY + (forking.MODELS if asking > 1 else ())
    with ForkServer(modules, environment(env)) as server:
        yield server


class _Crew:
    """Threads that each run the notebooks of one chapter after another."""

    def __init__(
        self,
        project: Path,
        chapters: Any,
        env: Mapping[str, str],
        server: ForkServer | None,
        report: Callable[[str], None],
    ):
        self.project, self.env, self.server, self._report = project, env, server, report
        self.failures: list[Failure] = []
        self.errors: list[BaseException] = []
        self._waiting: queue.SimpleQueue[list[Task]] = queue.SimpleQueue()
        for chapter in chapters:
            self._waiting.put(chapter)
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._at_work: set[Worker] = set()

    def run(self, jobs: int) -> None:
        """Run everything; an interrupt ends every process at once."""
        import papermill  # noqa: F401 - before there are threads

        threads = [threading.Thread(target=self._work) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            progress.tick(threads)
        except BaseException:
            self._stopped.set()
            while any(thread.is_alive() for thread in threads):
                for worker in tuple(self._at_work):
                    worker.stop()
                time.sleep(0.05)
            raise
        if self.errors:
            raise self.errors[0]

    def _work(self) -> None:
        while True:
            try:
                chapter = self._waiting.get_nowait()
            except queue.Empty:
                return
            for task in chapter:
                if self._stopped.is_set():
                    return
                try:
                    self._run(task)
                except BaseException as error:
                    self.errors.append(error)

    def _run(self, task: Task) -> None:
        self.report(f"{task.name}: running{', ' if task.why else ''}{task.why}")
        start = time.monotonic()
        failed = run_one.outputs(self.project, task.name).failed
        kept = failed.is_file()
        try:
            with Worker(self.project, env=self.env, server=self.server) as worker:
                self._at_work.add(worker)
                try:
                    run_one.run(self.project, task.name, task.parameters, worker=worker)
                finally:
                    self._at_work.discard(worker)
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
