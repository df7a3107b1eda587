"""All measurements of a model, and a condition as a whole: scores, best heads, their null, the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.llm.reader import Reader
from iclnb.mechanism import passes, scores
from iclnb.mechanism.ceiling import Texts
from iclnb.mechanism.decision import middle_layer
from iclnb.mechanism.material import CONDITIONS, Material, repeated
from iclnb.mechanism.passes import Runs
from iclnb.mechanism.scores import likenesses
from iclnb.mechanism.verdict import Verdict, verdict
from iclnb.stats import Estimate


@dataclass(frozen=True)
class Measured:
    """What chapter 07 reads off a model.

    Attributes:
        runs: every set in every context, with interventions.
        texts: states of queries and demonstrations that were read alone.
        likenesses: of every query with every demonstration of its set, by name.
        induction: of every head, on repeated random tokens.
    """

    runs: Runs
    texts: Texts
    likenesses: Mapping[str, Float[np.ndarray, "sets points k"]]
    induction: Float[np.ndarray, "sequences layers heads"]


def measure(
    reader: Reader, material: Material, *, depths: int, sequences: int, length: int, seed: int
) -> Measured:
    """Everything that is read off a model.

    Args:
        reader: of the model.
        material: prompts.
        depths: layers at which states are put in place.
        sequences: of random tokens.
        length: of these, before they are repeated.
        seed: of the random tokens.

    Raises:
        IclnbError: if a prompt is too long, or the architecture cannot be followed.
    """
    runs = passes.run_sets(reader, material, depths=depths)
    queries, shown = (
        passes.alone(reader, table.ravel().tolist()) for table in (material.alone, material.shown)
    )
    texts = Texts(
        queries["states"].reshape(*material.alone.shape, *queries["states"].shape[1:]),
        shown["states"].reshape(*material.shown.shape, *shown["states"].shape[1:]),
    )
    ordinary = np.setdiff1d(np.arange(reader.tokenizer.vocab_size), reader.tokenizer.all_special_ids)
    induction = passes.induction(reader, repeated(ordinary, sequences, length, seed=seed))
    return Measured(runs, texts, likenesses(reader, material, queries, shown), induction)


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
    measured: Measured, material: Material, condition: str, *, draws: int = 100, seed: int
) -> Condition:
    """Everything about one condition.

    Args:
        measured: on a model.
        material: of the same prompts.
        condition: of :data:`iclnb.mechanism.material.CONDITIONS`.
        draws: permutations of the null.
        seed: of permutations and intervals.
    """
    runs = measured.runs
    heads = scores.score(runs, material, condition, measured.likenesses, measured.induction)
    best = scores.best(heads.agrees)
    reached = stats.interval(scores.over_best(heads.agrees.astype(float), heads.agrees), seed=seed)
    context = CONDITIONS[condition][0]
    votes = scores.regression(runs.of("weights", context), material.labels_in(context), material.classes)
    null = float(np.quantile(scores.null(votes, runs.of("answers", context), draws=draws, seed=seed), 0.95))
    by_set = {name: scores.over_best(part, heads.agrees) for name, part in heads.likeness.items()}
    like = {name: stats.interval(part, seed=seed) for name, part in by_set.items()}
    nearest = max(like, key=lambda name: np.nan_to_num(like[name].value, nan=-1))
    found = verdict(
        runs,
        condition,
        middle_layer(best),
        likeness=np.stack(list(by_set.values()), axis=1),
        above_null=bool(reached.low > null),
        seed=seed,
    )
    right = stats.interval(accuracy(runs, material, condition).mean(1), seed=seed)
    return Condition(condition, heads, best, reached, null, (nearest, like[nearest]), right, found)


def accuracy(runs: Runs, material: Material, condition: str) -> Float[np.ndarray, "sets prompts"]:
    """Whether the likeliest label word is the one that the demonstrations call right."""
    hits = [runs.of("answers", c).argmax(-1) == material.right[c] for c in CONDITIONS[condition]]
    return np.concatenate(hits, axis=1).astype(float)
