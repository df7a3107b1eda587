"""Conditions put to a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.tasks import Task
from iclnb.llm.demonstrations import Demonstrations, Row, write
from iclnb.llm.prompts import Wording
from iclnb.llm.reader import Reader


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
    """

    shown: Demonstrations
    wording: Wording | None = None
    pool: Texts | None = None
    queries: Texts | None = None


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

    def answers(self, condition: Condition) -> Float[np.ndarray, "*sets points words"]:
        """Log-probabilities of the label words, among the label words.

        Raises:
            IclnbError: if two label words give the same tokens.
        """
        pool, queries = condition.pool or self.pool, condition.queries or self.queries
        wording = condition.wording or self.wording
        prompts = write(self.reader.tokenizer, wording, pool.rows, condition.shown, queries.rows)
        return special.log_softmax(self.reader.answers(prompts, wording), axis=-1)

    def zero_shot(self) -> Float[np.ndarray, "points words"]:
        """The same without demonstrations."""
        none = np.zeros((self.points, 0), dtype=int)
        return self.answers(Condition(Demonstrations(none, none)))

    def distances(self, condition: Condition) -> Float[np.ndarray, "points k"]:
        """Euclidean distances of each test point from its demonstrations, by their embeddings."""
        pool, queries = condition.pool or self.pool, condition.queries or self.queries
        return distances(pool.vectors, queries.vectors, condition.shown)


def distances(
    pool: Float[np.ndarray, "pool dim"], queries: Float[np.ndarray, "points dim"], shown: Demonstrations
) -> Float[np.ndarray, "points k"]:
    """Euclidean distances of queries from the demonstrations that each is shown with."""
    return np.linalg.norm(pool[shown.rows] - queries[:, None], axis=-1)
