"""What chapter 04 draws: balanced test points, a pool, held-out rows; their embeddings and the bandwidth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from iclnb.errors import IclnbError
from iclnb.kernel_regression import choose_bandwidth
from iclnb.llm.data import tasks
from iclnb.llm.data.tasks import Task
from iclnb.llm.demonstrations import Row, Seed, TaskRows, alternating, draw, task_rows
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import embed
from iclnb.steering.study import Study, Texts, distances

BANDWIDTHS = np.geomspace(0.05, 3, 15)  # Candidates; embeddings of unit length are at most 2 apart
CLASSES = range(2, 11)  # How many classes a task may have here


@dataclass(frozen=True)
class Rows:
    """Rows of a task, disjoint."""

    task_rows: TaskRows  # the pool, and test points balanced between the classes
    held_out: Sequence[Row]  # used for nothing but the kernel's bandwidth


def draw_rows(run: SimpleNamespace) -> Rows:
    """The rows that a run's settings ask for, as many test points of one class as of another.

    Raises IclnbError if the design cannot be had: a task without 2 to 10 classes, too few rows for the
    strategies of retrieval.
    """
    task = tasks.get(run.task)
    if len(task.classes) not in CLASSES:
        raise IclnbError(f"{task.name} has {len(task.classes)} classes; this chapter needs 2 to 10")
    most = max(4, 2 * len(task.classes)) * run.points
    drawn = task_rows(run.task, most, seed=run.data_seed, source=run.source, at_most=True)
    if missing := set(range(len(task.classes))) - set(drawn.truth.tolist()):
        names = ", ".join(task.classes[label] for label in sorted(missing))
        raise IclnbError(f"{run.task} has no test row of {names}; this chapter needs some of every class")
    balanced = [drawn.queries[i] for i in alternating(drawn.truth.tolist(), run.points)]
    order = np.random.default_rng(run.data_seed).permutation(len(drawn.pool))
    mixed = [drawn.pool[i] for i in order]
    rows = Rows(replace(drawn, pool=mixed[: run.pool], queries=balanced), mixed[run.pool :][: run.held_out])
    _check_pool(run, rows)
    return rows


def _check_pool(run: SimpleNamespace, rows: Rows) -> None:
    pool, classes = rows.task_rows.labels, rows.task_rows.task.classes
    counts = np.bincount(pool, minlength=len(classes))
    if counts.min() < run.k:
        scarce = classes[int(counts.argmin())]
        raise IclnbError(
            f"the pool has {counts.min()} rows of {scarce}, and a prompt may show k = {run.k} of one class; "
            "raise `pool` or lower `k`"
        )
    if run.points * run.k > run.most * len(pool):
        raise IclnbError(
            f"k = {run.k} demonstrations for each of {run.points} test points, no row in more than {run.most} "
            f"prompts, take {-(-run.points * run.k // run.most)} rows; the pool has {len(pool)}: raise `pool`"
        )
    if not rows.held_out:
        raise IclnbError("the pool takes all rows, none is left for the kernel's bandwidth; lower `pool`")


def prepare(reader: Reader, rows: Rows, k: int, *, seed: Seed) -> Study:
    """Embed the rows and choose the kernel's bandwidth on the held-out ones, each with random demonstrations.

    Raises IclnbError if no row is held out, or the pool has fewer than ``k``.
    """
    drawn, task = rows.task_rows, rows.task_rows.task
    pool, queries = texts(task, drawn.pool), texts(task, drawn.queries)
    shown = draw(drawn.labels, k, len(rows.held_out), seed=seed)
    truth = np.array([task.label(row) for row in rows.held_out], dtype=int)
    distance = distances(pool.vectors, texts(task, rows.held_out).vectors, shown)
    bandwidth = choose_bandwidth(distance, shown.labels, truth, BANDWIDTHS, len(task.classes))
    return Study(reader, task, pool, drawn.labels, queries, drawn.truth, bandwidth)


def texts(task: Task, rows: Sequence[Row]) -> Texts:
    """Rows with the embeddings of their text columns."""
    return Texts(rows, embed(joined(task, rows)))


def joined(task: Task, rows: Sequence[Row]) -> list[str]:
    """The text columns of rows, joined."""
    return [" ".join(row[name] for name in task.inputs) for row in rows]
