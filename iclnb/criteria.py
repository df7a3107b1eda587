"""Criteria: what the interval of an estimate must satisfy, and the verdict that follows."""

import math
from dataclasses import dataclass

from iclnb.stats import Estimate

SUPPORTED, NOT_SUPPORTED, INCONCLUSIVE = "supported", "not supported", "inconclusive"

MAX_DATA_FACTOR = 50
"""How many times the data may be needed before an effect counts as lying at the bound itself."""


@dataclass(frozen=True)
class Criterion:
    """The region of values (bounds excluded unless ``closed``) in which a claim would hold.

    ``low`` and ``high`` may be infinite. Make one with :func:`above`, :func:`below` or :func:`within`.
    """

    low: float
    high: float
    closed: bool = False

    def __str__(self) -> str:
        if self.closed:
            return f"the whole interval lies within [{self.low:.4g}, {self.high:.4g}]"
        if math.isinf(self.high):
            return f"the whole interval lies above {self.low:.4g}"
        return f"the whole interval lies below {self.high:.4g}"

    @property
    def bounds(self) -> list[float]:
        """Where the region ends; an end that is infinite is none."""
        return [bound for bound in (self.low, self.high) if math.isfinite(bound)]

    def verdict(self, interval: tuple[float, float]) -> str:
        """Supported if the whole interval meets the criterion, not supported if none does, else inconclusive."""
        low, high = interval
        if math.isnan(low) or math.isnan(high):
            return INCONCLUSIVE
        inside = [self.low <= x <= self.high if self.closed else self.low < x < self.high for x in interval]
        if all(inside):
            return SUPPORTED
        apart = (
            (high < self.low or low > self.high) if self.closed else (high <= self.low or low >= self.high)
        )
        return NOT_SUPPORTED if apart else INCONCLUSIVE

    def p_value(self, estimate: Estimate) -> float:
        """Two-sided p-value: below 0.05 just where the verdict on the 95 % interval is not inconclusive.

        Inside two bounds both have to be excluded; outside, only the one that was missed. Not a number for
        what is exact.
        """
        value = float(estimate.value)
        missed = [b for b in self.bounds if (value < b if b == self.low else value > b)]
        return max(map(estimate.p_value, missed or self.bounds))

    def more_data(self, value: float, interval: tuple[float, float]) -> float | None:
        """How many times the data an undecided claim would take, were its estimate right.

        Intervals narrow as one over the square root of the number of units, and every bound of the criterion
        must come to lie outside. ``None`` where the interval decides or is not a number; infinite for an
        estimate on a bound.
        """
        low, high = interval
        if self.verdict(interval) != INCONCLUSIVE or math.isnan(value + low + high):
            return None
        needed = [
            ((value - low if value > bound else high - value) / abs(value - bound)) ** 2
            if value != bound
            else math.inf
            for bound in (self.low, self.high)
            if low <= bound <= high
        ]
        return max(needed, default=None)


def data_needed(criterion: Criterion, estimate: Estimate) -> str:
    """How much more data would decide an inconclusive claim, in words; empty where nothing is wanted."""
    value, low, high = map(float, estimate)
    more = criterion.more_data(value, (low, high))
    if more is None:
        return ""
    return (
        "at the margin itself" if more > MAX_DATA_FACTOR else f"{max(more, 1.01):.2g} × the data would decide"
    )


def above(threshold: float) -> Criterion:
    """The claim holds for values greater than ``threshold``."""
    return Criterion(float(threshold), math.inf)


def below(threshold: float) -> Criterion:
    """The claim holds for values less than ``threshold``."""
    return Criterion(-math.inf, float(threshold))


def within(low: float, high: float) -> Criterion:
    """The claim holds for values from ``low`` to ``high``, both included."""
    return Criterion(float(low), float(high), closed=True)
