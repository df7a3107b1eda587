"""Which rows of a pool become a query's demonstrations, by how similar they are to it."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from tqdm import tqdm

from iclnb.errors import IclnbError, unknown
from iclnb.llm.models import LoadedModel, load_encoder

STRATEGIES = ("random", "nearest", "farthest", "diverse")
"""Ways to choose; see :func:`choose`."""


def choose(
    similarity: Float[np.ndarray, "queries pool"],
    k: int,
    strategy: str,
    *,
    seed: int,
    among: Float[np.ndarray, "pool pool"] | None = None,
    balance: float = 0.5,
) -> Int[np.ndarray, "queries k"]:
    """The demonstrations of each query, in an order that says nothing.

    Args:
        similarity: of each query with each row of the pool.
        k: demonstrations per query.
        strategy: one of :data:`STRATEGIES`: ``random`` (uniform, without replacement), ``nearest`` and
            ``farthest`` (ties: the earlier row), or ``diverse``: maximal marginal relevance, which takes one
            row after the other, each with the largest ``balance * similarity to the query - (1 - balance) *
            similarity to the most similar row taken before`` (Carbonell and Goldstein, SIGIR 1998).
        seed: seeds the random choice and the order of the demonstrations. The order is shuffled under every
            strategy, so that which rows are chosen and where they stand are not confounded.
        among: similarity of the pool's rows among themselves, on the same scale; for ``diverse`` only.
        balance: relevance against diversity; 1 is ``nearest``.

    Returns:
        Row numbers of the pool.

    Raises:
        IclnbError: if the strategy is unknown or the pool has fewer than ``k`` rows.
        ValueError: if ``diverse`` has no ``among``.
    """
    queries, pool = similarity.shape
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    if k > pool:
        raise IclnbError(f"k = {k} demonstrations cannot be chosen from {pool} rows; take a larger pool")
    rng = np.random.default_rng(seed)
    if strategy == "random":
        return np.stack([rng.choice(pool, size=k, replace=False) for _ in range(queries)])
    if strategy == "diverse":
        if among is None:
            raise ValueError("diverse demonstrations need the similarities among the pool's rows")
        chosen = np.stack([_diverse(row, among, k, balance) for row in similarity])
    else:
        sign = -1 if strategy == "nearest" else 1
        chosen = np.argsort(sign * similarity, axis=1, kind="stable")[:, :k]
    return rng.permuted(chosen, axis=1)


def _diverse(
    relevance: Float[np.ndarray, " pool"], among: Float[np.ndarray, "pool pool"], k: int, balance: float
) -> Int[np.ndarray, " k"]:
    """Maximal marginal relevance, greedy."""
    taken: list[int] = []
    closest = np.zeros(len(relevance))
    for _ in range(k):
        gain = balance * relevance - (1 - balance) * closest
        gain[taken] = -np.inf
        taken.append(int(gain.argmax()))
        nearest = among[taken[-1]]
        closest = np.maximum(closest, nearest) if len(taken) > 1 else nearest.astype(float)
    return np.array(taken)


def embed(texts: Sequence[str]) -> Float[np.ndarray, "texts 384"]:
    """Embeddings of unit length by all-MiniLM-L6-v2; their products are cosines.

    Raises:
        IclnbError: if the encoder has to be fetched and cannot be.
    """
    encoded = load_encoder().encode(list(texts), show_progress_bar=False, normalize_embeddings=True)
    return np.asarray(encoded, dtype=float)


def next_token_probabilities(
    loaded: LoadedModel, texts: Sequence[str], *, batch_size: int = 16
) -> Float[np.ndarray, "texts vocabulary"]:
    """P(o | x): the distribution of the token that follows each text, the text alone in the prompt.

    The product of two such rows is the prediction similarity sim(x, x') = P(o | x)ᵀ P(o | x') (paper A,
    section 5.3).

    Raises:
        ValueError: if a text has no tokens.
    """
    rows: list[np.ndarray] = []
    for start in tqdm(range(0, len(texts), batch_size), desc="texts alone", unit="batch", disable=None):
        batch = loaded.tokenizer(
            list(texts[start : start + batch_size]), padding=True, padding_side="right", return_tensors="pt"
        )
        last = batch["attention_mask"].sum(1) - 1
        if (last < 0).any():
            raise ValueError("expected texts, got one without tokens")
        ends, where = last.unique(return_inverse=True)  # on the CPU: they index tensors on any device
        with torch.inference_mode():
            ids, mask = (batch[name].to(loaded.model.device) for name in ("input_ids", "attention_mask"))
            said = loaded.model(input_ids=ids, attention_mask=mask, logits_to_keep=ends, use_cache=False)
        logits = said.logits[torch.arange(len(last)), where]
        rows.append(logits.float().softmax(-1).cpu().numpy())
    return np.concatenate(rows)


def bm25(
    queries: Sequence[str], pool: Sequence[str], *, k1: float = 1.5, b: float = 0.75
) -> Float[np.ndarray, "queries pool"]:
    """Lexical overlap: BM25 of each query with each row of the pool (Lucene's variant, of ``bm25s``).

    Words are runs of letters and digits in lower case, none left out; a word that a query repeats counts
    as often as it stands there.

    Args:
        queries: texts.
        pool: the documents.
        k1: how soon further occurrences of a word stop counting.
        b: how much a document's length counts.
    """
    import bm25s  # loads jax where that is installed

    words = {"stopwords": [], "show_progress": False, "token_pattern": r"(?u)\b\w+\b"}
    index = bm25s.BM25(k1=k1, b=b, method="lucene", dtype="float64")
    index.index(bm25s.tokenize(list(pool), return_ids=False, **words), show_progress=False)
    asked = bm25s.tokenize(list(queries), return_ids=False, **words)
    return np.stack([_scores(index, words, len(pool)) for words in asked])


def _scores(index, words: Sequence[str], pool: int) -> Float[np.ndarray, " pool"]:
    known = [word for word in words if word in index.vocab_dict]
    return index.get_scores(known) if known else np.zeros(pool)
