"""Estimates with their intervals, over what was drawn independently."""

from iclnb.stats.design import Design, Estimate, exact, interval, median

__all__ = ["Design", "Estimate", "exact", "interval", "median"]
