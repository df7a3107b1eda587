"""Run many notebooks, two at a time where the machine can; each fails alone."""

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from iclnb.errors import IclnbError
from iclnb.run import run_one
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
    if not tasks:
        return []
    import papermill  # noqa: F401 - before there are threads

    chapters: dict[str, list[Task]] = {}
    for task in tasks:
        chapters.setdefault(task.name[:2], []).append(task)
    jobs = min(jobs or at_a_time(), len(chapters))
    workers = [Worker(project, keep_models=1, env=_threads(jobs)) for _ in range(jobs)]
    idle, stopped, say = list(workers), threading.Event(), _above_the_bars(report)

    def run_chapter(chapter: Sequence[Task]) -> list[Failure]:
        """In a process that keeps its imports and a model from one notebook to the next."""
        worker = idle.pop()
        try:
            found = [_run(project, task, worker, stopped, say) for task in chapter if not stopped.is_set()]
        finally:
            idle.append(worker)
        return [failure for failure in found if failure]

    longest_first = sorted(chapters.values(), key=lambda chapter: -sum(task.seconds for task in chapter))
    with ThreadPoolExecutor(jobs) as pool:
        at_work = [pool.submit(run_chapter, chapter) for chapter in longest_first]
        try:
            failures = [failure for each in at_work for failure in each.result()]
        except BaseException:  # an interrupt ends every process at once
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(each.done() for each in at_work):
                for worker in workers:
                    worker.stop()
                time.sleep(0.05)
            raise
        finally:
            for worker in workers:
                worker.close()
    order = [task.name for task in tasks]
    return sorted(failures, key=lambda failure: order.index(failure.name))


def _threads(jobs: int) -> dict[str, str]:
    """Each process gets its share of the cores, unless the user has chosen."""
    if jobs < 2 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, cores() // jobs))}


def _run(
    project: Path, task: Task, worker: Worker, stopped: threading.Event, say: Callable[[str], None]
) -> Failure | None:
    say(f"{task.name}: running{', ' if task.why else ''}{task.why}")
    start = time.monotonic()
    failed = run_one.outputs(project, task.name).failed
    kept = failed.is_file()
    try:
        run_one.run(project, task.name, task.parameters, worker=worker)
    except IclnbError as error:
        if stopped.is_set():  # it did not fail, it was stopped
            if not kept:
                failed.unlink(missing_ok=True)
            return None
        say(f"{task.name}: failed after {_spoken(time.monotonic() - start)}")
        return Failure(task.name, str(error))
    say(f"{task.name}: done in {_spoken(time.monotonic() - start)}")
    return None


def _above_the_bars(report: Callable[[str], None]) -> Callable[[str], None]:
    """The same for lines that threads say, above the bars of progress where there are any."""
    from tqdm import tqdm

    def say(line: str) -> None:
        with tqdm.external_write_mode():  # which holds a lock
            report(line)

    return say


def _spoken(seconds: float) -> str:
    """A time in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
