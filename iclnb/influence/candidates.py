"""What might predict influence, in families; each family's best member is chosen on other sets.

A member is judged by three sums of every set: its mean, its mean square, and its mean product with influence.
So no weights of heads need to be kept.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from iclnb.influence.findings import LOG_ODDS, Influence
from iclnb.influence.levels import LEVELS, moments
from iclnb.influence.rivals import RIVALS
from iclnb.llm.head_choice import random_halves

EMBEDDINGS, WORDS, CLASSES, *_ZERO_SHOT = RIVALS
MAPPING, STATES, HEADS = "mapping x zero-shot", "ridge regression on states", "attention heads"
FAMILIES = (EMBEDDINGS, WORDS, CLASSES, MAPPING, STATES, HEADS)
"""Families whose members are one number for every query and demonstration."""

POSITION, LABELS = "position", "label shown"
BLIND = (POSITION, LABELS)
"""What knows a demonstration's place, or its label and how many share it, and no text."""

SHARPNESS = (3.0, 10.0, 30.0)
"""Of kernels on embeddings and on words: what likeness is multiplied by before the softmax."""

REDRAWS = 40  # Random halves of the sets that choose; the others judge


class Family(NamedTuple):
    """Sums of the members of a family."""

    mean: Float[np.ndarray, "members sets"]
    square: Float[np.ndarray, "levels members sets"]  # of centred values
    product: Float[np.ndarray, "levels members sets"]


def family(found: Influence, wording: str, name: str, scale: str = LOG_ODDS) -> Family:
    """One of :data:`FAMILIES`, beside influence on a scale.

    Likeness of embeddings, and words in common, come as they are and as the weights of a kernel regression,
    softmax over demonstrations of a multiple.
    """
    kept = {HEADS: "head", STATES: "state"}.get(name)
    if kept is not None:
        mean, square = (found.of(f"{kept}_{part}", wording) for part in ("mean", "square"))
        product = found.of(f"{kept}_product", wording, scale)
        sets = len(mean)
        return Family(
            mean.reshape(sets, -1).T,
            *(part.reshape(len(LEVELS), sets, -1).swapaxes(1, 2) for part in (square, product)),
        )
    members = [
        found.rivals[RIVALS.index(one)].astype(float)
        for one in ([*_ZERO_SHOT] if name == MAPPING else [name])
    ]
    if name in (EMBEDDINGS, WORDS):
        unit = members[0] / max(members[0].std(), 1e-9)
        members += [special.softmax(sharp * unit, axis=-1) for sharp in SHARPNESS]
    tables, influence = np.stack(members, axis=1), found.matrix(wording, "whole", scale)
    sums = [moments(*one) for one in zip(tables, influence, found.truth, found.label, strict=True)]
    square, product = (np.stack(part, axis=-1) for part in zip(*sums, strict=True))
    return Family(tables.mean((2, 3)).T, square, product)


def halves(sets: int, *, seed: int) -> Bool[np.ndarray, "redraws sets"]:
    """Which sets choose, in every redraw: a random half."""
    return random_halves(sets, REDRAWS, np.random.default_rng(seed))


class Judged(NamedTuple):
    """A family's chosen members on the sets that did not choose, averaged over redraws."""

    # of the chosen member, scaled to unit variance on the sets that chose. (sets,)
    square: Float[np.ndarray, " sets"]
    product: Float[np.ndarray, " sets"]
    influence: Float[np.ndarray, " sets"]  # mean square of influence


def judged(
    found: Influence, wording: str, names: tuple[str, ...], level: str, scale: str = LOG_ODDS, *, seed: int
) -> Judged:
    """The best member of some families: its sums on sets that did not choose it.

    The member of highest correlation with influence on a random half of the sets is judged on the other half.
    """
    families = [family(found, wording, name, scale) for name in names]
    place = LEVELS.index(level)
    square = np.concatenate([one.square[place] for one in families])
    product = np.concatenate([one.product[place] for one in families])
    influence = np.square(found.matrix(wording, level, scale)).mean((1, 2))
    sums, counts = np.zeros((2, len(influence))), np.zeros(len(influence))
    for choose in halves(len(influence), seed=seed):
        size = np.sqrt(square[:, choose].sum(1))
        fit = np.divide(product[:, choose].sum(1), size, out=np.full_like(size, -np.inf), where=size > 0)
        best, judge = int(fit.argmax()), ~choose
        scale = size[best] or 1.0
        sums[:, judge] += np.stack([square[best, judge] / scale**2, product[best, judge] / scale])
        counts += judge
    return Judged(*(sums / np.maximum(counts, 1)), influence)
