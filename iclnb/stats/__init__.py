"""Estimates with their intervals, over what was drawn independently."""

from iclnb.stats.design import Design, Estimate, exact, geometric_mean, holm, interval, median
from iclnb.stats.ranges import Range

__all__ = ["Design", "Estimate", "Range", "exact", "geometric_mean", "holm", "interval", "median"]
