"""The evidence of chapter 03 about causes: what heads and label values do to the answers. Ours."""

from typing import Final

import numpy as np
from jaxtyping import Float

from iclnb.claims import Evidence, NothingToMeasure
from iclnb.display import number
from iclnb.heads.causes import ABLATIONS, BEST, SWAPPED, SWAPS
from iclnb.heads.direct import PARTS, TOTAL
from iclnb.heads.estimates import over
from iclnb.heads.findings import Heads
from iclnb.stats import Estimate

REDRAWS: Final = 20  # Choices of heads that an interval has to include


def ablation_beyond(found: Heads, control: str, part: str = TOTAL, *, seed: int) -> Evidence:
    """What ablating the best heads takes off the separation of the labels, less what a control does, in nats.

    Raises NothingToMeasure with fewer than :data:`REDRAWS` choices of heads, or where the cost has no parts.
    """
    if found.cost.shape[2] < REDRAWS:
        raise NothingToMeasure(f"{REDRAWS} choices of heads, so that the interval includes the choice")
    if part != TOTAL and found.unsplit:
        raise NothingToMeasure(f"a cost that has parts; here {found.unsplit}")
    own, other = (_by_row(found, name, part) for name in (BEST, control))
    known = f"{control}, whose part is {number(float(other.mean()), 2)} nats"
    return Evidence(over(own - other, seed=seed), 0.0, known)


def swap_beyond(found: Heads, control: str, *, seed: int) -> Evidence:
    """What swapping label values between classes takes off the separation, less what another swap does."""
    own, other = (found.swap_cost[SWAPS.index(name)] for name in (SWAPPED, control))
    known = f"{control}: {number(float(other.mean()), 2)} nats"
    return Evidence(over(own - other, seed=seed), 0.0, known)


def ablation_costs(found: Heads, *, seed: int) -> dict[str, dict[str, Estimate]]:
    """For every ablation its cost and the parts of it, in nats; the whole alone where there are no parts."""
    parts = PARTS[:1] if found.unsplit else PARTS
    return {name: {part: over(_by_row(found, name, part), seed=seed) for part in parts} for name in ABLATIONS}


def swap_cost(found: Heads, swap: str, *, seed: int) -> Estimate:
    """Cost of a swap, in nats."""
    return over(found.swap_cost[SWAPS.index(swap)], seed=seed)


def separation(found: Heads, *, seed: int) -> Estimate:
    """Separation of the labels in the whole model, in nats."""
    return over(found.separation, seed=seed)


def accuracy(found: Heads) -> dict[str, float]:
    """How often the model is right on the judging prompts, whole and under each ablation."""
    without = {name: float(right.mean()) for name, right in zip(ABLATIONS, found.right_without, strict=True)}
    return {"whole model": float(found.right.mean())} | without


def most_chosen(found: Heads) -> float:
    """The share of the choices of heads that the head chosen most often is among."""
    return float(found.chosen_share.max())


def _by_row(found: Heads, ablation: str, part: str) -> Float[np.ndarray, "row judged"]:
    """The cost in every demonstration set, mean over the choices that are judged under it."""
    cost = found.cost[ABLATIONS.index(ablation), PARTS.index(part)]
    return np.stack([cost[found.redraw_set == row].mean(0) for row in np.unique(found.redraw_set)])
