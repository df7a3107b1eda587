"""What chapter 00 measures."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb.findings import Findings, variable


@dataclass(frozen=True, kw_only=True)
class Draws(Findings):
    """All numbers that the claims and figures need, and no more."""

    value: Float[np.ndarray, " draw"] = variable("an independent draw", unit="1")
