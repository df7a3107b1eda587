"""The evidence of chapter 02: attention relative to uniform, for a trained model and for random weights."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from iclnb import stats
from iclnb.allocation.groups import GROUPS, LABEL_CONTROL, LABELS
from iclnb.allocation.measurements import Allocation
from iclnb.claims import NOT_SUPPORTED, SUPPORTED, Claim, Evidence
from iclnb.display import cell
from iclnb.llm.depth import contrast
from iclnb.stats import Estimate

PerPrompt = Callable[[Allocation], Float[np.ndarray, " prompts"]]


class Measured(NamedTuple):
    """Attention of the model, and of the same architecture with random weights on the same prompts."""

    learned: Allocation
    random: Allocation

    def evidence(self, number: PerPrompt, *, seed: int) -> Evidence:
        """The mean over prompts of one number of each; its control are the random weights."""
        estimate = stats.interval(number(self.learned), seed=seed)
        return Evidence(estimate, float(number(self.random).mean()), "random weights, same prompts")


Layers = Int[np.ndarray, " chosen"]


def share(found: Measured, group: str, layers: Layers | None = None, *, seed: int) -> Evidence:
    """Attention on a group relative to uniform, over some layers or all."""
    return found.evidence(lambda one: one.ratio[group][:, _all(layers)].mean(1), seed=seed)


def share_outside(found: Measured, group: str, layers: Layers, *, seed: int) -> Evidence:
    """Attention on a group relative to uniform, over all layers but some."""
    return found.evidence(lambda one: np.delete(one.ratio[group], layers, axis=1).mean(1), seed=seed)


def more_than_elsewhere(found: Measured, group: str, layers: Layers, *, seed: int) -> Evidence:
    """Attention on a group relative to uniform: mean over some layers less mean over all the others."""
    return found.evidence(lambda one: contrast(one.ratio[group], layers), seed=seed)


def labels_over_texts(found: Measured, layers: Layers, *, seed: int) -> Evidence:
    """Attention on labels less that on as many tokens of the same demonstrations' texts, over some layers."""
    return found.evidence(
        lambda one: (one.ratio[LABELS] - one.ratio[LABEL_CONTROL])[:, layers].mean(1), seed=seed
    )


def by_layer(found: Allocation, *, seed: int) -> dict[str, Estimate]:
    """For each group its attention relative to uniform in every layer."""
    return {name: stats.interval(found.ratio[name], seed=seed) for name in GROUPS}


def windows(ratio: Float[np.ndarray, "prompts layers"], width: int) -> Float[np.ndarray, " starts"]:
    """Mean ratio of every window of ``width`` neighbouring layers, by its first layer."""
    return np.lib.stride_tricks.sliding_window_view(ratio.mean(0), width).mean(-1)


def answer(claims: Sequence[Claim]) -> str:
    """The chapter's answer in Markdown, in words that follow from the verdicts."""
    by_id = {claim.id: claim for claim in claims}
    lines = [
        ("The end of the query", "query-end-first-layers", "more in the first layers than in the others"),
        ("The first token", "first-token", "more than its uniform share"),
        ("Label words", "labels-middle-layers", "more than their uniform share in the middle layers"),
        ("Label words", "labels-not-texts", "more than other tokens of the same demonstrations there"),
    ]
    sentences = [f"- {_sentence(who, by_id[id], what)}" for who, id, what in lines]
    return "\n".join(["**Answer.** Of the last token's attention:", "", *sentences])


def _sentence(who: str, claim: Claim, what: str) -> str:
    verb = {SUPPORTED: "draws", NOT_SUPPORTED: "does *not* draw"}.get(claim.verdict, "may or may not draw")
    if who.endswith("words"):
        verb = verb.replace("draws", "draw").replace("does", "do")
    kind = "difference" if claim.id in ("query-end-first-layers", "labels-not-texts") else "ratio to uniform"
    return f"{who} {verb} {what} ({kind} {cell(claim.estimate)}; random weights {cell(claim.control)})."


def _all(layers: Layers | None) -> Layers | slice:
    return slice(None) if layers is None else layers
