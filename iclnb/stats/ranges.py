"""Limits that stay where a quantity can be: rates, their differences, correlations, what is not negative."""

from typing import Final, Literal

import numpy as np

from iclnb.stats.limits import Column, Limits

Range = Literal["rate", "difference", "correlation", "nonnegative"]
"""A share, in [0, 1]; a difference of two shares, in [-1, 1]; in [-1, 1]; from 0 on."""

_BOUNDS: Final = {"rate": (0, 1), "difference": (-1, 1), "correlation": (-1, 1), "nonnegative": (0, np.inf)}


def clipped(range: Range | None, *numbers: Column) -> tuple[Column, ...]:
    """The numbers, those outside the range moved to its ends; as they are without a range."""
    return tuple(np.clip(number, *_BOUNDS[range]) for number in numbers) if range else numbers


def scaled(range: Range, value: Column, error: Column, quantile: Column, units: int) -> Limits:
    """Limits on the scale of a rate, a difference or a correlation.

    Args:
        value, error: the estimate and its standard error.
        units: how many answers a rate stands for that is 0 or 1, where the error says nothing.
    """
    (value,) = clipped(range, value)
    if range == "correlation":
        return _on_fishers_scale(value, error, quantile)
    if range == "rate":
        return _score(value, error, quantile, units)
    low, high = _score((value + 1) / 2, error / 2, quantile, units)
    return 2 * low - 1, 2 * high - 1


def _score(rate: Column, error: Column, quantile: Column, units: int) -> Limits:
    """Where the distance to the rate is the quantile times the error, which goes with sqrt(p (1 - p)).

    Source: Wilson, "Probable inference" (1927), with as many answers as the error stands for (Korn and
    Graubard, "Confidence intervals for proportions with small expected number of positive counts", 1998).
    """
    inner = rate * (1 - rate)
    c = quantile**2 * np.where(inner > 0, error**2 / np.where(inner > 0, inner, 1), 1 / units)
    half = np.sqrt(c * inner + c**2 / 4)
    return clipped("rate", (rate + c / 2 - half) / (1 + c), (rate + c / 2 + half) / (1 + c))


def _on_fishers_scale(value: Column, error: Column, quantile: Column) -> Limits:
    """On the scale of artanh, on which the error is 1 / (1 - value²) of what it was (Fisher 1921)."""
    inner = 1 - value**2
    certain = inner <= 0
    far = quantile * error / np.where(certain, 1, inner)
    middle = np.arctanh(np.where(certain, 0, value))
    return tuple(np.where(certain, value, np.tanh(middle + way * far)) for way in (-1, 1))


def from_zero_on(value: Column, low: Column, high: Column) -> tuple[Column, Column, Column]:
    """An estimate of what is not negative, moved up to 0 with its limits if it was, and the rest cut off.

    Source: Mandelkern and Schultz, "The statistical analysis of Gaussian and Poisson signals near physical
    boundaries" (2000).
    """
    up = np.maximum(-value, 0)
    return value + up, np.maximum(low + up, 0), high + up
