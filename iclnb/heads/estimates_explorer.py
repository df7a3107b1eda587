"""The evidence of the head explorer: does the best head weigh by position or by similarity?"""

import numpy as np

from iclnb.claims import Evidence
from iclnb.heads.explorer import POSITION, Explored, rank_r2
from iclnb.heads.reconstruction import over

PERMUTATIONS = 200
"""Of the weights inside each prompt: what chance gives."""


def position_beyond(found: Explored, rival: str, *, seed: int) -> Evidence:
    """How much more of the ranks of a head's weights position explains than another feature does.

    The head is the one chosen for its agreement with the model; the prompts are those that did not choose it.
    Both shares are too large by 1 / (k - 1) where there is nothing, which their difference takes off.

    Args:
        found: a task.
        rival: the other feature, such as a similarity.
        seed: of the interval and of the permutations.
    """
    judging = ~found.selecting
    weights = found.longest.weights["maximum"][judging][:, *found.head]
    position, other = (found.features[name][judging] for name in (POSITION, rival))

    def difference(a: np.ndarray) -> np.ndarray:
        return rank_r2(a, position) - rank_r2(a, other)

    rng = np.random.default_rng((seed, 1))
    by_chance = [difference(rng.permuted(weights, axis=-1)).mean() for _ in range(PERMUTATIONS)]
    control_is = "mean with the weights permuted within prompts"
    return Evidence(over(difference(weights), seed=seed), float(np.mean(by_chance)), control_is)
