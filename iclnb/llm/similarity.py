"""How alike two texts are: by sentence embeddings, by what a model predicts after them, by their words."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from iclnb.llm.demonstrations import Demonstrations
from iclnb.llm.loading.models import ENCODER, load_encoder
from iclnb.llm.reader import Reader


def embed(texts: Sequence[str], encoder: str = ENCODER) -> Float[np.ndarray, "texts dim"]:
    """Embeddings of unit length by all-MiniLM-L6-v2 or another encoder; their products are cosines.

    Raises IclnbError if the encoder has to be fetched and cannot be.
    """
    encoded = load_encoder(encoder).encode(list(texts), show_progress_bar=False, normalize_embeddings=True)
    return np.asarray(encoded, dtype=float)


Compare = Callable[[Sequence[str], Sequence[str]], Float[np.ndarray, "queries texts"]]
"""From some texts and others to the similarity of each with each."""


def prediction_similarity(reader: Reader) -> Compare:
    """sim(x, x') = P(o | x)ᵀ P(o | x'), each text alone in the prompt (paper A, section 5.3)."""
    return _products(reader.next_token_probabilities)


def embedding_similarity(encoder: str = ENCODER) -> Compare:
    """Cosine of sentence embeddings, by all-MiniLM-L6-v2 or another encoder (a folder or a hub id).

    What is returned raises IclnbError if the encoder cannot be had.
    """
    return _products(lambda texts: embed(texts, encoder))


def _products(vectors: Callable[[Sequence[str]], Float[np.ndarray, "texts dim"]]) -> Compare:
    def compare(queries: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        found = vectors([*queries, *texts])
        return found[: len(queries)] @ found[len(queries) :].T

    return compare


def to_demonstrations(
    compare: Compare, queries: Sequence[str], pool: Sequence[str], shown: Demonstrations
) -> Float[np.ndarray, "*sets points k"]:
    """The similarity of every test point with each of its demonstrations."""
    used, where = np.unique(shown.rows, return_inverse=True)
    table = compare(queries, [pool[row] for row in used])
    points = np.arange(len(queries))[:, None]
    return table[points, where.reshape(shown.rows.shape)]


def bm25(queries: Sequence[str], pool: Sequence[str]) -> Float[np.ndarray, "queries pool"]:
    """Lexical overlap: BM25 of each query with each row of the pool (Lucene's variant, of ``bm25s``).

    With k1 = 1.5 and b = 0.75. Words are runs of letters and digits in lower case, none left out; a word that
    a query repeats counts as often as it stands there.
    """
    import bm25s  # loads jax where that is installed

    words = {"stopwords": [], "show_progress": False, "token_pattern": r"(?u)\b\w+\b"}
    index = bm25s.BM25(k1=1.5, b=0.75, method="lucene", dtype="float64")
    index.index(bm25s.tokenize(list(pool), return_ids=False, **words), show_progress=False)
    asked = bm25s.tokenize(list(queries), return_ids=False, **words)
    return np.stack([_scores(index, words, len(pool)) for words in asked])


def _scores(index, words: Sequence[str], pool: int) -> Float[np.ndarray, " pool"]:
    known = [word for word in words if word in index.vocab_dict]
    return index.get_scores(known) if known else np.zeros(pool)
