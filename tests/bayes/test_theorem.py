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

EXAMPLES = {"thirds": THIRDS, "positive": POSITIVE}


def floats(rows):
    return np.array(rows, dtype=float)


def as_kernels(hmm):
    mixture = HMMMixture([1.0], floats([hmm.start]), floats(hmm.transition), floats(hmm.emission))
    x = sequences.every(3, 2)
    return Kernels(mixture, x[Kernels(mixture, x).probability > 0])


@pytest.mark.parametrize("name", EXAMPLES)
def test_exact_joint_is_the_sum_over_paths(name):
    hmm = EXAMPLES[name]
    for x in hmm.sequences:
        for y in range(3):
            total = Fraction(0)
            for path in product(range(2), repeat=3):
                weight = hmm.start[path[0]]
                for t, token in enumerate((*x, y)):
                    weight *= hmm.emission[path[t]][token] * (
                        hmm.transition[path[t - 1]][path[t]] if t else 1
                    )
                total += weight
            assert hmm.joint(x)[y] == total


@pytest.mark.parametrize("name", EXAMPLES)
def test_theorem_1_fails_exactly_and_the_repairs_do_not(name):
    """One task, so ε_θ = 0 and by the bound the limit is the posterior. Repairs: equal as fractions."""
    hmm = EXAMPLES[name]
    possible = [x for x in hmm.sequences if sum(hmm.joint(x))]
    assert max(hmm.error("printed", x) for x in possible) > Fraction(1, 30)
    for x in possible:
        assert hmm.limit("unweighted", x) == hmm.limit("ratio", x) == hmm.truth(x)
        assert sum(hmm.limit("printed", x)) == 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_fractions_and_floats_agree(name):
    hmm, kernels = EXAMPLES[name], as_kernels(EXAMPLES[name])
    for kernel in ("printed", "centred"):
        found = regression_from_counts(kernels.gram(kernel), kernels.joint[:, 0])
        expected = [hmm.limit(kernel, tuple(int(t) for t in x)) for x in kernels.x]
        np.testing.assert_allclose(found, floats(expected), rtol=1e-9, atol=1e-12)
    assert floor(kernels, "printed", 0).worst == pytest.approx(
        float(max(hmm.error("printed", tuple(int(t) for t in x)) for x in kernels.x)), rel=1e-9
    )
    assert floor(kernels, "ratio", 0).worst < 1e-12


def two_tasks():
    """The two-task counterexample in floats."""
    prior = floats(TWO_TASKS.pretrain)
    mixture = HMMMixture(prior, np.eye(2), floats(TWO_TASKS.transition), floats(TWO_TASKS.emission))
    return Kernels(mixture, sequences.every(3, 2))


def test_two_tasks_are_apart_and_the_limit_is_far_beyond_the_bound():
    """The theorem's second assumption holds, and its bound is small; all of it in fractions."""
    other = (Fraction(0), Fraction(1))
    p, q = ([sum(TWO_TASKS.joint(x, start)) for x in TWO_TASKS.sequences] for start in (None, other))
    assert TWO_TASKS.divergence(other) == pytest.approx(stats.entropy(floats([p])[0], floats([q])[0]))
    assert TWO_TASKS.divergence(other, reverse=True) == pytest.approx(
        stats.entropy(floats([q])[0], floats([p])[0])
    )
    for kernel, times in (("printed", 9), ("centred", 6)):
        worst = max(TWO_TASKS.error(kernel, x) for x in TWO_TASKS.sequences)
        assert worst > times * TWO_TASKS.bound_at_most(kernel) > 0
    for x in TWO_TASKS.sequences:
        assert TWO_TASKS.limit("unweighted", x) == TWO_TASKS.limit("ratio", x) == TWO_TASKS.truth(x)


def test_two_tasks_in_floats():
    kernels, found = two_tasks(), {}
    x = [tuple(int(t) for t in row) for row in kernels.x]
    for name in ("printed", "centred", "ratio"):
        found[name] = regression_from_counts(kernels.gram(name), kernels.joint[:, 0])
        np.testing.assert_allclose(found[name], floats([TWO_TASKS.limit(name, row) for row in x]), atol=1e-7)
    least = bound(kernels.mixture, 0, 2, (2,))
    assert least <= float(TWO_TASKS.bound_at_most()) < 4 * least
    assert bound(kernels.mixture, 0, 2, (1, 2, 3)) <= least  # an infimum over lengths
    posterior = kernels.mixture.predict([(x[0], 0), (x[1], 0)] * 20, x[2])
    assert (
        np.abs(posterior - floats([TWO_TASKS.truth(x[2])])[0]).max() < 1e-4
    )  # two tasks that are told apart
    assert np.abs(found["printed"][2] - posterior).max() > 0.017


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
    singular = tuple((Fraction(1), Fraction(2)) for _ in range(2))
    with pytest.raises(ZeroDivisionError):
        solve(singular, (Fraction(1), Fraction(0)))
    matrix = tuple(tuple(Fraction(v) for v in row) for row in ((0, 2, 1), (1, 0, 3), (4, 1, 0)))
    found = solve(matrix, (Fraction(1), Fraction(2), Fraction(3)))
    np.testing.assert_allclose(floats([found])[0], np.linalg.solve(floats(matrix), [1, 2, 3]), rtol=1e-14)


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


def test_bound_of_a_singular_moment_is_refused(small):
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        bound(small.mixture, 0, 1, (1,))


def test_floors_are_those_of_frequencies_for_a_kernel_that_is_blind(small):
    pairs = small.joint[:, 0]
    weight = pairs.sum(axis=1)
    errors = np.abs(pairs / weight[:, None] - pairs.sum(axis=0)).max(axis=1)
    found = floor(small, "labels only", 0)
    assert found.worst == pytest.approx(errors.max())
    drawn = np.random.default_rng(0).choice(errors, p=weight / weight.sum(), size=100_001)
    assert found.median == pytest.approx(np.median(drawn))
