"""What decides the claims of chapter 05: numbers worked out by hand, and small measurements judged by theory."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from iclnb.claims import NothingToMeasure
from iclnb.errors import IclnbError
from iclnb.lsa import beside, deep, estimates, identities, layer, material, measure, measure_beyond, pictures
from iclnb.lsa.findings import CONVERGED, EXACT, SAMPLED, TrainedLayers

D, CONTEXT, NORM = 3, 4, 3**0.5
FLOOR = 1.5
"""d (1 - η*) = 3 (1 - 1/2)."""


def by_hand(**changed):
    """One head, four heads and y_q-LSA of d = 3 at norms 0 and √3; two seeds."""
    risks = np.array([[2.0, 4.0, 2.0, 3.0, 2.0, 1.8], [2.2, 4.4, 2.0, 3.2, 2.0, 1.65]])
    parts = {
        "d": D, "n_context": CONTEXT, "heads": [1, 1, 4, 4, 1, 1], "norm": [0, NORM] * 3,
        "guess": [False] * 4 + [True] * 2, "optimum": [1.9, 3.0, 1.9, 2.5, 1.5, 1.5],
        "risk": np.stack([np.full((2, 6), np.nan), 2 * risks, risks]),
        "scale": [0.1, 0.3], "by_scale": np.array([[[1.8, 3.0], [1.65, 3.0]], [[1.6, 6.0], [1.95, 3.0]]]),
        "setting_d": [2, 3], "setting_context": [4, 4],
        "setting_risk": [[6 / 7 + 0.4 * 1.5, 6 / 7 + 0.4 * 1.1], [1.5 + 3 / 7 * 1.2, 1.5 + 3 / 7 * 1.1]],
        "beside": np.array([[[1.0, 2, 0.1], [10, 2, 0.5], [30, 2, 1]], [[4.0, 2, 0.4], [10, 2, 0.5], [30, 2, 1]]]),
        "unmasked": [[1.0, 2.0], [3.0, 6.0]],
        "soft_heads": [1, 1, 1, 1], "soft_norm": [0, 0, NORM, NORM], "soft_in_sight": [False, True] * 2,
        "soft_excess": [[1.0, 1.0, 2.0, 8.0], [1.0, 1.0, 8.0, 8.0]],
        "search": [[3, 4, 4, 0, NORM, FLOOR + 6 / 14], [3, 4, 5, 0, 0.0, FLOOR * 1.001]],
        "checks": [[1e-9, 1.0], [2e-9, 2.0], [3e-9, 3.0], [4e-9, 4.0]],
    }  # fmt: skip
    return TrainedLayers(**parts | changed)


def test_a_sweep_from_settings():
    models = material.sweep_models("7,2", "0,2", D)
    assert [m.heads for m in models[::2]] == [1, 2, 3, 4, 7, 1]
    assert [m.norm for m in models[:2]] == [0, pytest.approx(12**0.5)]
    assert [m.train_guess for m in models] == [False] * 10 + [True] * 2
    assert material.dimensions("2x10,5x3") == [(2, 10), (5, 3)]


def test_estimates_by_hand():
    found = by_hand()
    assert (found.floor, found.top, found.most) == (FLOOR, NORM, 4)
    worst = estimates.excess(found, CONVERGED, seed=0)
    assert worst.estimate.value == pytest.approx((1 / 3 * 1.4 / 3) ** 0.5)  # 4 and 4.4 above 3
    assert worst.control == pytest.approx(1.0)
    guess = estimates.excess(found, CONVERGED, guess=True, seed=0)
    assert guess.estimate.value == pytest.approx((0.2 * 0.1) ** 0.5) and guess.estimate.low > 0
    by_paper = estimates.excess(found, EXACT, guess=True, seed=0)
    assert by_paper.estimate.value == pytest.approx((1.4 * 1.2) ** 0.5)
    with pytest.raises(NothingToMeasure, match="two seeds"):
        estimates.excess(found, SAMPLED, seed=0)
    scales = estimates.excess_by_scale(found, seed=0)  # the worse of two scales: 0.2 and 0.3
    assert scales.estimate.value == pytest.approx((0.2 * 0.3) ** 0.5) and scales.control == pytest.approx(2)
    law = estimates.law_excess(found, seed=0)  # gaps of 1.5 and 1.2 times the law, then 1.1 and 1.1
    assert law.estimate.value == pytest.approx((0.5 * 0.1) ** 0.5)
    assert estimates.one_minus_cosine(found, seed=0).estimate.value == pytest.approx((0.1 * 0.4) ** 0.5)
    near = estimates.prediction_distance(found, seed=0)
    assert near.estimate.value == pytest.approx((0.1 * 0.4) ** 0.5) and near.control == 3
    assert estimates.in_sight(found, seed=0).estimate.value == 3
    one = estimates.linear_excess(found, 1)
    ratios = [estimates.normalised(found, 1, in_sight=seen, seed=0).estimate.value for seen in (False, True)]
    assert ratios == pytest.approx([4 / one, 8 / one])
    with pytest.raises(NothingToMeasure, match="2 in soft_heads"):
        estimates.normalised(found, 2, in_sight=False, seed=0)
    searched = estimates.head_law(found)
    assert searched.estimate.value == pytest.approx(1e-3) and searched.control == pytest.approx(1e-3)
    assert tuple(estimates.proved(found, "one step", "w"))[1:] == (3.0, "w")


def test_a_stated_share_is_compared_with_the_gap():
    found = by_hand()  # 2·3/14 of 1.5 with three heads
    right, wrong = (estimates.relative_gap(found, {(3, 3): share}) for share in (2 / 7, 2 / 7 + 0.01))
    assert right.estimate.value == pytest.approx(0, abs=1e-12) and wrong.estimate.value == pytest.approx(0.01)
    assert right.control == pytest.approx(2 / 7 * 2 / 3)


def test_identities_hold_and_their_controls_do_not():
    size = (D, CONTEXT)
    found = {
        identities.heads_bound(*size, 1): 1e-12,
        identities.unlimited_heads(*size, 2.0): 1e-12,
        identities.one_step(*size, 1): 1e-12,
        identities.constant_coordinate(*size, 1): 1e-12,
        identities.one_length(*size, 1): 1e-12,
        identities.elsewhere(*size): 1e-12,
        identities.stacked_steps(*size, [0.3, 0.2], 1): 1e-12,
        identities.large_mean(*size, (0.0, 3.0)): 1e-6,
        identities.centred(*size, 1): 1e-4,
    }
    for (deviation, variant), tolerance in found.items():
        assert deviation < tolerance < 1e-3 < variant


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The whole measurement of d = 3, trained to convergence; twice, the second time from the store."""
    run = SimpleNamespace(
        d=D, n_context=CONTEXT, heads="1", scales="0,1", steps=2000, batch=32, seeds=2, sampled_seeds=1, grid="2x3",
        soft_heads="1", soft_steps=300, soft_batch=200, soft_seeds=2, largest_search=1, prompts=20_000, data_seed=0,
        init_seed=1, evaluation_seed=2, search_seed=3,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ICLNB_CACHE", str(tmp_path_factory.mktemp("cache")))
        found = measure.measure(run)
        patched.setattr(measure, "train", None)  # nothing is trained again
        patched.setattr(measure.softmax, "train", None)
        again = measure.measure(run)
    assert np.array_equal(found.risk, again.risk, equal_nan=True)
    assert np.array_equal(found.soft_excess, again.soft_excess)
    return found


def test_a_small_measurement_is_what_the_theory_says(small):
    assert np.all(small.risks(CONVERGED) > small.optimum * (1 - 1e-12)) and len(small.risks(SAMPLED)) == 1
    assert estimates.excess(small, CONVERGED, seed=0).estimate.value < 1e-3
    assert estimates.law_excess(small, seed=0).estimate.high < 0.05
    assert estimates.one_minus_cosine(small, seed=0).estimate.value < 1e-3
    assert estimates.prediction_distance(small, seed=0).estimate.value < 0.2
    assert estimates.in_sight(small, seed=0).estimate.low > 0
    assert estimates.normalised(small, 1, in_sight=False, seed=0).estimate.value > 1
    assert estimates.head_law(small).estimate.value < 1e-5
    with pytest.raises(IclnbError, match="2 or more"):
        measure.measure(SimpleNamespace(seeds=1, soft_seeds=2))


def test_pictures_say_what_they_show(small):
    ladder = {"this run": small}
    alt = pictures.gap_by_heads(ladder).alt
    assert f"{2 * 3 / 14 / FLOOR:.1%}" in alt
    assert "33.3% with d" in pictures.relative_gap().alt
    assert "converged: at most" in pictures.excess(ladder).alt
    assert "| 2 | 10 | 92 | 3.5 | 39 |" in pictures.share_table().data


def test_distances_of_two_predictors():
    query = np.array([[1.0, 0.0], [0.0, 2.0]])
    first, second = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 0.0], [1.0, 0.0]])
    found = beside.distances(first, second, query)
    assert found == pytest.approx((((1 + 4) / 2) ** 0.5, (1 + 2**0.5) / 2, 0.5))


def test_the_best_step_beside_itself_and_from_zero():
    mean = np.array([1.0, -2.0])
    made = layer.gd_layer(jnp.asarray(mean), 1 / (1 + 3 / 5))
    tensor = np.asarray(layer.coefficient_tensor(made), float)[None]
    same, zero = beside.beside_gd(tensor, mean[None], mean, n_context=5, prompts=200, seed=(0, 0))
    assert np.all(np.abs(same) < 1e-6) and zero[0] > 0.1


def test_steps_of_gd_and_of_gd_plus_plus():
    """The formula against the steps themselves, from every direction of u; two steps of GD++ beat two of GD."""
    x, u = np.random.default_rng(0).normal(size=(500, 4, 3)), np.eye(3)
    square, values = np.einsum("pci,pcj->pij", x, x) / 4, np.linalg.svd(x, compute_uv=False) ** 2 / 4
    w, shrunk = np.zeros((500, 3, 3)), np.broadcast_to(np.eye(3), (500, 3, 3))  # of inputs and of the query
    for eta, gamma in ((0.4, 0.3), (0.8, 0.0)):
        residual = np.einsum("pci,pji->pcj", x, u - w)
        change = eta * np.einsum("pcj,pci->pji", residual, x @ shrunk) / 4
        w = w + change @ shrunk.swapaxes(1, 2)
        shrunk = shrunk @ (np.eye(3) - gamma * square)
    risk = np.mean(np.sum((w - u) ** 2, axis=(1, 2)))
    rates, shrinkage = np.array([0.4, 0.8]), np.array([0.3, 0.0])
    assert deep.risk_of_steps(rates, shrinkage, values, 3) == pytest.approx(risk, rel=1e-10)
    gd_steps, plus = (deep.best_steps(2, d=3, n_context=4, plus=each) for each in (False, True))
    assert deep.risk_of_steps(*plus, values, 3) < 0.9 * deep.risk_of_steps(*gd_steps, values, 3)


def test_a_stack_in_its_short_form_is_the_layer_as_written():
    rng = np.random.default_rng(0)
    draws = [[jnp.asarray(0.3 * rng.normal(size=s)) for s in ((2, 4, 4), (2, 4, 4), (3,))] for _ in range(3)]
    stack = [layer.LinearSelfAttention(*each) for each in draws]
    x, y, query = (jnp.asarray(rng.normal(size=s)) for s in ((8, 5, 3), (8, 5), (8, 3)))
    short, written = deep.predict_stack(stack, x, y, query), layer.predict(stack, x, y, query)
    assert np.asarray(short) == pytest.approx(np.asarray(written), rel=1e-3, abs=1e-4)


def test_the_findings_of_the_appendix(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path))
    size = {"d": 2, "n_context": 3, "scale": 1.0, "layers": "2", "updates": 3, "seeds": 2}
    found = measure_beyond.measure(SimpleNamespace(**size, data_seed=0, evaluation_seed=1))
    assert found.risk[0, :, 1] == pytest.approx(found.risk[0, :, 0], rel=0.05)
    assert found.risk[0, 0, 0] != found.risk[0, 1, 0] and found.tuned[0, 1] < found.tuned[0, 0]
    near, far = (estimates.stack_ratio(found, way, seed=0).estimate.value for way in ("GD", "GD++"))
    assert near == pytest.approx(1, abs=0.05)
    assert far == pytest.approx(near * found.tuned[0, 0] / found.tuned[0, 1])
    assert estimates.stacked_steps(found).estimate.value < 1e-12
    assert "L = 2" in pictures.stacks({"this run": found}, seed=0).alt
    table = pictures.baselines(found, seed=0).data
    assert "Bayes" in table and "σ = 0.5" in table
    with pytest.raises(IclnbError, match="stacks of two"):
        measure_beyond.measure(SimpleNamespace(layers="1,3", seeds=2))
