"""The evidence on table 3 of paper A, under the reading that suits a claim best; HMMs are the units."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from iclnb.bayes.measure_table_3 import READINGS, Table3
from iclnb.bayes.table_3 import ACCURACY, DEMONSTRATIONS, DISTANCE, KERNELS
from iclnb.claims import Evidence, NothingToMeasure
from iclnb.stats import Estimate, interval

Curve = Float[np.ndarray, "hmm n"]

BLIND = "labels only"

PLATEAU = max(DISTANCE[-3:])  # The largest of the table's last three distances, which differ by chance


def of(found: Table3, key: str, reading: int, kernel: str) -> Curve:
    """One field by HMM and n, of a kernel under a reading."""
    return getattr(found, key)[reading, :, KERNELS.index(kernel)]


def ran(found: Table3) -> list[int]:
    """The readings that were not left out."""
    return [place for place in range(len(READINGS)) if np.isfinite(found.without[place]).all()]


def best(
    found: Table3, values: Callable[[int], Float[np.ndarray, "hmm *columns"]], *, most: bool = False,
    seed: int, **how: Any,
) -> tuple[int, Estimate]:  # fmt: skip
    """The reading under which half of the HMMs say most for a claim (of much, or little); what the others say.

    ``values`` of a reading are estimated as :func:`iclnb.stats.interval` is told in ``how``.
    """
    if len(found.without[0]) < 4:
        raise NothingToMeasure("four HMMs: two that choose a reading and two that judge it")

    def against(reading: int) -> float:
        estimate = interval(values(reading)[::2], seed=seed, **how)
        return -float(estimate.low) if most else float(estimate.high)

    place = min(ran(found), key=against)
    return place, interval(values(place)[1::2], seed=seed, **how)


def gap(distance: Curve) -> float:
    """Mean over n of the difference between the mean over HMMs and table 3."""
    return np.abs(distance.mean(axis=0) - DISTANCE).mean()


def _nearest(found: Table3, kernel: str, seed: int) -> tuple[int, Estimate]:
    """The reading under which a kernel is nearest to the whole table, and its gap."""
    how = {"statistic": gap, "range": "nonnegative", "seed": seed}
    return best(found, lambda reading: of(found, "distance", reading, kernel), **how)


def _under(place: int, estimate: Estimate, control: float | np.floating, control_is: str) -> Evidence:
    return Evidence(estimate, float(control), f"{control_is}; reading: {READINGS[place]}")


def table_gap(found: Table3, kernel: str, *, seed: int) -> Evidence:
    """Mean gap to the whole table under the reading that suits best; control: the blind kernel there."""
    place, estimate = _nearest(found, kernel, seed)
    return _under(place, estimate, gap(of(found, "distance", place, BLIND)[1::2]), BLIND)


def last_distance(found: Table3, kernel: str, *, seed: int) -> Evidence:
    """Distance at n = 128 under the reading that suits best; control: the blind kernel there."""
    place, estimate = best(
        found, lambda reading: of(found, "distance", reading, kernel)[:, -1], range="nonnegative", seed=seed
    )
    return _under(place, estimate, of(found, "distance", place, BLIND)[1::2, -1].mean(), BLIND)


def bias(found: Table3, *, seed: int) -> Evidence:
    """The printed kernel's limit error under the reading that is nearest to the table; control: repair (ii)."""
    place, _ = _nearest(found, "printed", seed)
    printed, repaired = (found.limit[place, 1::2, KERNELS.index(name)] for name in ("printed", "ratio"))
    estimate = interval(printed, range="nonnegative", seed=seed)
    return _under(place, estimate, repaired.mean(), "repaired kernel")


def negative_normalisers(found: Table3, n: int, *, seed: int) -> Evidence:
    """Share of prompts that divide by a negative number, under the reading that suits best."""
    at = DEMONSTRATIONS.index(n)
    place, estimate = best(
        found, lambda reading: of(found, "negative", reading, "printed")[:, at], range="rate", seed=seed
    )
    repaired = of(found, "negative", place, "ratio")[1::2, at].mean()
    return _under(place, estimate, repaired, "repaired kernel")


def demonstrations_matter(found: Table3, *, seed: int) -> Evidence:
    """How far 128 demonstrations move the posterior, under the reading where it is most."""
    how = {"range": "nonnegative", "seed": seed}
    place, estimate = best(found, lambda reading: found.without[reading, :, -1], most=True, **how)
    return _under(place, estimate, 0.0, "nothing is learned")


def constant(distance: Float[np.ndarray, "*hmm n"], accuracy: Float[np.ndarray, "*hmm n"]) -> float:
    """c in distance = c (1 - accuracy), by least squares over n; 2 for L1 between nearly one-hot answers."""
    missed = 1 - np.atleast_2d(accuracy).mean(axis=0)
    return float(np.atleast_2d(distance).mean(axis=0) @ missed / (missed @ missed))


def constants(found: Table3, *, seed: int) -> dict[str, float | Estimate]:
    """:func:`constant` of the table, and of the printed kernel under the reading nearest to it, by norm."""
    place, _ = _nearest(found, "printed", seed)
    accuracy = of(found, "accuracy", place, "printed")
    named = {"L1": "distance", "squared L2": "squared"}
    return {"table 3": constant(np.array(DISTANCE), np.array(ACCURACY))} | {
        norm: interval(of(found, key, place, "printed"), accuracy, statistic=constant, seed=seed)
        for norm, key in named.items()
    }
