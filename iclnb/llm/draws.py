"""Which rows become demonstrations and which become queries, and the prompts made of them."""

from collections.abc import Callable, Sequence

import numpy as np
from datasets import Dataset
from jaxtyping import Int
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError, unknown
from iclnb.llm.data import tasks
from iclnb.llm.data.definitions import Format
from iclnb.llm.data.sources import MissingSplit
from iclnb.llm.prompts import Demonstration, Prompt, build


def pool_and_queries(
    name: str, queries: int, *, seed: int, source: str = "auto", at_most: bool = False
) -> tuple[Dataset, Dataset]:
    """Rows to draw demonstrations from, and the test points.

    The test points are a random part of the validation split. Demonstrations come from the train split or,
    where a source has none, from the rest of the validation split.

    Args:
        name: a task.
        queries: number of test points.
        seed: seeds the choice of test points.
        source: as in :func:`iclnb.llm.data.tasks.load`.
        at_most: take all test points of a split that has fewer, instead of refusing.

    Returns:
        The pool and the test points, disjoint.

    Raises:
        IclnbError: if the rows cannot be had, or the split has fewer than ``queries``.
    """
    rows = tasks.load(name, "validation", source).shuffle(seed=seed)
    queries = min(queries, len(rows)) if at_most else queries
    if queries > len(rows):
        raise IclnbError(f"{name} has {len(rows)} validation rows, not {queries}; ask for fewer test points")
    try:
        pool = tasks.load(name, "train", source)
    except MissingSplit:
        pool = rows.select(range(queries, len(rows)))
    return pool, rows.select(range(queries))


def alternating(labels: Sequence[int], count: int) -> list[int]:
    """Rows of all classes in turn, each class in its given order: balanced, and so is every first part.

    Args:
        labels: the label of every row.
        count: rows to take.

    Raises:
        IclnbError: if a class runs out of rows.
    """
    classes = sorted(set(labels))
    rows = {name: [i for i, label in enumerate(labels) if label == name] for name in classes}
    each = -(-count // len(classes))
    if any(len(of_class) < each for of_class in rows.values()):
        raise IclnbError(f"no {each} rows of every class for {count} balanced test points; ask for fewer")
    return [rows[name][turn] for turn in range(each) for name in classes][:count]


def fresh_prompts(
    tokenizer: PreTrainedTokenizerBase,
    task: tasks.Task,
    pool: Dataset,
    queries: Dataset,
    *,
    k: int,
    seed: int,
    format: str | None = None,
) -> list[Prompt]:
    """One prompt per test point, each with ``k`` demonstrations of its own (paper A, section 5.1).

    Args:
        tokenizer: a fast tokeniser.
        task: gives label words and formats.
        pool: rows to draw demonstrations from, uniformly without replacement within a prompt.
        queries: the test points.
        k: demonstrations per prompt.
        seed: seeds the draw.
        format: name of one of the task's formats; ``None`` for its default.

    Returns:
        The prompts, in the order of ``queries``.

    Raises:
        IclnbError: if the pool is smaller than ``k`` or the format unknown.
    """
    written = _format(task, format)
    drawn = fresh_demonstrations(len(pool), k, len(queries), seed=seed)
    return [
        build(tokenizer, written, task.label_words, _demonstrations(task, pool, rows), query)
        for rows, query in zip(drawn.tolist(), queries, strict=True)
    ]


def shared_prompts(
    tokenizer: PreTrainedTokenizerBase,
    task: tasks.Task,
    pool: Dataset,
    queries: Dataset,
    *,
    k: int,
    sets: int,
    seed: int,
    format: str | None = None,
    relabel: Callable[[Sequence[int]], Sequence[int]] | None = None,
) -> list[list[Prompt]]:
    """Prompts in which all test points share their demonstrations, for each of several sets of these.

    A statement about one set is a statement about one draw; an interval needs several.

    Args:
        sets: number of demonstration sets.
        relabel: makes from a set's labels those that are written.
        tokenizer, task, pool, queries, k, seed, format: as in :func:`fresh_prompts`.

    Returns:
        For each set the prompts in the order of ``queries``.

    Raises:
        IclnbError: if the pool is smaller than ``k`` or the format unknown.
    """
    written = _format(task, format)
    made = []
    for rows in fresh_demonstrations(len(pool), k, sets, seed=seed).tolist():
        shown = _demonstrations(task, pool, rows)
        if relabel is not None:
            labels = relabel([label for _, label in shown])
            shown = [Demonstration(row, label) for (row, _), label in zip(shown, labels, strict=True)]
        made.append([build(tokenizer, written, task.label_words, shown, query) for query in queries])
    return made


def _format(task: tasks.Task, name: str | None) -> Format:
    if name is not None and name not in task.formats:
        raise unknown(f"format of {task.name}", name, task.formats)
    return task.formats[name] if name else task.format


def _demonstrations(task: tasks.Task, pool: Dataset, rows: Sequence[int]) -> list[Demonstration]:
    return [Demonstration(row, task.label(row)) for row in pool.select(rows)]


def fresh_demonstrations(pool: int, k: int, prompts: int, *, seed: int) -> Int[np.ndarray, "prompts k"]:
    """For each prompt ``k`` different rows of a pool, drawn uniformly and independently of the other prompts.

    Args:
        pool: number of rows to draw from.
        k: demonstrations per prompt.
        prompts: number of prompts.
        seed: seeds the draw.

    Returns:
        Row numbers.

    Raises:
        IclnbError: if the pool has fewer than ``k`` rows.
    """
    if k > pool:
        raise IclnbError(f"k = {k} demonstrations cannot be drawn from {pool} rows; take a smaller k")
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(pool, size=k, replace=False) for _ in range(prompts)]
    return np.array(drawn, dtype=int).reshape(prompts, k)
