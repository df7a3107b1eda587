"""What decides the claims of chapter 00."""

import numpy as np

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.cli.template.room.findings import Draws


def mean(one: Draws, *, seed: int) -> Evidence:
    """The mean of the draws, with an interval over draws; control: the same draws with random signs."""
    signs = np.random.default_rng((seed, 1)).choice([-1, 1], len(one.value))
    return Evidence(stats.interval(one.value, seed=seed), float((signs * one.value).mean()), "random signs")
