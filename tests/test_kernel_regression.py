"""Kernel regression and its bandwidths, against exact fractions, scikit-learn and scipy."""

from fractions import Fraction

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier

from iclnb import kernel_regression as kernel
from iclnb.errors import IclnbError


def exactly(similarity, labels, n_labels):
    """The formula in fractions, which neither round nor overflow."""
    numbers = [Fraction(float(x)) for x in similarity]
    return [
        float(sum((x for x, y in zip(numbers, labels, strict=True) if y == label), Fraction()) / sum(numbers))
        for label in range(n_labels)
    ]


@pytest.mark.parametrize(
    "similarity",
    [
        [1.7e308, 0.1e308, 1.6e308],  # their sum overflows
        [-1.7e308, -1.7e308, 1.0],
        [5e-324, 1.5e-323, 1e-323],  # denormals
        [1e-300, 2e-300, 5e-300],
        [1e-320, 1.0, 3.0],
        [1.0, -3.0, 0.5],  # negative normalisers divide as printed
        [0.25, 0.0, -1.0],
    ],
)
def test_the_formula_at_any_scale_and_sign(similarity):
    found = kernel.kernel_regression(np.array(similarity), np.array([0, 2, 2]), 3)
    np.testing.assert_allclose(found, exactly(similarity, [0, 2, 2], 3), rtol=1e-14, atol=1e-300)
    assert kernel.normaliser_sign(np.array(similarity)) == np.sign(sum(map(Fraction, similarity)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("similarity", [[0.0, 0.0, 0.0], [1e30, -1e30, 0.0], [0.1 + 0.2, -0.3, 0.0]])
def test_a_normaliser_of_zero_gives_the_frequencies_of_the_labels(similarity, dtype):
    found = kernel.kernel_regression(np.array(similarity, dtype), np.array([0, 2, 2]), 3)
    np.testing.assert_allclose(found, [1 / 3, 0, 2 / 3], rtol=1e-6)
    assert kernel.normaliser_sign(np.array(similarity, dtype)) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_label_of_each_demonstration_serves_many_heads(dtype):
    rng = np.random.default_rng(0)
    weights, labels = rng.random((2, 5, 3, 4, 6)).astype(dtype), rng.integers(3, size=(2, 5, 6))
    weights[0, 0, 0, 0] = 0  # one head looks at no demonstration
    found = kernel.kernel_regression(weights, labels[:, :, None, None, :], 3)
    assert found.dtype == dtype and found.shape == (2, 5, 3, 4, 3)
    for place in np.ndindex(weights.shape[:-1]):
        own = weights[place] if weights[place].any() else np.ones(6)
        np.testing.assert_allclose(found[place], exactly(own, labels[place[:2]], 3), rtol=1e-5)


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("similarity", "labels", "message"),
    [
        ([1.0], [0, 1], r"shape \(1,\), labels \(2,\)"),
        ([[1.0, 2.0]], [[0], [1]], "expected the same"),
        ([], [], "at least one demonstration"),
        ([np.nan], [0], "not finite"),
        ([1.0], [2], "labels run from 2 to 2, expected 0 to 1"),
        ([1.0], [0.5], "dtype float64, expected integers"),
    ],
)
def test_bad_input_is_refused(similarity, labels, message):
    with pytest.raises(ValueError, match=message):
        kernel.kernel_regression(similarity, labels, 2)


@pytest.mark.parametrize("bandwidth", [0.1, 0.7, 30.0])
def test_regression_is_scikit_learns_weighted_vote(bandwidth):
    rng = np.random.default_rng(0)
    points, labels, queries = rng.normal(size=(9, 3)), rng.integers(3, size=9), rng.normal(size=(5, 3))
    labels[:3] = range(3)
    oracle = KNeighborsClassifier(9, weights=lambda d: np.exp(-(d**2) / (2 * bandwidth**2)))
    oracle.fit(points, labels)
    distance = np.linalg.norm(queries[:, None] - points, axis=-1)
    found = kernel.kernel_regression(kernel.gaussian_weights(distance, bandwidth), np.tile(labels, (5, 1)), 3)
    np.testing.assert_allclose(found, oracle.predict_proba(queries), atol=1e-9)


def test_far_demonstrations_do_not_underflow():
    weights = kernel.gaussian_weights(np.array([[1000.0, 1000.1]]), 0.5)
    expected = 1 / (1 + np.exp(-(1000.1**2 - 1000**2) / 0.5))
    np.testing.assert_allclose(weights[0, 0], expected)
    np.testing.assert_allclose(kernel.gaussian_weights(np.array([1.0, 9.0]), np.inf), 0.5)


def test_the_bandwidth_with_the_least_log_loss_is_chosen():
    rng = np.random.default_rng(0)
    distance, labels = rng.random((4000, 5)), rng.integers(2, size=(4000, 5))
    truths = labels[np.arange(4000), distance.argmin(1)]  # the nearest one decides
    grid = np.array([0.02, 0.1, 0.5, 3.0])
    losses = []
    for bandwidth in grid:
        w = np.exp(-(distance**2 - distance.min(1, keepdims=True) ** 2) / (2 * bandwidth**2))
        p = (w * labels).sum(1) / w.sum(1)
        losses.append(log_loss(truths, 0.99 * np.stack([1 - p, p], 1) + 0.005))
    found = kernel.choose_bandwidth(distance, labels, truths, grid, 2)
    assert found.value == grid[np.argmin(losses)] < 3
    np.testing.assert_allclose(found.log_loss, min(losses))
    shuffled = kernel.choose_bandwidth(distance, labels, rng.integers(2, size=4000), grid, 2)
    assert shuffled.value == 3  # nothing to be learnt from distance: as flat as can be
    with pytest.raises(IclnbError, match="hold some out"):
        kernel.choose_bandwidth(distance[:0], labels[:0], truths[:0], grid, 2)


@pytest.mark.parametrize("similarity", [[1.5, 0.25, 3.0], [1.7e308, -1.6e308, 1.5e308], [2.0, -1.0, -4.0]])
def test_counted_demonstrations_are_demonstrations_shown_that_often(similarity):
    counts = np.array([[2, 0, 1], [1, 3, 0], [0, 0, 2]])
    x, y = (np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
    found = kernel.regression_from_counts(np.array([similarity]), np.array([5 * counts, counts]))
    assert found.shape == (2, 1, 3)  # streams, queries, labels
    np.testing.assert_allclose(found[0], found[1])
    np.testing.assert_allclose(found[1, 0], exactly(np.array(similarity)[x], y, 3), rtol=1e-13)


def test_counts_under_a_kernel_that_cancels_give_the_frequencies_of_the_labels():
    counts = np.array([[2, 0], [1, 1]])
    found = kernel.regression_from_counts(np.array([[1.0, -1.0], [1.0, 1.0]]), counts)
    np.testing.assert_allclose(found, [[3 / 4, 1 / 4], [3 / 4, 1 / 4]])
