"""Findings of chapter 03 made of random numbers, with some of them given."""

import numpy as np

from iclnb.findings import variables
from iclnb.heads.findings import Heads

SETS, POINTS, FRESHES, LAYERS, HEADS = 3, 20, 40, 28, 4
SIZES = {
    "prior": 2, "method": 8, "who": 3, "arm": 2, "target": 2, "variant": 3, "way": 2, "reading": 2, "compared": 3,
    "product": 3, "ablation": 3, "part": 4, "swap": 4, "query": FRESHES, "set": SETS, "point": POINTS,
    "prompt": FRESHES, "layer": LAYERS, "head": HEADS, "permutation": 5, "pair": 4, "row": 2, "judged": 6,
    "redraw": 20,
}  # fmt: skip


def heads(**changes):
    """Findings of random numbers, with some of them given."""
    rng, values = np.random.default_rng(0), {"task": "words", "unsplit": ""}
    for field in variables(Heads):
        if field.dimensions:
            shape = tuple(SIZES[name] for name in field.dimensions)
            values[field.name] = rng.random(shape) if field.kind == "float32" else rng.integers(2, size=shape)
    values["half"] = np.arange(FRESHES) % 2
    values["redraw_set"] = np.arange(20) % 2
    return Heads(**values | changes)
