"""What chapter 00 draws."""

import numpy as np
from jaxtyping import Float


def draws(count: int, mean: float, *, seed: int) -> Float[np.ndarray, " draw"]:
    """So many independent normal draws with standard deviation 1 and this mean."""
    return np.random.default_rng(seed).normal(mean, 1, count)
