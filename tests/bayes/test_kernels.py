"""Kernels against their defining formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iclnb.bayes import KERNELS, Kernels, families, kernels, sequences
from iclnb.bayes.measure_theorem import floor


@pytest.fixture(scope="module")
def small():
    mixture = families.mixture(families.single_starts(2, 4), families.dirichlet(1.0), 4, seed=2)
    return Kernels(mixture, sequences.every(4, 3))


def test_whitened_kernels_are_their_formulas(small):
    mixture, phi = small.mixture, small.features
    p = phi.reshape(-1, 4, 4).sum(axis=2) @ mixture.pretrain_start
    pretrain, psi, mean = (phi * p[:, None]).T @ phi, phi / p[:, None], p @ phi
    formulas = {
        "printed": phi @ np.linalg.solve(pretrain, phi.T),
        "centred": phi @ np.linalg.solve(pretrain - np.outer(mean, mean), phi.T),
        "unweighted": phi @ np.linalg.solve(phi.T @ phi, phi.T),
        "ratio": psi @ np.linalg.solve((psi * p[:, None]).T @ psi, psi.T),
    }
    assert set(formulas) == set(kernels.WHITENED)
    for name, expected in formulas.items():
        np.testing.assert_allclose(small.gram(name), expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


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


@pytest.mark.parametrize("name", KERNELS)
def test_rows_of_queries_are_rows_of_the_whole(small, name):
    queries = np.array([3, 60, 3])
    np.testing.assert_allclose(small.gram(name, queries), small.gram(name)[queries], rtol=1e-9)


def test_mean_square_of_a_whitened_kernel_is_its_rank(small):
    """E K(x, x) = E K(x, x')² = rank under p_pretrain: why n must exceed the rank."""
    p = small.probability
    assert p.sum() == pytest.approx(1, abs=1e-12)
    for name in ("printed", "ratio"):
        gram, rank = small.gram(name), small.basis(name).shape[1]
        assert rank == 16
        assert p @ np.diag(gram) == pytest.approx(rank, rel=1e-8)
        assert p @ gram**2 @ p == pytest.approx(rank, rel=1e-8)
    assert p @ small.gram("ratio") @ p == pytest.approx(1, rel=1e-8)


@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([0.5, 1.0]))
@settings(max_examples=15)
def test_repairs_have_no_asymptotic_error_on_random_hmms(seed, tasks, concentration):
    mixture = families.mixture(families.single_starts(tasks, 3), families.dirichlet(concentration), 4, seed)
    x = sequences.every(4, 3)
    made = Kernels(mixture, x[Kernels(mixture, x).probability > 0])
    for name in ("unweighted", "ratio"):
        assert floor(made, name, tasks - 1).median < 1e-9
