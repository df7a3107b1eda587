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
    """Rows of a task with their embeddings, which are all that the kernel sees of them."""

    rows: Sequence[Row]  # for the model
    vectors: Float[np.ndarray, "texts dim"]  # for kernel regression


@dataclass(frozen=True)
class Condition:
    """What is shown to the model. What is ``None`` is as the study has it."""

    shown: Demonstrations  # the demonstrations. (*sets, points, k)
    wording: Wording | None = None  # format and label words
    pool: Texts | None = None  # the texts of the pool, perturbed perhaps
    queries: Texts | None = None  # the texts of the test points


@dataclass(frozen=True)
class Study:
    """What every condition is measured with."""

    reader: Reader  # the model
    task: Task  # gives the wording
    pool: Texts  # where demonstrations come from
    labels: Int[np.ndarray, " pool"]  # of the pool
    queries: Texts  # the test points
    truth: Int[np.ndarray, " points"]  # their labels
    bandwidth: Bandwidth  # of the Gaussian kernel, with its log-loss on held-out rows

    @property
    def wording(self) -> Wording:
        """The task's own format and label words."""
        return Wording(self.task.format, tuple(self.task.label_words))

    @property
    def points(self) -> int:
        """How many test points there are."""
        return len(self.truth)

    def answers(self, condition: Condition) -> Float[np.ndarray, "*sets points words"]:
        """Log-probabilities of the label words among themselves. Raises IclnbError if two give the same tokens."""
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
