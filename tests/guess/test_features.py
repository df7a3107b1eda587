"""What the small model sees of a pair of sentences."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from iclnb.guess import features

U, V = np.random.default_rng(0).standard_normal((2, 60, 4))
COMPARED = features.compare(U, V)


class Encoder:
    """Counts letters: enough of an encoder to see which sentence went where."""

    def __init__(self):
        self.seen = []

    def encode(self, texts, **_):
        self.seen += texts
        return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)


def test_pairs_are_compared_sentence_by_sentence():
    encoder = Encoder()
    rows = [{"sentence1": "aab", "sentence2": "c"}, {"sentence1": "c", "sentence2": "abcc"}]
    found = features.encode_pairs(encoder, rows)
    assert found.tolist() == [[2, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 2]]
    assert sorted(encoder.seen) == ["aab", "abcc", "c"]  # "c" once


def test_the_second_half_sums_to_the_cosine():
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (U, V)]
    expected = np.diag(cosine_similarity(*unit))
    np.testing.assert_allclose(features.compare(*unit)[:, 4:].sum(1), expected)


def test_scaling_gives_each_half_the_same_size():
    scaled = features.Scaling.fit(COMPARED)(COMPARED)
    np.testing.assert_allclose(scaled[:, :-1].mean(0), 0, atol=1e-12)
    for half in (scaled[:, :4], scaled[:, 4:8]):
        assert np.mean(np.linalg.norm(half, axis=1) ** 2) == pytest.approx(1)
    assert (scaled[:, -1] == 1).all()
