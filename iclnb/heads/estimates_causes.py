"""The evidence of chapter 03 about causes: what heads and label values do to the answers. Ours."""

import numpy as np

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.heads.causes import (
    BEST,
    ELSEWHERE,
    MIDDLE_VALUES,
    OTHER_VALUES,
    RANDOM,
    WHOLE,
    Causes,
)
from iclnb.heads.direct import PARTS
from iclnb.heads.reconstruction import over
from iclnb.stats import Estimate


def costs_more(found: Causes, name: str, control: str, *, seed: int) -> Evidence:
    """What one intervention takes off the separation of the labels, less what another one does, in nats."""
    difference = over(found.cost(name) - found.cost(control), seed=seed)
    return Evidence(difference, float(found.cost(control).mean()), f"cost of {control}, in nats")


def ablation_beyond_random(found: Causes, *, seed: int) -> Evidence:
    """Cost of ablating the best heads, less that of as many random heads of the same layers."""
    return costs_more(found, BEST, RANDOM, seed=seed)


def ablation_beyond_elsewhere(found: Causes, *, seed: int) -> Evidence:
    """Cost of ablating the best heads, less that of the best heads of other layers."""
    return costs_more(found, BEST, ELSEWHERE, seed=seed)


def part_of_ablation(found: Causes, part: str, *, seed: int) -> Evidence:
    """A part (:data:`iclnb.heads.direct.PARTS`) of the cost of ablating the best heads, in nats.

    Not a number where the cost cannot be split.
    """
    if not found.parts:
        return Evidence(stats.exact(np.nan), np.nan, f"none: {found.unsplit}")
    control = float(found.part(RANDOM, part).mean())
    return Evidence(over(found.part(BEST, part), seed=seed), control, f"{RANDOM}, in nats")


def ablation_parts(found: Causes, *, seed: int) -> dict[str, dict[str, Estimate]]:
    """For every ablation its whole cost and the parts of it, in nats; nothing where they cannot be split."""
    return {
        name: {"total": over(found.cost(name), seed=seed)}
        | {part: over(found.part(name, part), seed=seed) for part in PARTS}
        for name in found.parts
    }


def follows_values(found: Causes, *, seed: int) -> Evidence:
    """Cost of swapping the label tokens' values between classes in the middle layers."""
    control = float(found.cost(OTHER_VALUES).mean())
    return Evidence(
        over(found.cost(MIDDLE_VALUES), seed=seed), control, "the same swap in as many other layers, in nats"
    )


def values_in_the_middle(found: Causes, *, seed: int) -> Evidence:
    """Cost of that swap in the middle layers, less its cost in as many layers elsewhere."""
    difference = over(found.cost(MIDDLE_VALUES) - found.cost(OTHER_VALUES), seed=seed)
    return Evidence(difference, 0.0, "no difference")


def by_intervention(found: Causes, *, seed: int) -> dict[str, Estimate]:
    """Cost of every intervention, in nats."""
    return {name: over(found.cost(name), seed=seed) for name in found.answers if name != WHOLE}


def separation(found: Causes, *, seed: int) -> Estimate:
    """Separation of the labels in the whole model, in nats."""
    return over(found.separation(WHOLE), seed=seed)


def accuracy(found: Causes, *, seed: int) -> dict[str, Estimate]:
    """Accuracy of the whole model, and what every intervention takes off it."""
    whole = found.right(WHOLE)
    return {
        name: over(found.right(name) if name == WHOLE else whole - found.right(name), seed=seed)
        for name in found.answers
    }
