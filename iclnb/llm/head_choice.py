"""Which heads: the best by some score, and as many others of their layers as a control."""

from collections.abc import Collection, Iterable

import numpy as np
from jaxtyping import Bool, Float

from iclnb.errors import IclnbError

Head = tuple[int, int]  # A layer and a head of it


def best_heads(
    scores: Float[np.ndarray, "layers heads"], count: int, *, without: Collection[int] = ()
) -> list[Head]:
    """The heads with the highest scores, at most half of a layer's, so that others are left as its control.

    Best first (ties: the first layer, the first head); fewer than ``count`` where the model has no more.
    """
    per_layer, chosen = scores.shape[1], []
    taken = dict.fromkeys(range(len(scores)), 0)
    for place in np.argsort(-scores, axis=None, kind="stable"):
        layer, head = divmod(int(place), per_layer)
        if layer not in without and taken[layer] < per_layer // 2 and len(chosen) < count:
            chosen.append((layer, head))
            taken[layer] += 1
    return chosen


def random_halves(units: int, redraws: int, rng: np.random.Generator) -> Bool[np.ndarray, "redraws units"]:
    """Which of the units choose heads, in every redraw: a random half; the others judge.

    Halves come in pairs, the second of which has the units that the first has not: every unit judges.
    """
    chosen = np.zeros((redraws, units), dtype=bool)
    for draw in range(0, redraws, 2):
        chosen[draw, rng.permutation(units)[: units // 2]] = True
        chosen[draw + 1 : draw + 2] = ~chosen[draw]
    return chosen


def random_heads_like(heads: Iterable[Head], per_layer: int, rng: np.random.Generator) -> list[Head]:
    """As many other heads of the same layers, drawn at random: the control of an ablation.

    Raises IclnbError if a layer has fewer other heads than are ablated in it.
    """
    by_layer: dict[int, set[int]] = {}
    for layer, head in heads:
        by_layer.setdefault(layer, set()).add(head)
    drawn = []
    for layer, taken in sorted(by_layer.items()):
        others = [head for head in range(per_layer) if head not in taken]
        if len(others) < len(taken):
            raise IclnbError(
                f"layer {layer} has {len(others)} heads besides the {len(taken)} ablated ones, too few for a "
                "control of the same size; ablate fewer heads"
            )
        chosen = rng.choice(others, size=len(taken), replace=False)
        drawn += [(layer, head) for head in sorted(chosen.tolist())]
    return drawn
