"""The batched experiment against one prompt at a time."""

import numpy as np
import pytest

from iclnb.bayes import KERNELS, Kernels, experiment, families, kernel_regression, material


@pytest.fixture(scope="module", params=["near-deterministic", "noisy"])
def setting(request):
    rows, noise, threshold = {
        "near-deterministic": (families.softmax(50.0), 0.0, 1e-5),
        "noisy": (families.softmax(3.0), 0.3, 1e-9),
    }[request.param]
    mixture = families.mixture(families.block_starts(3, 9), rows, 6, 1, noise=noise, closed=True)
    prompts = material.draw_prompts(mixture, 12, 8, 3, threshold, seed=7)
    return mixture, prompts, Kernels(mixture, prompts.known)


@pytest.mark.parametrize("n", [0, 1, 8])
def test_batched_posteriors_are_those_of_predict(setting, n):
    mixture, prompts, kernels = setting
    found = experiment.posteriors(mixture, prompts, kernels.joint, n)
    for p, posterior in enumerate(found):
        demonstrations = [
            (prompts.known[x], y) for x, y in zip(prompts.x[p, :n], prompts.y[p, :n], strict=True)
        ]
        expected = mixture.predict(demonstrations, prompts.known[prompts.query[p]])
        np.testing.assert_allclose(posterior, expected, rtol=0, atol=1e-12)


def test_curves_are_means_over_prompts_taken_one_by_one(setting):
    mixture, prompts, kernels = setting
    found = experiment.run(mixture, prompts, kernels, list(KERNELS), [2, 8])
    for name in KERNELS:
        gram, estimates, distances, agree, negative = kernels.gram(name), [], [], [], []
        posteriors = experiment.posteriors(mixture, prompts, kernels.joint, 8)
        for p, posterior in enumerate(posteriors):
            similarity = np.array([gram[prompts.query[p], x] for x in prompts.x[p]])
            estimate = kernel_regression(similarity, prompts.y[p], 6)
            estimates.append(estimate)
            distances.append(np.abs(estimate - posterior).sum())
            agree.append(np.argmax(estimate) == np.argmax(posterior))
            negative.append(similarity.sum() < -1e-9 * np.abs(similarity).sum())
        answered = [np.argmax(e) == a for e, a in zip(estimates, prompts.answer, strict=True)]
        assert found.answered[name][1] == pytest.approx(np.mean(answered))
        away = [np.abs(e - np.eye(6)[a]).sum() for e, a in zip(estimates, prompts.answer, strict=True)]
        assert found.to_answer[name][1] == pytest.approx(np.mean(away), rel=1e-9)
        assert found.distance[name][1] == pytest.approx(np.mean(distances), rel=1e-9)
        assert found.median[name][1] == pytest.approx(np.median(distances), rel=1e-9)
        assert found.accuracy[name][1] == pytest.approx(np.mean(agree))
        assert found.negative[name][1] == pytest.approx(np.mean(negative))
    chances = posteriors[np.arange(12), prompts.answer]
    assert found.risk[1] == pytest.approx(2 * (1 - chances).mean(), rel=1e-9)
    assert all(found.negative[name].max() == 0 for name in ("clipped", "belief", "prediction", "labels only"))


def test_prompts_hold_what_was_sampled(setting):
    mixture, prompts, kernels = setting
    again = material.draw_prompts(mixture, 12, 8, 3, 1e-5, seed=7)
    np.testing.assert_array_equal(prompts.known[prompts.x], again.known[again.x])
    np.testing.assert_array_equal(prompts.y, again.y)
    other = material.draw_prompts(mixture, 12, 8, 3, 1e-5, seed=8)
    assert not np.array_equal(prompts.y, other.y)
    marginal = kernels.joint.sum(axis=2)[prompts.x, prompts.tasks[:, None]]
    assert (marginal > 0).all()
    assert 0 <= kernels.missing_mass < 1e-3


def test_shuffled_labels_undo_what_the_kernel_knows():
    mixture = families.mixture(families.block_starts(4, 16), families.softmax(50.0), 12, 3, closed=True)
    prompts = material.draw_prompts(mixture, 100, 64, 4, 1e-5, seed=0)
    kernels = Kernels(mixture, prompts.known)
    names = ["belief", "labels only"]
    true, shuffled = (
        experiment.run(mixture, prompts, kernels, names, [64], shuffle_seed=seed) for seed in (None, 5)
    )
    assert true.distance["belief"][0] < 0.5 * true.distance["labels only"][0]
    assert shuffled.distance["belief"][0] > 0.9 * true.distance["labels only"][0]
    assert shuffled.distance["labels only"][0] == pytest.approx(true.distance["labels only"][0], rel=1e-12)
    np.testing.assert_array_equal(shuffled.without, true.without)


def test_limit_is_what_many_demonstrations_come_to():
    """Noisy HMMs, so that every x recurs: distance at n = 20,000 is the exact limit, up to sampling."""
    mixture = families.mixture(families.block_starts(2, 4), families.softmax(2.0), 3, 0, noise=0.3)
    prompts = material.draw_prompts(mixture, 60, 20_000, 2, 1e-9, seed=1)
    found = experiment.run(
        mixture, prompts, Kernels(mixture, prompts.known), ["prediction", "ratio"], [20_000]
    )
    for name in ("prediction", "ratio"):
        assert found.distance[name][0] == pytest.approx(found.limit[name], abs=0.03)
    assert found.limit["prediction"] > 0.03
    assert found.limit["ratio"] < 1e-9


def test_first_demonstration_decides_alone(setting):
    """At n = 1 the kernel cancels: ŷ = e(y_1), whatever the kernel, and L1 = 2 (1 - P(y_1))."""
    mixture, prompts, kernels = setting
    found = experiment.run(mixture, prompts, kernels, list(KERNELS), [1])
    posterior = experiment.posteriors(mixture, prompts, kernels.joint, 1)
    expected = 2 * (1 - posterior[np.arange(12), prompts.y[:, 0]]).mean()
    for name in KERNELS:
        assert found.distance[name][0] == pytest.approx(expected, rel=1e-9)
