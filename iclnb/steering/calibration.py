"""What people do about a prompt's preference for a label word: divide by a prior of the same prompt.

All three methods divide the probabilities of the label words by their mean over some inputs behind the same
demonstrations. They differ in the inputs:

- contextual calibration (Zhao et al., ICML 2021): content-free ones, "N/A", "[MASK]" and nothing at all;
- batch calibration (Zhou et al., ICLR 2024): the test points themselves, without their labels;
- domain-context calibration (Fei et al., ACL 2023): random words of the task's texts, as many as a text has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from iclnb.llm.data.tasks import Task
from iclnb.llm.demonstrations import Demonstrations, Row, Seed, write
from iclnb.steering.measures import Choices, choices
from iclnb.steering.study import Study

RAW, CONTEXTUAL, BATCH, DOMAIN = "none", "contextual", "batch", "domain-context"
METHODS = (CONTEXTUAL, BATCH, DOMAIN)
"""Methods of calibration, in the order of their papers' names above."""

CONTENT_FREE = ("N/A", "[MASK]", "")
"""Inputs without content (Zhao et al. 2021, section 5)."""


@dataclass(frozen=True)
class Ordered:
    """The answers behind demonstration sets, each in several orders, and the priors of every prompt.

    Attributes:
        labels: of the demonstrations. (sets, orders, k)
        raw: the model's choices. (sets, orders, points)
        priors: by method, the mean probabilities of the label words. (sets, orders, words)
    """

    labels: Int[np.ndarray, "sets orders k"]
    raw: Choices
    priors: Mapping[str, Float[np.ndarray, "sets orders words"]]

    def calibrated(self, method: str, *, elsewhere: bool = False) -> Choices:
        """The choices under a method, or as they are (``"none"``).

        Args:
            method: one of :data:`METHODS`, or ``"none"``.
            elsewhere: whether each set's answers are divided by the priors of the next set: the null, which
                corrects what all prompts prefer but not what this one does.
        """
        if method == RAW:
            return self.raw
        prior = self.priors[method]
        prior = np.roll(prior, -1, axis=0) if elsewhere else prior
        divided = calibrate(self.raw.probabilities, prior[..., None, :])
        return Choices(divided, self.raw.outside, self.raw.truths)


def calibrate(
    probabilities: Float[np.ndarray, "*prompts words"], prior: Float[np.ndarray, "*#prompts words"]
) -> Float[np.ndarray, "*prompts words"]:
    """Probabilities of the label words divided by their prior, renormalised.

    The largest is that of W p with W = diag(prior)⁻¹ (Zhao et al. 2021, section 5; Fei et al. 2023, section
    3) and of log p - log prior (Zhou et al. 2024, section 3).
    """
    divided = probabilities / prior
    return divided / divided.sum(-1, keepdims=True)


def domain_rows(task: Task, rows: Sequence[Row], count: int, *, seed: Seed) -> list[Row]:
    """Inputs of random words, drawn from all words of some rows; as long as these are on average.

    Args:
        task: gives the text columns.
        rows: unlabelled texts of the task.
        count: how many inputs (Fei et al. take 20).
        seed: of the words.
    """
    rng, made = np.random.default_rng(seed), [{} for _ in range(count)]
    for column in task.inputs:
        words = [word for row in rows for word in row[column].split()]
        length = max(1, round(len(words) / len(rows)))
        for row, drawn in zip(made, rng.integers(len(words), size=(count, length)), strict=True):
            row[column] = " ".join(words[i] for i in drawn)
    return made


def measure(study: Study, shown: Demonstrations, domain: Sequence[Row]) -> Ordered:
    """The model's choices behind each set in each order, and the priors of the three methods.

    Args:
        study: the model and the test points.
        shown: the sets in their orders. (sets, orders, k)
        domain: :func:`domain_rows`.
    """
    neutral = [dict.fromkeys(study.task.inputs, text) for text in CONTENT_FREE]
    asked = [*study.queries.rows, *neutral, *domain]
    prompts = write(
        study.reader.tokenizer, study.wording, study.pool.rows, shown.for_every(len(asked)), asked
    )
    logs = study.reader.answers(prompts, study.wording)
    truth = np.zeros(logs.shape[:-1], dtype=int)
    truth[..., : study.points] = study.truth
    every = choices(logs, truth)
    points, free = study.points, study.points + len(neutral)
    of = every.probabilities
    priors = {
        CONTEXTUAL: of[:, :, points:free].mean(2),
        BATCH: of[:, :, :points].mean(2),
        DOMAIN: of[:, :, free:].mean(2),
    }
    raw = Choices(of[:, :, :points], every.outside[..., :points], every.truths[..., :points])
    return Ordered(shown.labels, raw, priors)
