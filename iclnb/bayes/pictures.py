"""The pictures of chapter 01 and its appendices."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from iclnb import figures
from iclnb.bayes import experiment
from iclnb.bayes.crossing import BAYES
from iclnb.bayes.estimates import LABELS_ONLY
from iclnb.bayes.estimates_crossing import REPAIRED, Learned, every
from iclnb.bayes.estimates_theorem import CONVERGING, over_hmms
from iclnb.bayes.study import Study, TheoremStudy
from iclnb.figures import Picture
from iclnb.stats import Estimate, exact, interval

CONTROL_LINE = {**figures.CONTROL, "marker": ""}


def _curves(
    axes: Axes, ns: Sequence[int], kernels: Mapping[str, Estimate], controls: Mapping[str, Estimate]
) -> None:
    """A line and a band for every estimate: kernels in black and colours, controls in grey."""
    for (name, estimate), line in zip(kernels.items(), figures.SERIES, strict=False):
        figures.band(axes, ns, estimate, name, **line)
    for (name, estimate), marker in zip(controls.items(), "x+", strict=False):
        figures.band(axes, ns, estimate, name, **{**figures.CONTROL, "marker": marker})
    axes.set(xscale="log", xlabel="demonstrations n")


def _last(lines: Mapping[str, Estimate], digits: int = 2) -> str:
    """The last value of every line, as a list in words."""
    return ", ".join(f"{name} {line.value[-1]:.{digits}g}" for name, line in lines.items())


@figures.picture
def limits(small: TheoremStudy, *, seed: int) -> Picture:
    """Left: error against n of every kernel. Right: the bound and what it bounds, HMM by HMM."""
    errors = {name: over_hmms(small.to_posterior[name], seed=seed) for name in (*CONVERGING, LABELS_ONLY)}
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    _curves(left, small.ns, {k: errors[k] for k in CONVERGING}, {LABELS_ONLY: errors[LABELS_ONLY]})
    left.set(yscale="log", ylabel="median L∞ distance to the posterior")
    place, printed = np.arange(len(small.bound)), (small.worst["printed"], small.floor["printed"])
    names = ("bound η²ε", "printed, worst x_test", "printed, median x_test")
    for label, values, k in zip(names, (small.bound, *printed), (3, 2, 0), strict=True):
        right.plot(place, values, label=label, **{**figures.SERIES[k], "linestyle": ""})
    right.axhline(1, label="largest between distributions", **CONTROL_LINE)
    right.set(yscale="log", xlabel="HMM", ylabel="asymptotic L∞ error", xticks=[])
    left.legend(fontsize=8)
    right.legend(fontsize=8, loc="center right", bbox_to_anchor=(1, 0.45))
    alt = (
        f"Median error at n = {small.ns[-1]}: {_last(errors)}. Bounds from {small.bound.min():.1e} to "
        f"{small.bound.max():.1e}; limit errors of the printed kernel from {printed[1].min():.1e} to "
        f"{printed[0].max():.1e}."
    )
    return Picture(
        figure, alt, "Small HMMs. Left: error against n, bands 95 % over HMMs. Right: bound and limit."
    )


@figures.picture
def distances(study: Study, *, seed: int) -> Picture:
    """Mean L1 distance to the posterior against n, beside table 3."""
    groups = {
        "non-negative kernels": ("belief", "prediction", "operator cosine"),
        "whitened kernels": ("printed", "ratio", "clipped"),
    }
    lines = {
        k: study.estimate("distance", k, seed=seed)
        for group in (*groups.values(), (LABELS_ONLY,))
        for k in group
    }
    permuted = study.estimate("distance", "belief", shuffled=True, seed=seed)
    controls = {LABELS_ONLY: lines[LABELS_ONLY], "belief, labels permuted": permuted}
    paper = np.array(experiment.PAPER_DISTANCE)
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), sharey=True)
    for axes, (title, group) in zip(panels, groups.items(), strict=True):
        _curves(axes, study.ns, {"table 3": exact(paper)} | {k: lines[k] for k in group}, controls)
        axes.set(yscale="log", title=title)
        axes.legend(fontsize=8, loc="lower left")
    panels[0].set(ylabel="mean L1 distance to the posterior")
    at = "; ".join(f"{k} {e.value[3]:.2f}, {e.value[-1]:.3f}" for k, e in lines.items())
    alt = f"Mean L1 distance at n = 8 and n = 128: {at}; table 3 {paper[3]:.2f}, {paper[-1]:.3f}."
    return Picture(figure, alt, "Mean distance to the posterior. Bands: 95 % over HMMs. Controls in grey.")


@figures.picture
def medians_and_signs(study: Study, *, seed: int) -> Picture:
    """Median distance over prompts, and share of negative normalisers, against n."""
    labels = {"median": "median L1 distance", "negative": "share of negative normalisers"}
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6))
    for axes, (key, label) in zip(panels, labels.items(), strict=True):
        lines = {k: study.estimate(key, k, seed=seed) for k in (*CONVERGING, LABELS_ONLY)}
        _curves(axes, study.ns, {k: lines[k] for k in CONVERGING}, {LABELS_ONLY: lines[LABELS_ONLY]})
        axes.set(ylabel=label)
    panels[1].legend(fontsize=8)
    shares = zip(study.ns, lines["printed"].value, strict=True)
    alt = "Share of negative normalisers, printed kernel: " + ", ".join(
        f"{100 * share:.1f} % at n = {n}" for n, share in shares
    )
    return Picture(
        figure, alt, "Medians over prompts, and how often the normaliser is negative. Bands: 95 % over HMMs."
    )


@figures.picture
def two_targets(study: Study, sharper: Study, scale: float, *, seed: int) -> Picture:
    """Distance of the belief kernel to the posterior and to the drawn answer, at two scales of the rows."""
    lines = {
        "table 3": exact(np.array(experiment.PAPER_DISTANCE)),
        "belief, to the posterior": study.estimate("distance", "belief", seed=seed),
        f"belief, to the drawn answer, scale {scale:g}": study.estimate("to_answer", "belief", seed=seed),
        f"the same, scale {2 * scale:g}": sharper.estimate("to_answer", "belief", seed=seed),
    }
    controls = {f"posterior, to the drawn answer, scale {scale:g}": interval(study.risk, seed=seed)}
    figure, axes = plt.subplots(figsize=(7, 4))
    _curves(axes, study.ns, lines, controls)
    axes.set(yscale="log", ylabel="mean L1 distance")
    axes.legend(fontsize=8)
    alt = "L1 distance at n = 32 and n = 128: " + "; ".join(
        f"{k} {e.value[5]:.3f}, {e.value[-1]:.3f}" for k, e in {**lines, **controls}.items()
    )
    return Picture(figure, alt, "Two readings of the table's distance. Bands: 95 % over HMMs.")


@figures.picture
def crossing(learned: Learned) -> Picture:
    """Left: errors against n on one HMM. Right: demonstrations needed to halve the error, beside theory."""
    first = next(iter(learned.values()))[0]
    looks = dict(zip((BAYES, *first.end), figures.SERIES, strict=False))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    for name, look in looks.items():
        left.plot(first.ns, first.errors[name], label=name, markersize=3.5, linewidth=1.4, **look)
    left.axhline(first.ignoring, label="demonstrations ignored", **CONTROL_LINE)
    left.axhline(first.ignoring / 2, linewidth=0.8, **CONTROL_LINE)
    left.set(xscale="log", yscale="log", xlabel="demonstrations n", ylim=(3e-3, 3))
    left.set_ylabel("L1 distance to P(y | $x_{test}$, θ*)")
    left.legend(fontsize=8, loc="lower left")
    for name in (BAYES, REPAIRED, "belief", "operator cosine"):
        points = np.array([(one.needed_in_theory(name), one.needed(name)) for one in every(learned)])
        right.plot(*points[np.isfinite(points).all(axis=1)].T, label=name, **{**looks[name], "linestyle": ""})
    ranks = np.array([(one.rank, one.needed(REPAIRED)) for one in every(learned)])
    right.plot(*ranks.T, label="ratio, by the rank", **{**figures.CONTROL, "linestyle": ""})
    ends = np.array([0.2, 3e4])
    right.plot(ends, ends, color="0.3", linewidth=0.8)
    right.set(xscale="log", yscale="log", xlabel="predicted n", ylabel="n that halves the error")
    right.legend(fontsize=8, loc="lower right")
    bayes, kernel = (np.median([one.needed(name) for one in every(learned)]) for name in (BAYES, REPAIRED))
    alt = (
        f"Bayes halves the error of ignoring the demonstrations with {bayes:.2g} of them, the repaired "
        f"kernel with {kernel:.3g} (medians over HMMs)."
    )
    return Picture(
        figure,
        alt,
        "Left: one HMM; grey lines: demonstrations ignored, and half of that error. Right: all HMMs.",
    )
