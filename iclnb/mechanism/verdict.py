"""Kernel over x, induction, report, or a mixture: a model's answers split into shares.

Two queries of different labels under two labellings of the same demonstrations give four answers. What the
query changes whatever the labels, what the labels change whatever the query, and their interaction are the
effects of a 2 x 2 design. The residual stream at the last token is replaced in the layer in which the best
heads stand: by that under the other labelling, which shows what part of the last two had been decided before;
by that of the other query, which shows what part of the first.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.mechanism.flow import centred, moved, places
from iclnb.mechanism.material import CONDITIONS
from iclnb.mechanism.passes import Runs
from iclnb.stats import Estimate

KERNEL, MAPPING, INDUCTION, REPORT = "kernel over x", "mapping without likeness", "induction", "report"
LATER = "query read later"
SHARES = (KERNEL, MAPPING, INDUCTION, REPORT, LATER)
MIXTURE, NONE = "mixture", "none"

PURE = 2 / 3
"""A share from which on a model is given one name: twice all else together."""

LIKE = 0.1
"""Correlation with likeness, within one label, from which on weights count as a kernel over x: one hundredth
of their variance, far below what a kernel regression of the theory would have."""

SPREAD = 0.01
"""Mean square of the effects, in nats², below which answers do not depend on the prompt: odds that differ by
a tenth."""


def effects(
    answers: Float[np.ndarray, "sets points words"], opposite: Float[np.ndarray, "sets points words"]
) -> dict[str, Float[np.ndarray, " sets"]]:
    """Mean squares of the three effects of the 2 x 2 design, for each set.

    Args:
        answers: log-probabilities of the words; queries 2i and 2i + 1 have different labels.
        opposite: under the other labelling.

    Returns:
        ``query``, ``labels`` and ``both`` (their interaction).
    """
    a, b = centred(answers)[:, 0::2], centred(answers)[:, 1::2]
    a_other, b_other = centred(opposite)[:, 0::2], centred(opposite)[:, 1::2]
    parts = {
        "query": a - b + a_other - b_other,
        "labels": a + b - a_other - b_other,
        "both": a - b - a_other + b_other,
    }
    return {name: np.square(part / 4).sum(-1).mean(-1) for name, part in parts.items()}


def slope(
    runs: Runs, condition: str, kind: str, layer: int
) -> tuple[Float[np.ndarray, " sets"], Float[np.ndarray, " sets"]]:
    """How far answers follow another run's residual stream, as numerator and denominator for each set.

    Args:
        runs: what was read.
        condition: whose labellings are pooled.
        kind: ``query`` or ``labels``: what is different in the other run.
        layer: at whose input its residual stream was put in place; the last layer before it that was tried.
    """
    tried = places(runs.steps, kind)
    step = [i for i in tried if runs.steps[i].start <= layer][-1]
    first, second = CONDITIONS[condition]
    total = np.zeros((2, len(runs.arrays["edited"])))
    for context, other in ((first, second), (second, first)):
        edited = runs.of("edited", context)
        before, donor = edited[:, :, 0], edited[:, ::-1, 0]
        if kind == "labels":
            donor = runs.of("edited", other)[:, :, 0]
        total += np.stack([part.sum(-1) for part in moved(before, edited[:, :, step], donor)])
    return total[0], total[1]


@dataclass(frozen=True)
class Verdict:
    """What a model does in one condition.

    Attributes:
        name: one of :data:`SHARES`, a mixture, or none.
        shares: of each, with intervals over sets; they sum to 1.
        effects: shares of ``query``, ``labels`` and ``both`` in the design, which sum to 1.
        spread: mean square of all effects, in nats².
        decided: how much of the labels' influence is in the residual stream before the best heads.
        layer: in which the best heads stand.
    """

    name: str
    shares: Mapping[str, Estimate]
    effects: Mapping[str, Estimate]
    spread: float
    decided: Estimate
    layer: int


def verdict(
    runs: Runs,
    condition: str,
    layer: int,
    *,
    likeness: Float[np.ndarray, "sets measures"],
    above_null: bool,
    seed: int,
) -> Verdict:
    """The verdict in one condition, by the criteria of this module.

    Args:
        runs: what was read.
        condition: whose labellings make the design.
        layer: in which the best heads stand (:func:`iclnb.mechanism.decision.middle_layer`).
        likeness: correlation of their weights with each measure of likeness within one label, by set; the
            measure that correlates best counts, and is chosen anew in every resample.
        above_null: whether they reproduce answers better than the procedure does on permuted answers.
        seed: of the intervals.
    """
    first, second = (runs.of("answers", context) for context in CONDITIONS[condition])
    found = effects(first, second)
    effect = (found["query"], found["labels"], found["both"])
    slopes = (*slope(runs, condition, "labels", layer), *slope(runs, condition, "query", layer))

    def shares(*parts: np.ndarray) -> np.ndarray:
        *means, likest = (part.mean(0) for part in parts)
        return shares_of(*means, likeness=float(likest.max()))

    likeness = np.nan_to_num(likeness, nan=-1)
    # not smooth: where likeness is about its bound, the kernel's share is all or nothing
    estimate = stats.interval(*effect, *slopes, likeness, statistic=shares, smooth=False, seed=seed)
    parts = stats.interval(*effect, statistic=_parts, seed=seed)
    decided = stats.interval(*slopes[:2], statistic=_slope, seed=seed)
    by_name = {name: _held(estimate.at(i)) for i, name in enumerate(SHARES)}
    of_effects = {name: _held(parts.at(i)) for i, name in enumerate(found)}
    spread = float(sum(part.mean() for part in found.values()))
    return Verdict(_name(by_name, spread, above_null), by_name, of_effects, spread, decided, layer)


def shares_of(
    query: float,
    labels: float,
    both: float,
    up: float,
    down: float,
    query_up: float,
    query_down: float,
    *,
    likeness: float,
) -> Float[np.ndarray, " shares"]:
    """The shares of :data:`SHARES`, which sum to 1.

    Report is what was decided before the heads: of what the labels change, the slope ``up / down`` of answers
    on the other labelling's state; of what the query changes whatever the labels, the slope ``query_up /
    query_down`` on the other query's. Both are held between 0 and 1.

    Args:
        query, labels, both: mean squares of the effects.
        up, down, query_up, query_down: numerators and denominators of the slopes.
        likeness: correlation of the heads' weights with likeness; from :data:`LIKE` on they are a kernel.
    """
    total = query + labels + both
    if not total > 0:
        return np.full(len(SHARES), np.nan)
    late, later = (1 - np.clip(_ratio(*pair), 0, 1) for pair in ((up, down), (query_up, query_down)))
    read, copied = late * both / total, late * labels / total
    kernel, mapping = (read, 0.0) if likeness >= LIKE else (0.0, read)
    alone = later * query / total
    return np.array([kernel, mapping, copied, 1 - read - copied - alone, alone])


def _held(share: Estimate) -> Estimate:
    """A share with its limits held between 0 and 1; rounding errors below 0 taken off."""
    return Estimate(*(float(np.clip(part, 0, 1)) for part in share))


def _parts(*effects: np.ndarray) -> np.ndarray:
    means = np.array([part.mean(0) for part in effects])
    return means / means.sum() if means.sum() > 0 else np.full(len(means), np.nan)


def _slope(up: np.ndarray, down: np.ndarray) -> float:
    return _ratio(up.mean(0), down.mean(0))


def _ratio(up: float, down: float) -> float:
    return float(up / down) if down > 0 else 0.0


def _name(shares: Mapping[str, Estimate], spread: float, above_null: bool) -> str:
    if spread < SPREAD or not above_null:
        return NONE
    return next((name for name, share in shares.items() if share.value >= PURE), MIXTURE)
