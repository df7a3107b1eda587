"""What chapter 03 and its appendices draw: rows, and prompts with shared and with fresh demonstrations."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.heads.interventions import label_partners
from iclnb.llm.demonstrations import Demonstrations, Prompts, Seed, TaskRows, draw, task_rows, write
from iclnb.llm.prompts import Wording
from iclnb.llm.similarity import Compare, to_demonstrations

Half = Bool[np.ndarray, " queries"]

AT_LEAST: Final = 8  # Test points, so that each half has four
MOST: Final = 1000  # Demonstration sets that are tried before a task is said to have too few labels


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
        labels = self.shared.labels.copy()
        for row in labels:
            if len(np.unique(row)) > 1:
                row[:] = row[label_partners(row.tolist(), seed=seed)]
        shown = self.shared.relabelled(labels).for_every(self.points)
        return write(tokenizer, self.wording, self.rows.pool, shown, self.rows.queries[: self.points])

    def similarity(
        self, compare: Compare, behind: str = "", *, fresh: bool = False
    ) -> Float[np.ndarray, "sets points k"] | Float[np.ndarray, "prompts k"]:
        """How alike queries are to the demonstrations they are shown with, ``behind`` put behind every text."""
        shown = self.fresh if fresh else self.shared.for_every(self.points)
        queries = self.rows.texts(self.rows.queries[: shown.rows.shape[-2]])
        texts = [[text + behind for text in part] for part in (queries, self.rows.texts(self.rows.pool))]
        return to_demonstrations(compare, *texts, shown)


def draw_rows(run: SimpleNamespace) -> TaskRows:
    """The rows of a run of chapter 03.

    Raises IclnbError if there are too few, or of the demonstration sets fewer than two show labels of several
    classes; it says what would do.
    """
    rows = _halved_rows(run, run.task, max(run.points, run.fresh))

    def several(count: int) -> list[int]:
        """Which of the first sets, the same however many follow, show labels of several classes."""
        labels = draw(rows.labels, run.k, count, seed=run.demonstration_seed).labels
        return np.flatnonzero((labels != labels[:, :1]).any(1)).tolist()

    if (found := len(several(run.sets))) >= 2:
        return rows
    more = several(MOST)
    enough = f"ask for sets >= {more[1] + 1}" if len(more) >= 2 else "ask for a larger k"
    raise IclnbError(
        f"labels are swapped within a set: 2 sets must show labels of several classes, and of {run.sets} sets "
        f"with k = {run.k} demonstrations {found} do; {enough}, or choose another demonstration_seed"
    )


def probe_rows(run: SimpleNamespace) -> tuple[TaskRows, Demonstrations]:
    """Those of appendix 03a, and its demonstration sets, (sets, k), others than those of the chapter.

    Raises IclnbError if there are too few, or all sets together show one label.
    """
    rows = task_rows(run.task, 1, seed=run.data_seed, source=run.source)
    shown = draw(rows.labels, run.k, run.probe_sets, seed=(run.demonstration_seed, 2))
    if len(np.unique(shown.labels)) < 2:
        raise IclnbError(
            f"all {shown.labels.size} demonstrations are {rows.task.classes[shown.labels.flat[0]]}; draw more: "
            "raise probe_sets or k, or choose another demonstration_seed"
        )
    return rows, shown


def table_rows(run: SimpleNamespace) -> list[TaskRows]:
    """Those of every task of appendix 03b. Raises IclnbError for too few, or a task that is named twice."""
    tables = [_halved_rows(run, name.strip(), run.points) for name in run.table.split(",")]
    if len({rows.task.name for rows in tables}) < len(tables):
        raise IclnbError(f"a task would count twice: {run.table}")
    for rows in tables:
        draw(rows.labels, run.k, run.sets, seed=run.demonstration_seed)
    return tables


def explorer_rows(run: SimpleNamespace) -> TaskRows:
    """Those of appendix 03c. Raises IclnbError for too few."""
    if run.shown > run.prompts:
        raise IclnbError(f"shown = {run.shown} of {run.prompts} prompts; show fewer or ask for more prompts")
    rows = _halved_rows(run, run.task, run.prompts)
    draw(rows.labels, run.k, 0, seed=run.demonstration_seed)
    return rows


def _halved_rows(run: SimpleNamespace, task: str, queries: int) -> TaskRows:
    """As many queries, or all that the task has."""
    rows = task_rows(task, queries, seed=run.data_seed, source=run.source, at_most=True)
    if len(rows.queries) < AT_LEAST:
        raise IclnbError(
            f"half of the test points choose, half judge: {AT_LEAST} are needed, and {task} has "
            f"{len(rows.queries)} validation rows; add rows"
        )
    return rows


def loading(run: SimpleNamespace) -> dict[str, Any]:
    """The settings that say how a run's model is loaded."""
    return {name: vars(run)[name] for name in ("revision", "device_map", "dtype", "batch_size")}


def draw_material(tokenizer: PreTrainedTokenizerBase, rows: TaskRows, run: SimpleNamespace) -> Material:
    """Draw demonstrations and the queries' halves, and write the prompts.

    ``run.sets`` demonstration sets are shared by ``run.points`` test points, or as many as there are;
    ``run.fresh`` prompts, where it has them, have demonstrations of their own.

    Raises IclnbError if the pool is smaller than ``run.k``.
    """
    common, alone = rows.queries[: run.points], rows.queries[: vars(run).get("fresh", 0)]
    seed, wording = run.demonstration_seed, _wording(rows)
    shared = draw(rows.labels, run.k, run.sets, seed=seed)
    own = draw(rows.labels, run.k, len(alone), seed=(seed, 1))
    return Material(
        rows,
        shared,
        own,
        write(tokenizer, wording, rows.pool, shared.for_every(len(common)), common),
        write(tokenizer, wording, rows.pool, own, alone),
        halves(len(rows.queries), seed=(run.data_seed, 1)),
    )


def probe_prompts(tokenizer: PreTrainedTokenizerBase, rows: TaskRows, shown: Demonstrations) -> Prompts:
    """Demonstration sets in front of the first query. (sets,)"""
    return write(tokenizer, _wording(rows), rows.pool, shown.for_every(1), rows.queries[:1])[:, 0]


def halves(queries: int, *, seed: Seed) -> Half:
    """Each query's half; every first part of the queries is split nearly evenly, too."""
    rng = np.random.default_rng(seed)
    pairs = [rng.permutation([False, True]) for _ in range(-(-queries // 2))]
    return np.concatenate(pairs)[:queries] if pairs else np.zeros(0, dtype=bool)


def _wording(rows: TaskRows) -> Wording:
    return Wording(rows.task.format, tuple(rows.task.label_words))
