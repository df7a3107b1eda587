"""The batched experiment of appendix C against one prompt at a time."""

import numpy as np
import pytest

from iclnb.bayes import Kernels, families, kernel_regression, material, table_3
from iclnb.bayes.table_3 import KERNELS


@pytest.fixture(scope="module", params=["near-deterministic", "noisy"])
def setting(request):
    rows, noise, threshold = {
        "near-deterministic": (families.softmax(50.0), 0.0, 1e-5),
        "noisy": (families.softmax(3.0), 0.3, 1e-9),
    }[request.param]
    mixture = families.mixture(families.block_starts(3, 9), rows, 6, 1, noise=noise, blocks=3)
    prompts = material.draw_prompts(mixture, 12, 8, 3, threshold, seed=7)
    return mixture, prompts, Kernels(mixture, prompts.known)


@pytest.mark.parametrize("n", [0, 1, 8])
def test_batched_posteriors_are_those_of_predict(setting, n):
    mixture, prompts, kernels = setting
    found = table_3.posteriors(mixture, prompts, kernels.joint, n)
    for p, posterior in enumerate(found):
        shown = [(prompts.known[x], y) for x, y in zip(prompts.x[p, :n], prompts.y[p, :n], strict=True)]
        expected = mixture.predict(shown, prompts.known[prompts.query[p]])
        np.testing.assert_allclose(posterior, expected, rtol=0, atol=1e-12)


def test_curves_are_means_over_prompts_taken_one_by_one(setting):
    mixture, prompts, kernels = setting
    found = table_3.compare(mixture, prompts, ns=[2, 8])
    posteriors = table_3.posteriors(mixture, prompts, kernels.joint, 8)
    for k, name in enumerate(KERNELS):
        gram, distances, squares, agree, negative, ends = kernels.gram(name), [], [], [], [], []
        for p, posterior in enumerate(posteriors):
            similarity = np.array([gram[prompts.query[p], x] for x in prompts.x[p]])
            estimate = kernel_regression(similarity, prompts.y[p], 6)
            distances.append(np.abs(estimate - posterior).sum())
            squares.append(np.linalg.norm(estimate - posterior) ** 2)
            agree.append(np.argmax(estimate) == np.argmax(posterior))
            negative.append(similarity.sum() < -1e-9 * np.abs(similarity).sum())
            pairs = kernels.joint[:, prompts.tasks[p]]
            end = gram[prompts.query[p]] @ pairs
            truth = pairs[prompts.query[p]]
            ends.append(min(np.abs(end / end.sum() - truth / truth.sum()).sum(), 2))
        assert found["squared"][k, 1] == pytest.approx(np.minimum(squares, 2).mean(), rel=1e-9)
        assert found["distance"][k, 1] == pytest.approx(np.minimum(distances, 2).mean(), rel=1e-9)
        assert found["accuracy"][k, 1] == pytest.approx(np.mean(agree))
        assert found["negative"][k, 1] == pytest.approx(np.mean(negative))
        assert found["limit"][k] == pytest.approx(np.mean(ends), abs=1e-9)
    alone = table_3.posteriors(mixture, prompts, kernels.joint, 0)
    assert found["without"][1] == pytest.approx(np.abs(posteriors - alone).sum(axis=1).mean())
    assert found["negative"][KERNELS.index("prediction")].max() == 0


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


@pytest.mark.parametrize("rows", [families.softmax, families.dirichlet])
def test_sharpness_gives_the_first_column_on_the_hmms_it_was_searched_on(rows):
    reading = material.Reading("single", True, 2, rows)
    sharpness, seed = table_3.sharpness(reading, 2, 40, (3, 4)), (3, 4)
    distances = []
    for i in range(2):
        mixture = reading.design(sharpness).mixture((*seed, i))
        drawn = material.draw_prompts(mixture, 40, 1, 2, 1.0, (*seed, i, 1))
        distances += [
            2 - 2 * mixture.predict([(drawn.known[x[0]], y[0])], drawn.known[q])[y[0]]
            for x, y, q in zip(drawn.x, drawn.y, drawn.query, strict=True)
        ]
    assert np.mean(distances) == pytest.approx(table_3.DISTANCE[0], abs=0.03)
    assert table_3.sharpness(reading._replace(sharpness=7.0), 1, 1, seed) == 7
    jump = material.Reading("blocks", False, 2)  # no scale gives the column: the sharpest end is nearest
    assert table_3.sharpness(jump, 1, 10, seed) == pytest.approx(table_3.SHARPNESS[families.softmax][1])


def test_readings_begin_with_a_start_state_for_every_task():
    readings = material.readings()
    first = next(iter(readings.values()))
    mixture = first.design(10.0).mixture(0)
    assert (mixture.tasks, mixture.states, mixture.observations) == (8, 80, 100)
    assert (mixture.start.max(axis=1) == 1).all() and not mixture.transition[0, 10:].any()
    names = list(readings)
    own = [name.startswith("own start") for name in names if "scale" not in name]
    assert own == sorted(own, reverse=True)
