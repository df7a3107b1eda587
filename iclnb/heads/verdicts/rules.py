"""By how much an effect has to exceed its control, and what the control is taken from."""

from typing import Final

import numpy as np
from jaxtyping import Float

from iclnb.stats import Estimate

MARGIN: Final = 0.05
"""Agreement, accuracy and correlation have to exceed a control by this much to be worth a claim."""

NATS: Final = 0.1
"""The same for differences of log-odds."""

MAP: Final = 0.3
"""Two maps of heads have to correlate by this much to be called alike."""

LEVEL: Final = 0.95
"""Quantile of a permutation null that a head chosen among all has to exceed."""

NULL_IS: Final = "median of the permuted maxima, less their 95 % quantile"


def minus(estimate: Estimate, number: float) -> Estimate:
    """The estimate with a fixed number taken off value and limits."""
    return Estimate(*(float(part) - float(number) for part in estimate))


def beyond(estimate: Estimate, maxima: Float[np.ndarray, " permutations"]) -> tuple[Estimate, float]:
    """An estimate less the quantile of a permutation null, and the null's median less the same."""
    null = float(np.quantile(maxima, LEVEL))
    return minus(estimate, null), float(np.median(maxima)) - null
