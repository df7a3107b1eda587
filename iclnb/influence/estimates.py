"""The evidence of chapter 07: every statistic that decides a claim, from findings."""

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.influence.findings import Influence
from iclnb.influence.matrix import LEVELS
from iclnb.stats import Estimate

NOTHING = 0.05
"""Root mean square of influence, in nats, below which there is nothing to explain: odds that change by 5 %."""

PARTS = ("demonstration", "query", "pair")  # What the variance of a set's matrix belongs to


def checked(found: Influence, wording: str) -> Float[np.ndarray, "set point demonstration"]:
    """The influence matrices. Raises NothingToMeasure if labels change less than :data:`NOTHING`."""
    influence = found.of("influence", wording)
    size = float(np.sqrt(np.square(influence).mean()))
    if size < NOTHING:
        raise NothingToMeasure(
            f"labels that matter: flipping one changes log-odds by {size:.2g} nats on average"
        )
    return influence


def squares(found: Influence, wording: str) -> dict[str, Float[np.ndarray, " set"]]:
    """Mean squares of each set's matrix by what they belong to; they add up to its variance.

    Beside :data:`PARTS` stands ``text``, the part of ``pair`` that is left within one class of queries and one
    of demonstrations.
    """
    influence = checked(found, wording)
    apart = influence - influence.mean((1, 2), keepdims=True)
    pair, text = (found.matrix(wording, level) for level in LEVELS[1:])
    parts = (apart.mean(1), apart.mean(2), pair, text)
    return {
        name: np.square(part).reshape(len(part), -1).mean(1)
        for name, part in zip((*PARTS, "text"), parts, strict=True)
    }


def variance(found: Influence, wording: str) -> dict[str, float]:
    """Shares of variance that add up to 1: ``demonstration``, ``query``, and ``pair`` in two parts, ``class`` and
    what is left of it within classes, ``text``."""
    sums = {name: float(part.sum()) for name, part in squares(found, wording).items()}
    whole = sum(sums[name] for name in PARTS)
    sums["class"] = sums.pop("pair") - sums["text"]
    return {name: part / whole for name, part in sums.items()}


def share(found: Influence, wording: str, part: str, *, seed: int) -> Estimate:
    """The share of influence's variance that belongs to one of :data:`PARTS`, or to ``text``."""
    of = squares(found, wording)
    whole = sum(of[name] for name in PARTS)
    return stats.interval(of[part], whole, statistic=ratio, range="rate", seed=seed)


def chance(found: Influence, part: str) -> float:
    """The share that a part has where influence is noise: its degrees of freedom over all."""
    points, k = found.rivals.shape[2:]
    free = {"demonstration": k - 1, "query": points - 1, "pair": (k - 1) * (points - 1)}
    return free[part] / (k * points - 1)


def pair_over_demonstration(found: Influence, wording: str, *, seed: int) -> Evidence:
    """The share that belongs to pairs of query and demonstration, minus that of demonstrations by themselves."""
    of = squares(found, wording)
    whole = sum(of[name] for name in PARTS)
    estimate = stats.interval(
        of["pair"] - of["demonstration"], whole, statistic=ratio, range="difference", seed=seed
    )
    return Evidence(estimate, -1.0, "a model that copies or counts labels, whatever the query")


def negative(found: Influence, wording: str, *, seed: int) -> Evidence:
    """The share of influence, by its size, that draws away from the label shown."""
    influence = checked(found, wording)
    down, size = (part.sum((1, 2)) for part in (np.maximum(-influence, 0), np.abs(influence)))
    estimate = stats.interval(down, size, statistic=ratio, range="rate", seed=seed)
    return Evidence(estimate, 0.5, "influence of either sign alike")


def adds_up(found: Influence, wording: str, scale: str, *, seed: int) -> Evidence:
    """What single flips change in sum, as a multiple of what all flips change at once."""
    checked(found, wording)
    summed, together = (found.of(name, wording, scale) for name in ("summed", "together"))
    up, down = ((part * together).sum((1, 2)) for part in (summed, together))
    return Evidence(
        stats.interval(up, down, statistic=ratio, seed=seed), 0.0, "flips that do not add up at all"
    )


def sum_of_weights(found: Influence, wording: str, *, seed: int) -> Evidence:
    """The sum over demonstrations of what each pulls, in probability: 1 if these are weights of an average."""
    estimate = stats.interval(found.of("pull", wording).sum(2).mean(1), seed=seed)
    return Evidence(estimate, 0.0, "a model that ignores the demonstrations")


def other_over_same(found: Influence, wording: str, *, seed: int) -> Evidence:
    """Mean influence of the other classes' demonstrations, as a multiple of that of the query's own class."""
    parts = [*_class_sums(found, wording, False), *_class_sums(found, wording, True)]
    if not parts[2].sum() > 0:
        raise NothingToMeasure("demonstrations of the query's class that draw towards their label")

    def relative(
        other: np.ndarray, n_other: np.ndarray, own: np.ndarray, n_own: np.ndarray
    ) -> np.ndarray | np.floating:
        return ratio(other, n_other) / ratio(own, n_own)

    return Evidence(
        stats.interval(*parts, statistic=relative, seed=seed), 1.0, "a model that ignores the query"
    )


def _class_sums(found: Influence, wording: str, same: bool) -> tuple[np.ndarray, np.ndarray]:
    influence, of_one_class = checked(found, wording), found.truth[:, :, None] == found.label[:, None, :]
    chosen = of_one_class == same
    if not chosen.any():
        raise NothingToMeasure("demonstrations of both the query's class and others")
    return (influence * chosen).sum((1, 2)), chosen.sum((1, 2)).astype(float)


def above_chance(found: Influence, wording: str, *, seed: int) -> Evidence:
    """How often the answer is the word that the demonstrations call right, minus one over the number of words."""
    right, classes = found.of("right", wording).astype(float), found.summed.shape[-1]
    rate = stats.interval(right.mean(1), range="rate", seed=seed)
    return Evidence(rate.minus(1 / classes), 0.0, "answers at random")


def ratio(
    up: Float[np.ndarray, "units *columns"], down: Float[np.ndarray, "units *#columns"]
) -> Float[np.ndarray | np.floating, " *columns"]:
    """Of sums over units; not a number where there is nothing below."""
    return up.sum(0) / np.where(down.sum(0) != 0, down.sum(0), np.nan)
