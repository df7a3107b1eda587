"""Where the cells of a sweep run: here, in processes beside, or on a cluster (with the extra ``sweep``)."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from iclnb.errors import IclnbError
from iclnb.records import records, sweep
from iclnb.records.records import Cell
from iclnb.records.sweep import Failure


class Job:
    """The cells of one model, as a cluster calls them: again, from where it was, after a time limit."""

    def __init__(self, project: Path, cells: Sequence[Cell], allow_changes: bool):
        self.project, self.cells, self.allow_changes = project, list(cells), allow_changes

    def __call__(self) -> list[Failure]:
        return sweep.run_cells(self.project, self.cells, allow_changes=self.allow_changes, report=click.echo)

    def checkpoint(self) -> Any:
        """What is submitted in place of a job that was stopped; finished cells are skipped."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)


def run(
    project: Path,
    cells: Sequence[Cell],
    *,
    executor: str = "here",
    allow_changes: bool = False,
    report: Callable[[str], None],
    jobs: int = 1,
    **resources: Any,
) -> list[Failure]:
    """Run cells, those of a model in one process; gives those that failed.

    Args:
        project: the checkout; on a cluster, in a folder that all nodes share.
        resources: of a job, for the other executors than ``here``: ``partition``, ``gpus``, ``cpus``,
            ``minutes`` and ``requeue``, how often a job goes on that reached its time limit.

    Raises:
        IclnbError: if the executor is not there.
    """
    groups = sweep.by_model(project, cells)
    if executor == "here":
        return [
            failure
            for group in groups
            for failure in sweep.run_cells(project, group, allow_changes=allow_changes, report=report)
        ]
    queue = engine(project, executor, jobs=jobs, **resources)
    todo = [Job(project, group, allow_changes) for group in groups]
    if executor == "slurm":  # which keeps to the number of jobs at once itself
        with queue.batch():
            submitted = [queue.submit(job) for job in todo]
        report(f"{len(submitted)} jobs submitted; their logs: {queue.folder}")
    else:
        submitted = []
        for job in todo:
            _wait(submitted, jobs - 1)
            submitted.append(queue.submit(job))
            report(f"job {submitted[-1].job_id} of {len(job.cells)} cells started; its log: {queue.folder}")
    _wait(submitted, 0)
    ended = zip(submitted, groups, strict=True)
    return [failure for job, group in ended for failure in _failures(project, job, group)]


def engine(
    project: Path,
    name: str,
    *,
    jobs: int = 1,
    partition: str | None = None,
    gpus: int = 0,
    cpus: int = 2,
    minutes: int = 24 * 60,
    requeue: int = 3,
) -> Any:
    """The executor of submitit that jobs are handed to; arguments as of :func:`run`.

    Raises IclnbError if submitit is not installed, or this machine belongs to no cluster.
    """
    try:
        import submitit
    except ImportError as error:
        raise IclnbError(
            f"--executor {name} needs submitit (`pip install submitit`); without it, leave --executor out: "
            "the cells then run here, one after another"
        ) from error
    folder = project / "build" / "sweep" / "%j"
    try:
        found = submitit.AutoExecutor(folder=folder, cluster=name, slurm_max_num_timeout=requeue)
    except RuntimeError as error:
        raise IclnbError(f"--executor {name}: {error}; is this a machine of the cluster?") from error
    found.update_parameters(timeout_min=minutes, gpus_per_node=gpus, cpus_per_task=cpus, name="iclnb")
    if name == "slurm":
        found.update_parameters(
            slurm_array_parallelism=jobs,
            slurm_additional_parameters={"requeue": True},  # also after a node failed
            **({"slurm_partition": partition} if partition else {}),
        )
    return found


def _wait(jobs: Sequence[Any], few: int) -> None:
    """Wait until no more than a few of the jobs are at work."""
    while sum(not job.done() for job in jobs) > few:
        time.sleep(0.5)


def _failures(project: Path, job: Any, cells: Sequence[Cell]) -> list[Failure]:
    """The failures that a job reports; where it broke off, the cells that it did not finish."""
    import submitit

    try:
        return job.result()
    except (submitit.core.utils.UncompletedJobError, submitit.core.utils.FailedJobError) as error:
        unfinished = (cell for cell in cells if records.why_stale(project, cell))
        return [Failure(cell, f"job {job.job_id} broke off: {error}") for cell in unfinished]
