"""Conditions put to the model, and to kernel regression on the same demonstrations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float, Int

from iclnb.kernel_regression import Bandwidth, gaussian_weights, kernel_regression
from iclnb.llm.data.tasks import Task
from iclnb.llm.demonstrations import Demonstrations, Prompts, Row, write
from iclnb.llm.kernel_weights import KernelWeights
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader
from iclnb.steering.measures import Choices, choices

Key = TypeVar("Key")


class Texts(NamedTuple):
    """Rows of a task with their embeddings, which are all that the kernel sees of them.

    Attributes:
        rows: for the model.
        vectors: for kernel regression.
    """

    rows: Sequence[Row]
    vectors: Float[np.ndarray, "texts dim"]


@dataclass(frozen=True)
class Condition:
    """What is shown to the model. What is ``None`` is as the study has it.

    Attributes:
        shown: the demonstrations. (*sets, points, k)
        wording: format and label words.
        pool: the texts of the pool, perturbed perhaps.
        queries: the texts of the test points.
        similarity: of the query with each demonstration, in place of the study's Gaussian kernel.
    """

    shown: Demonstrations
    wording: Wording | None = None
    pool: Texts | None = None
    queries: Texts | None = None
    similarity: Float[np.ndarray, "*sets points k"] | None = None


class Measured(NamedTuple):
    """The choices of the model and of kernel regression under one condition."""

    model: Choices
    kernel: Choices


@dataclass(frozen=True)
class Study:
    """What every condition is measured with.

    Attributes:
        reader: the model.
        task: gives the wording.
        pool: where demonstrations come from.
        labels: of the pool.
        queries: the test points.
        truth: their labels.
        bandwidth: of the Gaussian kernel, with its log-loss on held-out rows.
    """

    reader: Reader
    task: Task
    pool: Texts
    labels: Int[np.ndarray, " pool"]
    queries: Texts
    truth: Int[np.ndarray, " points"]
    bandwidth: Bandwidth

    @property
    def wording(self) -> Wording:
        """The task's own format and label words."""
        return Wording(self.task.format, tuple(self.task.label_words))

    @property
    def points(self) -> int:
        """How many test points there are."""
        return len(self.truth)

    def first(self, points: int) -> "Study":
        """The same with the first test points alone."""
        queries = Texts(*(part[:points] for part in self.queries))
        return replace(self, queries=queries, truth=self.truth[:points])

    def prompts(self, condition: Condition) -> Prompts:
        """The prompts of a condition. (*sets, points)"""
        pool, queries = condition.pool or self.pool, condition.queries or self.queries
        wording = condition.wording or self.wording
        return write(self.reader.tokenizer, wording, pool.rows, condition.shown, queries.rows)

    def answers(self, condition: Condition) -> Choices:
        """The model's choices.

        Raises:
            IclnbError: if two label words give the same tokens.
        """
        found = self.reader.answers(self.prompts(condition), condition.wording or self.wording)
        return choices(found, self._truth(condition))

    def zero_shot(self, wording: Wording) -> Choices:
        """The model's choices without demonstrations."""
        none = np.zeros((self.points, 0), dtype=int)
        return self.answers(Condition(Demonstrations(none, none), wording))

    def kernel_weights(self, condition: Condition) -> KernelWeights:
        """Every head's weights on the demonstrations, beside the model's answers."""
        wording = condition.wording or self.wording
        return self.reader.kernel_weights(self.prompts(condition), wording, self._truth(condition))

    def distances(self, condition: Condition) -> Float[np.ndarray, "*sets points k"]:
        """Euclidean distances of each test point from its demonstrations, by their embeddings."""
        pool, queries = condition.pool or self.pool, condition.queries or self.queries
        return distances(pool.vectors, queries.vectors, condition.shown)

    def kernel_answers(self, condition: Condition, *, bandwidth: float | None = None) -> Choices:
        """The choices of kernel regression, which has no other words to say.

        Args:
            condition: its own similarity is the kernel, or the Gaussian one; its wording makes no difference.
            bandwidth: of the Gaussian kernel, in place of the study's own.
        """
        weights = condition.similarity
        if weights is None:
            weights = gaussian_weights(self.distances(condition), bandwidth or self.bandwidth.value)
        found = kernel_regression(weights, condition.shown.labels, len(self.task.classes))
        return Choices(found, np.zeros(found.shape[:-1]), self._truth(condition))

    def measure(self, condition: Condition) -> Measured:
        """Both choices."""
        return Measured(self.answers(condition), self.kernel_answers(condition))

    def measure_all(self, conditions: Mapping[Key, Condition]) -> dict[Key, Measured]:
        """Both choices under each of several conditions."""
        return {key: self.measure(condition) for key, condition in conditions.items()}

    def _truth(self, condition: Condition) -> Int[np.ndarray, "*sets points"]:
        return np.broadcast_to(self.truth, condition.shown.rows.shape[:-1])


def distances(
    pool: Float[np.ndarray, "pool dim"], queries: Float[np.ndarray, "points dim"], shown: Demonstrations
) -> Float[np.ndarray, "*sets points k"]:
    """Euclidean distances of queries from the demonstrations that each is shown with."""
    return np.linalg.norm(pool[shown.rows] - queries[:, None], axis=-1)
