"""The material of notebook 03: prompts of one task, with shared demonstrations and with their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from jaxtyping import Float, Int
from transformers import PreTrainedTokenizerBase

from iclnb.heads.interventions import label_partners
from iclnb.llm import draws
from iclnb.llm.data import tasks
from iclnb.llm.data.definitions import Task
from iclnb.llm.draws import fresh_demonstrations
from iclnb.llm.models import ENCODER, LoadedModel
from iclnb.llm.prompts import Prompt
from iclnb.llm.reading import label_tokens, next_token_probabilities
from iclnb.llm.similarity import bm25, embed


@dataclass(frozen=True)
class Material:
    """Prompts of one task, and which rows they show.

    Attributes:
        task: the task.
        pool: rows that demonstrations come from.
        queries: the test points.
        shared: for each demonstration set the prompts of all test points.
        shared_rows: rows of ``pool`` in each set. (sets, k)
        fresh: prompts of the first test points, each with a set of its own.
        fresh_rows: rows of ``pool`` in each. (prompts, k)
        tokens: the label words' tokens.
    """

    task: Task
    pool: Dataset
    queries: Dataset
    shared: list[list[Prompt]]
    shared_rows: Int[np.ndarray, "sets k"]
    fresh: list[Prompt]
    fresh_rows: Int[np.ndarray, "prompts k"]
    tokens: list[int]

    @property
    def truth(self) -> list[int]:
        """The label of every test point."""
        return [self.task.label(row) for row in self.queries]

    def texts(self, rows: Sequence[int] | None = None) -> list[str]:
        """x, filled in as in the prompts: of rows of the pool, or of all test points."""
        chosen = self.queries if rows is None else self.pool.select(rows)
        return [self.task.format.x.format_map(row) for row in chosen]


def gather(
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
        fresh: how many of the test points also get a set of their own.
        data_seed: choice of test points.
        demonstration_seed: choice of demonstrations.
        source: as in :func:`iclnb.llm.data.tasks.load`.

    Raises:
        IclnbError: unknown task or source, data out of reach, label words that one token cannot tell apart.
    """
    task = tasks.get(name)
    pool, queries = draws.pool_and_queries(name, points, seed=data_seed, source=source, at_most=True)
    some = queries.select(range(min(fresh, len(queries))))
    own_seed = demonstration_seed + 1
    return Material(
        task=task,
        pool=pool,
        queries=queries,
        shared=draws.shared_prompts(tokenizer, task, pool, queries, k=k, sets=sets, seed=demonstration_seed),
        shared_rows=fresh_demonstrations(len(pool), k, sets, seed=demonstration_seed),
        fresh=draws.fresh_prompts(tokenizer, task, pool, some, k=k, seed=own_seed),
        fresh_rows=fresh_demonstrations(len(pool), k, len(some), seed=own_seed),
        tokens=label_tokens(tokenizer, task.format, task.label_words),
    )


def likeness(
    material: Material, compare: Callable[[list[str], list[str]], Float[np.ndarray, "queries texts"]]
) -> Float[np.ndarray, "sets points k"]:
    """The similarity of every test point to every demonstration of the shared sets.

    Args:
        material: gives the texts.
        compare: similarity of each of some texts to each of others.
    """
    sets, k = material.shared_rows.shape
    table = compare(material.texts(), material.texts(material.shared_rows.ravel()))
    return np.moveaxis(table.reshape(-1, sets, k), 0, 1)


def own_likeness(
    material: Material, compare: Callable[[list[str], list[str]], Float[np.ndarray, "queries texts"]]
) -> Float[np.ndarray, "prompts k"]:
    """The similarity of each fresh prompt's query to its demonstrations; see :func:`likeness`."""
    prompts, k = material.fresh_rows.shape
    if not prompts:
        return np.empty((0, k))
    table = compare(material.texts()[:prompts], material.texts(material.fresh_rows.ravel()))
    return table.reshape(prompts, prompts, k)[np.arange(prompts), np.arange(prompts)]


def demonstration_texts(material: Material, sets: int, *, seed: int) -> list[str]:
    """x_i of demonstration sets drawn with a seed, as :func:`iclnb.llm.draws.shared_prompts` draws them."""
    k = material.shared_rows.shape[1]
    return material.texts(fresh_demonstrations(len(material.pool), k, sets, seed=seed).ravel())


def relabelled(
    tokenizer: PreTrainedTokenizerBase, material: Material, demonstration_seed: int, *, seed: int
) -> list[list[Prompt]]:
    """The shared prompts, in each set every label replaced by that of its partner of another class.

    Sets of one class are left out, as there is nothing to exchange in them.

    Args:
        tokenizer: a fast tokeniser.
        material: from :func:`gather`.
        demonstration_seed: that it was drawn with.
        seed: of :func:`iclnb.heads.interventions.label_partners`.
    """

    def exchange(labels: Sequence[int]) -> list[int]:
        if len(set(labels)) < 2:
            return list(labels)
        return [labels[partner] for partner in label_partners(labels, seed=seed)]

    sets, k = material.shared_rows.shape
    made = draws.shared_prompts(
        tokenizer, material.task, material.pool, material.queries, k=k, sets=sets, seed=demonstration_seed,
        relabel=exchange,
    )  # fmt: skip
    return [prompts for prompts in made if len(set(prompts[0].labels)) > 1]


def prediction_similarity(loaded: LoadedModel) -> Callable[[list[str], list[str]], np.ndarray]:
    """sim(x, x') = P(o | x)ᵀ P(o | x'), each text alone in the prompt (paper A, section 5.3)."""

    def compare(queries: list[str], texts: list[str]) -> np.ndarray:
        said = next_token_probabilities(loaded, [*queries, *texts])
        return said[: len(queries)] @ said[len(queries) :].T

    return compare


def embedding_similarity(encoder: str = ENCODER) -> Callable[[list[str], list[str]], np.ndarray]:
    """Cosine of sentence embeddings, by all-MiniLM-L6-v2 or another encoder (a folder or a hub id).

    What is returned raises IclnbError if the encoder cannot be had.
    """

    def compare(queries: list[str], texts: list[str]) -> np.ndarray:
        found = embed([*queries, *texts], encoder)
        return found[: len(queries)] @ found[len(queries) :].T

    return compare


def lexical_similarity(queries: list[str], texts: list[str]) -> Float[np.ndarray, "queries texts"]:
    """BM25 of each query with each text."""
    return bm25(queries, texts)
