"""Bootstrap intervals against analytic ones, exact enumeration and simulated coverage."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from iclnb.stats import Estimate, bootstrap, crossed_bootstrap, exact


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


def test_crossed_bootstrap_covers_when_sets_and_points_both_vary():
    """Over many tables with known mean the interval covers it; the bootstrap over cells would not."""
    rng = np.random.default_rng(0)
    covered, naive = [], []
    for seed in range(150):
        table = rng.normal(size=(8, 1)) + rng.normal(size=(1, 20)) + 0.3 * rng.normal(size=(8, 20))
        found = crossed_bootstrap(table, seed=seed, resamples=200)
        cells = bootstrap(table.reshape(-1), seed=seed, resamples=200)
        covered.append(found.low < 0 < found.high)
        naive.append(cells.low < 0 < cells.high)
    assert np.mean(covered) > 0.85
    assert np.mean(naive) < 0.6


def test_crossed_bootstrap_variance_is_that_of_the_pigeonhole():
    """Owen (2007), equation 2: for pure row effects the variance of the mean is that of resampling rows."""
    rows = np.arange(6.0)
    table = np.tile(rows[:, None], (1, 40))
    found = crossed_bootstrap(table, seed=0, level=0.6827, resamples=20_000)
    assert found.value == rows.mean()
    assert (found.high - found.low) / 2 == pytest.approx(rows.std() / np.sqrt(6), rel=0.05)


def test_crossed_bootstrap_keeps_arrays_paired_and_takes_any_statistic():
    x = np.random.default_rng(1).normal(size=(4, 30))
    found = crossed_bootstrap(
        x, 3 * x, statistic=lambda a, b: np.corrcoef(a.ravel(), b.ravel())[0, 1], seed=0
    )
    np.testing.assert_allclose(found, 1, atol=1e-12)
    with pytest.raises(ValueError, match="2 sets and 2 points, got 1 and 30"):
        crossed_bootstrap(x[:1], seed=0)
