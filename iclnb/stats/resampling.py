"""The jackknife and the bootstrap: a statistic asked again with units left out, or drawn again."""

import itertools
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

Rows = list[np.ndarray]
Statistic = Callable[..., np.ndarray | float]
"""Called with the samples (some units left out); reduces their unit axis, or both, and keeps columns."""


def pseudo_values(
    rows: Rows, statistic: Statistic, most: tuple[int, ...], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The statistic on everything, and what each unit, or each cell of a crossed table, adds to it.

    Args:
        statistic: reduces those axes.
        most: for each of those axes the most parts that are left out; more units are left out in groups.

    Returns:
        The statistic (*columns) and Tukey's pseudo-values (parts, *columns) or (parts, parts, *columns),
        which take the place of values whose mean the statistic is; for a mean they are those values.

    Raises:
        ValueError: if the statistic does not reduce the axes.
    """
    sizes = rows[0].shape[: len(most)]
    groups = [_groups(size, limit, rng) for size, limit in zip(sizes, most, strict=True)]
    nothing = np.array([], dtype=int)
    found = []
    for parts in itertools.product(*([nothing, *each] for each in groups)):
        kept = np.ix_(*(np.delete(np.arange(n), part) for n, part in zip(sizes, parts, strict=True)))
        found.append(np.asarray(statistic(*(row[kept] for row in rows)), dtype=float))
    if any(part.shape != found[0].shape for part in found):
        raise ValueError(f"the statistic must reduce {len(most)} axes of the samples; got {found[0].shape}")
    shape = tuple(len(each) + 1 for each in groups)
    shares = [np.array([n / len(part) for part in each]) for n, each in zip(sizes, groups, strict=True)]
    return found[0], _contrasts(np.reshape(found, shape + found[0].shape), shares)


def cells_of_mean(values: Float[np.ndarray, "sets points *columns"]) -> np.ndarray:
    """:func:`pseudo_values` of the mean: the values, or where some are missing what each adds to it."""
    known = ~np.isnan(values)
    if known.all():
        return values
    sums = [np.where(known, values, 0), known.astype(float)]
    for axis in (0, 1):
        every = [part.sum(axis, keepdims=True) for part in sums]
        sums = [np.concatenate([e, e - part], axis) for e, part in zip(every, sums, strict=True)]
    return _contrasts(sums[0] / sums[1], [np.full(n, float(n)) for n in values.shape[:2]])


def studentized(rows: Rows, statistic: Statistic, rng: np.random.Generator, resamples: int = 200) -> tuple:
    """The statistic, its jackknife standard error, and the 95 % quantile of the absolute bootstrap t.

    The quantile is not finite where resamples do not vary.
    """
    n = len(rows[0])
    without = np.array([np.delete(np.arange(n), unit) for unit in range(n)])

    def value_and_error(index: np.ndarray) -> tuple[np.ndarray, np.ndarray | np.generic]:
        whole, *parts = (
            np.asarray(statistic(*(row[kept] for row in rows)), dtype=float)
            for kept in (index, *index[without])
        )
        return whole, np.sqrt((n - 1) * np.var(parts, axis=0))

    whole, error = value_and_error(np.arange(n))
    drawn = (value_and_error(rng.integers(n, size=n)) for _ in range(resamples))
    return whole, error, np.nanquantile([np.abs(v - whole) / e for v, e in drawn], 0.95, axis=0)


def redrawn(
    rows: Rows, statistic: Statistic, axes: int, rng: np.random.Generator, resamples: int = 1000
) -> Float[np.ndarray, "resamples *columns"]:
    """The statistic over bootstrap samples of units, or of sets and, by themselves, of points (Owen 2007)."""
    places = [rng.integers(n, size=(resamples, n)) for n in rows[0].shape[:axes]]
    drawn = (np.ix_(*kept) for kept in zip(*places, strict=True))
    return np.array([statistic(*(row[kept] for row in rows)) for kept in drawn], dtype=float)


def _groups(size: int, most: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Every index alone, or at random in as many groups as are allowed."""
    order = np.arange(size) if size <= most else rng.permutation(size)
    return np.array_split(order, min(size, most))


def _contrasts(found: np.ndarray, shares: list[np.ndarray]) -> np.ndarray:
    """Along each axis the whole ``share`` times, less ``share - 1`` times the whole without a group.

    ``found`` has nothing left out first along each axis, then each group; ``shares`` say how often it goes
    into the whole.
    """
    for axis, share in enumerate(shares):
        found = np.moveaxis(found, axis, 0)
        share = share.reshape(-1, *[1] * (found.ndim - 1))
        found = np.moveaxis(share * found[:1] - (share - 1) * found[1:], 0, axis)
    return found
