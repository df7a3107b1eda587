"""The exact counterexample, limits and the bound."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import stats

from iclnb.bayes import HMMMixture, Kernels, families, sequences
from iclnb.bayes.counterexample import POSITIVE, THIRDS, TWO_TASKS, ExactHMM, solve
from iclnb.bayes.measure_theorem import bound, floor
from iclnb.kernel_regression import regression_from_counts


def floats(rows):
    return np.array(rows, dtype=float)


def in_floats(hmm):
    """Its kernels on the sequences that are possible, and these as tuples."""
    prior, start = (hmm.pretrain, np.eye(2)) if hmm.pretrain else ([1.0], [hmm.start])
    mixture = HMMMixture(floats(prior), floats(start), floats(hmm.transition), floats(hmm.emission))
    x = sequences.every(3, 2)
    x = x[Kernels(mixture, x).probability > 0]
    return Kernels(mixture, x), [tuple(int(t) for t in row) for row in x]


@pytest.mark.parametrize(("hmm", "tolerance"), [(THIRDS, 1e-11), (POSITIVE, 1e-11), (TWO_TASKS, 1e-7)])
def test_theorem_1_fails_exactly_and_the_repairs_do_not(hmm, tolerance):
    """Repairs equal the posterior as fractions. With one task ε_θ = 0, and by the bound the printed limit does."""
    kernels, possible = in_floats(hmm)
    worst = max(hmm.error("printed", x) for x in possible)
    assert worst > Fraction(1, 60)
    for x in possible:
        assert hmm.limit("unweighted", x) == hmm.limit("ratio", x) == hmm.truth(x)
        assert sum(hmm.limit("printed", x)) == 1
    for kernel in ("printed", "centred"):
        found = regression_from_counts(kernels.gram(kernel), kernels.joint[:, 0])
        np.testing.assert_allclose(found, floats([hmm.limit(kernel, x) for x in possible]), atol=tolerance)
    assert floor(kernels, "printed", 0).worst == pytest.approx(float(worst), abs=tolerance)
    assert floor(kernels, "ratio", 0).worst < tolerance


def test_two_tasks_are_apart_and_the_limit_is_far_beyond_the_bound():
    """The theorem's second assumption holds, and its bound is small; in fractions, and the bound in floats."""
    other = (Fraction(0), Fraction(1))
    p, q = (floats([sum(TWO_TASKS.joint(x, s)) for x in TWO_TASKS.sequences]) for s in (None, other))
    assert TWO_TASKS.divergence(other) == pytest.approx(min(stats.entropy(p, q), stats.entropy(q, p)))
    for kernel, times in (("printed", 9), ("centred", 6)):
        worst = max(TWO_TASKS.error(kernel, x) for x in TWO_TASKS.sequences)
        assert worst > times * TWO_TASKS.bound_at_most(kernel) > 0
    kernels, x = in_floats(TWO_TASKS)
    least = bound(kernels.mixture, 0, 2, (2,))
    assert least <= float(TWO_TASKS.bound_at_most()) < 4 * least
    assert bound(kernels.mixture, 0, 2, (1, 2, 3)) <= least  # an infimum over lengths
    posterior = kernels.mixture.predict([(x[0], 0), (x[1], 0)] * 20, x[2])
    assert np.abs(posterior - floats(TWO_TASKS.truth(x[2]))).max() < 1e-4  # they are told apart
    assert np.abs(floats(TWO_TASKS.limit("printed", x[2])) - posterior).max() > 0.017


def test_thirds_is_the_largest_error_of_its_kind():
    """Search again over all positive transitions and all emissions in thirds, in floats."""
    rows = [np.array([a, b, 3 - a - b]) / 3 for a in range(4) for b in range(4 - a)]
    worst = 0.0
    for a, b in ((1, 2), (2, 1)):
        for first, second in product(rows, rows):
            emission = np.array([first, second])
            mixture = HMMMixture([1.0], [[1, 0]], floats([[a, 3 - a], [b, 3 - b]]) / 3, emission)
            x = sequences.every(3, 2)
            kernels = Kernels(mixture, x[Kernels(mixture, x).probability > 0])
            if kernels.basis("printed").shape[1] == 4:
                worst = max(worst, floor(kernels, "printed", 0).worst)
    assert worst == pytest.approx(float(THIRDS.error("printed", (2, 2))), rel=1e-6)


def test_exact_algebra_refuses_what_is_undefined():
    with pytest.raises(ValueError, match="transition: row 1"):
        ExactHMM(THIRDS.start, (THIRDS.transition[0], (Fraction(1), Fraction(1))), THIRDS.emission, 2)
    matrix, right = np.array([[0, 2, 1], [1, 0, 3], [4, 1, 0]]), np.array([1, 2, 3])
    with pytest.raises(ZeroDivisionError):
        solve(np.ones((3, 3), object), right.astype(object))
    found = floats(solve(matrix.astype(object), right.astype(object)))
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-14)


@pytest.fixture(scope="module")
def small():
    mixture = families.mixture(families.single_starts(2, 3), families.dirichlet(1.0), 5, seed=4)
    return Kernels(mixture, sequences.every(5, 2))


def test_bound_is_the_spectral_radius_of_inverted_moments(small):
    mixture, phi = small.mixture, small.features
    moments = [(phi * p[:, None]).T @ phi for p in (small.probability, small.joint[:, 1].sum(axis=1))]
    difference = np.linalg.inv(moments[0]) - np.linalg.inv(moments[1])
    epsilon = np.abs(np.linalg.eigvals(difference)).max()
    eta = max(np.linalg.norm(row.reshape(3, 3)) for row in phi)
    assert bound(mixture, 1, 2, (1, 2)) == pytest.approx(eta**2 * epsilon, rel=1e-3)
    single = HMMMixture([1.0], mixture.start[:1], mixture.transition, mixture.emission)
    assert bound(single, 0, 2, (2,)) < 1e-6
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        bound(mixture, 0, 1, (1,))


def test_floors_are_those_of_frequencies_for_a_kernel_that_is_blind(small):
    pairs = small.joint[:, 0]
    weight = pairs.sum(axis=1)
    errors = np.abs(pairs / weight[:, None] - pairs.sum(axis=0)).max(axis=1)
    found = floor(small, "labels only", 0)
    assert found.worst == pytest.approx(errors.max())
    drawn = np.random.default_rng(0).choice(errors, p=weight / weight.sum(), size=100_001)
    assert found.median == pytest.approx(np.median(drawn))
