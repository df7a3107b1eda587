"""Bootstrap intervals against analytic ones, exact enumeration and simulated coverage."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from iclnb.stats import Estimate, bootstrap, exact


def test_interval_of_a_mean_is_close_to_students():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    got = bootstrap(x, seed=1, resamples=5000)
    low, high = scipy_stats.t.interval(0.95, len(x) - 1, loc=x.mean(), scale=scipy_stats.sem(x))
    assert got.value == pytest.approx(x.mean())
    assert got.low == pytest.approx(low, abs=0.03) and got.high == pytest.approx(high, abs=0.03)


def test_coverage_of_the_mean_of_skewed_rows():
    rng = np.random.default_rng(2)
    hits = [
        interval.low <= 1 <= interval.high
        for interval in (bootstrap(rng.exponential(size=60), seed=i, resamples=400) for i in range(300))
    ]
    assert 0.89 <= np.mean(hits) <= 0.98


def test_rows_of_several_samples_are_resampled_together():
    rng = np.random.default_rng(3)
    a = rng.normal(size=50) * 100
    b = a + rng.normal(size=50)  # paired: the difference hardly varies

    def difference(a, b, axis):
        return a.mean(axis) - b.mean(axis)

    got = bootstrap(a, b, statistic=difference, seed=0)
    assert got.high - got.low < 1
    assert got.low <= (a - b).mean() <= got.high


def test_limits_lie_among_all_possible_resamples():
    x = np.array([0.0, 1.0, 5.0])
    means = [np.mean(rows) for rows in itertools.product(x, repeat=3)]
    got = bootstrap(x, seed=0)
    assert min(means) <= got.low < got.value < got.high <= max(means)


def test_columns_keep_their_own_intervals():
    x = np.random.default_rng(4).normal(size=(40, 2, 3))
    x[:, 1, 2] = 7.0  # a column that does not vary: an interval of zero width
    got = bootstrap(x, seed=5)
    assert np.shape(got.value) == np.shape(got.low) == (2, 3)
    assert got.at(1, 2) == Estimate(7.0, 7.0, 7.0) == exact(7.0)
    alone = bootstrap(x[:, 0, 1], seed=5)
    np.testing.assert_allclose(got.at(0, 1), alone, atol=1e-12)


def test_seeds_and_too_few_units():
    x = np.random.default_rng(6).normal(size=20)
    assert bootstrap(x, seed=1) == bootstrap(x, seed=1) != bootstrap(x, seed=2)
    with pytest.raises(ValueError, match="at least 2 units, got 1"):
        bootstrap([1.0], seed=0)
