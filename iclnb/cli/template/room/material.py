"""What chapter 00 draws."""

import numpy as np
from jaxtyping import Float


def draws(count: int, mean: float, *, seed: int) -> Float[np.ndarray, " draw"]:
    """Independent normal draws with standard deviation 1.

    Args:
        count: how many.
        mean: of their distribution.
        seed: of the draws.

    Returns:
        The draws, shape (count,).
    """
    return np.random.default_rng(seed).normal(mean, 1, count)
