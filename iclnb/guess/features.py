"""What the small model sees of a pair of sentences: |u - v| and u ∘ v of their embeddings, scaled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def compare(
    u: Float[np.ndarray, "pairs dim"], v: Float[np.ndarray, "pairs dim"]
) -> Float[np.ndarray, "pairs 2*dim"]:
    """|u - v| beside u ∘ v: the same for (v, u), and the sum of the second half is the cosine similarity.

    Source: the symmetric part of InferSent's features (Conneau et al. 2017).
    """
    return np.concatenate([np.abs(u - v), u * v], axis=1).astype(np.float64)


def encode_pairs(
    encoder: "SentenceTransformer", rows: Iterable[Mapping[str, object]], *, batch_size: int = 64
) -> Float[np.ndarray, "pairs features"]:
    """:func:`compare` for rows with ``sentence1`` and ``sentence2``; a sentence met twice is encoded once."""
    pairs = [(str(row["sentence1"]), str(row["sentence2"])) for row in rows]
    texts = sorted({text for pair in pairs for text in pair})
    vectors = encoder.encode(texts, batch_size=batch_size, show_progress_bar=False)
    found = dict(zip(texts, np.asarray(vectors), strict=True))
    return compare(*(np.stack([found[pair[i]] for pair in pairs]) for i in (0, 1)))


@dataclass(frozen=True)
class Scaling:
    """Features centred, and each half divided by the root mean square of its norm.

    An entry of u ∘ v is some ten times smaller than one of |u - v|; scaled so, both halves learn at one rate.
    """

    mean: Float[np.ndarray, " features"]  # subtracted from each feature
    divisor: Float[np.ndarray, " features"]  # of each feature; the same within a half

    @classmethod
    def fit(cls, compared: Float[np.ndarray, "pairs features"]) -> "Scaling":
        """The scaling of these pairs: afterwards each half has mean square norm 1."""
        mean = compared.mean(0)
        halves = np.split(compared - mean, 2, axis=1)
        norms = [max(np.sqrt((half**2).sum(1).mean()), np.finfo(float).tiny) for half in halves]
        return cls(mean, np.repeat(norms, compared.shape[1] // 2))

    def __call__(self, compared: Float[np.ndarray, "pairs features"]) -> Float[np.ndarray, "pairs inputs"]:
        """φ(x): the scaled features and, last, a constant 1."""
        scaled = (compared - self.mean) / self.divisor
        return np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
