"""Pictures of chapter 04: the model with intervals, kernel regression in grey on the same axes."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from iclnb import figures
from iclnb.claims import Evidence
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.steering import estimates_order
from iclnb.steering.calibration import METHODS, RAW, Ordered
from iclnb.steering.conditions import NOISE
from iclnb.steering.drawing import CROSS, REFERENCE, curve, curves, legend, means, rows, spread
from iclnb.steering.estimates import is_at_chance, over
from iclnb.steering.measures import Choices
from iclnb.steering.perturb import KINDS, TABLE_1
from iclnb.steering.retrieval import Retrieved
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
    """Probability of the right word by strategy: labels balanced in each prompt, and as they fall."""
    panels = {
        title: {key.name: each for key, each in found.items() if key.balanced == balanced}
        for title, balanced in (("as many of each label", True), ("labels as they fall", False))
    }
    panels = {title: panel for title, panel in panels.items() if panel}
    height = 1.3 + 0.32 * max(map(len, panels.values()))
    figure, all_axes = plt.subplots(1, len(panels), figsize=(8.6, height), sharex=True, squeeze=False)
    for axes, (title, panel) in zip(all_axes[0], panels.items(), strict=True):
        rows(axes, {name: over(each.model.of_truth, seed=seed) for name, each in panel.items()})
        kernel = [each.kernel.of_truth.mean() for each in panel.values()]
        axes.plot(kernel, np.arange(len(panel)), label="kernel regression", **CROSS)
        axes.axvline(0.5, label="chance", **REFERENCE)
        axes.set(title=title, xlabel="probability of the right label word")
        axes.margins(y=0.15)
        axes.invert_yaxis()
    legend(figure, all_axes[0], 3)
    words = means(
        {f"{key.name}{'' if key.balanced else ', as they fall'}": each for key, each in found.items()}
    )
    return Picture(
        figure,
        alt=f"Probability of the right word. {words}.",
        caption="Retrieval. Intervals: 95 % over test points. Crosses: the retriever's kernel regression.",
    )


@figures.picture
def wordings(found: Mapping[str, Measured], zero_shot: Mapping[str, Choices], *, seed: int) -> Picture:
    """Label words and formats as rows: probability of the right word, and of all that is no label word.

    A row in which the model is not shown to be above chance says so.
    """
    names = {
        name: f"{name} (at chance)" if is_at_chance(each.model, seed=seed) else name
        for name, each in found.items()
    }
    height = 1.2 + 0.28 * len(found)
    figure, all_axes = plt.subplots(1, 2, figsize=(8.6, height), sharey=True)
    places = np.arange(len(found))
    measures = {"probability of the right word": "of_truth", "mass outside the label words": "outside"}
    for axes, (label, measure) in zip(all_axes, measures.items(), strict=True):
        rows(axes, {names[n]: over(getattr(each.model, measure), seed=seed) for n, each in found.items()})
        axes.plot([getattr(each.kernel, measure).mean() for each in found.values()], places,
                  label="kernel regression", **CROSS)  # fmt: skip
        axes.plot([getattr(zero_shot[name], measure).mean() for name in found], places, "o",
                  color=figures.SERIES[1]["color"], fillstyle="none", label="no demonstrations")  # fmt: skip
        axes.set(xlabel=label)
    all_axes[0].invert_yaxis()
    legend(figure, all_axes, 3)
    words = "; ".join(
        f"{names[name]} {number(each.model.of_truth.mean())}, outside {number(each.model.outside.mean())}"
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
def orders(found: Mapping[int, Ordered], *, seed: int) -> Picture:
    """Accuracy, flips between orders and the pull of the last label against k, by method of calibration."""
    panels = {
        "accuracy": estimates_order.accuracy,
        "pairs of orders answered differently": estimates_order.flips,
        "pull of the last label (nats)": estimates_order.last_label,
    }
    figure, all_axes = plt.subplots(1, 3, figsize=(8.6, 3.6))
    words = []
    for axes, (label, measure) in zip(all_axes, panels.items(), strict=True):
        for i, method in enumerate((RAW, *METHODS)):
            each = [estimates_order.value(ordered, measure, method, seed=seed) for ordered in found.values()]
            x = np.arange(len(found)) + 0.08 * (i - 1.5)
            value, apart = spread(each)
            axes.errorbar(x, value, yerr=apart, label=method, markersize=4, lw=1.2, **figures.SERIES[i])
            said = ", ".join(f"k = {k} {number(one.value)}" for k, one in zip(found, each, strict=True))
            words.append(f"{label}, calibration {method}: {said}")
        axes.axhline(0.5 if measure is estimates_order.accuracy else 0, **REFERENCE)
        axes.set(title=label, xlabel="demonstrations k", xticks=range(len(found)))
        axes.set_xticklabels(list(found))
        axes.title.set_fontsize(9)
    legend(figure, all_axes, 4)
    return Picture(
        figure,
        alt="; ".join(words) + ".",
        caption=f"Order against k, before and after calibration. Grey: chance, or the kernel. {SHARED}",
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
