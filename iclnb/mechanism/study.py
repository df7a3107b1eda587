"""A condition as a whole: scores of heads, the best of them, their null, and the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.mechanism import scores
from iclnb.mechanism.decision import layers_of
from iclnb.mechanism.material import CONDITIONS, Material
from iclnb.mechanism.passes import Runs
from iclnb.mechanism.verdict import Verdict, verdict
from iclnb.stats import Estimate


@dataclass(frozen=True)
class Condition:
    """What was found under one wording, both labellings pooled.

    Attributes:
        name: of the condition.
        heads: scores of all heads.
        best: the best reconstruction heads, best first.
        agreement: of best heads with the model, chosen on other sets.
        null: 95 % quantile of the same on permuted answers.
        likeness: correlation of the best heads' weights with likeness within one label: the largest of the
            kinds of likeness, and which.
        accuracy: share of answers that are the word which the demonstrations call right.
        verdict: with its shares.
    """

    name: str
    heads: scores.Heads
    best: list[tuple[int, int]]
    agreement: Estimate
    null: float
    likeness: tuple[str, Estimate]
    accuracy: Estimate
    verdict: Verdict


def study(
    runs: Runs,
    material: Material,
    condition: str,
    likenesses: Mapping[str, Float[np.ndarray, "sets points k"]],
    induction: Float[np.ndarray, "sequences layers heads"],
    *,
    draws: int = 100,
    seed: int,
) -> Condition:
    """Everything about one condition.

    Args:
        runs, material, condition, likenesses, induction: as in :func:`iclnb.mechanism.scores.score`.
        draws: permutations of the null.
        seed: of permutations and intervals.
    """
    heads = scores.score(runs, material, condition, likenesses, induction)
    best = scores.best(heads.agrees)
    reached = stats.interval(scores.over_best(heads.agrees.astype(float), heads.agrees), seed=seed)
    context = CONDITIONS[condition][0]
    votes = scores.regression(runs.of("weights", context), material.labels_in(context), material.classes)
    null = float(np.quantile(scores.null(votes, runs.of("answers", context), draws=draws, seed=seed), 0.95))
    like = {
        name: stats.interval(scores.over_best(part, heads.agrees), seed=seed)
        for name, part in heads.likeness.items()
    }
    nearest = max(like, key=lambda name: np.nan_to_num(like[name].value, nan=-1))
    found = verdict(
        runs,
        condition,
        layers_of(best),
        likeness=float(like[nearest].value),
        above_null=bool(reached.low > null),
        seed=seed,
    )
    right = stats.interval(accuracy(runs, material, condition).mean(1), seed=seed)
    return Condition(condition, heads, best, reached, null, (nearest, like[nearest]), right, found)


def accuracy(runs: Runs, material: Material, condition: str) -> Float[np.ndarray, "sets prompts"]:
    """Whether the likeliest label word is the one that the demonstrations call right."""
    hits = [runs.of("answers", c).argmax(-1) == material.right[c] for c in CONDITIONS[condition]]
    return np.concatenate(hits, axis=1).astype(float)
