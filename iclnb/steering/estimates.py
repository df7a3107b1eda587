"""The evidence of chapter 04: differences between conditions, for the model and for kernel regression."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Claim, Evidence
from iclnb.display import cell, escape, number
from iclnb.kernel_regression import narrowing
from iclnb.stats import Estimate
from iclnb.steering.head_widths import Widths, permuted
from iclnb.steering.measures import Choices, flips
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


def changed_answers(others: Iterable[Measured], plain: Measured, *, seed: int) -> Evidence:
    """The share of answers that change between a condition and some others."""
    others = list(others)
    model, kernel = (
        np.mean([each[side].chosen != plain[side].chosen for each in others], axis=0) for side in (0, 1)
    )
    return Evidence(over(model, seed=seed), float(kernel.mean()), KERNEL)


def changed_by_redrawing(found: Choices) -> float:
    """The share of answers that change between two demonstration sets. (sets, points)"""
    return float(flips(found.chosen.T).mean())


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


def accuracy_difference(one: Measured, other: Measured, *, seed: int) -> Evidence:
    """Accuracy under one condition less that under another."""
    model, kernel = (a.correct - b.correct for a, b in zip(one, other, strict=True))
    return Evidence(over(model, seed=seed), float(kernel.mean()), KERNEL)


def is_at_chance(*found: Choices, seed: int) -> bool:
    """Whether under none of these conditions accuracy is shown to be above that of the commonest label."""
    lows = [float(over(each.correct, seed=seed).low) for each in found]
    truths = found[0].truths.ravel()
    return max(lows) <= np.bincount(truths).max() / truths.size


def agreement(found: Measured, *, seed: int) -> Evidence:
    """How often kernel regression gives the model's answer, beyond what the right answers explain.

    Beyond the agreement with the kernel's answers to all other test points that have the same right label:
    0 if what model and kernel share is no more than that both tend to be right.
    """
    model, kernel, truth = found.model.chosen, found.kernel.chosen, found.model.truths
    same = (model[:, None] == kernel[None, :]).astype(float)
    others = (truth[:, None] == truth[None, :]) & ~np.eye(len(truth), dtype=bool)
    expected = (same * others).sum(1) / others.sum(1)
    beyond = np.diag(same) - expected
    return Evidence(over(beyond, seed=seed), 0.0, "kernel regression for other queries of the same label")


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
    "nearest-help-balanced": (
        "And with balanced labels?", "right word, nearest - random"
    ),
    "farthest-demonstrations-hurt": ("Do the farthest ones hurt?", "right word, farthest - random"),
    "kernel-gives-the-models-answer": (
        "Does the retriever's own kernel say more about the answer than the right label does?",
        "agreement beyond that with other queries of the same label"
    ),
    "label-words-steer": ("Do swapped label words mislead?", "right word, swapped - own words"),
    "arbitrary-words-are-learned": ("Can arbitrary label words be learned?", "right word, arbitrary words"),
    "flipped-labels-are-followed": ("Are flipped labels followed?", "right word, all labels flipped"),
    "random-labels-do-little-harm": ("Do random labels do little harm?", "right word, random - right labels"),
    "order-matters": ("Does the order matter?", "pairs of orders answered differently"),
    "last-label-pulls-most": ("Does the last label pull most?", "its pull - that of the others, in nats"),
    "batch-steadies": ("Does batch calibration fix it?", "pairs answered differently, after - before"),
    "ood-typos-hurt": ("Do typos in the query hurt?", "accuracy, typos - none"),
    "ood-rare-words-hurt": ("Do rare words?", "accuracy, rare words - none"),
    "ood-complex-hurt": ("Do complex sentences?", "accuracy, complex - none"),
}  # fmt: skip
"""Claims that the answer is made of, each as a question, and what is measured."""

_YES = {SUPPORTED: "Yes", NOT_SUPPORTED: "No", INCONCLUSIVE: "Undecided"}


def answer(claims: Iterable[Claim], model: str, at_chance: bool) -> str:
    """The chapter's answer in Markdown, a line for each question, worded by the verdicts."""
    found = {claim.id: claim for claim in claims}
    chance = "not shown to be above chance, so that there is little to steer" if at_chance else "above chance"
    lines = [f"In this task {escape(model)} is {chance}. *Right word*: its probability among the words.", ""]
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
