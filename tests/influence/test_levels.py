"""Centring against means taken entry by entry, and what each level keeps."""

import numpy as np
import pytest

from iclnb.influence import levels

TRUTH, LABELS = np.array([0, 1, 0, 1, 1]), np.array([1, 0, 0, 1, 1, 0, 1])


@pytest.fixture
def matrix():
    return np.random.default_rng(0).normal(size=(len(TRUTH), len(LABELS)))


def by_hand(matrix, truth, labels):
    """Every entry minus the means of its row and of its column, plus that of both, inside its block."""
    found = np.empty_like(matrix)
    for (q, i), value in np.ndenumerate(matrix):
        row, column = np.flatnonzero(truth == truth[q]), np.flatnonzero(labels == labels[i])
        block = matrix[np.ix_(row, column)]
        found[q, i] = value - matrix[q, column].mean() - matrix[row, i].mean() + block.mean()
    return found


def test_pairs_and_texts_by_hand(matrix):
    blind = np.zeros(len(TRUTH), int), np.zeros(len(LABELS), int)
    np.testing.assert_allclose(levels.centred(matrix, "pairs", TRUTH, LABELS), by_hand(matrix, *blind))
    np.testing.assert_allclose(levels.centred(matrix, "texts", TRUTH, LABELS), by_hand(matrix, TRUTH, LABELS))
    whole = levels.centred(matrix, "whole", TRUTH, LABELS)
    np.testing.assert_allclose(whole, matrix - matrix.mean())


def test_what_each_level_takes_off(matrix):
    of_query, of_demonstration = np.arange(5.0)[:, None], np.arange(7.0) ** 2
    of_classes = 3.0 * (TRUTH[:, None] == LABELS)
    plain = levels.centred(matrix, "texts", TRUTH, LABELS)
    for more in (of_query, of_demonstration, of_classes):
        np.testing.assert_allclose(levels.centred(matrix + more, "texts", TRUTH, LABELS), plain, atol=1e-12)
    pairs = levels.centred(of_classes, "pairs", TRUTH, LABELS)
    assert np.square(pairs).mean() > 1
    np.testing.assert_allclose(
        levels.centred(of_query + of_demonstration, "pairs", TRUTH, LABELS), 0, atol=1e-12
    )


def test_moments_are_those_of_centred_matrices(matrix):
    others = np.random.default_rng(1).normal(size=(3, *matrix.shape))
    squares, products = levels.moments(others, matrix, TRUTH, LABELS)
    for place, level in enumerate(levels.LEVELS):
        one = levels.centred(matrix, level, TRUTH, LABELS)
        for head in range(3):
            other = levels.centred(others[head], level, TRUTH, LABELS)
            assert squares[place, head] == pytest.approx(np.mean(other**2))
            assert products[place, head] == pytest.approx(np.mean(other * one))
