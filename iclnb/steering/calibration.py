"""What people do about a prompt's preference for a label word: divide by a prior of the same prompt.

All three methods divide the probabilities of the label words by their mean over some inputs behind the same
demonstrations. They differ in the inputs:

- contextual calibration (Zhao et al., ICML 2021): content-free ones, "N/A", "[MASK]" and nothing at all;
- batch calibration (Zhou et al., ICLR 2024): the test points themselves, without their labels;
- domain-context calibration (Fei et al., ACL 2023): random words of the task's texts, as many as a text has.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from iclnb.llm.data.tasks import Task
from iclnb.llm.demonstrations import Demonstrations, Row, Seed
from iclnb.steering.findings import BATCH, CONTEXTUAL, DOMAIN, METHODS
from iclnb.steering.study import Condition, Study, Texts

CONTENT_FREE = ("N/A", "[MASK]", "")  # Inputs without content (Zhao et al. 2021, section 5)


def calibrate(
    answers: Float[np.ndarray, "*prompts words"], prior: Float[np.ndarray, "*#prompts words"]
) -> Float[np.ndarray, "*prompts words"]:
    """Log-probabilities less the logarithm of their prior, up to a constant of each prompt.

    The largest is that of W p with W = diag(prior)⁻¹ (Zhao et al. 2021, section 5; Fei et al. 2023, section
    3) and of log p - log prior (Zhou et al. 2024, section 3).
    """
    return answers - np.log(prior)


def domain_rows(task: Task, rows: Sequence[Row], count: int, *, seed: Seed) -> list[Row]:
    """Inputs of random words, drawn from all words of some rows; as long as these are on average."""
    rng, made = np.random.default_rng(seed), [{} for _ in range(count)]
    for column in task.inputs:
        words = [word for row in rows for word in row[column].split()]
        length = max(1, round(len(words) / len(rows)))
        for row, drawn in zip(made, rng.integers(len(words), size=(count, length)), strict=True):
            row[column] = " ".join(words[i] for i in drawn)
    return made


def measure(
    study: Study, shown: Demonstrations, domain: Sequence[Row]
) -> tuple[Float[np.ndarray, "sets orders points words"], Float[np.ndarray, "methods sets orders words"]]:
    """The model's answers behind each set in each order, and the prior of every prompt by :data:`METHODS`."""
    neutral = [dict.fromkeys(study.task.inputs, text) for text in CONTENT_FREE]
    asked = [*study.queries.rows, *neutral, *domain]
    texts = Texts(asked, np.zeros((len(asked), 0)))
    found = study.answers(Condition(shown.for_every(len(asked)), queries=texts))
    points, free = study.points, study.points + len(neutral)
    parts = {
        CONTEXTUAL: found[..., points:free, :],
        BATCH: found[..., :points, :],
        DOMAIN: found[..., free:, :],
    }
    return found[..., :points, :], np.stack([np.exp(parts[method]).mean(-2) for method in METHODS])


def first(study: Study, points: int) -> Study:
    """The study with its first test points alone."""
    queries = Texts(*(part[:points] for part in study.queries))
    return replace(study, queries=queries, truth=study.truth[:points])
