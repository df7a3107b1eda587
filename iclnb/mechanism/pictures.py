"""Pictures of chapter 07: shares, heads on common axes, the answer over depth, the way it flows."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from iclnb import figures, stats
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.mechanism.decision import LEVEL
from iclnb.mechanism.estimates import MEASURES
from iclnb.mechanism.estimates_flow import ratio, survives
from iclnb.mechanism.flow import places
from iclnb.mechanism.passes import Runs
from iclnb.mechanism.study import Condition
from iclnb.mechanism.verdict import PURE, slope
from iclnb.stats import Estimate


@figures.picture
def shares(conditions: Sequence[Condition]) -> Picture:
    """The shares of the verdict, a group of bars for each condition."""
    figure, axes = plt.subplots(figsize=(7.0, 3.0))
    names = list(conditions[0].verdict.shares)
    width = 0.8 / len(conditions)
    for i, (one, line) in enumerate(zip(conditions, figures.SERIES, strict=False)):
        at = np.arange(len(names)) + (i - (len(conditions) - 1) / 2) * width
        found = [one.verdict.shares[name] for name in names]
        middle = np.array([float(each.value) for each in found])
        errors = np.clip([[m - e.low, e.high - m] for m, e in zip(middle, found, strict=True)], 0, None).T
        axes.bar(at, middle, width, color=line["color"], alpha=0.7, label=one.name, hatch="/" * i)
        axes.errorbar(at, middle, errors, fmt="none", color="0.2", capsize=3, linewidth=1)
    axes.axhline(PURE, color="0.4", linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(names)), [name.replace(" ", "\n", 1) for name in names])
    axes.set(ylabel="share of what tells answers apart", ylim=(0, 1.05))
    axes.legend()
    words = [
        f"under {one.name} {max(names, key=lambda n: one.verdict.shares[n].value)} has most, "
        f"{number(float(max(share.value for share in one.verdict.shares.values())), 2)}"
        for one in conditions
    ]
    return Picture(
        figure,
        alt=f"Of {len(names)} shares {'; '.join(words)}.",
        caption="Shares of the verdict (95 % intervals over sets). Dotted: from here on one name.",
    )


PANELS = ("induction, random tokens", "attention on labels", "label-match", "likeness (embedding)")
"""Scores that :func:`heads` draws against agreement."""


@figures.picture
def heads(one: Condition) -> Picture:
    """Every head's agreement with the model against four other scores; the best heads are marked."""
    means = one.heads.means()
    shown = [name for name in PANELS if name in means]
    figure, all_axes = plt.subplots(1, len(shown), figsize=(8.6, 2.9), sharey=True)
    layers, of_layer = np.array(one.best).T
    for axes, name in zip(np.atleast_1d(all_axes), shown, strict=True):
        axes.scatter(means[name], means["agreement"], s=6, color="0.6", label="heads")
        best = means[name][layers, of_layer], means["agreement"][layers, of_layer]
        axes.scatter(*best, s=28, marker="^", color=figures.SERIES[2]["color"], label="best")
        axes.axhline(one.null, color="0.4", linestyle=":", linewidth=0.8)
        axes.set_xlabel(name, fontsize=9)
    np.atleast_1d(all_axes)[0].set_ylabel("agreement with the model")
    np.atleast_1d(all_axes)[0].legend(fontsize=8)
    words = ", ".join(
        f"{name} {number(float(np.nanmean(means[name][layers, of_layer])), 2)}" for name in shown
    )
    return Picture(
        figure,
        alt=f"The {len(one.best)} best agree {number(float(means['agreement'][layers, of_layer].mean()), 2)} "
        f"with the model under {one.name}, all heads {number(float(np.nanmean(means['agreement'])), 2)}; the "
        f"best score: {words}.",
        caption=f"Heads under {one.name}. Dotted: 95 % quantile of the null.",
    )


@figures.picture
def decision(
    found: Mapping[str, Mapping[str, Float[np.ndarray, "sets prompts depth"]]],
    conditions: Sequence[Condition],
    *,
    seed: int,
) -> Picture:
    """Agreement of what can be read at the last token with the final answer, by layer.

    Args:
        found: for each condition the readings by name; one that begins with ``control`` is drawn as such.
        conditions: whose best heads' layers are marked.
        seed: of the intervals.
    """
    figure, all_axes = plt.subplots(1, len(found), figsize=(8.6, 3.2), sharey=True)
    words = []
    for axes, one in zip(np.atleast_1d(all_axes), conditions, strict=True):
        lines = iter(figures.SERIES)
        for name, agrees in found[one.name].items():
            line = figures.CONTROL if name.startswith("control") else next(lines)
            estimate = stats.interval(np.asarray(agrees, dtype=float).mean(1), seed=seed)
            figures.band(axes, np.arange(agrees.shape[-1]), estimate, name, **line)
        _mark_heads(axes, one)
        axes.axhline(LEVEL, color="0.4", linestyle=":", linewidth=0.8)
        axes.set(title=one.name, xlabel="layer (its input)")
        lens = np.asarray(next(iter(found[one.name].values())), dtype=float).mean((0, 1))
        words.append(
            f"under {one.name} {number(float(lens[one.verdict.layer]), 2)} at layer {one.verdict.layer}"
        )
    np.atleast_1d(all_axes)[0].set_ylabel("agreement with the final answer")
    np.atleast_1d(all_axes)[0].legend(fontsize=8)
    return Picture(
        figure,
        alt=f"Where the best heads stand, what can be read already agrees with the final answer: "
        f"{'; '.join(words)} (first reading, by layer).",
        caption="Readings at the last token (95 % intervals over sets). Triangles: the best heads.",
    )


@figures.picture
def flow(runs: Runs, conditions: Sequence[Condition], *, seed: int) -> Picture:
    """Interchange and knock-out by layer: how far answers follow, and how much of them is left."""
    figure, all_axes = plt.subplots(1, len(conditions), figsize=(8.6, 3.4), sharey=True)
    words = []
    for axes, one in zip(np.atleast_1d(all_axes), conditions, strict=True):
        layers = sorted({runs.steps[i].start for i in places(runs.steps, "query")})
        for kind, name, line in (
            ("query", "another query's state", figures.SERIES[0]),
            ("labels", "other labels' state", figures.SERIES[1]),
        ):
            found = [ratio(*slope(runs, one.name, kind, layer), seed=seed) for layer in layers]
            figures.band(axes, np.array(layers), _stacked(found), name, **line)
        for kind, name, line in (
            ("block labels", "labels hidden from here on", figures.SERIES[2]),
            ("block the rest", "the rest hidden from here on", figures.SERIES[3]),
        ):
            found = [survives(runs, one.name, kind, layer, runs.layers, seed=seed) for layer in layers]
            figures.band(axes, np.array(layers), _stacked(found), name, **line)
        _mark_heads(axes, one)
        axes.set(title=one.name, xlabel="layer", ylim=(-0.4, 1.6))
        words.append(f"{number(float(one.verdict.decided.value), 2)} under {one.name}")
    np.atleast_1d(all_axes)[0].set_ylabel("answers that follow, or are left")
    np.atleast_1d(all_axes)[0].legend(fontsize=7)
    return Picture(
        figure,
        alt=f"Of what labels change, {' and '.join(words)} had been decided in layers before the best heads.",
        caption="Another run's state put in place, or tokens hidden (95 % intervals over sets).",
    )


@figures.picture
def vectors(gains: Mapping[str, Sequence[tuple]]) -> Picture:
    """What demonstrations, and each kind of vector, gain over zero-shot prompts.

    Args:
        gains: for each condition what :func:`iclnb.mechanism.estimates.gains` gives.
    """
    panels = list(MEASURES.values())[:2]
    figure, all_axes = plt.subplots(1, 2, figsize=(8.6, 3.6), sharey=True)
    names = [row[0] for row in next(iter(gains.values()))]
    for column, (axes, panel) in enumerate(zip(all_axes, panels, strict=True), start=1):
        for i, ((condition, rows), line) in enumerate(zip(gains.items(), figures.SERIES, strict=False)):
            found = _stacked([row[column] for row in rows])
            errors = np.clip([found.value - found.low, found.high - found.value], 0, None)
            at = np.arange(len(names)) + (i - (len(gains) - 1) / 2) * 0.25
            style = {"fmt": line["marker"], "color": line["color"], "capsize": 3, "markersize": 4}
            axes.errorbar(found.value, at, xerr=np.nan_to_num(errors), label=condition, **style)
        axes.axvline(0, color="0.4", linewidth=0.8)
        axes.set(title=panel, xlabel="gain over zero-shot")
    all_axes[0].set_yticks(range(len(names)), names)
    all_axes[0].invert_yaxis()
    all_axes[0].legend(fontsize=8)
    words = "; ".join(
        f"under {condition} {names[1]} gains {number(float(rows[1][1].value), 2)} nats where demonstrations "
        f"gain {number(float(rows[0][1].value), 2)}, and {number(float(rows[1][2].value), 2)} of "
        f"{number(float(rows[0][2].value), 2)} among label words"
        for condition, rows in gains.items()
    )
    return Picture(
        figure,
        alt=f"Gains over zero-shot prompts: {words}.",
        caption="Log-probability of the right word (95 % intervals over sets). The last two are controls.",
    )


def _stacked(found: Sequence[Estimate]) -> Estimate:
    return Estimate(*(np.array([float(part) for part in parts]) for parts in zip(*found, strict=True)))


def _mark_heads(axes: Axes, one: Condition) -> None:
    layers = [layer for layer, _ in one.best]
    at_the_bottom = axes.get_xaxis_transform()
    axes.plot(layers, np.zeros(len(layers)), "^", color="0.2", transform=at_the_bottom, clip_on=False)
