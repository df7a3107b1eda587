"""Demonstrations as data: which rows of a pool are shown, with which labels; prompts are made from them.

*Shared* demonstrations are shown with every test point, as in paper A; several sets of them are drawn, since
one set is one draw. *Fresh* ones are drawn anew for each test point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.llm.data import tasks
from iclnb.llm.prompts import Demonstration, Wording, build
from iclnb.llm.prompts import Prompts as Prompts

Row = Mapping[str, Any]
Seed = int | tuple[int, ...]
"""Of a random generator; independent streams of one seed are ``(seed, 1)``, ``(seed, 2)``, ..."""


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task that a study uses."""

    task: tasks.Task  # the task
    pool: Sequence[Row]  # rows that demonstrations are drawn from
    queries: Sequence[Row]  # the test points
    origins: Sequence[Mapping[str, Any]]  # where the rows come from, for the provenance of a run

    @cached_property
    def labels(self) -> Int[np.ndarray, " pool"]:
        """The label of every row of the pool."""
        return np.array([self.task.label(row) for row in self.pool], dtype=int)

    @cached_property
    def truth(self) -> Int[np.ndarray, " queries"]:
        """The label of every test point."""
        return np.array([self.task.label(row) for row in self.queries], dtype=int)

    def texts(self, rows: Sequence[Row]) -> list[str]:
        """x of some rows, filled in as in the prompts."""
        return [self.task.format.x.format_map(row) for row in rows]

    def first(self, queries: int) -> "TaskRows":
        """The same with the first test points alone, or all where there are fewer."""
        return replace(self, queries=self.queries[:queries])


@dataclass(frozen=True)
class Demonstrations:
    """Demonstrations of a table of prompts, in order."""

    rows: Int[np.ndarray, "*prompts k"]  # rows of the pool. (*prompts, k)
    labels: Int[np.ndarray, "*prompts k"]  # the labels they are shown with, right or wrong. (*prompts, k)

    @property
    def k(self) -> int:
        """How many each prompt shows."""
        return self.rows.shape[-1]

    def for_every(self, points: int) -> "Demonstrations":
        """Each set shown with every test point: (*sets, k) becomes (*sets, points, k)."""
        shape = (*self.rows.shape[:-1], points, self.k)
        return Demonstrations(*(np.broadcast_to(part[..., None, :], shape) for part in self._parts))

    def relabelled(self, labels: Int[np.ndarray, "*prompts k"]) -> "Demonstrations":
        """The same rows, shown with other labels."""
        return replace(self, labels=np.broadcast_to(labels, self.rows.shape))

    def reordered(self, order: Int[np.ndarray, "*prompts k"]) -> "Demonstrations":
        """The same demonstrations in another order: place i shows what stood at ``order[..., i]``.

        ``order`` may have more leading axes, as for all orders of each set.
        """
        return Demonstrations(*(_taken(part, order) for part in self._parts))

    def take(self, chosen: Any) -> "Demonstrations":
        """Those of some prompts, by an index of the leading axes."""
        return Demonstrations(*(part[chosen] for part in self._parts))

    @property
    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        return self.rows, self.labels


def task_rows(name: str, points: int, *, seed: Seed, source: str = "auto", at_most: bool = False) -> TaskRows:
    """The rows of a task: a pool for demonstrations, and test points.

    The test points are a random part of the validation split. Demonstrations come from the train split or,
    where a source has none, from the rest of the validation split.

    ``at_most``: take all test points of a split that has fewer, instead of refusing.

    Raises IclnbError if the rows cannot be had, or the split has fewer than ``points``.
    """
    rows = tasks.load(name, "validation", source)
    origins, rows = [tasks.origin(rows)], rows.to_list()
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    points = min(points, len(rows)) if at_most else points
    if points > len(rows):
        raise IclnbError(f"{name} has {len(rows)} validation rows, not {points}; ask for fewer test points")
    try:
        train = tasks.load(name, "train", source)
        origins.insert(0, tasks.origin(train))
        pool = train.to_list()
    except tasks.MissingSplit:
        pool = [rows[i] for i in order[points:]]
    return TaskRows(tasks.get(name), pool, [rows[i] for i in order[:points]], origins)


def alternating(labels: Sequence[int], count: int) -> list[int]:
    """Rows of all classes in turn, each in its order: balanced, as is every first part. IclnbError for too few."""
    classes = sorted(set(labels))
    rows = {name: [i for i, label in enumerate(labels) if label == name] for name in classes}
    each = -(-count // len(classes))
    if any(len(of_class) < each for of_class in rows.values()):
        raise IclnbError(f"no {each} rows of every class for {count} balanced test points; ask for fewer")
    return [rows[name][turn] for turn in range(each) for name in classes][:count]


def draw(
    labels: Int[np.ndarray, " pool"], k: int, shape: int | tuple[int, ...], *, seed: Seed
) -> Demonstrations:
    """For each prompt, or demonstration set, ``k`` different rows of a pool, rightly labelled.

    Rows are drawn uniformly without replacement, independently of the other prompts.

    Raises IclnbError if the pool has fewer than ``k`` rows.
    """
    if k > len(labels):
        raise IclnbError(f"k = {k} demonstrations cannot be drawn from {len(labels)} rows; take a smaller k")
    shape = (shape,) if isinstance(shape, int) else shape
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(len(labels), size=k, replace=False) for _ in range(int(np.prod(shape)))]
    rows = np.array(drawn, dtype=int).reshape(*shape, k)
    return Demonstrations(rows, labels[rows])


def write(
    tokenizer: PreTrainedTokenizerBase,
    wording: Wording,
    pool: Sequence[Row],
    shown: Demonstrations,
    queries: Sequence[Row],
    **opening: Any,
) -> Shaped[np.ndarray, "*prompts"]:
    """Prompts (*sets, points) with the demonstrations that a table gives them.

    Args:
        shown: their table, (*sets, points, k); k may be 0.
        queries: the test points, as many as the last axis before k.
        opening: ``opening`` and ``special_tokens`` of :func:`iclnb.llm.prompts.build`.

    Raises:
        ValueError: if there is not one test point for each prompt of a set.
    """
    shape = shown.rows.shape[:-1]
    if shape[-1] != len(queries):
        raise ValueError(
            f"expected {shape[-1]} test points for demonstrations of shape {shape}, got {len(queries)}"
        )
    prompts = np.empty(shape, dtype=object)
    for place in np.ndindex(shape):
        pairs = zip(shown.rows[place].tolist(), shown.labels[place].tolist(), strict=True)
        demonstrations = [Demonstration(pool[row], label) for row, label in pairs]
        prompts[place] = build(tokenizer, *wording, demonstrations, queries[place[-1]], **opening)
    return prompts


def _taken(part: np.ndarray, order: np.ndarray) -> np.ndarray:
    shape = np.broadcast_shapes(part.shape, order.shape)
    return np.take_along_axis(np.broadcast_to(part, shape), np.broadcast_to(order, shape), -1)
