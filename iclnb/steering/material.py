"""What chapter 04 draws: balanced test points, a pool, held-out rows; their embeddings and the bandwidth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from iclnb.errors import IclnbError
from iclnb.kernel_regression import choose_bandwidth
from iclnb.llm.data import tasks
from iclnb.llm.data.tasks import Task
from iclnb.llm.demonstrations import Row, Seed, TaskRows, alternating, draw, task_rows
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import embed
from iclnb.steering.study import Study, Texts, distances

BANDWIDTHS = np.geomspace(0.05, 3, 15)
"""Candidates; embeddings of unit length are at most 2 apart."""


@dataclass(frozen=True)
class Rows:
    """Rows of a task with two classes, disjoint.

    Attributes:
        task_rows: the pool, and test points balanced between the classes.
        held_out: used for nothing but the kernel's bandwidth.
    """

    task_rows: TaskRows
    held_out: Sequence[Row]


def draw_rows(name: str, points: int, pool: int, held_out: int, *, seed: Seed, source: str = "auto") -> Rows:
    """The rows of a study: as many test points of one class as of the other.

    Args:
        name: a task with two classes.
        points: test points.
        pool: at most so many rows to choose demonstrations from.
        held_out: at most so many further rows, for the bandwidth.
        seed: of all three.
        source: as in :func:`iclnb.llm.data.tasks.load`.

    Raises:
        IclnbError: if the task has not two classes, or too few rows of one.
    """
    found = len(tasks.get(name).classes)
    if found != 2:
        raise IclnbError(f"this chapter needs a task with two classes; {name} has {found}: choose another")
    drawn = task_rows(name, 4 * points, seed=seed, source=source, at_most=True)
    balanced = [drawn.queries[i] for i in alternating(drawn.truth.tolist(), points)]
    order = np.random.default_rng(seed).permutation(len(drawn.pool))
    mixed = [drawn.pool[i] for i in order]
    return Rows(replace(drawn, pool=mixed[:pool], queries=balanced), mixed[pool : pool + held_out])


def prepare(reader: Reader, rows: Rows, k: int, *, seed: Seed) -> Study:
    """Embed the rows and choose the kernel's bandwidth on the held-out ones, each with random demonstrations.

    Args:
        reader: the model.
        rows: what was drawn.
        k: demonstrations of each held-out row.
        seed: of their choice.

    Raises:
        IclnbError: if no row is held out, or the pool has fewer than ``k``.
    """
    drawn, task = rows.task_rows, rows.task_rows.task
    pool, queries = texts(task, drawn.pool), texts(task, drawn.queries)
    if not rows.held_out:
        raise IclnbError("the pool takes all rows, none is left for the kernel's bandwidth; lower `pool`")
    shown = draw(drawn.labels, k, len(rows.held_out), seed=seed)
    truth = np.array([task.label(row) for row in rows.held_out])
    distance = distances(pool.vectors, texts(task, rows.held_out).vectors, shown)
    bandwidth = choose_bandwidth(distance, shown.labels, truth, BANDWIDTHS, 2)
    return Study(reader, task, pool, drawn.labels, queries, drawn.truth, bandwidth)


def texts(task: Task, rows: Sequence[Row]) -> Texts:
    """Rows with the embeddings of their text columns."""
    return Texts(rows, embed(joined(task, rows)))


def joined(task: Task, rows: Sequence[Row]) -> list[str]:
    """The text columns of rows, joined."""
    return [" ".join(row[name] for name in task.inputs) for row in rows]


def numbers(text: str, kind: type = float) -> tuple:
    """The numbers of a setting such as "1,4".

    Raises:
        IclnbError: if one is none.
    """
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        raise IclnbError(f"{text!r} is no list of numbers; write them like 1,4") from None


def parts(text: str) -> tuple[float, ...]:
    """The shares of a setting such as "0.5,1", in order; the whole, 1, is always among them.

    Raises:
        IclnbError: if one is not between 0 and 1.
    """
    found = numbers(text)
    if not all(0 < part <= 1 for part in found):
        raise IclnbError(f"{text!r}: expected shares above 0, up to 1")
    return tuple(sorted({*found, 1.0}))
