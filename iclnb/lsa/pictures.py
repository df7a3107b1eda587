"""The pictures and tables of chapter 05 and its appendices."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from matplotlib.ticker import FuncFormatter, MaxNLocator

from iclnb import display, figures
from iclnb.display import number
from iclnb.figures import Picture
from iclnb.ladders import HERE
from iclnb.lsa import estimates
from iclnb.lsa.findings import CONVERGED, Beyond, TrainedLayers
from iclnb.lsa.optima import gap_share, risk_at_norm
from iclnb.stats import interval

PER_CENT = FuncFormatter(lambda value, _: f"{100 * value:g} %")


@figures.picture
def gap_by_heads(ladder: Mapping[str, TrainedLayers]) -> Picture:
    """Risk above GD from w* as a share of it, by number of heads: exact optimum and trained layers."""
    found = next(iter(ladder.values()))
    figure, ax = plt.subplots(figsize=(7.4, 4.0))
    heads, told = np.arange(1, max(found.d + 2, found.most) + 1), set()
    law = np.array([estimates.linear_excess(found, int(h)) for h in heads]) / found.floor
    ax.plot(heads, law, color="0.3", linewidth=1.2, label="linear heads, the least risk (proved)")
    for name, one in ladder.items():
        hollow = {"markerfacecolor": "white"} if name == HERE else {}
        for kind, (place, share), series in zip(_KINDS, _trained(one), figures.SERIES[1:], strict=False):
            look = {"color": series["color"], "marker": series["marker"], "linestyle": "", "markersize": 5}
            ax.plot(place, share, label=f"_{kind}" if kind in told else kind, **look | hollow)
            told.add(kind)
    ax.axhline(0, color="k", linewidth=0.8)
    ax.set_yscale("symlog", linthresh=0.01)
    ax.yaxis.set_major_formatter(PER_CENT)
    ax.set(xlabel="heads", ylabel="risk above that of GD", ylim=(-0.004, 5))
    ax.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    ax.set_xlim(0.4, heads[-1] + 0.6)
    ax.legend(fontsize=8)
    means = [
        f"{kind}: {np.mean(share[np.round(place) == 1]):.2g}"
        for kind, (place, share) in zip(_KINDS, _trained(found), strict=True)
        if np.any(np.round(place) == 1)
    ]
    alt = (
        f"Without a guess the best linear layer of one head has {law[0]:.0%} more risk than gradient descent, of "
        f"{found.d} heads {law[found.d - 1]:.1%}. Mean excess of one trained head, as a share: {'; '.join(means)}."
    )
    size = f"‖w*‖ = √d, d = {found.d}, C = {found.n_context}"
    caption = f"Risk above one step of GD from w*; {size}. A mark for each training seed, this run's hollow."
    return Picture(figure, alt, caption)


_KINDS = ("linear, trained", "linear with a guess, trained", "normalised", "normalised, query in sight")


def _trained(found: TrainedLayers) -> list[tuple[np.ndarray, np.ndarray]]:
    """Heads and shares of the trained layers at the largest norm, in the order of :data:`_KINDS`."""
    risks, top = found.risks(CONVERGED) / found.floor - 1, found.norm == found.top
    kinds = [(found.heads, risks, top & (found.guess == guess)) for guess in (False, True)]
    soft, top = found.soft_excess / found.floor, found.soft_norm > 0
    kinds += [(found.soft_heads, soft, top & (found.soft_in_sight == seen)) for seen in (False, True)]
    shift = (0.0, 0.0, -0.15, 0.15)
    return [
        (np.tile(heads[chosen], len(shares)) + by, shares[:, chosen].ravel())
        for (heads, shares, chosen), by in zip(kinds, shift, strict=True)
    ]


@figures.picture
def relative_gap(dimensions: Sequence[int] = (2, 5, 10, 20)) -> Picture:
    """The gap at ‖w*‖ = √d as a share of the risk of GD, by number of examples: one head, and d heads."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.4), sharey=True)
    contexts = np.unique(np.geomspace(1, 10_000, 33).round().astype(int))
    ends = {}
    for d, series in zip(dimensions, figures.SERIES, strict=False):
        look = {name: series[name] for name in ("color", "linestyle")}
        for ax, heads in zip(axes, (1, d), strict=True):
            shares = [gap_share(d, int(c), 1.0, heads) for c in contexts]
            ax.plot(contexts, shares, label=f"d = {d}", **look)
            ends[d, heads] = shares[-1]
        axes[1].plot(contexts[-1], 2 / (d * (d + 1)), marker="<", color=series["color"], markersize=5)
    for ax, title in zip(axes, ("one head", "d heads or more"), strict=True):
        ax.set(title=title, xscale="log", yscale="log", xlabel="examples C")
        ax.yaxis.set_major_formatter(PER_CENT)
    axes[0].set_ylabel("gap over the risk of GD")
    axes[1].legend(fontsize=8)
    told = "; ".join(f"d = {d}: {ends[d, 1]:.0%} with one head, {ends[d, d]:.1%} with d" for d in dimensions)
    return Picture(
        figure,
        f"With more examples the relative gap settles. At {contexts[-1]} examples: {told}.",
        "What y_q = 0 costs beside one step of GD, at ‖w*‖ = √d; exact. Triangles: the limit 2 / (d (d + 1)).",
    )


def share_table(scales: Sequence[float] = (0.3, 1.0, 3.0)) -> Markdown:
    """The relative gap in per cent, by d, C and ‖w*‖ / √d."""
    rows = []
    for d in (2, 5, 10, 20):
        for n_context in (10, 100):
            shares = [
                gap_share(d, n_context, 1.0, 1),
                *(gap_share(d, n_context, scale, d) for scale in scales),
            ]
            rows.append([d, n_context, *(number(100 * share, 2) for share in shares)])
    header = ["d", "C", "one head, ‖w*‖ = √d", *(f"d heads, {scale:g} √d" for scale in scales)]
    return display.table(header, rows)


@figures.picture
def excess(ladder: Mapping[str, TrainedLayers]) -> Picture:
    """Excess of trained linear layers over their own optimum at the largest norm, by recipe."""
    figure, axes = plt.subplots(1, len(ladder), figsize=(4.2 * len(ladder), 3.4), sharey=True, squeeze=False)
    told = []
    for ax, (name, found) in zip(axes[0], ladder.items(), strict=True):
        columns = np.flatnonzero(found.norm == found.top)
        for k, (recipe, series) in enumerate(zip(found.coordinates["recipe"], figures.SERIES, strict=False)):
            above = found.risks(recipe)[:, columns] / found.optimum[columns] - 1
            place = np.tile(np.arange(len(columns)) + 0.2 * (k - 1), len(above))
            look = {"color": series["color"], "marker": series["marker"], "linestyle": "", "markersize": 3.5}
            ax.plot(place, np.maximum(above, 1e-11).ravel(), label=recipe, **look)
            if above.size:
                told.append(f"{name}, {recipe}: at most {number(float(above.max()), 2)}")
        names = ["$y_q$" if found.guess[i] else str(found.heads[i]) for i in columns]
        ax.set(title=name, xticks=np.arange(len(columns)), xticklabels=names, xlabel="heads", yscale="log")
        ax.axhline(1e-3, color="0.5", linewidth=0.8)
    axes[0, 0].set_ylabel("risk above the optimum (share)")
    axes[0, 0].legend(fontsize=8)
    return Picture(
        figure,
        f"Excess over the exact optimum. {'; '.join(told)}.",
        "Risk above that of the best layer of the same family, ‖w*‖ = √d, a dot for each seed; the line is 0.1 %.",
    )


@figures.picture
def stacks(ladder: Mapping[str, Beyond], *, seed: int) -> Picture:
    """Risk of trained stacks, beside as many tuned steps of GD and of GD++."""
    figure, ax = plt.subplots(figsize=(6, 3.6))
    deepest = max(ladder.values(), key=lambda found: len(found.depth))
    for way, series in zip(("GD", "GD++"), (figures.CONTROL, figures.SERIES[-1]), strict=True):
        tuned = deepest.tuned[:, deepest.coordinates["way"].index(way)]
        ax.plot(deepest.depth, tuned, label=f"L tuned steps of {way}", markersize=3.5, **series)
    told = []
    for name, line in figures.rung_styles(ladder).items():
        found = ladder[name]
        figures.band(ax, found.depth, interval(found.risk[..., 1].T, seed=seed), f"trained, {name}", **line)
        ratios = (found.risk[..., 1] / found.risk[..., 0]).mean(axis=1)
        told += [f"{name}, L = {k}: {ratio:.2f}" for k, ratio in zip(found.depth, ratios, strict=True)]
    ax.set(xlabel="L", ylabel="risk on fresh prompts", xticks=deepest.depth, ylim=(0, None))
    ax.legend(fontsize=8)
    alt = f"Risk of trained stacks relative to as many steps of GD: {'; '.join(told)}."
    return Picture(figure, alt, "L layers of y_q-LSA beside L steps; 95 % intervals over training seeds.")


def baselines(found: Beyond, *, seed: int) -> Markdown:
    """Risks under label noise: GD and multi-head LSA exactly, ridge and Bayes on sampled prompts."""
    header = ["risk [95 % interval]", *(f"σ = {sigma:g}" for sigma in found.noise)]
    rows = []
    for name, family, heads in (
        ("GD from w*", "gd", None),
        ("y_q = 0, d + 1 heads", "multihead", found.d + 1),
    ):
        size = {"d": found.d, "n_context": found.n_context, "heads": heads}
        rows.append([
            name, *(risk_at_norm(family, found.norm, noise_std=float(sigma), **size) for sigma in found.noise)
        ])  # fmt: skip
    for k, name in enumerate(("ridge from 0, λ = 1", "Bayes")):
        rows.append([name, *(interval(batches, seed=seed) for batches in found.baseline[:, k])])
    return display.table(header, rows)
