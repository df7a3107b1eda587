"""Similarities of texts, against rank-bm25 and one pair at a time."""

import re

import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from iclnb.llm import similarity
from iclnb.llm.demonstrations import Demonstrations

TEXTS = [
    "A fine film, a fine cast",
    "dull",
    "The film that nobody saw: too long, too dull!",
    "I laughed and laughed and laughed",
    "naïve café film 東京",
    "It's over",
]


def tokens(text):
    return re.findall(r"\w+", text.lower())


def test_bm25_is_rank_bm25s():
    """Its counts differ from Lucene's by a factor k1 + 1 alone, its weights of words are set to Lucene's."""
    queries = ["film film dull", "Laughed and saw a film", "nothing of this", "東京 café", "!?"]
    documents = [tokens(text) for text in TEXTS]
    oracle = BM25Okapi(documents, k1=1.5, b=0.75)
    for word in oracle.idf:
        holding = sum(word in document for document in documents)
        oracle.idf[word] = np.log(1 + (len(TEXTS) - holding + 0.5) / (holding + 0.5))
    expected = np.stack([oracle.get_scores(tokens(query)) for query in queries]) / (1.5 + 1)
    found = similarity.bm25(queries, TEXTS)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert found[1].any() and not found[4].any()


@pytest.mark.parametrize("shape", [(4,), (2, 4)])
def test_similarity_to_demonstrations_is_that_of_each_pair(shape):
    """Fresh ones (points, k) and shared ones (sets, points, k); the similarity counts common letters."""
    rng = np.random.default_rng(0)
    rows = rng.integers(len(TEXTS), size=(*shape, 3))
    queries = ["a film", "dull, dull", "caffeine", "nobody"]
    asked = []

    def compare(left, right):
        asked.append(list(right))
        return np.array([[float(len(set(a) & set(b))) for b in right] for a in left])

    found = similarity.to_demonstrations(compare, queries, TEXTS, Demonstrations(rows, rows))
    for place in np.ndindex(rows.shape):
        expected = len(set(queries[place[-2]]) & set(TEXTS[rows[place]]))
        assert found[place] == expected
    assert len(asked[0]) == len(set(rows.ravel()))  # no text is compared twice
