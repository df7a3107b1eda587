"""What chapter 03 draws: prompts of one task, with shared and with fresh demonstrations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from transformers import PreTrainedTokenizerBase

from iclnb.heads.interventions import label_partners
from iclnb.llm.demonstrations import Demonstrations, Prompts, TaskRows, draw, task_rows, write
from iclnb.llm.kernel_weights import VARIANTS, KernelWeights
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import (
    Compare,
    bm25,
    embedding_similarity,
    prediction_similarity,
    to_demonstrations,
)


@dataclass(frozen=True)
class Material:
    """Prompts of one task, and the demonstrations that they show.

    Attributes:
        rows: the pool that demonstrations come from, and the test points.
        shared: demonstration sets, each shown with every test point. (sets, k)
        fresh: a set drawn anew for each of the first test points. (prompts, k)
        shared_prompts: (sets, points)
        fresh_prompts: (prompts,)
    """

    rows: TaskRows
    shared: Demonstrations
    fresh: Demonstrations
    shared_prompts: Prompts
    fresh_prompts: Prompts

    @property
    def wording(self) -> Wording:
        """The task's own format and label words."""
        return _wording(self.rows)

    @property
    def truth(self) -> Int[np.ndarray, " points"]:
        """The label of every test point."""
        return self.rows.truth

    def first(self, points: int) -> "Material":
        """The same with the first test points alone."""
        return replace(
            self,
            rows=self.rows.first(points),
            fresh=self.fresh.take(slice(points)),
            shared_prompts=self.shared_prompts[:, :points],
            fresh_prompts=self.fresh_prompts[:points],
        )

    def relabelled(self, tokenizer: PreTrainedTokenizerBase, *, seed: int) -> Prompts:
        """The shared prompts, in each set every label replaced by that of its partner of another class.

        Sets whose labels are all of one class stay as they are.

        Args:
            tokenizer: that the prompts were written for.
            seed: of :func:`iclnb.heads.interventions.label_partners`.
        """
        labels = np.array([_swapped(row, seed) for row in self.shared.labels])
        shown = self.shared.relabelled(labels).for_every(len(self.truth))
        return write(tokenizer, self.wording, self.rows.pool, shown, self.rows.queries)

    def similarity(self, compare: Compare) -> Float[np.ndarray, "sets points k"]:
        """How alike every test point is to every demonstration of the shared sets."""
        texts = self.rows.texts(self.rows.queries), self.rows.texts(self.rows.pool)
        return to_demonstrations(compare, *texts, self.shared.for_every(len(self.truth)))

    def fresh_similarity(self, compare: Compare) -> Float[np.ndarray, "prompts k"]:
        """How alike the query of every fresh prompt is to its demonstrations."""
        prompts = len(self.fresh_prompts)
        if not prompts:
            return np.empty((0, self.fresh.k))
        queries = self.rows.texts(self.rows.queries[:prompts])
        return to_demonstrations(compare, queries, self.rows.texts(self.rows.pool), self.fresh)

    def similarities(self, reader: Reader) -> dict[str, Float[np.ndarray, "sets points k"]]:
        """The paper's similarity of texts (section 5.3), and its rivals: embeddings, and overlap of words."""
        compared = {
            "prediction": prediction_similarity(reader),
            "embedding": embedding_similarity(),
            "lexical": bm25,
        }
        return {name: self.similarity(compare) for name, compare in compared.items()}

    def prediction_readings(self, reader: Reader) -> dict[str, Float[np.ndarray, "sets points k"]]:
        """Prediction similarity of the texts run alone, as the paper has it, and with the cue behind each.

        With the cue the model predicts a label, so that this reading can follow labels where it knows them.
        """
        compare, cue = prediction_similarity(reader), self.rows.task.format.cue

        def with_cue(queries: Sequence[str], texts: Sequence[str]) -> np.ndarray:
            return compare([text + cue for text in queries], [text + cue for text in texts])

        return {"texts alone": self.similarity(compare), "with the cue": self.similarity(with_cue)}


def draw_material(
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    *,
    k: int,
    sets: int,
    points: int,
    fresh: int,
    data_seed: int,
    demonstration_seed: int,
    source: str = "auto",
) -> Material:
    """Draw test points and demonstrations, and write the prompts.

    Args:
        tokenizer: a fast tokeniser.
        name: a task.
        k: demonstrations per prompt.
        sets: demonstration sets that all test points share.
        points: test points, or as many as the task has.
        fresh: how many of the test points also get a fresh set.
        data_seed: choice of test points.
        demonstration_seed: choice of demonstrations.
        source: as in :func:`iclnb.llm.data.tasks.load`.

    Raises:
        IclnbError: unknown task or source, data out of reach, or a pool smaller than ``k``.
    """
    rows = task_rows(name, points, seed=data_seed, source=source, at_most=True)
    some = rows.queries[:fresh]
    shared = draw(rows.labels, k, sets, seed=demonstration_seed)
    own = draw(rows.labels, k, len(some), seed=(demonstration_seed, 1))
    every = shared.for_every(len(rows.queries))
    wording = _wording(rows)
    return Material(
        rows,
        shared,
        own,
        write(tokenizer, wording, rows.pool, every, rows.queries),
        write(tokenizer, wording, rows.pool, own, some),
    )


def probe_prompts(
    tokenizer: PreTrainedTokenizerBase, rows: TaskRows, k: int, sets: int, *, seed: int
) -> tuple[Prompts, list[str]]:
    """Demonstration sets for probes (section 5.4), each in front of the first test point.

    Args:
        tokenizer: a fast tokeniser.
        rows: of the task.
        k: demonstrations per set.
        sets: how many.
        seed: of the demonstrations, which are others than :func:`draw_material` draws.

    Returns:
        The prompts (sets,), and the texts x_i of all demonstrations in their order.
    """
    shown = draw(rows.labels, k, sets, seed=(seed, 2))
    prompts = write(tokenizer, _wording(rows), rows.pool, shown.for_every(1), rows.queries[:1])
    return prompts[:, 0], rows.texts([rows.pool[row] for row in shown.rows.ravel()])


class Weights(NamedTuple):
    """Kernel weights of every head, under both ways to choose demonstrations.

    Attributes:
        shared: over (sets, points).
        fresh: over prompts; ``None`` where none was drawn.
    """

    shared: KernelWeights
    fresh: KernelWeights | None


def measure(reader: Reader, material: Material) -> Weights:
    """Read all prompts once; what is kept of each are its kernel weights and the model's answer."""
    kept = {"variants": VARIANTS}
    shared = reader.kernel_weights(material.shared_prompts, material.wording, material.truth, **kept)
    prompts = material.fresh_prompts
    if not len(prompts):
        return Weights(shared, None)
    truth = material.truth[: len(prompts)]
    return Weights(shared, reader.kernel_weights(prompts, material.wording, truth, **kept))


def split(points: int, share: float = 0.7, *, seed: int) -> Bool[np.ndarray, " points"]:
    """Which test points choose the head (True) and which judge it (False): 700 + 300 of the paper's 1000."""
    chosen = np.zeros(points, dtype=bool)
    chosen[np.random.default_rng(seed).permutation(points)[: round(share * points)]] = True
    return chosen


def _wording(rows: TaskRows) -> Wording:
    return Wording(rows.task.format, tuple(rows.task.label_words))


def _swapped(labels: Int[np.ndarray, " k"], seed: int) -> Int[np.ndarray, " k"]:
    if len(set(labels.tolist())) < 2:
        return labels
    return labels[label_partners(labels.tolist(), seed=seed)]
