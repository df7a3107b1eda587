"""Pictures of chapter 04: the model with intervals, kernel regression in grey on the same axes."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Int

from iclnb import figures
from iclnb.claims import Evidence
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.steering.conditions import NOISE
from iclnb.steering.drawing import CROSS, REFERENCE, curve, curves, legend, means, rows, spread
from iclnb.steering.estimates import by_order, over, pulls
from iclnb.steering.measures import Choices
from iclnb.steering.perturb import KINDS, TABLE_1
from iclnb.steering.retrieval import EMBEDDINGS, STRATEGIES, Retrieved
from iclnb.steering.study import Measured

SHARED = "Intervals: 95 % over demonstration sets and test points."


@figures.picture
def effects(contrasts: Mapping[str, Evidence]) -> Picture:
    """What each condition does to the probability of the right word: model and kernel regression."""
    figure, axes = plt.subplots(figsize=(7.0, 1.2 + 0.3 * len(contrasts)))
    rows(axes, {name: each.estimate for name, each in contrasts.items()})
    places = np.arange(len(contrasts))
    axes.plot([each.control for each in contrasts.values()], places, label="kernel regression", **CROSS)
    axes.axvline(0, **REFERENCE)
    axes.set(xlabel="change of the probability of the right label word")
    axes.invert_yaxis()
    legend(figure, [axes], 2)
    words = (
        f"{name} {number(each.estimate.value)} (kernel {number(each.control)})"
        for name, each in contrasts.items()
    )
    return Picture(
        figure,
        alt="Change of the probability of the right word. " + "; ".join(words) + ".",
        caption="What steers the model, and what would steer a kernel. Intervals: 95 %.",
    )


@figures.picture
def retrieval(found: Mapping[Retrieved, Measured], *, seed: int) -> Picture:
    """Probability of the right word over k, a panel for each similarity; random ones stand in all of them."""
    panels: dict[str, dict[str, Curve]] = {}
    for by in dict.fromkeys(key.by for key in found):
        panels[by] = {}
        for strategy in STRATEGIES:
            source = EMBEDDINGS if strategy == "random" else by
            at = {key.k: each for key, each in found.items() if key[:2] == (source, strategy)}
            if at:
                panels[by][strategy] = curve(at, lambda choices: choices.of_truth, seed)
    figure = curves(panels, "demonstrations k", "probability of the right label word", {"chance": 0.5})
    words = means({f"{key.strategy} by {key.by}, k = {key.k}": each for key, each in found.items()})
    return Picture(
        figure,
        alt=f"Probability of the right word. {words}.",
        caption="Retrieval. Intervals: 95 % over test points. Grey: kernel regression, same demonstrations.",
    )


@figures.picture
def wordings(found: Mapping[str, Measured], zero_shot: Mapping[str, Choices], *, seed: int) -> Picture:
    """Label words and formats as rows: probability of the right word, and of all that is no label word."""
    height = 1.2 + 0.28 * len(found)
    figure, all_axes = plt.subplots(1, 2, figsize=(8.6, height), sharey=True)
    places = np.arange(len(found))
    measures = {"probability of the right word": "of_truth", "mass outside the label words": "outside"}
    for axes, (label, measure) in zip(all_axes, measures.items(), strict=True):
        rows(axes, {name: over(getattr(each.model, measure), seed=seed) for name, each in found.items()})
        axes.plot([getattr(each.kernel, measure).mean() for each in found.values()], places,
                  label="kernel regression", **CROSS)  # fmt: skip
        axes.plot([getattr(zero_shot[name], measure).mean() for name in found], places, "o",
                  color=figures.SERIES[1]["color"], fillstyle="none", label="no demonstrations")  # fmt: skip
        axes.set(xlabel=label)
    all_axes[0].invert_yaxis()
    legend(figure, all_axes, 3)
    words = "; ".join(
        f"{name} {number(each.model.of_truth.mean())}, outside {number(each.model.outside.mean())}"
        for name, each in found.items()
    )
    kernel = number(next(iter(found.values())).kernel.of_truth.mean())
    return Picture(
        figure,
        alt=f"Probability of the right word by label words and format: {words}. Kernel regression: {kernel}.",
        caption=f"Label words and formats. {SHARED}",
    )


@figures.picture
def label_noise(found: Mapping[tuple[str, float], Measured], zero_shot: Choices, *, seed: int) -> Picture:
    """Probability of the right word over the share of labels replaced."""
    panel = {
        kind: curve(
            {share: each for (other, share), each in found.items() if other == kind},
            lambda choices: choices.of_truth,
            seed,
        )
        for kind in NOISE
    }
    lines = {"no demonstrations": float(zero_shot.of_truth.mean()), "chance": 0.5}
    label = "probability of the right label word"
    figure = curves({"": panel}, "share of labels replaced", label, lines)
    words = means({f"{kind} labels, share {number(share)}": each for (kind, share), each in found.items()})
    return Picture(
        figure,
        alt=f"Probability of the right word. {words}. Without any: {number(lines['no demonstrations'])}.",
        caption=f"Label noise. {SHARED}",
    )


@figures.picture
def orders(
    found: Measured, labels: Int[np.ndarray, "sets orders k"], shares: Mapping[str, Evidence], *, seed: int
) -> Picture:
    """What the order does: log-odds of every order, the recency profile, shares of the variance."""
    log_odds, profile = by_order(found.model.log_odds), over(pulls(found, labels), seed=seed)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.6, 3.4))
    every = log_odds.reshape(-1, log_odds.shape[-1])
    left.plot(every[every.mean(1).argsort()], np.arange(len(every)), ".", color="#0072b2", markersize=3)
    left.axvline(0, **REFERENCE)
    left.set(title="every order", xlabel="log-odds (nats)", ylabel="demonstration set and query", yticks=[])
    places = np.arange(1, len(profile.value) + 1)
    figures.band(middle, places, profile, "model", **figures.SERIES[0])
    middle.plot(places, np.zeros(len(places)), label="kernel regression", **figures.CONTROL)
    middle.set(title="label at a position", xlabel="position (last: next to query)", ylabel="effect (nats)")
    middle.set_xticks(places)
    middle.legend(fontsize=8)
    bars, estimates = np.arange(len(shares)), [each.estimate for each in shares.values()]
    values, apart = spread(estimates)
    right.bar(bars, values, yerr=apart, color="0.75", ecolor="0.2")
    right.plot(bars, [each.control for each in shares.values()], label="kernel regression", **CROSS)
    right.set(title="variance explained", ylabel="share", xticks=bars)
    right.set_xticklabels(list(shares), fontsize=8)
    turned = (np.ptp(np.sign(log_odds), axis=-1) > 0).mean()
    explained = ", ".join(f"{name} {number(each.estimate.value)}" for name, each in shares.items())
    effects = ", ".join(number(value) for value in profile.value)
    return Picture(
        figure,
        alt=f"Shares of the variance of the log-odds: {explained}. Effect of a positive label by position, "
        f"in nats: {effects}. Share of sets and queries whose answer depends on the order: {number(turned)}.",
        caption=f"Order. Left: one dot for each order. {SHARED}",
    )


@figures.picture
def perturbed(
    found: Mapping[tuple[str, float], Measured], plain: Measured, *, published: bool = False, seed: int
) -> Picture:
    """Accuracy over the strength of each kind of perturbation.

    Args:
        found: by kind and strength.
        plain: unperturbed.
        published: whether to draw paper A's table 1 as stars (which perturbs queries).
        seed: of the intervals.
    """
    panel = {
        kind: curve(
            {0.0: plain} | {strength: each for (other, strength), each in found.items() if other == kind},
            lambda choices: choices.correct,
            seed,
        )
        for kind in KINDS
    }
    stars = {kind: (1.0, TABLE_1[kind]) for kind in KINDS if kind in TABLE_1} if published else {}
    figure = curves({"": panel}, "strength", "accuracy", {"chance": 0.5}, stars)
    words = "; ".join(
        f"{kind} at strength {number(strength)} {number(each.model.correct.mean())}"
        for (kind, strength), each in found.items()
    )
    return Picture(
        figure,
        alt=f"Accuracy {number(plain.model.correct.mean())} unperturbed; {words}.",
        caption=f"Perturbed texts. {SHARED}" + (" Stars: paper A, table 1." if published else ""),
    )
