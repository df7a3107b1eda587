"""How fast a task is learned: each learner one prompt at a time, and theory against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from iclnb.bayes import Kernels, families, kernel_regression, learning, material, sequences
from iclnb.bayes.learning import BAYES, FITTED, FOLLOWED, IGNORING, LEARNERS, TUNED
from iclnb.kernel_regression import regression_from_counts

HALF = np.array([0.5, 0.0, 0.5])
"""A start that is none of the corpus: task 0 starts in state 0, task 1 in state 1."""


@pytest.fixture(scope="module")
def small():
    mixture = families.mixture(families.single_starts(2, 3), families.dirichlet(1.0), 4, seed=4, noise=0.2)
    return Kernels(mixture, sequences.every(4, 2))


def pairs_from(kernels, start):
    return np.einsum("s,xso->xo", start, sequences.joint(kernels.mixture, kernels.x, np.eye(len(start))))


def test_every_learner_one_prompt_at_a_time(small):
    """The streams again, by predict, by kernel regression on drawn pairs, and by a generic optimiser."""
    found, rng, joint = learning.learn(small, HALF, (1, 6), 2, seed=3), np.random.default_rng(3), small.joint
    pairs = pairs_from(small, HALF)
    weight = pairs.sum(axis=1)
    counts = sum(rng.multinomial(m, pairs.ravel() / pairs.sum(), size=2) for m in (1, 5))
    expected = dict.fromkeys(LEARNERS, 0.0)
    for stream in counts.reshape(2, *pairs.shape):
        x, y = (np.repeat(axis, stream.ravel()) for axis in np.indices(stream.shape).reshape(2, -1))
        shown = [(small.x[i], int(label)) for i, label in zip(x, y, strict=True)]
        start = most_likely_start(small, x, y)
        for q, query in enumerate(small.x):
            answers = {
                BAYES: small.mixture.predict(shown, query),
                IGNORING: small.mixture.predict([], query),
                FITTED: pairs_from(small, start)[q] / pairs_from(small, start)[q].sum(),
                **{name: kernel_regression(small.gram(name)[q, x], y, 4) for name in FOLLOWED},
            }
            for name, answer in answers.items():
                apart = np.abs(answer - pairs[q] / weight[q]).sum()
                expected[name] += weight[q] * min(apart, 2) / 2
    for name, error in zip(LEARNERS[:-1], found["error"][:, 1], strict=False):  # all but the tuned
        assert error == pytest.approx(expected[name], abs=1e-3 if name == FITTED else 1e-9)
    assert found["rank"] == 9 and joint.shape[1] == 2


def most_likely_start(kernels, x, y):
    rows = np.stack([pairs_from(kernels, start)[x, y] for start in np.eye(3)], axis=1)

    def loss(free):
        return -np.log(rows @ special.softmax(free)).sum()

    best = min((optimize.minimize(loss, free, tol=1e-12) for free in np.eye(3) * 3), key=lambda r: r.fun)
    return special.softmax(best.x)


def test_a_start_of_the_corpus_and_many_demonstrations(small):
    """Bayes is right, and every kernel is at its limit."""
    found = learning.learn(small, small.mixture.start[1], (10, 1_000_000), 3, seed=0)
    errors = dict(zip(LEARNERS, found["error"][:, 1], strict=True))
    limits = dict(zip(LEARNERS, found["limit"], strict=True))
    assert errors[BAYES] < 1e-9 and limits[BAYES] == 0 and limits["ratio"] < 1e-12
    for name in FOLLOWED:
        assert errors[name] == pytest.approx(limits[name], abs=0.02)
    assert errors[FITTED] < 0.01 and errors[TUNED] <= min(errors[name] for name in FOLLOWED)


@given(st.integers(0, 10_000), st.sampled_from([(True, "blocks"), (False, "single")]))
@settings(max_examples=10)
def test_outside_the_corpus_the_repair_is_right_and_bayes_tends_to_the_projection(seed, shape):
    """Any start: the repaired limit is P(y | x, s); the posterior weight is all on the task of least KL."""
    closed, starts = shape
    design = material.Design(2, 4, 4, 2, families.softmax(2.0), starts=starts, closed=closed, noise=0.3)
    kernels = Kernels(design.mixture(seed), sequences.every(4, 2))
    start = np.random.default_rng(seed).dirichlet(np.ones(4))
    pairs = pairs_from(kernels, start)
    truth = pairs / pairs.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(regression_from_counts(kernels.gram("ratio"), pairs), truth, atol=1e-7)
    nearest, divergences = learning.projection(kernels.joint, pairs)
    by_scipy = [stats.entropy(pairs.ravel(), kernels.joint[:, t].ravel()) for t in range(2)]
    np.testing.assert_allclose(divergences, by_scipy, rtol=1e-9)
    counts = 1e9 * pairs[None]  # many demonstrations, in their exact proportions
    end = learning.posterior_from_counts(kernels.mixture.prior, kernels.joint, counts)[0]
    if abs(np.diff(divergences)[0]) > 1e-6:
        of_nearest = kernels.joint[:, nearest]
        np.testing.assert_allclose(end, of_nearest / of_nearest.sum(axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("start", [np.eye(3)[0], HALF])
def test_the_law_of_bayes_is_the_mean_of_simulated_posteriors(small, start):
    pairs, ns = pairs_from(small, start), (8, 32, 128)
    law = learning.predicted_posterior_error(small.mixture.prior, small.joint, pairs, ns)
    found = learning.learn(small, start, ns, 400, seed=1)
    np.testing.assert_allclose(law, found["error"][LEARNERS.index(BAYES)], rtol=0.12, atol=0.004)
    np.testing.assert_array_equal(law, found["predicted"][LEARNERS.index(BAYES)])


@pytest.mark.parametrize("name", ["ratio", "printed", "belief", "labels only"])
def test_the_sharp_law_is_the_variance_of_simulated_prompts(small, name):
    joint, gram, rng, n = small.joint[:, 0], small.gram(name), np.random.default_rng(0), 20_000
    draws = rng.multinomial(n, joint.ravel() / joint.sum(), size=4000).reshape(-1, *joint.shape)
    likely = np.argsort(-joint.sum(axis=1))[:6]
    sums = np.einsum("qx,rxy->rqy", gram[likely], draws)
    measured = n * (sums / sums.sum(axis=-1, keepdims=True)).var(axis=0)
    law = learning.sharp_variance(gram, joint)[likely]
    np.testing.assert_allclose(measured, law, rtol=0.15, atol=1e-6)


def test_kernels_follow_the_sharp_law_where_prompts_are_long(small):
    found = learning.learn(small, HALF, (1000, 100_000), 40, seed=2)
    for name in FOLLOWED:
        place = LEARNERS.index(name)
        np.testing.assert_allclose(found["error"][place], found["predicted"][place], rtol=0.1)


def test_the_mean_of_a_folded_normal():
    mean, deviation = np.array([0.0, -0.3, 0.5, 0.2]), np.array([1.0, 0.2, 0.1, 0.0])
    expected = stats.foldnorm(np.abs(mean[:3]) / deviation[:3], scale=deviation[:3]).mean()
    np.testing.assert_allclose(learning.folded_mean(mean, deviation), [*expected, 0.2])


def test_held_out_starts_are_no_start_of_the_corpus():
    for design in material.learning_designs().values():
        held_out = design.held_out()
        assert held_out.sum() == pytest.approx(1)
        assert not (design.start == held_out).all(axis=1).any()
    design = material.learning_designs()["4 tasks of 3 states"]
    np.testing.assert_allclose(design.held_out(), [1 / 6] * 6 + [0] * 6)
