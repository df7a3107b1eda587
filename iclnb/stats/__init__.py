"""Estimates with their intervals, over what was drawn independently."""

from functools import partial

import numpy as np

from iclnb.stats.design import Design, Estimate, exact, interval, median

__all__ = ["Design", "Estimate", "exact", "interval", "median"]


def bootstrap(*samples, statistic=None, seed: int, resamples: int = 0) -> Estimate:
    """:func:`interval` over units, for callers that are not converted yet."""
    if statistic not in (None, np.median):
        statistic = partial(statistic, axis=0)
    return interval(*samples, statistic=statistic, seed=seed)


def crossed_bootstrap(*samples, statistic=None, seed: int, resamples: int = 0) -> Estimate:
    """:func:`interval` over sets x points, for callers that are not converted yet."""
    return interval(*samples, design="sets x points", statistic=statistic, seed=seed)
