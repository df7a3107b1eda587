"""What might predict influence without a look inside the model: likeness of texts, and what they mean."""

import numpy as np
from jaxtyping import Float

from iclnb.influence.material import Material
from iclnb.llm.demonstrations import Demonstrations, TaskRows, write
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import bm25, embed

RIVALS = ("embeddings", "words in common", "classes", "zero-shot log-odds", "zero-shot classes")


def rivals(reader: Reader, rows: TaskRows, material: Material) -> Float[np.ndarray, "rivals sets points k"]:
    """What each of :data:`RIVALS` says of every query and every demonstration of its set.

    - *embeddings*: the cosine by all-MiniLM-L6-v2.
    - *words in common*: BM25.
    - *classes*: 1 where both have the same true label, else 0.
    - *zero-shot log-odds*: a model may infer from the demonstrations which word stands for which label, and apply
      that to what it takes the query for by itself. To first order, a demonstration then has the influence
      ⟨z_i, z_q⟩, with z the zero-shot log-odds of the labels minus their mean over texts: of rank one where
      there are two, and negative where two texts mean the opposite.
    - *zero-shot classes*: the same with 1 for the likeliest label in the place of its log-odds.
    """
    sets, points, k = *material.queries.shape, material.rows.shape[1]
    asked = [rows.queries[i] for i in material.queries.ravel()]
    shown = [rows.pool[i] for i in material.rows.ravel()]
    texts = rows.texts([*asked, *shown])

    def by_set(features: Float[np.ndarray, "texts width"]) -> Float[np.ndarray, "sets points k"]:
        one, other = np.split(features, [len(asked)])
        return one.reshape(sets, points, -1) @ other.reshape(sets, k, -1).swapaxes(1, 2)

    common = bm25(texts[: len(asked)], texts[len(asked) :]).reshape(sets, points, sets, k)
    classes = np.concatenate([material.truth.ravel(), material.labels.ravel()])
    none = np.zeros((len(texts), 0), dtype=int)
    alone = write(reader.tokenizer, material.wording, rows.pool, Demonstrations(none, none), [*asked, *shown])
    meaning = reader.answers(alone, material.wording)
    meaning = meaning - meaning.mean(-1, keepdims=True)
    meaning = meaning - meaning.mean(0)
    words = np.eye(meaning.shape[-1])
    return np.stack(
        [
            by_set(embed(texts)),
            common[np.arange(sets), :, np.arange(sets)],
            by_set(words[classes]),
            by_set(meaning),
            by_set(words[meaning.argmax(-1)] - 1 / len(words)),
        ]
    )
