"""Findings of chapter 01 and its appendices: units, seeds, and what is kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from iclnb import store
from iclnb.bayes import Kernels, learning, measure, measure_table_3, measure_theorem, sequences, table_3
from iclnb.bayes.findings import DESIGNS
from iclnb.bayes.material import SHARES, SMALL, draw_prompts, learning_designs, readings

RUN = SimpleNamespace(hmms=1, streams=2, doublings=10, hmm_seed=0, prompt_seed=1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path))


def test_learning_is_hmm_by_hmm_and_a_killed_run_goes_on():
    with store.tally() as first:
        found = measure.measure(RUN)
    with store.tally() as second:
        again = measure.measure(SimpleNamespace(**{**vars(RUN), "hmms": 2}))
    assert (first.measured, first.reused) == (3, 0) and (second.measured, second.reused) == (3, 3)
    np.testing.assert_array_equal(found.error, again.error[:, :1])  # whatever the number of HMMs
    np.testing.assert_array_equal(found.ns, [1, 1024, 1048576])
    place, share = 2, 3
    design = learning_designs()[DESIGNS[place]]
    mixture = design.mixture((0, place, 1))
    kernels = Kernels(mixture, sequences.every(design.observations, design.length))
    start = (1 - SHARES[share]) * mixture.start[0] + SHARES[share] * design.held_out()
    direct = learning.learn(kernels, start, [1, 1024, 1048576], 2, (1, place, 1, share))
    np.testing.assert_allclose(again.error[place, 1, share], direct["error"], rtol=3e-4)
    np.testing.assert_allclose(again.limit[place, 1, share], direct["limit"], rtol=1e-6)


def test_limits_of_small_hmms_are_those_of_theory():
    found = measure_theorem.measure(SimpleNamespace(small_hmms=2, hmm_seed=3))
    mixture = SMALL.mixture((3, 1))
    kernels = Kernels(mixture, sequences.every(SMALL.observations, SMALL.length))
    assert found.bound[1] == measure_theorem.bound(mixture, 0, SMALL.length, (2, 3, 4))
    for name in ("printed", "ratio"):
        assert found.of(name)[1] == measure_theorem.floor(kernels, name, 0).worst


def test_table_3_is_reading_by_reading():
    size = {"readings": 1, "hmms": 2, "prompts": 3, "search_hmms": 1, "search_prompts": 5}
    found = measure_table_3.measure(SimpleNamespace(**size, hmm_seed=0, prompt_seed=1))
    assert np.isfinite(found.distance[0]).all() and np.isnan(found.distance[1:]).all()
    name = measure_table_3.READINGS[0]
    sharpness = table_3.sharpness(readings()[name], 1, 5, (0, 0, 1))
    assert found.sharpness[0] == pytest.approx(sharpness)
    design = readings()[name].design(sharpness)
    mixture = design.mixture((0, 0, 0, 1))
    direct = table_3.compare(
        mixture, draw_prompts(mixture, 3, 128, design.length, design.threshold, (1, 0, 1))
    )
    np.testing.assert_allclose(found.distance[0, 1], direct["distance"], rtol=3e-4)
    np.testing.assert_allclose(found.without[0, 1], direct["without"], rtol=1e-6, atol=1e-12)
