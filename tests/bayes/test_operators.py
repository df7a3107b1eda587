"""Operators, second moments, whitening and sets of sequences against enumeration and plain inverses."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iclnb.bayes import families, operators, sequences


def small(seed, states=3, observations=4, tasks=2):
    return families.mixture(
        families.single_starts(tasks, states), families.dirichlet(0.7), observations, seed
    )


def path_operator(mixture, tokens):
    """T_x[i, j]: from state i, emit the tokens, be in state j next; a sum over the states in between."""
    found = np.zeros((mixture.states, mixture.states))
    for path in product(range(mixture.states), repeat=len(tokens) + 1):
        weight = 1.0
        for token, here, there in zip(tokens, path, path[1:], strict=False):
            weight *= mixture.emission[here, token] * mixture.transition[here, there]
        found[path[0], path[-1]] += weight
    return found


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
@settings(max_examples=15)
def test_operators_and_joint_are_sums_over_paths(seed, length):
    mixture = small(seed)
    x = sequences.every(4, length)
    expected = np.array([path_operator(mixture, tokens) for tokens in x])
    found = operators.operators(mixture, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    joint = np.einsum("ts,xsu,uo->xto", mixture.start, expected, mixture.emission)
    np.testing.assert_allclose(sequences.joint(mixture, x), joint, rtol=0, atol=1e-14)


@pytest.mark.parametrize("rank", [3, 6])
def test_whitening_is_the_pseudo_inverse_of_the_weighted_moment(rank):
    rng = np.random.default_rng(rank)
    features = rng.standard_normal((40, rank)) @ rng.standard_normal((rank, 6))
    weights = rng.random(40) + 0.1
    found = operators.whiten(features, weights)
    moment = (features * weights[:, None]).T @ features
    expected = features @ np.linalg.pinv(moment, rcond=1e-10) @ features.T
    np.testing.assert_allclose(
        found @ found.T / np.sqrt(np.outer(weights, weights)), expected, rtol=0, atol=1e-9
    )
    assert found.shape[1] == rank == np.linalg.matrix_rank(features)
    with pytest.raises(ValueError, match="weights must be positive, the smallest is 0"):
        operators.whiten(features, np.append(weights[1:], 0.0))


def test_whitening_resolves_what_inverting_the_moment_cannot():
    """Singular values down to 1e-10: their squares are below machine epsilon of the largest."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((8, 4)))[0] for _ in range(2))
    features = left * np.logspace(0, -10, 4) @ right.T
    found = operators.whiten(features, np.ones(8))
    np.testing.assert_allclose(found @ found.T, left @ left.T, atol=1e-5)
    assert np.linalg.matrix_rank(features.T @ features, hermitian=True) < found.shape[1] == 4


def test_coordinates_keep_inner_products_of_rare_sequences():
    rng = np.random.default_rng(1)
    features = rng.standard_normal((30, 5)) @ rng.standard_normal((5, 50)) * np.logspace(0, -12, 30)[:, None]
    features[:, 7] = 0
    found = operators.coordinates(features)
    assert found.shape == (30, 5)
    scale = np.linalg.norm(features, axis=1)
    np.testing.assert_allclose(
        found @ found.T / np.outer(scale, scale), features @ features.T / np.outer(scale, scale), atol=1e-12
    )


def test_likely_sequences_are_those_above_the_threshold():
    mixture, everything = small(9, observations=3), sequences.every(3, 4)
    probability = [
        mixture.pretrain_start @ path_operator(mixture, tokens).sum(axis=1) for tokens in everything
    ]
    expected = everything[np.array(probability) >= 0.01]
    assert 0 < len(expected) < len(everything)
    np.testing.assert_array_equal(sequences.likely(mixture, 4, 0.01), expected)
    with pytest.raises(ValueError, match="threshold is 0"):
        sequences.likely(mixture, 4, 0.0)


def test_every_and_find():
    x = sequences.every(3, 2)
    np.testing.assert_array_equal(x, list(product(range(3), repeat=2)))
    assert sequences.every(3, 0).shape == (1, 0)
    np.testing.assert_array_equal(sequences.find(x[[4, 0, 4]], x[[0, 2, 4]]), [2, 0, 2])
    with pytest.raises(ValueError, match=r"1 sequence\(s\) are not among the 3"):
        sequences.find(x[[1, 0]], x[[0, 2, 4]])
    with pytest.raises(ValueError, match=r"10\^9 = 1000000000 sequences"):
        sequences.every(10, 9)
