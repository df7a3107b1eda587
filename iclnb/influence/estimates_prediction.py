"""The evidence of chapter 07 on what predicts influence.

Candidates come in families, of which the best member is chosen on other sets. A member is judged by three sums of
every set: its mean, its mean square, and its mean product with influence. So no weights of heads need to be kept.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from iclnb import stats
from iclnb.claims import Evidence
from iclnb.influence.estimates import checked, ratio
from iclnb.influence.findings import COMBINED, LOG_ODDS, Influence
from iclnb.influence.matrix import LEVELS, moments
from iclnb.influence.rivals import RIVALS
from iclnb.llm.head_choice import random_halves
from iclnb.stats import Estimate

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
    sums = moments(tables, influence, found.truth, found.label)
    return Family(tables.mean((2, 3)).T, *(part.swapaxes(1, 2) for part in sums))


def over_redraws(
    judge: Callable[[Bool[np.ndarray, " sets"]], Float[np.ndarray, "*numbers judges"]],
    sets: int,
    *,
    seed: int,
) -> Float[np.ndarray, "*numbers sets"]:
    """What ``judge`` says of the sets that do not choose, averaged over redraws; a random half chooses in each."""
    total, counts = 0.0, np.zeros(sets)
    for choose in random_halves(sets, REDRAWS, np.random.default_rng(seed)):
        found = judge(choose)
        table = np.zeros((*found.shape[:-1], sets))
        table[..., ~choose] = found
        total, counts = total + table, counts + ~choose
    return total / np.maximum(counts, 1)


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

    def of_best(choose: Bool[np.ndarray, " sets"]) -> Float[np.ndarray, "2 judges"]:
        size = np.sqrt(square[:, choose].sum(1))
        fit = np.divide(product[:, choose].sum(1), size, out=np.full_like(size, -np.inf), where=size > 0)
        best = int(fit.argmax())
        unit = size[best] or 1.0
        return np.stack([square[best, ~choose] / unit**2, product[best, ~choose] / unit])

    return Judged(*over_redraws(of_best, len(influence), seed=seed), influence)


def follows(
    found: Influence, wording: str, names: tuple[str, ...], level: str, scale: str = LOG_ODDS, *, seed: int
) -> Estimate:
    """Correlation of influence with the best member of some families, on sets that did not choose it."""
    checked(found, wording)
    parts = judged(found, wording, names, level, scale, seed=seed)
    return stats.interval(*parts, statistic=correlation, range="correlation", seed=seed)


def head_over_rivals(found: Influence, wording: str, level: str, *, seed: int) -> Evidence:
    """Correlation of influence with the weights of the best head, minus that with the best that sees no head."""
    checked(found, wording)
    rivals = tuple(name for name in FAMILIES if name != HEADS)
    one, other = (judged(found, wording, names, level, seed=seed) for names in ((HEADS,), rivals))

    def difference(*sums: np.ndarray) -> float:
        return correlation(*sums[:3]) - correlation(*sums[3:])

    return Evidence(
        stats.interval(*one, *other, statistic=difference, seed=seed), 0.0, "the best rival itself"
    )


def follows_texts(found: Influence, wording: str, names: tuple[str, ...], *, seed: int) -> Evidence:
    """Correlation within one class of queries and one of demonstrations, where classes are of no help."""
    return Evidence(
        follows(found, wording, names, "texts", seed=seed), 0.0, "a kernel that sees classes alone"
    )


def explained(found: Influence, wording: str, name: str, *, seed: int) -> Estimate:
    """The share of influence's variance that a linear prediction, fitted on other sets, explains: R².

    The variance is about the mean of the sets on which it was fitted, so that a prediction worse than that mean
    has a negative share.

    ``name`` is that of a family, or of ``BLIND`` or ``COMBINED``.
    """
    influence = checked(found, wording).astype(float)
    if name in COMBINED:
        errors = np.square(influence - found.of("combined", wording, name)).mean((1, 2))
        spread = np.square(influence - influence.mean()).mean((1, 2))
    else:
        errors_on = (_of_blind if name in BLIND else _of_family)(found, wording, name, influence)

        def judge(choose: np.ndarray) -> np.ndarray:
            apart = influence[~choose] - influence[choose].mean()
            return np.stack([errors_on(choose), np.square(apart).mean((1, 2))])

        errors, spread = over_redraws(judge, len(influence), seed=seed)
    left = stats.interval(errors, spread, statistic=ratio, range="nonnegative", seed=seed)
    return Estimate(1 - left.value, 1 - left.high, 1 - left.low).with_degrees(left.degrees)


def _of_blind(found: Influence, wording: str, name: str, influence: np.ndarray):
    """Errors of the mean by place, or of a line in the number of like labels for each label."""
    sets, _, k = influence.shape
    if name == POSITION:
        features = np.broadcast_to(np.eye(k), (sets, k, k))
    else:
        shown = found.of("shown", wording)
        word = np.eye(shown.max() + 1)[shown]
        share = (shown[:, :, None] == shown[:, None]).mean(-1)
        features = np.concatenate([word, word * share[..., None]], axis=-1)
    by_demonstration = influence.mean(1)

    def errors(choose: np.ndarray) -> np.ndarray:
        train = features[choose].reshape(-1, features.shape[-1])
        fit = np.linalg.lstsq(train, by_demonstration[choose].ravel(), rcond=None)[0]
        return np.square(influence[~choose] - (features[~choose] @ fit)[:, None]).mean((1, 2))

    return errors


def _of_family(found: Influence, wording: str, name: str, influence: np.ndarray):
    """Errors of a line on the member that fits best, from sums alone."""
    one, mean = family(found, wording, name), influence.mean((1, 2))
    square, product = one.square[0] + one.mean**2, one.product[0] + one.mean * mean
    own = np.square(influence).mean((1, 2))

    def errors(choose: np.ndarray) -> np.ndarray:
        w, j = one.mean[:, choose].mean(1), mean[choose].mean()
        spread = square[:, choose].mean(1) - w**2
        slope = np.divide(product[:, choose].mean(1) - w * j, spread, out=0 * spread, where=spread > 1e-30)
        best = int((slope**2 * spread).argmax())
        a, b, judge = j - slope[best] * w[best], slope[best], ~choose
        w, ww, wj = one.mean[best, judge], square[best, judge], product[best, judge]
        return own[judge] + a**2 + b**2 * ww - 2 * a * mean[judge] - 2 * b * wj + 2 * a * b * w

    return errors


def correlation(square: np.ndarray, product: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """Of centred values, from their squares and products by set."""
    size = np.sqrt(square.sum(0) * influence.sum(0))
    return np.divide(product.sum(0), size, out=np.zeros_like(size), where=size > 0)
