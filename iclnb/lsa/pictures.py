"""The pictures of chapter 05."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from iclnb import figures
from iclnb.figures import Picture
from iclnb.lsa.deep import Comparison
from iclnb.lsa.gd import gd_layer
from iclnb.lsa.generalisation import Means
from iclnb.lsa.layer import LinearSelfAttention
from iclnb.lsa.optima import best_rate, gap_law
from iclnb.lsa.study import CONVERGED, EXACT, SAMPLED, Gaps, Study
from iclnb.stats import Estimate, interval

REFERENCE = {"color": "0.3", "linewidth": 1.2}
"""How an exact value or a law is drawn."""
CONTROL_LINE = {**figures.CONTROL, "marker": ""}


def _points(
    axes: Axes,
    place: Sequence[float],
    samples: Float[np.ndarray, "seeds places"],
    series: Mapping,
    *,
    label: str,
    seed: int,
) -> None:
    """Means over seeds, with intervals where there is more than one seed."""
    look = {"color": series["color"], "marker": series["marker"], "linestyle": "", "markersize": 4}
    if len(samples) == 1:
        axes.plot(place, samples[0], label=label, **look)
        return
    estimate = interval(samples, seed=seed)
    axes.plot(place, estimate.value, label=label, **look)
    axes.vlines(place, estimate.low, estimate.high, color=series["color"])


@figures.picture
def gap_by_heads(study: Study, *, seed: int) -> Picture:
    """Risk above GD from w* by number of heads, one panel for each norm; y_q-LSA at the right."""
    shown = [norm for norm in study.norms if norm > 0]
    figure, axes = plt.subplots(
        1, len(shown), figsize=(2.6 * len(shown) + 1, 3.6), sharey=True, squeeze=False
    )
    for ax, norm in zip(axes[0], shown, strict=True):
        columns = [i for i, model in enumerate(study.models) if model.norm == norm]
        place = np.arange(len(columns))
        names = ["$y_q$" if study.models[i].train_guess else str(study.models[i].heads) for i in columns]
        ax.plot(place[:-1], study.optimum[columns[:-1]] - study.floor, label="exact optimum", **REFERENCE)
        for offset, recipe, series in ((-0.15, SAMPLED, 1), (0.15, CONVERGED, 2)):
            gaps = study.risks[recipe][:, columns] - study.floor
            _points(ax, place + offset, gaps, figures.SERIES[series], label=f"{recipe} recipe", seed=seed)
        ax.axhline(study.from_zero(norm) - study.floor, label="GD from 0", **CONTROL_LINE)
        ax.axhline(0, color="k", linewidth=0.8)
        ax.set(title=f"‖w*‖ = {norm:g}", xticks=place, xticklabels=names, xlabel="heads")
        ax.set_yscale("symlog", linthresh=0.01)
    axes[0, 0].set_ylim(-0.003, None)  # of all panels
    axes[0, 0].set_ylabel("risk above GD from w*")
    axes[0, -1].legend(fontsize=7)
    enough = study.optimum[study.column(study.d + 1, study.top)] - study.floor
    one = study.optimum[study.column(1, study.top)] - study.floor
    alt = (
        f"At norm {study.top:g} the excess over GD falls from {one:.3g} with one head to {enough:.3g} with d "
        "heads, and stays there; the optimum of y_q-LSA lies at zero."
    )
    return Picture(
        figure, alt, "Excess over one step of GD from the prior mean, with 95 % intervals over seeds."
    )


@figures.picture
def learning_curves(study: Study) -> Picture:
    """Median excess over the exact optimum during training, for many heads and for y_q-LSA."""
    figure, axes = plt.subplots(1, 2, sharey=True)
    chosen = {
        f"H = {study.most}": study.column(study.most, study.top),
        "y_q-LSA": study.column(1, study.top, guess=True),
    }
    for ax, (kind, model) in zip(axes, chosen.items(), strict=True):
        for (name, sweep), series in zip(study.trained.items(), figures.SERIES, strict=False):
            excess = np.median(sweep.curve[:, :, model] / study.optimum[model] - 1, axis=1)
            ax.plot(sweep.steps, np.maximum(excess, 1e-6), label=name, markersize=3, **series)
        ax.axhline(study.from_zero(study.top) / study.optimum[model] - 1, label="GD from 0", **CONTROL_LINE)
        ax.set(title=f"{kind}, ‖w*‖ = {study.top:g}", xlabel="step", yscale="log")
    axes[0].set_ylabel("risk above the exact optimum (share)")
    axes[1].legend(fontsize=8)
    ends = {name: np.median(study.excess(name)[:, chosen["y_q-LSA"]]) for name in (SAMPLED, EXACT, CONVERGED)}
    alt = "Trained y_q-LSA ends above its optimum by " + ", ".join(
        f"{end:.2g} ({name})" for name, end in ends.items()
    )
    return Picture(figure, alt, "Median over seeds of the exact risk above each family's own optimum.")


@figures.picture
def law(gaps: Gaps, *, seed: int) -> Picture:
    """Trained gaps against the law, over dimensions, context lengths and norms."""
    figure, ax = plt.subplots(figsize=(5, 3.8))
    for k, (d, n_context) in enumerate(gaps.settings):
        series = figures.SERIES[k % len(figures.SERIES)]
        _points(ax, gaps.law[k], gaps.trained[:, k], series, label=f"d = {d}, C = {n_context}", seed=seed)
    ends = np.array([gaps.law.min() / 1.5, gaps.law.max() * 1.5])
    ax.plot(ends, ends, label="law", **REFERENCE)
    ax.set(xscale="log", yscale="log", xlabel="2‖w*‖² / (Cd + 2)", ylabel="trained gap to GD")
    ax.legend(fontsize=8)
    ratio = gaps.trained.mean(axis=0) / gaps.law
    alt = f"Trained gaps are {ratio.min():.4f} to {ratio.max():.4f} times the law."
    return Picture(figure, alt, "Gap of d+1 trained heads to GD from w*, beside the law.")


def head_parts(layer: LinearSelfAttention) -> Float[np.ndarray, "d+1 d+2"]:
    """U, p and v of the first head side by side, scaled so that p ends in 1; the last entry is empty."""
    d, row = layer.guess.shape[0], np.asarray(layer.value[0, -1])
    blocks = np.asarray(layer.key_query[0, :, :d] + layer.key_query[0, :, d:] * layer.guess)
    return np.column_stack([row[-1] * blocks, row / row[-1], np.append(layer.guess, np.nan)])


@figures.picture
def trained_head(study: Study) -> Picture:
    """The weights of y_q-LSA (first seed, largest norm) beside the construction that is GD."""
    model, trained = study.column(1, study.top, guess=True), study.trained[CONVERGED]
    built = gd_layer(trained.prior_means[0, model], best_rate(study.d, study.n_context))
    parts = {"trained": head_parts(trained.layer(0, model)), "construction": head_parts(built)}
    figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
    limit = np.nanmax(np.abs(parts["construction"]))
    for ax, (title, part) in zip(axes, parts.items(), strict=True):
        image = ax.imshow(part, vmin=-limit, vmax=limit)
        middle = study.d / 2 - 0.5
        ax.set(title=title, xticks=[middle, study.d, study.d + 1], yticks=[middle, study.d])
        ax.set(xticklabels=["U", "p", "v"], yticklabels=["inputs", "label"])
        ax.grid(False)
    figure.colorbar(image, ax=axes, shrink=0.8)
    apart = float(np.nanmax(np.abs(parts["trained"] - parts["construction"])))
    alt = f"The trained head differs from the construction by at most {apart:.2g} in any entry"
    return Picture(figure, alt, "U is η* times the identity above a zero row, p is (-w*, 1), v is w*.")


@figures.picture
def variants(gaps: Mapping[tuple[str, float], Estimate], d: int, n_context: int) -> Picture:
    """The gap under other tokens and masks, by norm, beside the law."""
    names = list(dict.fromkeys(name for name, _ in gaps))
    norms = sorted({norm for _, norm in gaps})
    figure, ax = plt.subplots(figsize=(6, 3.4))
    for k, name in enumerate(names):
        place, series = np.arange(len(norms)) + 0.12 * (k - 1.5), figures.SERIES[k]
        points = [gaps[name, norm] for norm in norms]
        ax.plot(place, [p.value for p in points], series["marker"], color=series["color"], label=name)
        ax.vlines(place, [p.low for p in points], [p.high for p in points], color=series["color"])
    heights = [gap_law(norm, d=d, n_context=n_context) for norm in norms]
    ax.plot(np.arange(len(norms)), heights, "_", color="0.3", markersize=28, label="law, masked")
    ax.set(xticks=np.arange(len(norms)), ylabel="risk above GD from w*")
    ax.set_xticklabels([f"‖w*‖ = {norm:g}" for norm in norms])
    ax.axhline(0, color="k", linewidth=0.8)
    ax.legend(fontsize=8)
    times = ", ".join(f"{gaps[name, norms[-1]].value / heights[-1]:.2f} {name}" for name in names)
    alt = f"Gap to GD at norm {norms[-1]:g}, as a multiple of the law: {times}"
    return Picture(figure, alt, "Best LSA with y_q = 0 and unlimited heads, 95 % intervals over prompts.")


@figures.picture
def shifted_means(at: Means, study: Study, *, seed: int) -> Picture:
    """Risk by the distance of the test prompts' prior mean."""
    figure, ax = plt.subplots(figsize=(6, 3.6))
    ax.plot(at.shifts, at.predicted, color="0.6", linewidth=4, label="(d + ‖δ‖²)(1 - η*)")
    for k, (name, risks) in enumerate((("y_q-LSA", at.guess), (f"y_q = 0, H = {study.most}", at.many))):
        figures.band(ax, at.shifts, interval(risks, seed=seed), name, **figures.SERIES[k + 1])
    ax.axhline(study.floor, label="GD from the new mean", **CONTROL_LINE)
    ax.set(xlabel="‖δ‖, distance of the test mean from w*", ylabel="exact risk")
    ax.legend(fontsize=8)
    first, last = at.guess.mean(axis=0)[[0, -1]]
    alt = f"The risk of y_q-LSA grows from {first:.2f} without a shift to {last:.1f} at {at.shifts[-1]:g}"
    return Picture(figure, alt, "Test prompts with another prior mean; bands over training seeds.")


@figures.picture
def stacks(compared: Mapping[int, Comparison], *, seed: int) -> Picture:
    """Risk of trained stacks and of as many steps of GD."""
    figure, ax = plt.subplots(figsize=(5, 3.4))
    depths = np.array(list(compared))
    for part, name, series in (
        ("gd", "L steps of GD from w*, tuned rates", figures.CONTROL),
        ("trained", "L layers of y_q-LSA, trained", figures.SERIES[1]),
    ):
        values = np.stack([getattr(stack, part) for stack in compared.values()], axis=1)
        figures.band(ax, depths, interval(values, seed=seed), name, **series)
    ax.set(xlabel="L", ylabel="risk on fresh prompts", xticks=depths, ylim=(0, None))
    ax.legend(fontsize=8)
    ratios = ", ".join(f"{np.mean(s.trained / s.gd):.2f} at L = {k}" for k, s in compared.items())
    alt = f"Risk of trained stacks relative to as many steps of GD: {ratios}"
    return Picture(figure, alt, "Stacks beside gradient descent, 95 % intervals over training seeds.")
