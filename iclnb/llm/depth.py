"""Layers by relative depth: what "first" and "middle" layers of one model are in another."""

import numpy as np
from jaxtyping import Float, Int

FIRST = (0.0, 3 / 28)
"""The paper's "first 3 layers" of GPT-J's 28, as relative depth (layer / layers, upper end excluded)."""

MIDDLE = (16 / 28, 22 / 28)
"""The paper's layers 16 to 21 of GPT-J's 28, whose heads stand out on SST-2, as relative depth."""


def layers_within(layers: int, depth: tuple[float, float]) -> Int[np.ndarray, " chosen"]:
    """The layers, counted from 0, whose relative depth layer / layers lies in [depth[0], depth[1])."""
    relative = np.arange(layers) / layers
    return np.flatnonzero((relative >= depth[0]) & (relative < depth[1]))


def contrast(
    values: Float[np.ndarray, "*prompts layers"], inside: Int[np.ndarray, " chosen"]
) -> Float[np.ndarray, "*prompts"]:
    """For each prompt the mean over the chosen layers minus the mean over all the others."""
    outside = np.setdiff1d(np.arange(values.shape[-1]), inside)
    return values[..., inside].mean(-1) - values[..., outside].mean(-1)
