"""The evidence of chapter 07: every statistic that decides a claim (flow apart), and the answer."""

from collections.abc import Mapping, Sequence

import numpy as np
from IPython.display import Markdown
from jaxtyping import Bool, Float

from iclnb import stats
from iclnb.claims import Criterion, Evidence, Results
from iclnb.display import cell, table
from iclnb.mechanism import ceiling, function_vectors, scores
from iclnb.mechanism.decision import decision_layer, middle_layer
from iclnb.mechanism.estimates_flow import ratio
from iclnb.mechanism.function_vectors import Tried
from iclnb.mechanism.material import Material
from iclnb.mechanism.study import Condition
from iclnb.mechanism.verdict import MIXTURE, NONE
from iclnb.stats import Estimate


def claim_each(
    results: Results,
    id: str,
    statement: str,
    criterion: Criterion,
    found: Mapping[str, Evidence],
    section: str | None = None,
) -> Markdown:
    """One claim under each wording, as a notebook shows them.

    Args:
        results: of the notebook.
        id: to which the wording's first word is added.
        statement: to which "under" and the wording are added.
        criterion: of all.
        found: evidence by wording.
        section: of paper A, if it is that paper's claim.
    """
    source = {} if section is None else {"paper": "A", "section": section}
    made = [
        results.claim(f"{id}-{name.split()[0]}", f"{statement} under {name}.", criterion, evidence, **source)
        for name, evidence in found.items()
    ]
    return Markdown("\n\n".join(claim._repr_markdown_() for claim in made))


def follows_demonstrations(one: Condition, material: Material) -> Evidence:
    """Answers that are the word which the demonstrations call right, both labellings pooled."""
    return Evidence(one.accuracy, 1 / material.classes, "answers that do not depend on the labels shown")


def reconstruction(one: Condition) -> Evidence:
    """Agreement of the best heads with the model, minus the 95 % quantile of the null."""
    return Evidence(one.agreement.minus(one.null), 0.0, "95 % quantile of the same on permuted answers")


def heads_table(one: Condition) -> Markdown:
    """The scores of the best heads, one line each."""
    means = one.heads.means()
    shown = ("agreement", "induction, random tokens", "copying", "label-match", "position")
    header = (f"best heads, {one.name}", *(name.split(",")[0] for name in shown))
    rows = [
        (f"layer {layer}, head {head}", *(float(means[name][layer, head]) for name in shown))
        for layer, head in one.best
    ]
    return table(header, rows)


def kernel_share(one: Condition) -> Evidence:
    """Share of the answers' variation that a kernel over x would explain."""
    share = one.verdict.shares["kernel over x"]
    return Evidence(share, 0.0, "a model whose heads report, copy or ignore the query")


def likeness(one: Condition) -> Evidence:
    """Correlation of the best heads' weights with likeness, within one label (best kind of likeness)."""
    return Evidence(one.likeness[1], 0.0, "weights that ignore the query")


def after_decision(
    one: Condition, lens: Mapping[str, Bool[np.ndarray, "sets prompts depth"]], *, seed: int
) -> Evidence:
    """Layer of the best heads minus the layer from which on the answer can be read."""

    def distance(agrees: np.ndarray, read: np.ndarray) -> float:
        return middle_layer(scores.best(agrees)) - decision_layer(read)

    estimate = stats.interval(
        one.heads.agrees.astype(float),
        lens[one.name].astype(float),
        statistic=distance,
        smooth=False,
        seed=seed,
    )
    return Evidence(estimate, 0.0, "heads in the layer that first gives the answer")


def induction_heads(one: Condition, *, seed: int) -> Evidence:
    """Induction score of the best heads, chosen on other sets, minus that of all heads of their layers."""
    score = one.heads.induction
    apart = score - score.mean(1, keepdims=True)
    table = np.broadcast_to(apart, one.heads.agrees.shape)
    return Evidence(
        stats.interval(scores.over_best(table, one.heads.agrees), seed=seed), 0.0, "heads at random"
    )


def gain_back(tried: Tried, *, measure: str = "log_probability", seed: int) -> Evidence:
    """Share of in-context learning's gain over zero-shot that an added vector gives back.

    Args:
        tried: from :func:`iclnb.mechanism.function_vectors.attempt`.
        measure: of :data:`MEASURES`.
        seed: of the interval.
    """
    right, wrong = (
        ratio(*function_vectors.share_back(tried, kind, measure), seed=seed)
        for kind in (function_vectors.ADDED, function_vectors.OTHER_LABELS)
    )
    return Evidence(right, float(wrong.value), function_vectors.OTHER_LABELS)


def right_over_wrong(tried: Tried, *, seed: int) -> Evidence:
    """Gain of the vector of right labels minus that of wrong labels, in nats among label words."""
    right, wrong = (
        function_vectors.share_back(tried, kind, "among_words")[0]
        for kind in (function_vectors.ADDED, function_vectors.OTHER_LABELS)
    )
    return Evidence(stats.interval(right - wrong, seed=seed), 0.0, "the vector of wrong labels itself")


MEASURES = {"log_probability": "nats", "among_words": "nats among label words", "right": "accuracy"}
"""What in-context learning gains in: :class:`iclnb.mechanism.function_vectors.Tried`."""


def gains(tried: Tried, *, seed: int) -> list[tuple]:
    """What demonstrations gain over none, and what each kind of vector does, in every measure.

    Returns:
        Rows of a name and one estimate for each of :data:`MEASURES`.
    """
    back = {
        (kind, measure): function_vectors.share_back(tried, kind, measure)
        for kind in function_vectors.KINDS
        for measure in MEASURES
    }
    first = function_vectors.KINDS[0]
    rows = [("demonstrations", *(stats.interval(back[first, m][1], seed=seed) for m in MEASURES))]
    return rows + [
        (kind, *(stats.interval(back[kind, m][0], seed=seed) for m in MEASURES))
        for kind in function_vectors.KINDS
    ]


def ceiling_over_rivals(found: Mapping[str, Float[np.ndarray, " sets"]], *, seed: int) -> Evidence:
    """Agreement of the best way over x minus that of the best rival that sees labels and order alone."""
    _, over_x = ceiling.best_of(found, ceiling.OVER_X)
    rival, without_x = ceiling.best_of(found, ceiling.WITHOUT_X)
    return Evidence(stats.interval(over_x - without_x, seed=seed), 0.0, f"the rival itself ({rival})")


def ceiling_table(
    found: Mapping[str, Float[np.ndarray, " sets"]], *, seed: int
) -> list[tuple[str, Estimate]]:
    """Agreement with the model of every way to predict its answers."""
    return [(name, stats.interval(values, seed=seed)) for name, values in found.items()]


def answer(conditions: Sequence[Condition]) -> str:
    """The chapter's answer in Markdown, in words that follow from the numbers."""
    return "\n".join(["**Answer.** What the heads do that reproduce the model's answers:", ""] + [
        f"- Under **{one.name}** ({cell(one.accuracy)} of answers are what the demonstrations call right): "
        f"{_named(one)} {_shares(one)}"
        for one in conditions
    ])  # fmt: skip


def _named(one: Condition) -> str:
    if one.verdict.name == NONE:
        return "**no verdict**, since answers hardly depend on the prompt or no head reproduces them."
    if one.verdict.name == MIXTURE:
        return "**a mixture**; no mechanism has two thirds of what tells answers apart."
    return f"**{one.verdict.name}**, with at least two thirds of what tells answers apart."


def _shares(one: Condition) -> str:
    parts = [f"{name} {cell(share)}" for name, share in one.verdict.shares.items()]
    return f"Shares: {', '.join(parts)}. The best heads stand about layer {one.verdict.layer}."
