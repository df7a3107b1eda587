"""Choice of demonstrations and similarities, against brute force, scikit-learn and rank-bm25."""

import re

import numpy as np
import pytest
import tiny
import torch
from rank_bm25 import BM25Okapi
from sklearn.neighbors import NearestNeighbors

from iclnb.errors import IclnbError
from iclnb.llm import similarity
from iclnb.llm.models import LoadedModel
from iclnb.steering import retrieval

RNG = np.random.default_rng(0)
POOL, QUERIES = RNG.normal(size=(30, 5)), RNG.normal(size=(7, 5))
POOL /= np.linalg.norm(POOL, axis=1, keepdims=True)
QUERIES /= np.linalg.norm(QUERIES, axis=1, keepdims=True)
COSINE, AMONG = QUERIES @ POOL.T, POOL @ POOL.T


def as_sets(chosen):
    return [set(row) for row in chosen.tolist()]


def test_nearest_and_farthest_are_scikit_learns():
    for strategy, points in (("nearest", QUERIES), ("farthest", -QUERIES)):
        expected = NearestNeighbors(n_neighbors=4).fit(POOL).kneighbors(points, return_distance=False)
        assert as_sets(retrieval.choose(COSINE, 4, strategy, seed=0)) == as_sets(expected)


def test_order_tells_nothing_about_similarity():
    """The nearest demonstration stands at every place about equally often."""
    chosen = retrieval.choose(np.tile(COSINE, (200, 1)), 4, "nearest", seed=0)
    place = (chosen == np.tile(COSINE, (200, 1)).argmax(1)[:, None]).argmax(1)
    counts = np.bincount(place, minlength=4)
    assert np.abs(counts - 350).max() < 4 * (1400 * 0.25 * 0.75) ** 0.5


def test_random_ignores_similarity_and_never_repeats():
    chosen = retrieval.choose(np.zeros((4000, 6)), 3, "random", seed=3)
    assert all(len(row) == 3 for row in as_sets(chosen))
    counts = np.bincount(chosen.ravel(), minlength=6)
    assert np.abs(counts - 2000).max() < 4 * (12_000 / 6) ** 0.5
    again = retrieval.choose(np.ones((4000, 6)), 3, "random", seed=3)
    assert (chosen == again).all()
    assert (chosen != retrieval.choose(np.zeros((4000, 6)), 3, "random", seed=4)).any()


@pytest.mark.parametrize("balance", [0.3, 0.5, 0.9])
def test_diverse_is_maximal_marginal_relevance(balance):
    chosen = retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG, balance=balance)
    for query, row in enumerate(as_sets(chosen)):
        taken = []
        while len(taken) < 5:
            scores = {
                i: balance * float(QUERIES[query] @ POOL[i])
                - (1 - balance) * max((float(POOL[i] @ POOL[j]) for j in taken), default=0)
                for i in range(30)
                if i not in taken
            }
            taken.append(max(scores, key=scores.get))
        assert row == set(taken)


def test_diverse_without_weight_on_diversity_is_nearest_and_else_more_spread():
    nearest = retrieval.choose(COSINE, 5, "nearest", seed=0)
    assert as_sets(retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG, balance=1)) == as_sets(nearest)
    spread = retrieval.choose(COSINE, 5, "diverse", seed=0, among=AMONG)
    inside = [np.mean([AMONG[np.ix_(row, row)].mean() for row in chosen]) for chosen in (spread, nearest)]
    assert inside[0] < inside[1]


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(IclnbError, match="31 demonstrations cannot be chosen from 30 rows"):
        retrieval.choose(COSINE, 31, "nearest", seed=0)
    with pytest.raises(IclnbError, match=r"unknown strategy 'best'; known: diverse"):
        retrieval.choose(COSINE, 3, "best", seed=0)
    with pytest.raises(ValueError, match="among"):
        retrieval.choose(COSINE, 3, "diverse", seed=0)


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


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.9, 0.4)])
def test_bm25_is_rank_bm25s(k1, b):
    """Its counts differ from Lucene's by a factor k1 + 1 alone, its weights of words are set to Lucene's."""
    queries = ["film film dull", "Laughed and saw a film", "nothing of this", "東京 café", "!?"]
    documents = [tokens(text) for text in TEXTS]
    oracle = BM25Okapi(documents, k1=k1, b=b)
    for word in oracle.idf:
        holding = sum(word in document for document in documents)
        oracle.idf[word] = np.log(1 + (len(TEXTS) - holding + 0.5) / (holding + 0.5))
    expected = np.stack([oracle.get_scores(tokens(query)) for query in queries]) / (k1 + 1)
    found = similarity.bm25(queries, TEXTS, k1=k1, b=b)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert found[1].any() and not found[4].any()


@pytest.mark.tiny
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gptj", "gemma2"])
def test_next_token_probabilities_are_those_of_single_texts(architecture):
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.pad_token = tokenizer.eos_token = "<s>"
    model = tiny.model(architecture, vocab_size=len(tokenizer)).eval()
    found = similarity.next_token_probabilities(LoadedModel(model, tokenizer, {}), TEXTS, batch_size=4)
    for text, row in zip(TEXTS, found, strict=True):
        with torch.no_grad():
            alone = model(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1].softmax(-1)
        np.testing.assert_allclose(row, alone.numpy(), atol=1e-6)
    assert found.shape == (len(TEXTS), len(tokenizer)) and np.ptp(found @ found.T) > 0.001


@pytest.mark.packaged
def test_embeddings_tell_meaning():
    texts = ["a dull film", "a boring movie", "the price of oil rose"]
    found = similarity.embed(texts)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > 0.5 > 0.2 > found[0] @ found[2]
