"""The evidence of chapter 03 about reconstruction, depth and table 2; the chapter's answer in words."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from iclnb import stats
from iclnb.claims import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Claim, Evidence
from iclnb.display import cell, escape, number
from iclnb.heads.nulls import LEVEL
from iclnb.heads.reconstruction import Agreement, over
from iclnb.heads.table_2 import Row
from iclnb.llm.depth import MIDDLE, contrast, layers_within
from iclnb.stats import Estimate

MARGIN: Final = 0.05
"""Agreement, accuracy and correlation have to exceed a control by this much to be worth a claim."""

NATS: Final = 0.1
"""The same for differences of log-odds: where both labels are equally likely, their probabilities move 0.05
apart."""

MAP: Final = 0.3
"""Two maps of heads have to correlate by this much to be called alike: a tenth of the variance."""

DRAWN_LAYERS: Final = 200
"""Random choices of layers, which are the control of a claim about depth."""


def beyond_null(estimate: Estimate, reached: Float[np.ndarray, " permutations"]) -> Evidence:
    """An estimate and, as control, the median of a permutation null, each less the null's 95 % quantile."""
    null = float(np.quantile(reached, LEVEL))
    control_is = "median under permutation, less the 95 % quantile"
    return Evidence(estimate.minus(null), float(np.median(reached)) - null, control_is)


def beyond_modal(found: Agreement, random: Agreement, *, seed: int) -> Evidence:
    """Agreement of the chosen head less what naming the model's most frequent answer would reach."""
    control = float(random.best.mean() - random.modal)
    return Evidence(
        over(found.best, seed=seed).minus(found.modal), control, "random weights, their best head"
    )


def beyond_permuted_sets(found: Agreement, *, seed: int) -> Evidence:
    """Agreement of the chosen head less that of one chosen and judged with each set's labels permuted."""
    return beyond_null(over(found.best, seed=seed), found.permuted_sets.chosen)


def beyond_controls(
    found: Agreement, random: Agreement, among: Bool[np.ndarray, " *prompts"] | None = None, *, seed: int
) -> Evidence:
    """By how much the chosen head agrees more with the model than its strongest control does.

    Controls are the rivals that do not look at the query (:meth:`Agreement.rivals`), the 95 % quantile of
    heads chosen and judged under permuted labels, and what a model with random weights reaches: its answer,
    too, is a mixture of the labels that its heads attend to, if a senseless one. Against a rival the
    difference is taken prompt by prompt.

    Args:
        found: of the model.
        random: of the model with random weights, judged in the same way.
        among: the prompts that count: all, or those of :attr:`Agreement.against_last`.
        seed: of the interval.

    Returns:
        The difference (not a number where fewer than two prompts count), and the control's own agreement.
    """
    kept = np.ones_like(found.best) if among is None else among
    if kept.sum() < 2:
        return Evidence(stats.exact(np.nan), np.nan, "none: no prompt counts")
    rivals = found.rivals()
    reached = {name: float(hits[kept].mean()) for name, hits in rivals.items()}
    null = found.permuted if among is None else found.permuted_against
    reached["a head chosen under permuted labels (95 %)"] = null.quantile()
    mirrored = np.ones_like(random.best) if among is None else random.against_last
    if mirrored.any():
        reached["the best head of a model with random weights"] = float(random.best[mirrored].mean())
    strongest = max(reached, key=reached.get)
    rival = np.asarray(rivals.get(strongest, reached[strongest]), dtype=float)
    estimate = over(np.where(kept, found.best - rival, np.nan), seed=seed)
    return Evidence(estimate, reached[strongest], f"agreement of {strongest}")


def performance(found: Agreement, *, seed: int) -> Evidence:
    """How often the chosen head is right, less the share of the most frequent label."""
    majority = float(np.bincount(found.truth.ravel()).max() / found.truth.size)
    control = float((found.blind.last == found.truth).mean() - majority)
    return Evidence(over(found.performance, seed=seed).minus(majority), control, "copying the last label")


def performance_beyond_majority(found: Agreement, *, seed: int) -> Evidence:
    """How often the chosen head is right, less how often the majority of its demonstrations' labels is."""
    blindly = (found.blind.majority == found.truth).astype(float)
    control = float((found.blind.last == found.truth).mean() - blindly.mean())
    estimate = over(found.performance - blindly, seed=seed)
    return Evidence(estimate, control, "copying the last label, less the majority of labels")


def middle_more_than_others(found: Agreement, *, seed: int) -> Evidence:
    """Mean agreement of heads in the paper's middle layers, by relative depth, less that of all others."""
    layers = len(found.selection)
    inside = layers_within(layers, MIDDLE)
    by_layer = found.hits.mean(-1)
    rng, rivals = np.random.default_rng(seed), []
    for _ in range(DRAWN_LAYERS):
        chosen = rng.permutation(layers)[: len(inside)]
        rivals.append(contrast(by_layer, chosen).mean())
    estimate = over(contrast(by_layer, inside), seed=seed)
    control_is = "95 % quantile over as many layers drawn at random"
    return Evidence(estimate, float(np.quantile(rivals, LEVEL)), control_is)


def best_depth(found: Agreement, *, top: int, seed: int) -> Estimate:
    """Mean relative depth, layer / layers, of the ``top`` heads that agree most with the model."""
    layers, heads = found.selection.shape

    def depth(hits: Float[np.ndarray, "*prompts layers heads"]) -> float:
        score = hits.reshape(-1, layers * heads).mean(0)
        return float((np.argsort(-score, kind="stable")[:top] // heads).mean() / layers)

    return over(found.hits, prompts=found.target.ndim, statistic=depth, smooth=False, range="rate", seed=seed)


def best_by_layer(found: Agreement, *, seed: int) -> Estimate:
    """Agreement with the model of each layer's best head, with intervals. (layers)

    The head of a layer is chosen on the selection points and judged on the evaluation points.
    """
    heads = found.selection.argmax(axis=1)
    return over(found.hits[..., np.arange(len(heads)), heads], prompts=found.target.ndim, seed=seed)


def worst_beyond_modal(rows: Sequence[Row]) -> Evidence:
    """Table 2: agreement less what the model's most frequent answer reaches, in the task with the least.

    Here and below the control names that task; without a task the estimate is not a number.
    """

    def evidence(row: Row) -> Evidence:
        estimate = row.estimates["agreement"].minus(row.agreement.modal)
        return Evidence(estimate, 0.0, "the most frequent answer")

    return _worst(rows, evidence)


def worst_beyond_controls(rows: Sequence[Row], random: Agreement, *, seed: int) -> Evidence:
    """Table 2: agreement less the strongest control's, priors off, in the task with the least.

    Args:
        rows: one for each task, all of one arm.
        random: a model with random weights in the same arm, priors off.
        seed: of the intervals.
    """
    return _worst(rows, lambda row: beyond_controls(row.corrected, random, seed=seed))


def worst_beyond_encoders(rows: Sequence[Row], *, seed: int) -> Evidence:
    """Table 2: how often the chosen head is right less the best encoder, in the task with the least."""

    def evidence(row: Row) -> Evidence:
        encoder = row.best_encoder()
        estimate = over(row.agreement.performance - row.encoder_hits[encoder], seed=seed)
        control = float(row.estimates[encoder].value) - row.majority
        return Evidence(estimate, control, "the encoder, less the most frequent label")

    return _worst(rows, evidence)


def _worst(rows: Sequence[Row], of: Callable[[Row], Evidence]) -> Evidence:
    """The evidence of the task that speaks against a claim about all tasks most."""
    if not rows:
        return Evidence(stats.exact(np.nan), np.nan, "none: no task has such prompts")
    found = {row.task: of(row) for row in rows}
    task = min(found, key=lambda name: float(found[name].estimate.value))
    return found[task]._replace(control_is=f"{found[task].control_is}; worst task: {task}")


QUESTIONS: Final = {
    "shared-raw": (
        "Does one head reproduce the answers under shared demonstrations?",
        "agreement, beyond always naming the most frequent answer",
    ),
    "fresh-controls": (
        "Under fresh ones more than any control?",
        "agreement, beyond the strongest control",
    ),
    "depth-fresh": (
        "Are such heads in the middle layers?",
        "agreement in the middle, beyond the other layers",
    ),
    "similarity-query-dependent": (
        "Do their weights follow the likeness of texts?",
        "correlation, beyond permuted queries",
    ),
    "ablation-random": (
        "Does the answer need the best heads?",
        "nats lost, beyond random heads of the same layers",
    ),
    "ablation-direct": (
        "Do these heads write the answer at the last token themselves?",
        "nats of the separation that stem from what they write there",
    ),
    "values-followed": (
        "Does it follow the labels' values?",
        "nats lost when values are swapped",
    ),
}
"""Claims that the answer is made of, each as a question, and what is measured."""

YES: Final = {SUPPORTED: "Yes", NOT_SUPPORTED: "No", INCONCLUSIVE: "Undecided"}


def answer(claims: Iterable[Claim], model: str, at_chance: bool) -> str:
    """The chapter's answer in Markdown, a line for each question, worded by the verdicts."""
    found = {claim.id: claim for claim in claims}
    chance = ", which is not shown to be above chance in this task" if at_chance else ""
    lines = [f"For {escape(model)}{chance}:", ""]
    for name, (question, measured) in QUESTIONS.items():
        claim = found[name]
        control = f"{escape(claim.control_is)}: {number(claim.control)}"
        model_reaches = f"{measured.capitalize()}: {cell(claim.estimate)}"
        lines.append(f"- **{question}** {YES[claim.verdict]}. {model_reaches}; {control}.")
    return "\n".join(lines)


def is_at_chance(*found: Agreement, seed: int) -> bool:
    """Whether the model is under none of these decisions shown to be right above the most frequent label."""
    lowest = [float(over(one.accuracy, seed=seed).low) for one in found]
    truth = found[0].truth.ravel()
    return max(lowest) <= np.bincount(truth).max() / truth.size
