"""95 % limits of means, medians, and of tables of sets x points."""

from typing import Final

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.stats import binom, t

ENOUGH: Final = 10  # From so many units on the skewness of a sample can be used; fewer get Student's t
RESAMPLES: Final = 1999  # Bootstrap samples of a mean
FAR: Final = 0.9995  # The quantile by which the weight of tails is matched

Values = Float[np.ndarray, "units *columns"]
Column = Float[np.ndarray | np.generic, " *columns"]
Counts = Int[np.ndarray | np.generic, " *columns"]
Limits = tuple[Column, Column]  # Lower and upper


def student(n: int | Num[np.ndarray | np.generic, " *columns"], level: float = 0.975) -> Column:
    """The quantile of Student's t that belongs to a mean of ``n`` units."""
    return t.ppf(level, np.asarray(n) - 1)


def mean_and_count(values: Values) -> tuple[Column, Counts]:
    """Mean over the units that are numbers, and how many these are."""
    known = ~np.isnan(values)
    count = known.sum(0)
    return np.where(known, values, 0).sum(0) / count, count


def moments(values: Values) -> tuple[Column, Column]:
    """Standard error of a mean, and a third of the mean's skewness; 0 for fewer units than :data:`ENOUGH`."""
    mean, n = mean_and_count(values)
    apart = np.where(np.isnan(values), 0, values - mean)
    scale = np.abs(apart).max(0)  # so that squares and cubes neither overflow nor vanish
    apart = apart / np.where(scale > 0, scale, 1)
    spread = np.sqrt((apart**2).sum(0) / n)
    skewness = (apart**3).sum(0) / n / spread**3 * np.sqrt(n * (n - 1)) / (n - 2)
    bend = np.where((n < ENOUGH) | (spread == 0), 0, skewness / (3 * np.sqrt(n)))
    alike = np.fmax.reduce(values) == np.fmin.reduce(values)
    return np.where(alike, 0, spread * scale / np.sqrt(n - 1)), bend


def unskewed(value: Column, error: Column, quantile: Column, bend: Column) -> Limits:
    """Limits between which Hall's transformation of t is at most the quantile; for no bend those of t.

    Source: Hall, "On the removal of skewness by transformation" (1992), the cubic, without the shift of the
    median; the skewness is the unbiased one.
    """
    flat = np.abs(bend) < 1e-6
    bend = np.where(flat, 1, bend)
    lower, upper = (
        np.where(flat, limit, (np.cbrt(1 + 3 * bend * limit) - 1) / bend) for limit in (-quantile, quantile)
    )
    return value - upper * error, value - lower * error


def of_mean(values: Values, rng: np.random.Generator) -> Limits:
    """Limits of the mean over units: Student's t; from :data:`ENOUGH` units on the studentized bootstrap.

    Resamples have one unit fewer than the sample, which makes up for the skewness that a small sample hides.
    Every column meets the same resamples, so its limits do not depend on the columns beside it. Where more
    than 2.5 % of the resamples of a column do not vary (a few units unlike all others) it keeps Student's t.

    Source: Efron and Tibshirani, "An introduction to the bootstrap" (1993), section 12.5.
    """
    mean, n = mean_and_count(values)
    error, _ = moments(values)
    lower, upper = -student(n), student(n)
    if len(values) >= ENOUGH:
        counts = rng.multinomial(len(values) - 1, np.full(len(values), 1 / len(values)), size=RESAMPLES)
        apart = (values - mean).reshape(len(values), -1)
        blocks = np.array_split(apart, -(-apart.shape[1] // 500), axis=1)
        parts = [_bootstrap_t(block, counts.astype(float)) for block in blocks if block.size]
        drawn = np.concatenate(parts, axis=1).reshape(2, *mean.shape) if parts else np.empty((2, *mean.shape))
        use = (n >= ENOUGH) & np.isfinite(drawn).all(0)
        lower, upper = np.where(use, drawn, (lower, upper))
    return mean - upper * error, mean - lower * error


def _bootstrap_t(
    apart: Values, counts: Float[np.ndarray, "resamples units"]
) -> Float[np.ndarray, "2 columns"]:
    """The 2.5 and 97.5 % quantiles of bootstrap t (2, columns), from values with their mean subtracted."""
    scale = np.nanmax(np.abs(apart), axis=0)
    apart = apart / np.where(scale > 0, scale, 1)
    known = ~np.isnan(apart)
    filled = np.where(known, apart, 0)
    n = counts @ known
    mean = counts @ filled / n
    variance = np.maximum(counts @ filled**2 / n - mean**2, 0)
    flat = variance < 1e-12
    ratio = mean / np.sqrt(np.where(flat, 1, variance) / (n - 1))
    return np.quantile(
        np.where(flat, np.copysign(np.inf, mean), ratio), (0.025, 0.975), axis=0, method="nearest"
    )


def of_median(values: Values, rng: np.random.Generator) -> Limits:
    """Limits of the median: order statistics, interpolated; for fewer than 6 units those of the mean.

    Source: Hettmansperger and Sheather, "Confidence intervals based on interpolated order statistics" (1986).
    """
    if values.ndim > 1 and np.isnan(values).any():
        columns = [of_median(column, rng) for column in values.reshape(len(values), -1).T]
        return tuple(np.reshape(part, values.shape[1:]) for part in zip(*columns, strict=True))
    ordered = np.sort(values, axis=0)
    n = len(ordered) if values.ndim > 1 else int((~np.isnan(values)).sum())
    if n < 6:  # from the smallest to the largest value would cover less than 95 %
        low, high = of_mean(values, rng)
        value = np.nanmedian(values, axis=0)
        return np.minimum(low, value), np.maximum(high, value)
    place = int(binom.ppf(0.025, n, 0.5))
    covers, less = (1 - 2 * binom.cdf(d - 1, n, 0.5) for d in (place, place + 1))
    inwards = (covers - 0.95) / (covers - less)
    share = (n - place) * inwards / (place + (n - 2 * place) * inwards)
    low = (1 - share) * ordered[place - 1] + share * ordered[place]
    return low, (1 - share) * ordered[n - place] + share * ordered[n - place - 1]


def spread_of_table(
    cells: Float[np.ndarray, "sets points *columns"],
) -> tuple[Column, Column, Column, Column]:
    """The mean of a table whose rows and columns were both drawn: error, quantile, bend, degrees of freedom.

    The variance that the axis with fewer units adds is what its mean square has above the residual one; the
    other axis has the rest. Each part counts with the quantile of its own number of units, so the interval
    is never narrower than that over the many units alone. Satterthwaite's degrees of freedom for the sum
    cover 91 to 93 % with three sets that matter moderately.

    Source: Howe, "Approximate confidence limits on the mean of X + Y" (1974); Burdick and Graybill,
    "Confidence intervals on variance components" (1992).
    """
    sets, points = cells.shape[:2]
    by_set, by_point = cells.mean(1), cells.mean(0)
    residual = ((cells - by_set[:, None] - by_point + by_set.mean(0)) ** 2).sum((0, 1))
    residual = residual / ((sets - 1) * (points - 1) * sets * points)
    few, many = sorted((by_set, by_point), key=len)
    (error_few, bend_few), (error_many, bend_many) = moments(few), moments(many)
    of_few = np.maximum(error_few**2 - residual, 0)
    alike = np.ptp(cells, axis=(0, 1)) == 0
    error = np.where(alike, 0, 1) * np.sqrt(of_few + np.where(error_many > 0, error_many**2, residual))
    share = np.where(error > 0, of_few / error**2, 0)
    quantile = np.sqrt(student(len(few)) ** 2 * share + student(len(many)) ** 2 * (1 - share))
    bend = bend_few * share**1.5 + bend_many * (1 - share) ** 1.5
    far = np.sqrt(student(len(few), FAR) ** 2 * share + student(len(many), FAR) ** 2 * (1 - share))
    return error, quantile, bend, degrees_of(far / quantile)


def degrees_of(ratio: Column) -> Column:
    """Degrees of freedom for which t has this ratio of :data:`FAR` to 97.5 % quantile (up to 10⁶)."""
    degrees = np.geomspace(1e6, 1, 4000)
    return np.exp(np.interp(ratio, t.ppf(FAR, degrees) / t.ppf(0.975, degrees), np.log(degrees)))
