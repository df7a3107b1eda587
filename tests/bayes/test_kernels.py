"""Kernels against their defining formulas, and the regression against a plain loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iclnb.bayes import KERNELS, Kernels, families, kernels, operators, sequences, theory


@pytest.fixture(scope="module")
def small():
    mixture = families.mixture(families.single_starts(2, 4), families.dirichlet(1.0), 4, seed=2)
    return Kernels(mixture, sequences.every(4, 3))


def test_whitened_kernels_are_their_formulas_with_exact_moments(small):
    mixture, phi = small.mixture, small.features
    p = phi.reshape(-1, 4, 4).sum(axis=2) @ mixture.pretrain_start
    pretrain = operators.moment_under(mixture, mixture.pretrain_start, 3)
    formulas = {
        "printed": phi @ np.linalg.solve(pretrain, phi.T),
        "unweighted": phi @ np.linalg.solve(operators.unweighted_moment(mixture, 3), phi.T),
        "ratio": (phi / p[:, None])
        @ np.linalg.solve(operators.weighted_moment(phi / p[:, None], p), (phi / p[:, None]).T),
    }
    for name, expected in formulas.items():
        np.testing.assert_allclose(small.gram(name), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(small.gram("clipped"), np.clip(small.gram("printed"), 0, None))


def test_other_kernels_are_their_formulas(small):
    mixture, x = small.mixture, [0, 5]
    a, b = (mixture.pretrain_start @ small.features[i].reshape(4, 4) for i in x)
    cosine = a @ b / np.sqrt(a @ a * (b @ b))
    assert small.gram("belief")[*x] == pytest.approx(np.exp(20 * (cosine - 1)), rel=1e-12)
    flat = [small.features[i] / np.linalg.norm(small.features[i]) for i in x]
    assert small.gram("operator cosine")[*x] == pytest.approx(flat[0] @ flat[1], rel=1e-12)
    predictions = [mixture.predict([], small.x[i]) for i in x]
    assert small.gram("prediction")[*x] == pytest.approx(predictions[0] @ predictions[1], rel=1e-12)
    assert (small.gram("labels only") == 1).all()
    with pytest.raises(ValueError, match="unknown kernel 'gaussian'; known: printed"):
        small.gram("gaussian")


def test_non_negative_kernels_are_not_negative(small):
    assert {*kernels.NON_NEGATIVE, *kernels.WHITENED, "labels only"} == set(KERNELS)
    for name in kernels.NON_NEGATIVE:
        assert small.gram(name).min() >= 0


def test_mean_square_of_a_whitened_kernel_is_its_rank(small):
    """E K(x, x) = E K(x, x')² = rank under p_pretrain: why n must exceed the rank."""
    p = small.probability
    assert p.sum() == pytest.approx(1, abs=1e-12)
    for name in ("printed", "ratio"):
        gram, rank = small.gram(name), small.whitening(name).rank
        assert rank == 16
        assert p @ np.diag(gram) == pytest.approx(rank, rel=1e-8)
        assert p @ gram**2 @ p == pytest.approx(rank, rel=1e-8)
    assert p @ small.gram("ratio") @ p == pytest.approx(1, rel=1e-8)


@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([0.5, 1.0]))
@settings(max_examples=15, deadline=None)
def test_repairs_have_no_asymptotic_error_on_random_hmms(seed, tasks, concentration):
    mixture = families.mixture(families.single_starts(tasks, 3), families.dirichlet(concentration), 4, seed)
    x = sequences.every(4, 3)
    kernels = Kernels(mixture, x[Kernels(mixture, x).probability > 0])
    for name in ("unweighted", "ratio"):
        assert theory.floor(kernels, name, tasks - 1).median < 1e-9
