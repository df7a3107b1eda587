"""Intervals against scipy's, hand-made fractions and the coverage of simulated data sets (as columns)."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.optimize import brentq

from iclnb.stats import Estimate, exact, interval, median

DATA_SETS = 4000
LAWS = {
    "normal": (0.0, np.random.Generator.normal, ()),
    "exponential": (1.0, np.random.Generator.exponential, ()),
    "lognormal": (float(np.exp(0.32)), np.random.Generator.lognormal, (0, 0.8)),
}


def draw(law, shape, seed=1):
    mean, sample, arguments = LAWS[law]
    return mean, sample(np.random.default_rng(seed), *arguments, size=shape)


def coverage(estimate, truth):
    return 100 * np.mean((estimate.low <= truth) & (truth <= estimate.high))


def crossed(sets, points, by_set, by_point, seed=0, columns=DATA_SETS):
    rng = np.random.default_rng(seed)
    cells, rows = rng.normal(size=(sets, points, columns)), rng.normal(size=(sets, 1, columns))
    return cells + by_set * rows + by_point * rng.normal(size=(1, points, columns))


@pytest.mark.parametrize(("law", "n", "least", "most"), [
    ("normal", 3, 93, 97), ("normal", 10, 93, 97), ("normal", 30, 93, 97),
    ("exponential", 10, 93, 97), ("exponential", 30, 93, 97), ("lognormal", 10, 92, 97),
    ("lognormal", 15, 92, 97), ("lognormal", 30, 93, 97),
    ("exponential", 3, 86.4, 89.6), ("lognormal", 5, 84.4, 87.6),  # fewer cover what the book says
])  # fmt: skip
def test_coverage_of_a_mean(law, n, least, most):
    mean, values = draw(law, (n, DATA_SETS))
    got = coverage(interval(values, seed=0), mean)
    assert least <= got <= most
    if law != "normal" and n >= 10:
        half = 1.96 * values.std(0, ddof=1) / np.sqrt(n)
        normal = Estimate(values.mean(0), values.mean(0) - half, values.mean(0) + half)
        assert coverage(normal, mean) < got - 1


@pytest.mark.parametrize("sets", [3, 5, 10])
@pytest.mark.parametrize(("by_set", "by_point"), [(0.5, 1), (1, 1), (3, 1), (3, 0)])
def test_coverage_of_sets_and_points(sets, by_set, by_point):
    table = crossed(sets, 40, by_set, by_point)
    assert 93 <= coverage(interval(table, design="sets x points", seed=0), 0) <= 97


@pytest.mark.parametrize(("mean", "rate", "range", "sets", "least"), [
    (0, 0.5, None, 3, 92), (0, 0.5, None, 10, 93), (2, 0.816, "rate", 3, 90.5), (2, 0.816, "rate", 10, 93.5),
    (4, 0.960, "rate", 3, 94), (4, 0.960, "rate", 10, 92.5),
])  # fmt: skip
def test_coverage_of_shares_of_right_answers(mean, rate, range, sets, least):
    """Answers 0 or 1, whose log-odds vary by sets (standard deviation 1) and by points (1)."""
    rng = np.random.default_rng(4)
    logits = mean + rng.normal(size=(sets, 1, DATA_SETS)) + rng.normal(size=(1, 24, DATA_SETS))
    answers = rng.random((sets, 24, DATA_SETS)) < 1 / (1 + np.exp(-logits))
    got = interval(answers, design="sets x points", range=range, seed=0)
    assert least <= coverage(got, rate)
    if range == "rate":
        assert got.low.min() >= 0 and got.high.max() <= 1
    else:
        assert coverage(got, rate) <= 97.5
        assert (
            coverage(interval(answers.reshape(-1, DATA_SETS), seed=0), rate) < 75
        )  # answers taken for units


@pytest.mark.parametrize("n", [3, 6, 10, 30])
def test_coverage_of_a_median(n):
    _, values = draw("exponential", (n, DATA_SETS))
    assert 93 <= coverage(interval(values, statistic=median, seed=0), np.log(2)) <= 97


@pytest.mark.parametrize(("values", "design", "at_most"), [
    (draw("normal", (5, DATA_SETS))[1], "units", (6.2, 1.6, 0.4)),
    (draw("normal", (15, DATA_SETS))[1], "units", (6.2, 1.6, 0.4)),
    (crossed(3, 40, 0.5, 1), "sets x points", (6.2, 2.4, 1.4)),
])  # fmt: skip
def test_p_values_are_as_small_as_they_should_be_under_the_null(values, design, at_most):
    """How often p is below a level when the truth lies on the bound, in % (4000 data sets)."""
    estimate = interval(values, design=design, seed=0)
    p_values = np.array([estimate.at(i).p_value(0.0) for i in range(DATA_SETS)])
    shares = [100 * np.mean(p_values < level) for level in (0.05, 0.01, 0.001)]
    assert np.all(shares <= np.array(at_most)) and shares[0] > 3.5, shares


def ratio(a, b):
    return a.mean(0) / b.mean(0)


def correlation(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))


@pytest.mark.parametrize(("n", "least"), [(5, 90), (10, 92.5), (30, 93), (80, 93)])
def test_coverage_of_ratios_and_correlations(n, least):
    rng = np.random.default_rng(n)
    both = rng.normal(size=(n, 2000))
    a, b = 5 + both + rng.normal(size=both.shape), 10 + both + rng.normal(size=both.shape)
    assert least <= coverage(interval(a, b, statistic=ratio, seed=0), 0.5) <= 97.5
    if n >= 10:
        assert 91 <= coverage(interval(a, b, statistic=correlation, seed=0), 0.5) <= 97.5


@pytest.mark.parametrize(("n", "least"), [(3, 91), (5, 93), (10, 90), (30, 93)])
def test_coverage_of_a_quantile(n, least):
    _, values = draw("normal", (n, DATA_SETS))
    got = interval(values, statistic=lambda x: np.quantile(x, 0.75, axis=0), smooth=False, seed=0)
    assert least <= coverage(got, scipy_stats.norm.ppf(0.75)) <= 97


@pytest.mark.parametrize(("rate", "n", "least"), [(0.5, 10, 94), (0.95, 10, 94), (0.95, 30, 92)])
def test_coverage_of_a_rate(rate, n, least):
    answers = np.random.default_rng(3).random((n, DATA_SETS)) < rate
    got = interval(answers, range="rate", seed=0)
    assert least <= coverage(got, rate)
    assert got.low.min() >= 0 and got.high.max() <= 1 and (got.low < got.high).all()


@pytest.mark.parametrize(("rho", "n"), [(0.9, 5), (0, 20)])
def test_coverage_of_a_correlation(rho, n):
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, n, 2000))
    got = interval(a, rho * a + np.sqrt(1 - rho**2) * b, statistic=correlation, range="correlation", seed=0)
    assert 93 <= coverage(got, rho) <= 97
    assert got.low.min() >= -1 and got.high.max() <= 1


@pytest.mark.parametrize("sets", [3, 10])
def test_coverage_of_what_is_not_negative(sets):
    table = 0.1 + crossed(sets, 40, 0.5, 1)  # estimates far below 0 occur
    plain, got = (interval(table, design="sets x points", range=r, seed=0) for r in (None, "nonnegative"))
    assert (plain.value < 0).mean() > 0.2
    assert min(got.value.min(), got.low.min()) == 0 and (got.high > got.low).all()
    assert coverage(got, 0.1) >= 94


def test_limits_of_a_rate_solve_wilsons_equation():
    """At each limit p the distance is the quantile times the error, scaled by sqrt(p (1 - p))."""
    values = np.random.default_rng(6).beta(4, 1, size=7)
    mean, error = values.mean(), scipy_stats.sem(values)
    quantile = scipy_stats.t.ppf(0.975, 6)

    def distance(p):
        return (p - mean) ** 2 - (quantile * error) ** 2 * p * (1 - p) / (mean * (1 - mean))

    want = brentq(distance, 0, mean), brentq(distance, mean, 1)
    np.testing.assert_allclose(interval(values, range="rate", seed=0)[1:], want)
    shifted = interval(2 * values - 1, range="difference", seed=0)
    np.testing.assert_allclose(shifted[1:], 2 * np.array(want) - 1)


def test_a_rate_of_answers_all_alike_is_that_of_as_many_answers():
    level = 2 * scipy_stats.norm.cdf(scipy_stats.t.ppf(0.975, 11)) - 1
    want = scipy_stats.binomtest(12, 12).proportion_ci(level, method="wilson")
    np.testing.assert_allclose(interval(np.ones(12), range="rate", seed=0)[1:], want)
    table = interval(np.zeros((3, 12)), design="sets x points", range="rate", seed=0)
    np.testing.assert_allclose(table[1:], (0, 1 - want.low), atol=1e-12)


def test_many_answers_and_pairs_get_the_intervals_of_the_textbook():
    rng = np.random.default_rng(8)
    answers = rng.random(3000) < 0.9
    wilson = scipy_stats.binomtest(int(answers.sum()), 3000).proportion_ci(method="wilson")
    np.testing.assert_allclose(interval(answers, range="rate", seed=0)[1:], wilson, atol=2e-5)
    a = rng.normal(size=3000)
    b = a + rng.normal(size=3000)
    fisher = scipy_stats.pearsonr(a, b).confidence_interval()
    got = interval(a, b, statistic=correlation, range="correlation", seed=0)
    np.testing.assert_allclose(got[1:], fisher, atol=3e-3)


@pytest.mark.parametrize("sets", [3, 10])
def test_coverage_of_a_statistic_that_jumps(sets):
    """The place of the largest of five columns' means."""
    rng, right = np.random.default_rng(9), []
    for _ in range(60):
        table = rng.normal(size=(sets, 30, 5)) + rng.normal(size=(sets, 1, 5)) / 3
        table[..., 3] += 0.4
        place = lambda v: v.mean((0, 1)).argmax() / 4  # noqa: E731
        got = interval(table, design="sets x points", statistic=place, smooth=False, range="rate", seed=0)
        assert 0 <= got.low <= got.value <= got.high <= 1
        right.append(got.low <= 0.75 <= got.high)
    assert np.mean(right) >= 0.9


def test_few_units_get_students_interval_by_hand():
    half = scipy_stats.t.ppf(0.975, 2) * np.sqrt(7 / 3)  # squares of 2, 1 and 3, over 2 and 3
    np.testing.assert_allclose(interval(np.array([1.0, 2.0, 6.0]), seed=0), (3, 3 - half, 3 + half))
    values = np.random.default_rng(0).normal(size=9)
    want = scipy_stats.t.interval(0.95, 8, values.mean(), scipy_stats.sem(values))
    np.testing.assert_allclose(interval(values, seed=0)[1:], want)
    mean_by_name = interval(values, statistic=lambda v: v.mean(0), seed=0)
    np.testing.assert_allclose(mean_by_name[1:], want)  # the jackknife's pseudo-values are the values


def test_a_table_by_hand():
    """Effects of sets alone give Student's interval over the sets; of points alone, over the points."""
    rows = np.array([1.0, 2.0, 6.0])
    for table in (np.tile(rows[:, None], (1, 7)), np.tile(rows, (7, 1))):
        got = interval(table, design="sets x points", seed=0)
        np.testing.assert_allclose(got, interval(rows, seed=0))


def test_a_statistic_of_a_table_agrees_with_the_mean_and_keeps_arrays_paired():
    table = crossed(4, 30, 1, 1, columns=2)
    by_name = interval(table, design="sets x points", statistic=lambda v: v.mean((0, 1)), seed=0)
    np.testing.assert_allclose(by_name, interval(table, design="sets x points", seed=0))
    same = interval(
        table, 3 * table, design="sets x points", seed=0,
        statistic=lambda a, b: np.corrcoef(a.ravel(), b.ravel())[0, 1],
    )  # fmt: skip
    np.testing.assert_allclose(same, 1, atol=1e-9)


@pytest.mark.parametrize("n", [4, 40])
def test_columns_stand_alone_and_alike_units_have_no_width(n):
    values = np.random.default_rng(4).normal(size=(n, 2, 3))
    values[:, 1, 2] = 0.1
    got = interval(values, seed=5)
    assert np.shape(got.value) == np.shape(got.low) == (2, 3)
    np.testing.assert_allclose(got.at(1, 2), exact(0.1), rtol=1e-12)
    np.testing.assert_allclose(got.at(0, 1), interval(values[:, 0, 1], seed=5), atol=1e-12)
    assert np.isnan(interval(np.full(n, np.nan), seed=0)).all()


@pytest.mark.parametrize("n", [6, 40])
def test_missing_units_are_left_out(n):
    values = np.random.default_rng(6).normal(size=n)
    gaps = np.concatenate([values, [np.nan, np.nan]])
    want = interval(values, seed=0)
    np.testing.assert_allclose(interval(gaps, seed=0), want, atol=0 if n < 8 else 0.05)
    table = np.vstack([crossed(4, n, 1, 1, columns=1)[..., 0], np.full(n, np.nan)])
    want, got = (interval(each, design="sets x points", seed=0) for each in (table[:4], table))
    np.testing.assert_allclose(got, want)


def test_rare_answers_fall_back_on_students_interval():
    values = np.zeros(12)
    values[0] = 1  # more than a quarter of the resamples are zeros only
    want = scipy_stats.t.interval(0.95, 11, 1 / 12, scipy_stats.sem(values))
    np.testing.assert_allclose(interval(values, seed=0)[1:], want)


def test_seeds_decide_and_too_few_are_refused():
    values = np.random.default_rng(6).normal(size=20)
    assert interval(values, seed=1) == interval(values, seed=1) != interval(values, seed=2)
    with pytest.raises(ValueError, match="at least 2 units, got 1"):
        interval(np.ones(1), seed=0)
    for shape, least in (((1, 30), "2 sets, got 1"), ((30, 1), "2 points, got 1")):
        with pytest.raises(ValueError, match=least):
            interval(np.ones(shape), design="sets x points", seed=0)
    with pytest.raises(ValueError, match="give a statistic"):
        interval(values, values, seed=0)
