"""The pictures of chapter 05 that show exact results: the head law, and other conditions."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np

from iclnb import figures
from iclnb.figures import Picture
from iclnb.lsa.conditions import Conditions
from iclnb.lsa.few_heads import few_heads_risk
from iclnb.lsa.generalisation import Lengths
from iclnb.lsa.head_law import head_law_limit, head_law_risk
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import risk_at_norm
from iclnb.lsa.pictures import CONTROL_LINE, REFERENCE
from iclnb.lsa.study import Study
from iclnb.stats import interval


@figures.picture
def head_law(d: int, n_context: int, norms: Sequence[float]) -> Picture:
    """Gap to GD over ‖w*‖² by number of heads: the head law, its limit, and what a search finds."""
    heads, floor = np.arange(1, d + 1), risk_at_norm("gd", 0.0, d=d, n_context=n_context)
    moments = prompt_moments(d, n_context)
    figure, ax = plt.subplots(figsize=(6, 3.6))
    for norm, series in zip(norms, figures.SERIES[1:], strict=False):
        law = [(head_law_risk(d, n_context, norm, h) - floor) / norm**2 for h in heads]
        ax.plot(heads, law, color=series["color"], linestyle=series["linestyle"], label=f"‖w*‖ = {norm:g}")
        found = [few_heads_risk(moments, norm * np.eye(d)[0], h) for h in heads]
        ax.plot(heads, (np.array(found) - floor) / norm**2, series["marker"], color=series["color"])
    ax.plot(heads, head_law_limit(n_context, heads), label="limit 2 / (CH + 2)", **REFERENCE)
    ax.axhline(0, label="GD from w* = one head with a guess", **CONTROL_LINE)
    ax.set(xlabel="heads H, without a guess", ylabel="(risk − risk of GD) / ‖w*‖²", xticks=heads)
    ax.legend(fontsize=8)
    alt = (
        f"Gap over norm squared at norm {norms[-1]:g}: {law[0]:.3g} with one head, {law[-1]:.3g} with {d}; "
        f"the limit for large norms is {head_law_limit(n_context, 1):.3g} and "
        f"{head_law_limit(n_context, d):.3g}. One head with a guess is at zero."
    )
    return Picture(figure, alt, "Lines: exact formula. Marks: the best weights of a numerical search.")


@figures.picture
def conditions(at: Conditions, lengths: Lengths, study: Study, *, seed: int) -> Picture:
    """Label noise, covariance of the inputs, covariance of the prior, and more context at test time."""
    figure, axes = plt.subplots(2, 2, figsize=(7, 5.4))
    (noise, inputs), (prior, context) = axes
    line = {"color": figures.SERIES[1]["color"]}
    noise.plot(at.noise, at.by_noise, **line)
    noise.set(xlabel="σ, noise of the labels", ylabel="gap / law", ylim=(0, None))
    inputs.plot(at.condition, at.widest, label="w* along the widest", **line)
    inputs.plot(at.condition, at.narrowest, "--", label="along the narrowest", color="0.3")
    inputs.set(xscale="log", xlabel="condition number of Λ", ylabel="gap / law")
    prior.plot(at.condition, at.by_prior, **line)
    prior.set(xscale="log", xlabel="condition number of the prior", ylabel="gap / law", ylim=(0, 2))
    for k, (name, risks) in enumerate((("y_q-LSA", lengths.guess), (f"H = {study.most}", lengths.many))):
        figures.band(context, lengths.lengths, interval(risks, seed=seed), name, **figures.SERIES[k + 1])
    context.plot(lengths.lengths, lengths.tuned, label="GD, tuned step", color="0.2")
    context.plot(lengths.lengths, lengths.bayes, ":", label="Bayes", color="0.2")
    context.plot(lengths.lengths, lengths.least_squares, "-.", label="least squares", color="0.5")
    context.axvline(study.n_context, color="0.7", linewidth=0.8)
    context.set(xscale="log", xlabel="examples at test time", ylabel="exact risk", ylim=(0, 2.2 * study.d))
    for ax in (inputs, context):
        ax.legend(fontsize=7)
    alt = (
        f"The gap over the law ends at {at.by_noise[-1]:.2f} under label noise; at condition number "
        f"{at.condition[-1]:g} it is {at.widest[-1]:.2g} and {at.narrowest[-1]:.2g} for w* along the widest "
        f"and narrowest input, and {at.by_prior[-1]:.2f} for the prior's covariance. At "
        f"{lengths.lengths[-1]} examples y_q-LSA has risk {lengths.guess[:, -1].mean():.2f}, GD with a tuned "
        f"step {lengths.tuned[-1]:.2f}."
    )
    return Picture(figure, alt, "Gaps are exact; the vertical line is the length of training.")
