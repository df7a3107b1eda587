"""Findings of chapter 07 made of a given matrix of influence."""

import numpy as np

from iclnb.influence.findings import COMBINED, SCALES, WORDINGS, Influence
from iclnb.influence.levels import moments
from iclnb.influence.rivals import RIVALS

SETS, POINTS, K, LAYERS, HEADS, DEPTH = 10, 4, 6, 3, 4, 4


def findings(influence, weights=None, **changes):
    """Findings with one influence matrix under both wordings, and heads of given weights."""
    rng = np.random.default_rng(5)
    sets, points, k = influence.shape
    truth, label = np.tile(np.arange(points) % 2, (sets, 1)), np.tile(np.arange(k) % 2, (sets, 1))
    weights = rng.random((sets, LAYERS, HEADS, points, k)) if weights is None else weights
    states = rng.random((sets, DEPTH, points, k))
    both = (WORDINGS, influence, truth, label)

    def sums(candidate):
        found = [moments(*one) for one in zip(candidate, influence, truth, label, strict=True)]
        square, product = (np.stack(part, axis=1) for part in zip(*found, strict=True))
        return np.stack([square] * 2), np.stack([[product, product / 10]] * 2)

    (head_square, head_product), (state_square, state_product) = sums(weights), sums(states)
    twice = lambda array: np.stack([array] * len(both[0]))  # noqa: E731
    blank = np.ones((2, len(SCALES), sets, points, 2))
    values = {
        "influence": twice(influence), "pull": twice(influence / 10), "truth": truth, "label": label,
        "right": np.ones((2, sets, points), bool), "shown": twice(label), "summed": blank, "together": blank,
        "rivals": rng.random((len(RIVALS), sets, points, k)),
        "combined": np.zeros((2, len(COMBINED), sets, points, k)), "head_mean": twice(weights.mean((3, 4))),
        "head_square": head_square, "head_product": head_product, "state_mean": twice(states.mean((2, 3))),
        "state_square": state_square, "state_product": state_product, "whole": np.ones((2, sets)),
        "left": np.ones((2, sets, LAYERS, HEADS)), "left_window": np.ones((2, 2, sets, 3)),
        "left_all": np.zeros((2, 2, sets)), "left_group": np.ones((2, 2, 3, sets)), "heads": 1,
        "best_layer": np.zeros(2, int), "best_head": np.zeros(2, int),
        "best_weights": twice(weights[0, 0, 0]),
    }  # fmt: skip
    return Influence(**values | changes)
