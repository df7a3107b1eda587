"""Which rows of a pool become a query's demonstrations, by how similar they are to it."""

import numpy as np
from jaxtyping import Float, Int

from iclnb.llm.demonstrations import Demonstrations, Seed
from iclnb.llm.similarity import bm25
from iclnb.steering.findings import EMBEDDINGS, PREDICTIONS, WORDS
from iclnb.steering.material import joined
from iclnb.steering.study import Study

Similarity = Float[np.ndarray, "points pool"]  # Of each test point with each row of the pool
BLOCK = 200  # Texts whose predictions over the whole vocabulary are held at a time


def nearest(
    similarity: Similarity, labels: Int[np.ndarray, " pool"], k: int, *, most: int, seed: Seed
) -> Demonstrations:
    """For each query the ``k`` rows of a pool that are most similar, with their labels as they fall.

    In each of k rounds every query, in an order drawn anew, takes the best row that is still free: a few rows
    far from everything, or near to everything, would else stand in every prompt. The order of a prompt's
    demonstrations is shuffled, so that which rows are chosen and where they stand are not confounded.

    Args:
        similarity: of each query with each row; its negative chooses the farthest.
        most: queries that a row may be chosen for; the pool must have at least queries * k / most rows.
    """
    (queries, pool), rng = similarity.shape, np.random.default_rng(seed)
    used, chosen = np.zeros(pool, dtype=int), np.empty((queries, k), dtype=int)
    for turn in range(k):
        for query in rng.permutation(queries):
            free = used < most
            free[chosen[query, :turn]] = False
            row = np.where(free, similarity[query], -np.inf).argmax()
            chosen[query, turn] = row
            used[row] += 1
    rows = rng.permuted(chosen, axis=1)
    return Demonstrations(rows, labels[rows])


def with_labels_of(shown: Demonstrations, labels: Int[np.ndarray, " pool"], *, seed: Seed) -> Demonstrations:
    """Random rows that carry the same labels in the same places as other demonstrations.

    What a model does with the labels of its prompt, such as counting them or repeating the last, it does
    here too; only which texts carry them is another matter.
    """
    rng, rows = np.random.default_rng(seed), np.empty_like(shown.rows)
    for row, wanted in zip(rows, shown.labels, strict=True):
        for label in np.unique(wanted):
            places = np.flatnonzero(wanted == label)
            row[places] = rng.choice(np.flatnonzero(labels == label), len(places), replace=False)
    return Demonstrations(rows, labels[rows])


def cosine(study: Study) -> Similarity:
    """Cosine of sentence embeddings."""
    return study.queries.vectors @ study.pool.vectors.T


def similarities(study: Study) -> dict[str, Similarity]:
    """By sentence embeddings, by what the model predicts after each text alone, and by words.

    The second is P(o | x)ᵀ P(o | x_i) (paper A, section 5.3), the third lexical overlap (BM25).
    """
    asked, shown = (joined(study.task, rows) for rows in (study.queries.rows, study.pool.rows))
    return {EMBEDDINGS: cosine(study), PREDICTIONS: _predictions(study), WORDS: bm25(asked, shown)}


def _predictions(study: Study) -> Similarity:
    """The pool a block at a time: its distributions over a vocabulary would fill the memory."""
    texts = [[study.task.format.x.format_map(row) for row in of.rows] for of in (study.queries, study.pool)]
    asked = study.reader.next_token_probabilities(texts[0])
    blocks = [texts[1][start : start + BLOCK] for start in range(0, len(texts[1]), BLOCK)]
    return np.concatenate([asked @ study.reader.next_token_probabilities(each).T for each in blocks], axis=1)
