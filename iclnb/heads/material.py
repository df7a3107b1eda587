"""What chapter 03 draws: prompts of one task, with shared and with fresh demonstrations."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float, Int
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.heads.interventions import label_partners
from iclnb.llm.demonstrations import Demonstrations, Prompts, Seed, TaskRows, draw, task_rows, write
from iclnb.llm.prompts import Wording
from iclnb.llm.similarity import Compare, to_demonstrations

Half = Bool[np.ndarray, " queries"]

OF_READER: Final = ("revision", "device_map", "dtype", "batch_size")
"""Settings that say how a model is loaded."""

OF_DRAWS: Final = ("k", "sets", "points", "fresh", "data_seed", "demonstration_seed", "source")
"""Settings of :func:`draw_material`."""


def settings_of(run: SimpleNamespace, names: tuple[str, ...]) -> dict[str, Any]:
    """Those of a run's settings that it has, by name."""
    return {name: vars(run)[name] for name in names if name in vars(run)}


AT_LEAST: Final = 8  # Test points, so that each half has four


@dataclass(frozen=True)
class Material:
    """Prompts of one task, and the demonstrations that they show."""

    rows: TaskRows  # the pool that demonstrations come from, and the queries
    shared: Demonstrations  # demonstration sets, each shown with every test point. (sets, k)
    fresh: Demonstrations  # a set drawn anew for each fresh prompt. (prompts, k)
    shared_prompts: np.ndarray  # of the first queries. (sets, points)
    fresh_prompts: Prompts  # of the first queries, too. (prompts,)
    # which half of the queries each belongs to: what is chosen on one is judged on the other. (queries)
    half: Half

    @property
    def wording(self) -> Wording:
        """The task's own format and label words."""
        return _wording(self.rows)

    @property
    def points(self) -> int:
        """Test points that share demonstrations."""
        return self.shared_prompts.shape[1]

    def relabelled(self, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> Prompts:
        """The shared prompts, in each set every label replaced by that of its partner of another class.

        Sets whose labels are all of one class stay as they are.
        """
        labels = np.array([_swapped(row, seed) for row in self.shared.labels])
        shown = self.shared.relabelled(labels).for_every(self.points)
        return write(tokenizer, self.wording, self.rows.pool, shown, self.rows.queries[: self.points])

    def similarity(self, compare: Compare, behind: str = "") -> Float[np.ndarray, "sets points k"]:
        """How alike test points are to the demonstrations of the shared sets, ``behind`` put behind every text."""
        return self._compared(compare, self.shared.for_every(self.points), behind)

    def fresh_similarity(self, compare: Compare) -> Float[np.ndarray, "prompts k"]:
        """How alike the query of every fresh prompt is to its demonstrations."""
        return self._compared(compare, self.fresh, "")

    def _compared(self, compare: Compare, shown: Demonstrations, behind: str) -> np.ndarray:
        queries = self.rows.texts(self.rows.queries[: shown.rows.shape[-2]])
        texts = [[text + behind for text in part] for part in (queries, self.rows.texts(self.rows.pool))]
        return to_demonstrations(compare, *texts, shown)


def draw_material(
    tokenizer: PreTrainedTokenizerBase,
    task: str,
    *,
    k: int,
    sets: int,
    points: int,
    fresh: int = 0,
    data_seed: int,
    demonstration_seed: int,
    source: str = "auto",
) -> Material:
    """Draw queries and demonstrations, and write the prompts.

    Args:
        sets: demonstration sets that all test points share.
        points: test points that share them, or as many as the task has.
        fresh: prompts with demonstrations of their own.
        data_seed: choice of queries and of their halves.
        demonstration_seed: choice of demonstrations.

    Raises:
        IclnbError: unknown task or source, data out of reach, a pool smaller than ``k``, or a task with fewer
            than :data:`AT_LEAST` test points.
    """
    rows = task_rows(task, max(points, fresh), seed=data_seed, source=source, at_most=True)
    if len(rows.queries) < AT_LEAST:
        raise IclnbError(
            f"half of the test points choose, half judge: {AT_LEAST} are needed, not {len(rows.queries)}"
        )
    half = halves(len(rows.queries), seed=(data_seed, 1))
    return written(tokenizer, rows, half, k, sets, points, fresh, demonstration_seed)


def written(
    tokenizer: PreTrainedTokenizerBase,
    rows: TaskRows,
    half: Half,
    k: int,
    sets: int,
    points: int,
    fresh: int,
    seed: int,
) -> Material:
    """Prompts of some rows, as :func:`draw_material` writes them; ``seed`` is that of the demonstrations."""
    shared = draw(rows.labels, k, sets, seed=seed)
    own = draw(rows.labels, k, len(rows.queries[:fresh]), seed=(seed, 1))
    common, wording = rows.queries[:points], _wording(rows)
    return Material(
        rows,
        shared,
        own,
        write(tokenizer, wording, rows.pool, shared.for_every(len(common)), common),
        write(tokenizer, wording, rows.pool, own, rows.queries[:fresh]),
        half,
    )


def probe_prompts(
    tokenizer: PreTrainedTokenizerBase, rows: TaskRows, k: int, sets: int, *, seed: int
) -> tuple[Prompts, list[str]]:
    """Demonstration sets for probes (section 5.4), each in front of the first query.

    Their seed gives others than :func:`draw_material` draws. Gives the prompts (sets,), and all texts x_i in order.
    """
    shown = draw(rows.labels, k, sets, seed=(seed, 2))
    prompts = write(tokenizer, _wording(rows), rows.pool, shown.for_every(1), rows.queries[:1])
    return prompts[:, 0], rows.texts([rows.pool[row] for row in shown.rows.ravel()])


def halves(queries: int, *, seed: Seed) -> Half:
    """Each query's half; every first part of the queries is split nearly evenly, too."""
    rng = np.random.default_rng(seed)
    pairs = [rng.permutation([False, True]) for _ in range(-(-queries // 2))]
    return np.concatenate(pairs)[:queries] if pairs else np.zeros(0, dtype=bool)


def _wording(rows: TaskRows) -> Wording:
    return Wording(rows.task.format, tuple(rows.task.label_words))


def _swapped(labels: Int[np.ndarray, " k"], seed: int) -> Int[np.ndarray, " k"]:
    if len(set(labels.tolist())) < 2:
        return labels
    return labels[label_partners(labels.tolist(), seed=seed)]
