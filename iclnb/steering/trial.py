"""One condition put to the model, and to kernel regression on the same demonstrations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from iclnb.heads.kernel import Weighed, weigh
from iclnb.kernel_regression import gaussian_weights, kernel_regression
from iclnb.llm import reading
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Prompt
from iclnb.steering.conditions import write
from iclnb.steering.measures import Answers, answers_of


@dataclass(frozen=True)
class Table:
    """Which demonstrations each test point sees, and with which labels.

    Attributes:
        chosen: rows of the pool, in order; the axes before ``points`` are demonstration sets, orders, or
            none. (*sets, points, k)
        labels: label indices that they are shown with. (*sets, points, k)
    """

    chosen: Int[np.ndarray, "*sets points k"]
    labels: Int[np.ndarray, "*sets points k"]


def own(chosen: Int[np.ndarray, "points k"], labels: Int[np.ndarray, " pool"]) -> Table:
    """Every test point with demonstrations of its own, rightly labelled."""
    return Table(chosen, labels[chosen])


def shared(chosen: Int[np.ndarray, "*sets k"], labels: Int[np.ndarray, "*sets k"], points: int) -> Table:
    """Every demonstration set shown with every test point."""
    shape = (*chosen.shape[:-1], points, chosen.shape[-1])
    return Table(*(np.broadcast_to(part[..., None, :], shape) for part in (chosen, labels)))


def prompts_of(
    loaded: LoadedModel,
    format: Format,
    words: Sequence[str],
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    queries: Sequence[Mapping[str, Any]],
) -> list[Prompt]:
    """The prompts of a table, test points fastest (``rows`` are the pool, ``queries`` the test points)."""
    k = table.chosen.shape[-1]
    chosen, labels = (part.reshape(-1, k) for part in (table.chosen, table.labels))
    return write(
        loaded.tokenizer, format, words, rows, chosen, labels, [*queries] * (len(chosen) // len(queries))
    )


def ask(
    loaded: LoadedModel,
    format: Format,
    words: Sequence[str],
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    queries: Sequence[Mapping[str, Any]],
    truths: Int[np.ndarray, " points"],
    *,
    batch_size: int = 16,
) -> Answers:
    """The model's answers under one condition.

    Args:
        loaded: model and tokeniser.
        format: how demonstrations are written.
        words: the word of each label index.
        table: demonstrations and labels.
        rows: the pool.
        queries: the test points.
        truths: their right label indices.
        batch_size: queries per forward pass.

    Returns:
        Answers of the shape of the table without its last axis.

    Raises:
        IclnbError: if two label words begin with the same token.
    """
    made = prompts_of(loaded, format, words, table, rows, queries)
    tokens = reading.label_tokens(loaded.tokenizer, format, words)
    said = reading.answers(loaded, made, tokens, batch_size=batch_size)
    shape = table.chosen.shape[:-1]
    return answers_of(said.reshape(*shape, len(words)), np.broadcast_to(truths, shape))


def ask_without(
    loaded: LoadedModel,
    format: Format,
    wordings: Mapping[str, Sequence[str]],
    queries: Sequence[Mapping[str, Any]],
    truths: Int[np.ndarray, " points"],
    *,
    batch_size: int = 16,
) -> dict[str, Answers]:
    """Zero-shot answers under several sets of label words, which no prompt shows: one reading serves all.

    Args:
        loaded, format, queries, truths, batch_size: as in :func:`ask`.
        wordings: name -> the word of each label index.

    Raises:
        IclnbError: if two label words of a set begin with the same token.
    """
    none = np.zeros((len(queries), 0), dtype=int)
    tokens = {name: reading.label_tokens(loaded.tokenizer, format, words) for name, words in wordings.items()}
    every = sorted({token for found in tokens.values() for token in found})
    made = write(loaded.tokenizer, format, (), (), none, none, queries)
    said = reading.answers(loaded, made, every, batch_size=batch_size)
    return {
        name: answers_of(said[:, [every.index(token) for token in found]], truths)
        for name, found in tokens.items()
    }


def look(
    loaded: LoadedModel,
    format: Format,
    words: Sequence[str],
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    queries: Sequence[Mapping[str, Any]],
    truths: Int[np.ndarray, " points"],
    *,
    batch_size: int = 16,
) -> Weighed:
    """:func:`ask` for test points with demonstrations of their own, with every head's kernel weights a_i."""
    made = prompts_of(loaded, format, words, table, rows, queries)
    tokens = reading.label_tokens(loaded.tokenizer, format, words)
    return weigh(loaded, made, truths, tokens, batch_size=batch_size)


def distances(
    table: Table, rows: Float[np.ndarray, "pool dim"], queries: Float[np.ndarray, "points dim"]
) -> Float[np.ndarray, "*sets points k"]:
    """Euclidean distances of each test point from its demonstrations, by their embeddings."""
    return np.linalg.norm(rows[table.chosen] - queries[:, None], axis=-1)


def regressed(
    table: Table,
    rows: Float[np.ndarray, "pool dim"],
    queries: Float[np.ndarray, "points dim"],
    truths: Int[np.ndarray, " points"],
    *,
    bandwidth: float,
    classes: int,
) -> Answers:
    """What kernel regression (Gaussian kernel) on the same demonstrations and labels answers.

    Args:
        table: demonstrations and labels.
        rows: embeddings of the pool.
        queries: embeddings of the test points.
        truths: their right label indices.
        bandwidth: of the kernel.
        classes: number of labels.
    """
    weights = gaussian_weights(distances(table, rows, queries), bandwidth)
    shape = table.chosen.shape[:-1]
    found = kernel_regression(weights, table.labels, classes)
    return Answers(found, np.zeros(shape), np.broadcast_to(truths, shape))
