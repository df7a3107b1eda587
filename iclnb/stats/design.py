"""The one place where the design of a measurement picks the method of its interval."""

import warnings
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import t

from iclnb.stats import limits
from iclnb.stats.resampling import Statistic, cells_of_mean, percentiles, pseudo_values, studentized

Design = Literal["units", "sets x points"]
"""What was drawn independently: the rows of a table, or its rows and its columns."""

MOST: dict[bool, int] = {True: 40, False: 10}
"""Parts of the sets, and of the points, that the jackknife leaves out; fewer for what is not smooth."""


class _Limits(NamedTuple):
    value: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float


class Estimate(_Limits):
    """A number (or an array of numbers) with its 95 % confidence interval.

    Attributes:
        degrees: degrees of freedom of the t distribution that the method of the interval rests on;
            infinite for a normal one, and where nothing else is known.
    """

    degrees: np.ndarray | float = np.inf

    def at(self, *index: int) -> "Estimate":
        """One number of an array of estimates, with its interval."""
        shape = np.shape(self.value)
        degrees = float(np.broadcast_to(self.degrees, shape)[index])
        return Estimate(*(float(part[index]) for part in self)).with_degrees(degrees)

    def minus(self, number: float) -> "Estimate":
        """The estimate with a fixed number subtracted from value and limits."""
        return Estimate(*(part - number for part in self)).with_degrees(self.degrees)

    def with_degrees(self, degrees: np.ndarray | float) -> "Estimate":
        """The same value and limits, with those degrees of freedom."""
        made = Estimate(*self)
        made.degrees = degrees
        return made

    def p_value(self, bound: float) -> float:
        """Two-sided p-value of one number against a bound: below 0.05 just where the interval excludes it.

        The interval is inverted: its limit on the bound's side lies at the 97.5 % quantile of t, and the
        distance to the bound is measured in that unit. Exact for Student's interval. For the bootstrap and
        other skewed intervals an approximation, since it takes their tails for those of t. How often, in %,
        p is below 0.05 / 0.01 / 0.001 where the truth lies on the bound: mean of 5 to 30 normal units 5.1 /
        1.1 / 0.1; of 5 exponential ones 11 / 5 / 1.3, of 30 5.3 / 1.5 / 0.3; 3 sets x 40 points whose
        effects vary by 0.5 and 1 4.7 / 1.7 / 0.9. So a tiny p-value from few skewed units is not to be
        taken at its word.

        Returns:
            Not a number for an interval without width (an exact result, or units that are all alike).
        """
        value, low, high = map(float, self)
        half = high - value if bound > value else value - low
        if np.isnan(half) or low == high:
            return np.nan
        if half <= 0 or bound == value:
            return float(bound == value)
        degrees = float(self.degrees)
        return float(2 * t.sf(abs(bound - value) / half * t.ppf(0.975, degrees), degrees))


def exact(value: float) -> Estimate:
    """A result without sampling error: an interval of zero width."""
    return Estimate(value, value, value)


def median(values: Float[np.ndarray, "units *columns"]) -> Float[np.ndarray, " *columns"]:
    """The median over units; as ``statistic`` of :func:`interval` it gets limits from order statistics."""
    return np.nanmedian(values, axis=0)


def interval(
    *samples: Float[np.ndarray, "units *columns"],
    design: Design = "units",
    statistic: Statistic | None = None,
    smooth: bool = True,
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

    Coverage in % of 4000 simulated data sets (standard error 0.35; tests/test_stats.py). Mean over units:

    ====================  ====  ====  ====  ====  ====
    units                    3     5    10    15    30
    ====================  ====  ====  ====  ====  ====
    normal                94.5  95.4  95.9  94.2  94.6
    lognormal, sigma 0.5  92.4  91.0  94.6  93.7  94.2
    exponential           88.3  88.0  94.9  94.7  94.2
    lognormal, sigma 0.8  87.7  86.1  93.0  93.2  93.5
    ====================  ====  ====  ====  ====  ====

    So fewer than 10 units of a skewed quantity cover less than they promise (2 units: 91 to 95). Median of
    normal or exponential units: 93.7 to 95.4 from 3 units on. Upper quartile of normal units with
    ``smooth=False``: 82.5 with 5 units, 91.5 with 10, 93.9 with 30. Mean over sets x 40 points, whose cells
    vary by 1 (standard deviation) and whose effects vary by the numbers given:

    ==============================  ====  ====  ====  ====
    sets                               2     3     5    10
    ==============================  ====  ====  ====  ====
    normal: sets 0, points 0        96.4  96.7  96.7  96.7
    normal: sets 0, points 1        97.1  96.3  95.8  94.5
    normal: sets 0.5, points 1      91.8  95.2  96.2  95.9
    normal: sets 3, points 1        93.4  94.6  95.3  94.6
    log-odds: sets 0.5, points 1       -  93.0  95.0  96.0
    log-odds: sets 1, points 1         -  92.8  94.4  96.2
    log-odds: sets 2, points 1         -  91.3  93.5  97.1
    ==============================  ====  ====  ====  ====

    A share of answers that are all alike has zero width, which says nothing about rare answers.

    Args:
        samples: arrays whose first axis is what was drawn independently (a demonstration set, an HMM, a
            training seed), or whose first two axes are demonstration set and test point, both drawn at
            random. Several arrays are paired along those axes.
        design: ``"units"`` or ``"sets x points"``.
        statistic: called as ``statistic(*samples)``; it reduces the unit axis (both axes for sets x points)
            and keeps any others. ``None`` is the mean of one sample, ignoring not-a-number, so that such an
            entry leaves a prompt out.
        smooth: ``False`` for a statistic that jumps when one unit changes: a quantile, or a value at the
            head that is best on the same data. Then bootstrap percentiles over units (10 or more), and over
            sets x points a jackknife that leaves out tenths of the points; both err on the wide side.
        seed: seeds the resampling, and the grouping of many units where the statistic is not the mean.

    Returns:
        Value and limits, of shape ``columns`` (of the statistic's result). Where all units are alike the
        width is zero. Not a number where the statistic is undefined.

    Raises:
        ValueError: with fewer than two units, sets or points, which carry no interval; for an unknown
            design, samples that do not fit it or each other, several samples without a statistic, or one
            that does not reduce the unit axis.
    """
    rows = _checked(samples, design, statistic)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without a number, or that do not vary
        over = _over_units if design == "units" else _over_sets_and_points
        *found, degrees = over(rows, statistic, smooth, np.random.default_rng(seed))
    return Estimate(*(np.asarray(part, dtype=float)[()] for part in found)).with_degrees(degrees)


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


def _over_units(
    rows: list[np.ndarray], statistic: Statistic | None, smooth: bool, rng: np.random.Generator
) -> tuple:
    """Value, limits and degrees of freedom."""
    n = len(rows[0])
    if statistic is None:
        mean, count = limits.mean_and_count(rows[0])
        return mean, *limits.of_mean(rows[0], rng), count - 1
    if statistic in (median, np.median, np.nanmedian):
        return median(rows[0]), *limits.of_median(rows[0], rng), n - 1 if n < 6 else np.inf
    if n >= limits.ENOUGH and not smooth:
        return *percentiles(rows, statistic, rng), np.inf
    if limits.ENOUGH <= n <= 50:
        value, error, quantile = studentized(rows, statistic, rng)
        quantile = np.where(np.isfinite(quantile), quantile, limits.student(n))
        return value, value - quantile * error, value + quantile * error, n - 1
    value, pseudo = pseudo_values(rows, statistic, (200,), rng)
    error, bend = limits.moments(pseudo)
    return value, *limits.unskewed(value, error, limits.student(len(pseudo)), bend), len(pseudo) - 1


def _over_sets_and_points(
    rows: list[np.ndarray], statistic: Statistic | None, smooth: bool, rng: np.random.Generator
) -> tuple:
    """Value, limits and degrees of freedom."""
    if statistic is not None:
        value, cells = pseudo_values(rows, statistic, (MOST[smooth],) * 2, rng)
        return value, *limits.of_table(value, cells)
    (values,) = rows
    known = ~np.isnan(values.reshape(*values.shape[:2], -1)).all(-1)
    values = values[known.any(1)][:, known.any(0)]
    mean, _ = limits.mean_and_count(values.reshape(-1, *values.shape[2:]))
    return mean, *limits.of_table(mean, cells_of_mean(values))
