"""How alike two texts are: by sentence embeddings, by what a model predicts after them, by their words."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from tqdm import tqdm

from iclnb.llm.models import ENCODER, LoadedModel, load_encoder


def embed(texts: Sequence[str], encoder: str = ENCODER) -> Float[np.ndarray, "texts dim"]:
    """Embeddings of unit length by all-MiniLM-L6-v2 or another encoder; their products are cosines.

    Raises:
        IclnbError: if the encoder has to be fetched and cannot be.
    """
    encoded = load_encoder(encoder).encode(list(texts), show_progress_bar=False, normalize_embeddings=True)
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
