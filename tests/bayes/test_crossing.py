"""How many demonstrations are needed: the sharp law against simulation, and one prompt at a time."""

import numpy as np
import pytest
from scipy import stats

from iclnb.bayes import (
    Kernels,
    crossing,
    families,
    kernel_regression,
    material,
    pictures,
    sequences,
    study,
    tables,
)


@pytest.fixture(scope="module")
def small():
    mixture = families.mixture(families.single_starts(2, 3), families.dirichlet(1.0), 4, seed=4, noise=0.2)
    return Kernels(mixture, sequences.every(4, 2))


@pytest.mark.parametrize("name", ["ratio", "printed", "belief", "labels only"])
def test_the_sharp_law_is_the_variance_of_simulated_prompts(small, name):
    joint, gram, rng, n = small.joint[:, 0], small.gram(name), np.random.default_rng(0), 20_000
    draws = rng.multinomial(n, joint.ravel() / joint.sum(), size=4000).reshape(-1, *joint.shape)
    likely = np.argsort(-joint.sum(axis=1))[:6]
    sums = np.einsum("qx,rxy->rqy", gram[likely], draws)
    measured = n * (sums / sums.sum(axis=-1, keepdims=True)).var(axis=0)
    law = crossing.sharp_variance(gram, joint)[likely]
    np.testing.assert_allclose(measured, law, rtol=0.15, atol=1e-6)


def test_labels_only_has_the_variance_of_a_frequency(small):
    p = small.joint[:, 1].sum(axis=0)
    law = crossing.sharp_variance(small.gram("labels only"), small.joint[:, 1])
    np.testing.assert_allclose(law, np.tile(p * (1 - p), (16, 1)))


def test_the_sharp_law_of_repair_ii_is_at_most_about_the_rank(small):
    """One task: averaged over x_test, Σ_y Var is below E K² = rank."""
    alone = families.mixture(np.eye(1, 3), families.dirichlet(1.0), 4, seed=1, noise=0.3)
    kernels = Kernels(alone, sequences.every(4, 2))
    joint = kernels.joint[:, 0]
    average = joint.sum(axis=1) @ crossing.sharp_variance(kernels.gram("ratio"), joint).sum(axis=1)
    assert 0.3 * 9 < average < kernels.whitening("ratio").rank == 9


def test_the_mean_of_a_folded_normal():
    mean, deviation = np.array([0.0, -0.3, 0.5, 0.2]), np.array([1.0, 0.2, 0.1, 0.0])
    expected = [
        stats.foldnorm(abs(m) / s, scale=s).mean() for m, s in zip(mean[:3], deviation[:3], strict=True)
    ]
    np.testing.assert_allclose(crossing.folded_mean(mean, deviation), [*expected, 0.2])


def test_where_a_falling_curve_meets_a_level():
    assert crossing.crossing((0, 3), (1.0, 0.0), 0.5) == pytest.approx(1)  # log 1, log 2, log 4
    assert crossing.crossing((1, 2, 4), (0.4, 0.9, 0.1), 0.5) == 1
    assert crossing.crossing((1, 2), (0.9, 0.8), 0.5) == np.inf
    worse_at_first = crossing.Learning((1, 3), 1.0, {"k": np.array([2.0, 0.0])}, {}, {}, {}, {}, 2, 1.0, 4)
    assert (
        worse_at_first.needed("k", 1.0)
        == pytest.approx(np.expm1(np.log(8) / 2))
        != worse_at_first.needed("k")
    )


def test_divergence_by_hand():
    joint = np.array([[[0.5, 0.0], [0.25, 0.0]], [[0.0, 0.5], [0.0, 0.75]]])  # sequences, tasks, labels
    first = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    second = 0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5)
    assert crossing.divergence(joint) == pytest.approx((first + second) / 2)


def test_learning_one_prompt_at_a_time(small):
    """The first stream of the first task again, by predict and by kernel regression on drawn pairs."""
    found = crossing.learn(small, ["ratio"], (1, 6), 1, seed=3)
    rng, joint = np.random.default_rng(3), small.joint
    expected = {"Bayes": 0.0, "ratio": 0.0, "nothing": 0.0}
    for task in range(2):
        pairs, weight = joint[:, task], joint[:, task].sum(axis=1)
        counts = sum(rng.multinomial(m, pairs.ravel() / pairs.sum()) for m in (1, 5)).reshape(pairs.shape)
        x, y = (np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
        shown = [(small.x[i], int(label)) for i, label in zip(x, y, strict=True)]
        for q, query in enumerate(small.x):
            truth = pairs[q] / weight[q]
            answers = {
                "Bayes": small.mixture.predict(shown, query),
                "nothing": small.mixture.predict([], query),
                "ratio": kernel_regression(small.gram("ratio")[q, x], y, 4),
            }
            for name, answer in answers.items():
                expected[name] += weight[q] * min(np.abs(answer - truth).sum(), 2) / 2
    assert found.ignoring == pytest.approx(expected["nothing"])
    assert found.errors["Bayes"][1] == pytest.approx(expected["Bayes"])
    assert found.errors["ratio"][1] == pytest.approx(expected["ratio"])
    assert found.end["ratio"] < 1e-12 and found.tasks == 2 and found.rank == 9


def test_many_demonstrations_follow_the_law_and_are_shown():
    design = material.Design(2, 4, 4, 2, families.softmax(2.0), noise=0.3)
    seeds = {"hmm_seed": 0, "prompt_seed": 1}
    names = ("ratio", "printed", "belief", "operator cosine")
    learned = study.learning({"a": design}, names, (1, 30, 1000, 100_000), 2, 20, **seeds)
    for one in learned["a"]:
        assert one.apart["ratio"] / one.law["ratio"] == pytest.approx(1, abs=0.15)
        np.testing.assert_allclose(one.errors["ratio"][2:], one.predicted["ratio"][2:], rtol=0.15)
        assert one.errors["Bayes"][-1] < 1e-9
    needed = np.median([one.needed("ratio") for one in learned["a"]])
    assert f"kernel with {needed:.3g}" in pictures.crossing(learned).alt
    assert f"| {needed:.3g} |" in tables.learners(learned).data
    assert f"| {needed:.3g} |" in tables.by_design(learned).data
