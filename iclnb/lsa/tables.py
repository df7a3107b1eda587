"""The tables of chapter 05."""

from collections.abc import Sequence

import numpy as np
from IPython.display import Markdown

from iclnb import display
from iclnb.display import Author
from iclnb.lsa import baselines
from iclnb.lsa.agreement import BesideGD
from iclnb.lsa.material import noisy_prompts
from iclnb.lsa.optima import risk_at_norm
from iclnb.lsa.starts import SCALES, TIMES, Starts
from iclnb.lsa.study import Study
from iclnb.stats import exact, interval

RISK_OF = "‖w*‖ = {:g}"


def exact_risks(study: Study) -> Markdown:
    """Exact optimum of every family, by norm of the prior mean."""
    heads = sorted({model.heads for model in study.models if not model.train_guess}, reverse=True)
    families = [("GD from w*", "gd", None), ("y_q-LSA, one head", "yq", None)]
    families += [(f"y_q = 0, H = {h}", "multihead", h) for h in heads]
    families += [("GD from 0, best scalar step", "gd_zero", None)]
    size = {"d": study.d, "n_context": study.n_context}
    rows = [
        [name, *(f"{risk_at_norm(family, norm, heads=h, **size):.4f}" for norm in study.norms)]
        for name, family, h in families
    ]
    return display.table(["exact risk", *map(RISK_OF.format, study.norms)], rows)


def worst_excess(study: Study) -> Markdown:
    """Excess of the worst seed over each model's own optimum, in percent: each recipe, each norm."""
    kinds = list(dict.fromkeys((model.heads, model.train_guess) for model in study.models))
    rows = []
    for heads, guess in kinds:
        columns = [study.column(heads, norm, guess=guess) for norm in study.norms]
        for recipe in study.risks:
            worst = 100 * study.excess(recipe)[:, columns].max(axis=0)
            rows.append([Author("$y_q$") if guess else heads, recipe, *(f"{value:.3f}" for value in worst)])
    return display.table(["heads", "recipe", *map(RISK_OF.format, study.norms)], rows)


def starts(varied: Starts, heads: int) -> Markdown:
    """Mean excess over GD in percent, by scale of the initial weights and number of steps."""
    rows = [
        [
            f"{scale:g}",
            f"{times} x",
            *(f"{100 * part[i, j].mean():.3f}" for part in (varied.guess, varied.many)),
        ]
        for i, scale in enumerate(SCALES)
        for j, times in enumerate(TIMES)
    ]
    return display.table(["initial std", "paper's steps", "$y_q$-LSA, %", f"H = {heads}, %"], rows)


def agreement(beside: BesideGD, study: Study, *, seed: int) -> Markdown:
    """Predictions and sensitivities beside GD from w*, with intervals over training seeds."""
    names = ("y_q-LSA", f"y_q = 0, H = {study.most}", "GD from 0")
    rows = []
    for name, values in zip(names, beside, strict=True):
        estimate = interval(values, seed=seed)
        rows.append([name, *(estimate.at(k) for k in range(3))])
    return display.table(["beside GD from w*", "predictions, $L_2$", "sensitivities, $L_2$", "cosine"], rows)


def references(d: int, n_context: int, norm: float, noises: Sequence[float], *, seed: int) -> Markdown:
    """Risks under label noise: GD and multi-head LSA exactly, ridge and Bayes on sampled prompts."""
    mean, size = np.full(d, norm / np.sqrt(d)), {"d": d, "n_context": n_context}
    rows = {"GD from w*": [], "y_q = 0, d+1 heads": [], "ridge from 0, λ = 1": [], "Bayes": []}
    for sigma in noises:
        prompts = noisy_prompts(20_000, prior_mean=mean, seed=seed, noise_std=sigma, **size)

        def bayes(x, y, sigma=sigma):
            return baselines.posterior_mean(x, y, mean, sigma)

        def ridge(x, y):
            return baselines.ridge(x, y, 1.0)

        cells = [exact(risk_at_norm("gd", norm, noise_std=sigma, **size))]
        cells.append(exact(risk_at_norm("multihead", norm, heads=d + 1, noise_std=sigma, **size)))
        cells += [baselines.monte_carlo_risk(each, prompts, seed=seed) for each in (ridge, bayes)]
        for row, value in zip(rows.values(), cells, strict=True):
            row.append(value)
    return display.table(
        ["risk [95 % interval]", *(f"σ = {sigma:g}" for sigma in noises)],
        [[name, *row] for name, row in rows.items()],
    )
