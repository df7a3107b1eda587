"""The exact counterexample, the bound and the convergence of regressions."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from iclnb.bayes import HMMMixture, Kernels, families, operators, sequences, theory
from iclnb.bayes.counterexample import POSITIVE, THIRDS, TWO_TASKS, ExactHMM, inverse, solve

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
    found = theory.limits(kernels.gram("printed"), kernels.joint, 0)
    expected = [hmm.limit("printed", tuple(int(t) for t in x)) for x in kernels.x]
    np.testing.assert_allclose(found, floats(expected), rtol=1e-9)
    assert theory.floor(kernels, "printed", 0).worst == pytest.approx(
        float(max(hmm.error("printed", tuple(int(t) for t in x)) for x in kernels.x)), rel=1e-9
    )
    assert theory.floor(kernels, "ratio", 0).worst < 1e-12


def two_tasks():
    """The two-task counterexample in floats."""
    prior = floats(TWO_TASKS.pretrain)
    mixture = HMMMixture(prior, np.eye(2), floats(TWO_TASKS.transition), floats(TWO_TASKS.emission))
    return Kernels(mixture, sequences.every(3, 2))


def test_two_tasks_are_apart_and_the_limit_is_far_beyond_the_bound():
    """The theorem's second assumption holds, and its bound is small; all of it in fractions."""
    other = (Fraction(0), Fraction(1))
    assert TWO_TASKS.divergence_at_least(other) > Fraction(3, 5)
    assert TWO_TASKS.bound_at_most() < Fraction(1, 500)
    assert max(TWO_TASKS.error("printed", x) for x in TWO_TASKS.sequences) > Fraction(17, 1000)
    for x in TWO_TASKS.sequences:
        assert TWO_TASKS.limit("unweighted", x) == TWO_TASKS.limit("ratio", x) == TWO_TASKS.truth(x)


def test_two_tasks_in_floats():
    kernels, found = two_tasks(), {}
    x = [tuple(int(t) for t in row) for row in kernels.x]
    for name in ("printed", "ratio"):
        found[name] = theory.limits(kernels.gram(name), kernels.joint, 0)
        np.testing.assert_allclose(found[name], floats([TWO_TASKS.limit(name, row) for row in x]), atol=1e-7)
    bound = theory.bound(kernels, 0).value
    assert bound <= float(TWO_TASKS.bound_at_most()) < 4 * bound
    p, q = kernels.joint.sum(axis=2).T
    assert (p * np.log(p / q)).sum() >= float(TWO_TASKS.divergence_at_least((Fraction(0), Fraction(1))))
    posterior = kernels.mixture.predict([(x[0], 0), (x[1], 0)] * 20, x[2])
    assert (
        np.abs(posterior - floats([TWO_TASKS.truth(x[2])])[0]).max() < 1e-4
    )  # two tasks that are told apart
    assert np.abs(found["printed"][2] - posterior).max() > 0.017


def test_an_exact_inverse():
    matrix = TWO_TASKS.moment(1)
    identity = floats(matrix) @ floats(inverse(matrix))
    np.testing.assert_allclose(identity, np.eye(4), atol=1e-9)


def test_the_counterexample_shows_in_a_simulation():
    """A billion sampled demonstrations come to the fraction that was computed, not to the truth."""
    kernels = as_kernels(THIRDS)
    counts = np.random.default_rng(0).multinomial(10**9, kernels.joint[:, 0].ravel()).reshape(-1, 3)
    query = int(sequences.find(np.array([[2, 2]]), kernels.x)[0])
    found = kernels.gram("printed")[query] @ counts
    found = found / found.sum()
    np.testing.assert_allclose(found, floats([THIRDS.limit("printed", (2, 2))])[0], atol=0.05)
    assert np.abs(found - floats([THIRDS.truth((2, 2))])[0]).max() > 1.7


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
            if kernels.whitening("printed").rank == 4:
                worst = max(worst, theory.floor(kernels, "printed", 0).worst)
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


def test_bound_is_the_spectral_radius_of_inverted_exact_moments(small):
    mixture = small.mixture
    moments = [operators.moment_under(mixture, p, 2) for p in (mixture.pretrain_start, mixture.start[1])]
    difference = np.linalg.inv(moments[0]) - np.linalg.inv(moments[1])
    epsilon = np.abs(np.linalg.eigvals(difference)).max()
    eta = max(np.linalg.norm(row.reshape(3, 3)) for row in small.features)
    found = theory.bound(small, 1)
    assert found.epsilon == pytest.approx(epsilon, rel=1e-3)
    assert found.eta == pytest.approx(eta, rel=1e-12)
    assert found.value == pytest.approx(eta**2 * epsilon, rel=1e-3)
    single = Kernels(HMMMixture([1.0], mixture.start[:1], mixture.transition, mixture.emission), small.x)
    assert theory.bound(single, 0).epsilon == 0


def test_bound_of_a_singular_moment_is_refused():
    mixture = families.mixture(families.single_starts(2, 3), families.dirichlet(1.0), 5, seed=4)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        theory.bound(Kernels(mixture, sequences.every(5, 1)), 0)


def test_convergence_reaches_limit_and_floor(small):
    """At n = 10^6 errors to the limit are small, and errors to the posterior are the floor."""
    names = ["printed", "ratio", "labels only"]
    found = theory.converge(small, names, 0, [100, 1_000_000], replicates=4, seed=0)
    for name in names:
        assert found.to_limit[name][1] < 0.02 < 0.05 < found.to_limit[name][0] or name == "labels only"
    floor = theory.floor(small, "labels only", 0).median
    assert found.to_posterior["labels only"][1] == pytest.approx(floor, abs=0.005)
    assert found.to_posterior["ratio"][1] < 0.02
    again = theory.converge(small, names, 0, [100, 1_000_000], replicates=4, seed=0)
    np.testing.assert_array_equal(found.to_limit["ratio"], again.to_limit["ratio"])


def test_labels_only_limit_is_the_marginal_of_the_label(small):
    marginal = small.joint[:, 0].sum(axis=0)
    np.testing.assert_allclose(
        theory.limits(small.gram("labels only"), small.joint, 0), np.tile(marginal, (25, 1))
    )


def test_slope_and_weighted_median():
    assert theory.slope([1, 10, 100], 3 * np.array([1, 10, 100.0]) ** -0.5) == pytest.approx(-0.5)
    assert theory.weighted_median(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])) == 2
    assert theory.weighted_median(np.array([3.0, 1.0, 2.0]), np.array([9.0, 1.0, 1.0])) == 3
