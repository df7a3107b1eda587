"""The evidence of chapter 04: differences between conditions, for the model and for kernel regression."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from iclnb import stats
from iclnb.claims import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Claim, Evidence
from iclnb.display import cell, number
from iclnb.kernel_regression import narrowing
from iclnb.stats import Estimate
from iclnb.steering.head_widths import Widths, permuted
from iclnb.steering.measures import PARTS, Choices, recency_profile, variance_shares
from iclnb.steering.study import Measured

KERNEL = "kernel regression, same demonstrations"


def over(values: Float[np.ndarray, "*sets points"], *, seed: int) -> Estimate:
    """Mean over test points with fresh demonstrations, or over demonstration sets x test points."""
    design = "units" if values.ndim == 1 else "sets x points"
    return stats.interval(values, design=design, seed=seed)


def right_word(found: Measured, *, seed: int) -> Evidence:
    """Probability of the right label word."""
    return Evidence(over(found.model.of_truth, seed=seed), float(found.kernel.of_truth.mean()), KERNEL)


def difference(one: Measured, other: Measured, *, seed: int) -> Evidence:
    """Probability of the right label word under one condition less that under another, prompt by prompt."""
    model, kernel = (a.of_truth - b.of_truth for a, b in zip(one, other, strict=True))
    return Evidence(over(model, seed=seed), float(kernel.mean()), KERNEL)


def absolute_difference(others: Iterable[Measured], plain: Measured, *, seed: int) -> Evidence:
    """How far the probability of the right word moves, either way, averaged over some conditions."""
    others = list(others)
    model, kernel = (
        np.mean([np.abs(each[side].of_truth - plain[side].of_truth) for each in others], axis=0)
        for side in (0, 1)
    )
    return Evidence(over(model, seed=seed), float(kernel.mean()), KERNEL)


def less_zero_shot(found: Measured, zero_shot: Choices, measure: str, *, seed: int) -> Evidence:
    """A measure of the model's choices (``of_truth``, ``outside``) less that without demonstrations."""
    gain = getattr(found.model, measure) - getattr(zero_shot, measure)
    return Evidence(over(gain, seed=seed), 0.0, "no demonstrations")


def narrowing_of_heads(widths: Widths, strategy: str, *, seed: int) -> Evidence:
    """Weighted less plain mean distance of the demonstrations, mean of the heads chosen.

    Args:
        widths: of the test points that did not choose the heads.
        strategy: of retrieval.
        seed: of the interval, and of the null.
    """
    weights, distance = widths.weights[strategy], widths.distance[strategy]
    null = narrowing(permuted(weights, seed=seed), distance).mean()
    estimate = over(narrowing(weights, distance).mean(1), seed=seed)
    return Evidence(estimate, float(null), "weights permuted inside prompts")


def by_order(
    values: Float[np.ndarray, "sets orders points"],
) -> Float[np.ndarray, "sets points orders"]:
    """With the orders last, as sets and points are what was drawn."""
    return np.moveaxis(values, 1, -1)


def variance_explained(found: Measured, *, seed: int) -> dict[str, Evidence]:
    """The share of the variance of the log-odds that each of :data:`iclnb.steering.measures.PARTS` explains.

    The kernel's shares are of its probabilities, since its log-odds may be infinite.

    Args:
        found: choices under all orders. (sets, orders, points)
        seed: of the interval.
    """
    shares = stats.interval(
        by_order(found.model.log_odds), design="sets x points", statistic=variance_shares, seed=seed
    )
    kernel = variance_shares(by_order(found.kernel.probabilities[..., 1]))
    return {name: Evidence(shares.at(i), float(kernel[i]), KERNEL) for i, name in enumerate(PARTS)}


def pulls(found: Measured, labels: Int[np.ndarray, "sets orders k"]) -> Float[np.ndarray, "sets points k"]:
    """The recency profile of the model (:func:`iclnb.steering.measures.recency_profile`)."""
    return recency_profile(by_order(found.model.log_odds), labels)


def last_label_pull(found: Measured, labels: Int[np.ndarray, "sets orders k"], *, seed: int) -> Evidence:
    """Effect of the last label on the log-odds less the mean effect of the labels before it, in nats."""
    pull = pulls(found, labels)
    estimate = over(pull[..., -1] - pull[..., :-1].mean(-1), seed=seed)
    return Evidence(estimate, 0.0, "kernel regression, which has no order")


def summary(**measured: Mapping[Any, Measured]) -> dict[str, dict[str, dict[str, float]]]:
    """Means under every condition, for the record of a run."""
    return {
        name: {
            " ".join(map(str, key)) if isinstance(key, tuple) else key: {
                "right": each.model.of_truth.mean(),
                "accuracy": each.model.correct.mean(),
                "outside": each.model.outside.mean(),
                "kernel_right": each.kernel.of_truth.mean(),
                "kernel_accuracy": each.kernel.correct.mean(),
            }
            for key, each in found.items()
        }
        for name, found in measured.items()
    }


QUESTIONS = {
    "nearest-demonstrations-help": ("Do the nearest demonstrations help?", "right word, nearest - random"),
    "farthest-demonstrations-hurt": ("Do the farthest ones hurt?", "right word, farthest - random"),
    "best-heads-prefer-the-near": (
        "Do the best heads weigh near demonstrations more?", "weighted - mean distance"
    ),
    "label-words-steer": ("Do swapped label words mislead?", "right word, swapped - own words"),
    "flipped-labels-are-followed": ("Are flipped labels followed?", "right word, all labels flipped"),
    "random-labels-do-little-harm": ("Do random labels do little harm?", "right word, random - right labels"),
    "order-matters": ("Does the order matter?", "share of the variance of the log-odds"),
    "last-label-pulls-most": ("Does the last label pull most?", "its pull - that of the others, in nats"),
    "ood-typos-hurt": ("Do typos in the query hurt?", "right word, typos - none"),
    "ood-rare-words-hurt": ("Do rare words?", "right word, rare words - none"),
    "ood-complex-hurt": ("Do complex sentences?", "right word, complex - none"),
}  # fmt: skip
"""Claims that the answer is made of, each as a question, and what is measured."""

_YES = {SUPPORTED: "Yes", NOT_SUPPORTED: "No", INCONCLUSIVE: "Undecided"}


def answer(claims: Iterable[Claim]) -> str:
    """The chapter's answer in Markdown, a line for each question, worded by the verdicts."""
    found = {claim.id: claim for claim in claims}
    lines = ["*Right word* is the probability of the right label word, among the label words.", ""]
    for name, (question, measured) in QUESTIONS.items():
        claim = found[name]
        control = f"{claim.control_is.split(',')[0]}: {number(claim.control)}"
        model = f"{measured.capitalize()}: {cell(claim.estimate)}"
        lines.append(f"- **{question}** {_YES[claim.verdict]}. {model}; {control}.")
    return "\n".join([*lines, "", agreement_with_control(found.values())])


def agreement_with_control(claims: Iterable[Claim]) -> str:
    """A sentence: which of the claims that hold would hold of the control, too."""
    held = [claim for claim in claims if claim.verdict == SUPPORTED]
    alike = [c.id for c in held if c.criterion.verdict((c.control, c.control)) == SUPPORTED]
    names = f": {', '.join(alike)}" if alike else ""
    return (
        f"Of {len(held)} claims that hold, the control alone meets the criterion of {len(alike)}{names}. "
        "A claim speaks for the kernel view only where kernel regression would meet its criterion, too."
    )
