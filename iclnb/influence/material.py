"""What chapter 07 draws: demonstration sets with queries of their own, and the same with labels flipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.llm.demonstrations import Demonstrations, Prompts, TaskRows, alternating, draw, task_rows, write
from iclnb.llm.prompts import Wording

OWN, ARBITRARY = "own words", "arbitrary words"


@dataclass(frozen=True)
class Material:
    """Demonstration sets under one wording."""

    wording: Wording  # format and label words
    prompts: Prompts  # every query of a set under its demonstrations. (sets, points)
    # the first query of a set again: with the label of demonstration 1, 2, ..., k flipped, and with all of
    # them flipped. (sets, k + 1)
    flipped: np.ndarray
    # the word, by index, that the demonstrations call right
    right: Int[np.ndarray, "sets points"]
    rows: Int[np.ndarray, "sets k"]  # of the demonstrations: rows of the pool and true labels
    labels: Int[np.ndarray, "sets k"]
    queries: Int[np.ndarray, "sets points"]  # rows of the test points
    truth: Int[np.ndarray, "sets points"]  # their labels

    @property
    def words_shown(self) -> Int[np.ndarray, "sets k"]:
        """The word, by index, that each demonstration is shown with."""
        return np.array([row[0].labels for row in self.prompts])


def draw_rows(run: SimpleNamespace) -> tuple[TaskRows, list[str]]:
    """The rows that a run's settings ask for, and its arbitrary words.

    Raises IclnbError if there are fewer than two queries of a class in each set, or fewer than are asked with
    heads knocked out, too few test points of a class, fewer than ``k`` rows to show, or too few different
    arbitrary words.
    """
    if run.asked > run.points:
        raise IclnbError(f"asked = {run.asked} of {run.points} points; ask for fewer, or for more points")
    count = run.sets * run.points
    rows = task_rows(run.task, 3 * count, seed=run.data_seed, source=run.source, at_most=True)
    name, classes = rows.task.name, len(rows.task.label_words)
    if run.points < 2 * classes:
        raise IclnbError(
            f"{name} has {classes} labels, and queries of one class are compared with each other; "
            f"ask for points >= {2 * classes}, not {run.points}"
        )
    words = [word.strip() for word in run.words.split(",")]
    if len({*words} - {""}) < classes:
        raise IclnbError(f"{name} has {classes} labels; give as many arbitrary words")
    alternating(rows.truth.tolist(), count)
    if len(rows.labels) < run.k:
        raise IclnbError(f"{name} has {len(rows.labels)} rows to show; ask for a smaller k than {run.k}")
    return rows, words


def draw_material(
    tokenizer: PreTrainedTokenizerBase,
    rows: TaskRows,
    k: int,
    sets: int,
    points: int,
    *,
    seed: int,
    arbitrary: Sequence[str],
) -> Mapping[str, Material]:
    """Demonstration sets, each with queries of its own, in the task's own words and in arbitrary ones.

    A flipped label is the next one (with two, the other). Under arbitrary words it is drawn for each set
    which word stands for which label, so that no model can know it.

    Raises IclnbError if there is too little to draw from.
    """
    count = len(rows.task.label_words)
    queries = np.array(alternating(rows.truth.tolist(), sets * points)).reshape(sets, points)
    shown, rng = draw(rows.labels, k, sets, seed=seed), np.random.default_rng((seed, 1))
    own, mixed = np.tile(np.arange(count), (sets, 1)), [rng.permutation(count) for _ in range(sets)]
    mappings = {OWN: own, ARBITRARY: np.array(mixed)}
    words = {OWN: tuple(rows.task.label_words), ARBITRARY: tuple(arbitrary[:count])}
    return {
        name: _written(tokenizer, rows, Wording(rows.task.format, words[name]), shown, queries, mapping)
        for name, mapping in mappings.items()
    }


def _written(
    tokenizer: PreTrainedTokenizerBase,
    rows: TaskRows,
    wording: Wording,
    shown: Demonstrations,
    queries: Int[np.ndarray, "sets points"],
    mapping: Int[np.ndarray, "sets classes"],
) -> Material:
    """The prompts of one wording, in which ``mapping`` says the word of each label."""
    (sets, points), k, truth = queries.shape, shown.k, rows.truth[queries]
    words = np.take_along_axis(mapping, shown.labels, 1)
    flips = words[:, None] + np.concatenate([np.eye(k, dtype=int), np.ones((1, k), dtype=int)])
    flips %= mapping.shape[1]
    prompts, flipped = np.empty((sets, points), dtype=object), np.empty((sets, k + 1), dtype=object)
    for s in range(sets):
        asked = [rows.queries[i] for i in queries[s]]
        drawn = Demonstrations(shown.rows[s], words[s])
        prompts[s] = write(tokenizer, wording, rows.pool, drawn.for_every(points), asked)
        other = drawn.for_every(k + 1).relabelled(flips[s])
        flipped[s] = write(tokenizer, wording, rows.pool, other, asked[:1] * (k + 1))
    right = np.take_along_axis(mapping, truth, 1)
    return Material(wording, prompts, flipped, right, shown.rows, shown.labels, queries, truth)
