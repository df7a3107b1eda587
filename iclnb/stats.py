"""Intervals over the right unit: the rows that were drawn independently."""

import warnings
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats as scipy_stats


class Estimate(NamedTuple):
    """A number (or an array of numbers) with its confidence interval."""

    value: np.ndarray | float
    low: np.ndarray | float
    high: np.ndarray | float

    def at(self, *index: int) -> "Estimate":
        """One number of an array of estimates, with its interval."""
        return Estimate(*(float(part[index]) for part in self))

    def minus(self, number: float) -> "Estimate":
        """The estimate with a fixed number subtracted from value and limits."""
        return Estimate(*(part - number for part in self))


def exact(value: float) -> Estimate:
    """A result without sampling error: an interval of zero width."""
    return Estimate(value, value, value)


Design = Literal["units", "sets x points"]
"""What was drawn independently: the rows of a table, or its rows and its columns."""


def interval(
    *samples: Float[np.ndarray, "units *columns"],
    design: Design = "units",
    statistic: Callable[..., np.ndarray] | None = None,
    seed: int,
) -> Estimate:
    """The statistic on all of the data and its 95 % interval, by the method that the design calls for."""
    if design == "units":
        return bootstrap(*samples, statistic=statistic or np.mean, seed=seed)
    return crossed_bootstrap(*samples, statistic=statistic, seed=seed)


def bootstrap(
    *samples: Float[np.ndarray, "units *columns"],
    statistic: Callable[..., np.ndarray] = np.mean,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Estimate:
    """Bootstrap interval of a statistic over units (rows), columns kept together.

    Args:
        samples: arrays whose first axis is the unit that was drawn independently (a demonstration set,
            an HMM, a training seed); several arrays are resampled together, row by row (paired).
        statistic: called as ``statistic(*samples, axis)``; it must reduce that axis for any others.
        seed: seeds the resampling.
        level: coverage of the interval.
        resamples: number of bootstrap samples.

    Returns:
        The statistic on all rows and its bias-corrected and accelerated (BCa) interval, both of shape
        ``columns``; where BCa is undefined (all resamples alike) the percentile interval.

    Raises:
        ValueError: with fewer than two units, which carry no interval.

    Source: Efron, "Better bootstrap confidence intervals" (1987), through :func:`scipy.stats.bootstrap`.
    """
    rows = [np.asarray(sample, dtype=float) for sample in samples]
    if len(rows[0]) < 2:
        raise ValueError(f"an interval needs at least 2 units, got {len(rows[0])}")

    def interval(method: str) -> tuple[np.ndarray, np.ndarray]:
        result = scipy_stats.bootstrap(
            rows, statistic, axis=0, paired=True, vectorized=True, confidence_level=level,
            n_resamples=resamples, batch=100, method=method, rng=np.random.default_rng(seed),
        )  # fmt: skip
        return tuple(map(np.asarray, result.confidence_interval))

    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore")  # degenerate columns are dealt with below
        low, high = interval("BCa")
        if np.isnan(low).any() or np.isnan(high).any():
            fallback = interval("percentile")
            low, high = (np.where(np.isnan(b), p, b) for b, p in zip((low, high), fallback, strict=True))
    return Estimate(np.asarray(statistic(*rows, axis=0))[()], low[()], high[()])


def crossed_bootstrap(
    *samples: Float[np.ndarray, "sets points *columns"],
    statistic: Callable[..., np.ndarray] | None = None,
    seed: int,
    level: float = 0.95,
    resamples: int = 1000,
) -> Estimate:
    """Bootstrap interval for a table of demonstration sets x test points, both drawn at random.

    Rows and columns are resampled independently with replacement, so that neither many test points under
    one demonstration set nor many sets on one test point can make an interval narrow ("pigeonhole
    bootstrap"; it errs on the wide side).

    Args:
        samples: arrays whose first axis is the demonstration set and whose second is the test point; several
            arrays are resampled together (paired).
        statistic: called as ``statistic(*samples)`` on arrays of the same shape as ``samples``; it reduces
            both axes. ``None`` is the mean over both.
        seed: seeds the resampling.
        level: coverage of the interval.
        resamples: number of bootstrap samples.

    Returns:
        The statistic on everything and its percentile interval, of shape ``columns`` for the mean.

    Raises:
        ValueError: with fewer than two sets or two points, which carry no interval.

    Source: Owen, "The pigeonhole bootstrap" (2007).
    """
    rows = [np.asarray(sample) for sample in samples]
    sets, points = rows[0].shape[:2]
    if min(sets, points) < 2:
        raise ValueError(f"an interval needs at least 2 sets and 2 points, got {sets} and {points}")
    reduce = statistic or (lambda *found: np.asarray(found[0], dtype=float).mean(axis=(0, 1)))
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        index = np.ix_(rng.integers(sets, size=sets), rng.integers(points, size=points))
        drawn.append(reduce(*(sample[index] for sample in rows)))
    tails = ((1 - level) / 2, (1 + level) / 2)
    low, high = np.nanquantile(np.asarray(drawn, dtype=float), tails, axis=0)
    return Estimate(np.asarray(reduce(*rows))[()], low[()], high[()])
