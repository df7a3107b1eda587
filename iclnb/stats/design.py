"""The one place where the design of a measurement picks the method of its interval.

How often these intervals hold the truth stands in ``book/intervals.md``: 91 to 98 % of simulated data sets, less
where fewer than 10 units of a skewed quantity were drawn.
"""

import warnings
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Num, Shaped
from scipy.stats import t

from iclnb.stats import limits, ranges
from iclnb.stats.ranges import Range
from iclnb.stats.resampling import Statistic, cells_of_mean, pseudo_values, redrawn, studentized

Design = Literal["units", "sets x points"]
"""What was drawn independently: the rows of a table, or its rows and its columns."""

MOST: Final = 40  # Parts of the sets, and of the points, that the jackknife leaves out
STRAIGHT: Final = np.float64(0)  # Without skewness
SCALED: Final = ("rate", "difference", "correlation")  # Ranges with a scale of their own


Numbers = float | Num[np.ndarray | np.generic, "*columns"]


class _Limits(NamedTuple):
    value: Numbers
    low: Numbers
    high: Numbers


class Estimate(_Limits):
    """A number (or an array of numbers) with its 95 % confidence interval."""

    # degrees of freedom of the t distribution that the method of the interval rests on; infinite for a normal
    # one, and where nothing else is known
    degrees: Numbers = np.inf

    def at(self, *index: int) -> "Estimate":
        """One number of an array of estimates, with its interval."""
        shape = np.shape(self.value)
        degrees = float(np.broadcast_to(self.degrees, shape)[index])
        return Estimate(*(float(part[index]) for part in self)).with_degrees(degrees)

    def minus(self, number: float) -> "Estimate":
        """The estimate with a fixed number subtracted from value and limits."""
        return Estimate(*(part - number for part in self)).with_degrees(self.degrees)

    def with_degrees(self, degrees: Numbers) -> "Estimate":
        """The same value and limits, with those degrees of freedom."""
        made = Estimate(*self)
        made.degrees = degrees
        return made

    def p_value(self, bound: float) -> float:
        """Two-sided p-value of one number against a bound: below 0.05 just where the interval excludes it.

        The interval is inverted: its limit on the bound's side lies at the 97.5 % quantile of t, and the
        distance to the bound is measured in that unit. Exact for Student's interval; for the bootstrap and
        other skewed intervals an approximation, since it takes their tails for those of t: a tiny p-value from
        few skewed units is not to be taken at its word. Not a number for an interval without width.
        """
        value, low, high = map(float, self)
        half = high - value if bound > value else value - low
        if np.isnan(half) or low == high:
            return np.nan
        if half <= 0 or bound == value:
            return float(bound == value)
        degrees = float(self.degrees)
        return float(2 * t.sf(abs(bound - value) / half * t.ppf(0.975, degrees), degrees))


def holm(p_values: Sequence[float] | Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """p-values adjusted by Holm's step-down method: those below a level hold together at that level.

    Source: Holm, "A simple sequentially rejective multiple test procedure" (1979).
    """
    p_values = np.asarray(p_values, dtype=float)
    order, n = np.argsort(p_values), len(p_values)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * np.arange(n, 0, -1)), 1)
    return adjusted


def exact(value: float) -> Estimate:
    """A result without sampling error: an interval of zero width."""
    return Estimate(value, value, value)


def geometric_mean(values: Float[np.ndarray, " units"], *, seed: int) -> Estimate:
    """The geometric mean over units, whose interval stays above zero: :func:`interval` of the logarithms."""
    logarithms = interval(np.log(values), seed=seed)
    return Estimate(*(float(np.exp(part)) for part in logarithms)).with_degrees(logarithms.degrees)


def median(values: Float[np.ndarray, "units *columns"]) -> Float[np.ndarray | np.floating, " *columns"]:
    """The median over units; as ``statistic`` of :func:`interval` it gets limits from order statistics."""
    return np.nanmedian(values, axis=0)


def interval(
    *samples: Shaped[np.ndarray, "units ..."],
    design: Design = "units",
    statistic: Statistic | None = None,
    smooth: bool = True,
    range: Range | None = None,
    seed: int,
) -> Estimate:
    """The statistic on all of the data with its 95 % interval, by the method that the design calls for.

    - Mean over units: Student's t; from 10 units on the studentized bootstrap (Efron and Tibshirani 1993).
    - :func:`median` over units: interpolated order statistics; fewer than 6 units: limits of the mean.
    - Another statistic over units: jackknife (Tukey 1958) and Student's t for fewer than 10 units,
      studentized bootstrap up to 50, above that the jackknife's pseudo-values with their skewness removed.
    - Sets x points: two-way random effects, sets counted as the few units they are (not the bootstrap of
      Owen 2007); for a statistic other than the mean on the jackknife's pseudo-values. Satterthwaite's (1946)
      degrees of freedom cover 92 % with three sets that vary by 0.5 or 1, so each axis keeps its own
      quantile of t.

    Args:
        samples: arrays whose first axis is what was drawn independently (a demonstration set, an HMM, a
            training seed), or whose first two axes are demonstration set and test point, both drawn at
            random. Several arrays are paired along those axes.
        design: ``"units"`` or ``"sets x points"``.
        statistic: called as ``statistic(*samples)``; it reduces the unit axis (both axes for sets x points)
            and keeps any others. ``None`` is the mean of one sample, ignoring not-a-number, so that such an
            entry leaves a prompt out.
        smooth: ``False`` for a statistic that jumps when one unit changes: a quantile, or a value at the
            head that is best on the same data. Then percentiles of the bootstrap over units, or over sets and
            over points (Owen 2007); fewer than 10: its error and Student's t. Errs on the wide side, but not
            where three sets agree by chance (83 % for the place of a maximum that sets move).
        range: what kind of quantity it is: a ``"rate"``, the ``"difference"`` of two rates, a
            ``"correlation"``, or ``"nonnegative"``. A rate gets Wilson's score limits and a correlation
            Fisher's scale, both with the error and the quantile of t that belong to the design, instead of a
            bootstrap; what is not negative gets the ordinary limits, cut off at 0.
        seed: seeds the resampling, and the grouping of many units where the statistic is not the mean.

    Returns:
        Value and limits, of shape ``columns`` (of the statistic's result). Where all units are alike the
        width is zero, but for a rate of 0 or 1. Not a number where the statistic is undefined.

    Raises:
        ValueError: with fewer than two units, sets or points, which carry no interval; for an unknown
            design, samples that do not fit it or each other, several samples without a statistic, or one
            that does not reduce the unit axis.
    """
    rows = _checked(samples, design, statistic)
    rng, axes = np.random.default_rng(seed), 1 if design == "units" else 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without a number, or that do not vary
        if statistic in (median, np.median, np.nanmedian) and axes == 1:
            *numbers, degrees = _median(rows[0], range, rng)
        elif statistic is not None and not smooth:
            *numbers, degrees = _redrawn(rows, statistic, range, axes, rng)
        else:
            over = _over_units if axes == 1 else _over_sets_and_points
            *numbers, degrees = over(rows, statistic, range, rng)
    if range == "nonnegative":
        numbers = ranges.from_zero_on(*numbers)
    return Estimate(*(np.asarray(part, dtype=float)[()] for part in numbers)).with_degrees(degrees)


def _checked(samples: tuple, design: str, statistic: Statistic | None) -> list[np.ndarray]:
    """The samples as arrays of float64, if they fit the design."""
    axes = {"units": ("units",), "sets x points": ("sets", "points")}.get(design)
    if axes is None:
        raise ValueError(f"unknown design {design!r}; known: 'units', 'sets x points'")
    if not samples or (len(samples) > 1 and statistic is None):
        raise ValueError(f"the mean is taken of one sample, got {len(samples)}; give a statistic")
    rows = [np.asarray(sample, dtype=float) for sample in samples]
    sizes = {row.shape[: len(axes)] for row in rows}
    if len(sizes) > 1 or len(min(sizes)) < len(axes):
        raise ValueError(f"samples need the same {' and '.join(axes)} in front, got {sorted(sizes)}")
    for axis, size in zip(axes, min(sizes), strict=True):
        if size < 2:
            raise ValueError(f"an interval needs at least 2 {axis}, got {size}; ask for more {axis}")
    return rows


def _median(values: np.ndarray, range: Range | None, rng: np.random.Generator) -> tuple:
    """Value, limits and degrees of freedom."""
    low, high = ranges.clipped(range, *limits.of_median(values, rng))
    return median(values), low, high, len(values) - 1 if len(values) < 6 else np.inf


def _redrawn(
    rows: list[np.ndarray], statistic: Statistic, range: Range | None, axes: int, rng: np.random.Generator
) -> tuple:
    """Value, limits and degrees of freedom of a statistic that jumps."""
    value, drawn, n = statistic(*rows), redrawn(rows, statistic, axes, rng), min(rows[0].shape[:axes])
    if n >= limits.ENOUGH:
        return value, *np.nanquantile(drawn, (0.025, 0.975), axis=0), np.inf
    error = np.nanstd(drawn, axis=0) * np.sqrt(n / (n - 1))
    return value, *_around(range, value, error, limits.student(n), max(rows[0].shape[:axes])), n - 1


def _around(
    range: Range | None,
    value: Numbers,
    error: Numbers,
    quantile: Numbers,
    units: int,
    bend: Numbers = STRAIGHT,
) -> limits.Limits:
    """Limits so many errors from a value: on the scale of its range, or with their skewness removed."""
    if range in SCALED:
        return ranges.scaled(range, value, error, quantile, units)
    return limits.unskewed(np.asarray(value, float), error, quantile, bend)


def _over_units(
    rows: list[np.ndarray], statistic: Statistic | None, range: Range | None, rng: np.random.Generator
) -> tuple:
    """Value, limits and degrees of freedom."""
    n, on_a_scale = len(rows[0]), range in SCALED
    if statistic is None and not on_a_scale:
        mean, count = limits.mean_and_count(rows[0])
        return mean, *limits.of_mean(rows[0], rng), count - 1
    if limits.ENOUGH <= n <= 50 and not on_a_scale:
        value, error, quantile = studentized(rows, statistic, rng)
        quantile = np.where(np.isfinite(quantile), quantile, limits.student(n))
        return value, *limits.unskewed(value, error, quantile, STRAIGHT), n - 1
    if statistic is None:
        value, pseudo = limits.mean_and_count(rows[0])[0], rows[0]
    else:
        value, pseudo = pseudo_values(rows, statistic, (200,), rng)
    (error, bend), (_, count) = limits.moments(pseudo), limits.mean_and_count(pseudo)
    return value, *_around(range, value, error, limits.student(count), n, bend), count - 1


def _over_sets_and_points(
    rows: list[np.ndarray], statistic: Statistic | None, range: Range | None, rng: np.random.Generator
) -> tuple:
    """Value, limits and degrees of freedom."""
    if statistic is not None:
        value, cells = pseudo_values(rows, statistic, (MOST, MOST), rng)
    else:
        (values,) = rows
        known = ~np.isnan(values.reshape(*values.shape[:2], -1)).all(-1)
        values = values[known.any(1)][:, known.any(0)]
        value, _ = limits.mean_and_count(values.reshape(-1, *values.shape[2:]))
        cells = cells_of_mean(values)
    error, quantile, bend, degrees = limits.spread_of_table(cells)
    return value, *_around(range, value, error, quantile, max(cells.shape[:2]), bend), degrees
