# %% [markdown]
# # When is linear self-attention gradient descent?
#
# A linear self-attention (LSA) layer can imitate one step of gradient descent (GD) on a regression prompt,
# if the regression weights have mean zero. {cite}`xie2025initialization` ask what happens when they do not:
# how many heads does LSA need, how far does it stay from GD, and does a trainable *initial guess* $y_q$
# repair it? Everything here is a quadratic problem in Gaussian variables, so each answer can be had
# exactly. This page proves the answers, checks them against trained layers, and says how large the effects
# are.

# %% [markdown]
# ## Claims, and what would refute them
#
# - **At most $d+1$ heads are useful** (section 3 of the paper). Refuted by a layer with more heads whose
#   predictions no layer of $d+1$ heads can make.
# - **A gap to GD persists for $y_q = 0$ and a non-zero prior mean, however many heads** (section 3).
#   Refuted if the trained gap is not above zero.
# - **$y_q$-LSA, one head, closes it** (section 4). Refuted if its trained risk stays above that of GD.
# - **Trained $y_q$-LSA *is* GD** (section 5.2). Refuted if predictions or sensitivities differ.
# - *Ours:* the size of the gap is $2\|w^*\|^2/(Cd+2)$; $d$ heads already reach the optimum; a constant
#   token coordinate or normalised inputs close the gap without any guess; trained stacks do better than GD.

# %% tags=["parameters"]
from typing import Optional

profile: str = "laptop"  # smoke, laptop or paper; gives what is None below
d: int = 10  # inputs of the regression
n_context: int = 10  # C, examples in a prompt
seeds: Optional[int] = None  # repetitions trained with the exact gradient
sampled_seeds: Optional[int] = None  # repetitions trained on sampled prompts
steps: Optional[int] = None  # training steps of every recipe
data_seed: int = 0  # prompts, and directions of the prior mean
init_seed: int = 1  # initial weights
evaluation_seed: int = 2  # fresh prompts for evaluation, and bootstrap

# %%
from dataclasses import replace

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from iclnb import claims, figures, settings
from iclnb.lsa import (
    agreement,
    baselines,
    deep,
    features,
    few_heads,
    gd,
    layer,
    train,
    variants,
)
from iclnb.lsa.moments import prompt_moments
from iclnb.lsa.optima import best_preconditioner, optimal_risk
from iclnb.stats import bootstrap, exact

# %% [markdown]
# The profile decides how much is trained. The paper's own sweep (heads, norms of the prior mean, Adam with
# rate $5\cdot10^{-4}$, 5000 steps, 2048 prompts a step) is run in full from the profile `laptop` on; the
# profile `paper` repeats it for every seed.

# %%
heads = sorted(
    {1, 2, 5, d, d + 1, d + 2, 2 * d}
)  # for d = 10 those of the paper
common = {
    "heads": heads,
    "norms": (0.0, 1.0, 2.0, 4.0),
    "steps": 5000,
    "batch": 2048,
}
sizes = {
    "smoke": {**common, "heads": (1, d, d + 1), "norms": (0.0, 4.0), "steps": 40, "batch": 64, "seeds": 2,
              "sampled_seeds": 1, "grid": ((5, 10),), "prompts": 20_000, "layers": (2,), "updates": 5},
    "laptop": {**common, "seeds": 3, "sampled_seeds": 1, "grid": ((2, 10), (5, 10), (10, 3), (10, 30)),
               "prompts": 200_000, "layers": (1, 2, 3), "updates": 300},
    "paper": {**common, "seeds": 10, "sampled_seeds": 5, "prompts": 1_000_000, "layers": (1, 2, 3, 4),
              "grid": ((2, 10), (5, 10), (10, 3), (10, 30), (10, 100), (20, 10)), "updates": 3000},
}  # fmt: skip
size = settings.choose(
    profile, sizes, seeds=seeds, sampled_seeds=sampled_seeds, steps=steps
)
parameters = {"profile": profile, "d": d, "n_context": n_context, "data_seed": data_seed,
              "init_seed": init_seed, "evaluation_seed": evaluation_seed, **vars(size)}  # fmt: skip
results = claims.Results("05_yq_lsa", parameters)

# %% [markdown]
# ## The layer
#
# A prompt holds $C$ examples $y_i = w^\top x_i$ with $x_i \sim N(0, I_d)$ and $w \sim N(w^*, I_d)$; the
# prior mean $w^*$ is the same for all prompts, $w$ is new in each. With the query $x_q$ it is written as
#
# $$
# E = \begin{pmatrix} x_1 & \dots & x_C & x_q \\ y_1 & \dots & y_C & y_q \end{pmatrix}, \qquad
# f(E) = E + \frac1C \sum_{h=1}^{H} W_{PV}^h \, E M E^\top \, W_{KQ}^h \, E ,
# $$
#
# where $M$ masks the query column and the prediction is the last entry of $f(E)$
# (`layer.LinearSelfAttention`). The guess is $y_q = v^\top x_q$: earlier work fixes $v = 0$, $y_q$-LSA
# trains it.
#
# Let $p_h$ be the last row of $W_{PV}^h$, $U_h = W_{KQ}^h \binom{I}{v^\top}$ and $G = E M E^\top / C$. Then
#
# $$
# \hat y = \Big(v + \sum_h U_h^\top G\, p_h\Big)^{\!\top} x_q = \big\langle T, \; G \otimes x_q \big\rangle
# + v^\top x_q, \qquad T = \sum_h p_h \otimes U_h .
# $$
#
# The heads matter only through the coefficient tensor $T$. As $G$ is symmetric, the prediction is linear in
# the features $\operatorname{vech}(G) \otimes x_q$, which all layers share: this makes exact risks and fast
# training possible. The forms agree to rounding in double precision:

# %%
with jax.enable_x64(True):
    some = layer.random_layer(
        jax.random.key(init_seed), d, heads=20, train_guess=True
    )
    x, y, query, target = features.draw_prompts(
        jax.random.key(evaluation_seed),
        1000,
        d=d,
        n_context=n_context,
        prior_mean=jnp.ones(d),
    )
    written = layer.predict(some, x, y, query)
    by_features = (
        features.features(x, y, query)
        @ features.fold(layer.coefficient_tensor(some)).ravel()
    )
    forms = [
        layer.predict_fast(some, x, y, query),
        by_features + query @ some.guess,
    ]
    disagreement = max(
        float(jnp.abs(form - written).max() / jnp.abs(written).max())
        for form in forms
    )
Markdown(
    f"Largest difference between the forms, relative to the largest prediction: **{disagreement:.1e}**."
)

# %% [markdown]
# ## At most $d+1$ heads: proof and check
#
# **Proposition.** *Every LSA of $H$ heads makes the same predictions as one of $\min(H, d+1)$ heads.*
#
# *Proof.* Unfold $T$ as a $(d+1) \times (d+1)d$ matrix, the first index against the other two. Head $h$
# adds $p_h \operatorname{vec}(U_h)^\top$, a matrix of rank at most 1. The unfolding has $d+1$ rows, hence
# rank $r \le d+1$, and its singular value decomposition writes it as $r$ terms of that form: $r$ heads. ∎
#
# The control drops one more head: the best $d$ heads for the same tensor are not enough for a random layer.

# %%
with jax.enable_x64(True):
    reduced = layer.with_fewest_heads(some)
    short = layer.LinearSelfAttention(
        reduced.value[:d], reduced.key_query[:d], some.guess, True
    )
    scale = jnp.abs(written).max()
    misfit, control = (
        float(jnp.abs(layer.predict(each, x, y, query) - written).max() / scale)
        for each in (reduced, short)
    )
results.claim(
    "heads-bound", paper="B", section="3", statement="20 random heads predict no more than d+1 heads can",
    criterion=claims.below(1e-12), estimate=exact(misfit), control=control,
    control_is="largest relative difference with d heads",
)  # fmt: skip
Markdown(
    f"Largest relative difference with {len(reduced.value)} heads: {misfit:.1e}; with {d}: {control:.1e}."
)

# %% [markdown]
# ## Exact optima
#
# **Shift lemma.** *With shifted labels $\tilde y = y - w^{*\top}x$ the tokens are $L\binom{x}{\tilde y}$,
# $L = \begin{pmatrix} I & 0 \\ w^{*\top} & 1\end{pmatrix}$, so $G = L \tilde G L^\top$; a layer with $(p_h,
# U_h)$ acts on $\tilde G$ as one with $(L^\top p_h, L^\top U_h)$. As $L$ is invertible, each family of $H$
# heads is mapped onto itself.* Only the target changes: with $w = w^* + u$, $u \sim N(0, I)$, the error is
#
# $$
# \hat w - w = \tilde T \cdot \tilde G + (v - w^*) - u, \qquad
# \tilde G = \begin{pmatrix} S & \tilde b \\ \tilde b^\top & \tilde c \end{pmatrix}, \quad
# S = \tfrac1C \textstyle\sum x_i x_i^\top, \;\; \tilde b = S u, \;\; \tilde c = u^\top S u .
# $$
#
# Under $u \to -u$ the entry $\tilde b$ is odd, $S$ and $\tilde c$ are even. The cross terms vanish and the
# risk is the sum of two separate problems:
#
# $$
# \underbrace{E\big\| \Gamma \tilde b - u \big\|^2}_{\text{odd: one step of GD from } w^*} \; + \;
# \underbrace{E\big\| A(S, \tilde c) - (w^* - v) \big\|^2}_{\text{even: a constant out of } S, \tilde c} .
# $$
#
# **Odd part.** $\Gamma = E[u \tilde b^\top] E[\tilde b \tilde b^\top]^{-1}$ with $E[u\tilde b^\top] = I$
# and $E[\tilde b\tilde b^\top] = E S^2 = (1 + \tfrac{d+1}{C}) I$. So $\Gamma = \eta^* I$, $\eta^* = 1/(1 +
# \tfrac{d+1}{C})$, and the risk of GD is $d(1-\eta^*)$, whatever $w^*$ is.
#
# **Even part.** If $v$ is free, $v = w^*$ and $A = 0$ make it zero: **$y_q$-LSA attains exactly the risk of
# GD**, and one head does so (below). If $v = 0$, the constant $w^*$ has to be made from $S$ and $\tilde c$.
# Each component of $w^*$ meets the same problem, so the even part is $\|w^*\|^2 \min_a E (a(S, \tilde c) -
# 1)^2$ over linear $a$. Averaging over rotations keeps $a$ linear and does not raise the risk, so $a$
# combines $\operatorname{tr} S$ and $\tilde c$; and as $E[\tilde c \mid S] = \operatorname{tr} S$, using
# $\tilde c$ only adds variance. With $\operatorname{tr} S \sim \chi^2_{Cd}/C$, of mean $d$ and second
# moment $d^2 + 2d/C$:
#
# $$
# R_{\text{LSA}} - R_{\text{GD}} = \|w^*\|^2 \Big(1 - \frac{d^2}{d^2 + 2d/C}\Big) = \frac{2\|w^*\|^2}{Cd+2}.
# $$
#
# **The gap is real, and small.** It is the chance scatter of $\operatorname{tr} S$, and it vanishes as $Cd$
# grows.
#
# **$d$ heads suffice.** At this optimum $\tilde T$ needs $\Gamma$ and $a$ alone: put $\tilde T_{a,d+1,j} =
# \eta^* \delta_{aj}$ and $\tilde T_{abj} = \alpha\, \delta_{ab} w^*_j$ for $a, b \le d$. The last row of
# the unfolding is zero, so its rank is at most $d$. For $w^* = 0$ choose the last row alone: one head.
#
# With inputs of covariance $\Lambda$ the same steps in the coordinates $\Lambda^{-1/2}x$ give $\Gamma =
# \big((1 + \tfrac1C)\Lambda + \tfrac{\operatorname{tr}\Lambda}{C} I\big)^{-1}$ and the gap $2\,
# w^{*\top}\Lambda w^* / (Cd + 2)$; label noise is covered by `optima.optimal_risk` as well. With fewer than
# $d$ heads the two parts compete for the same rows; `few_heads` minimises over the span of $p_1..p_H$, the
# $U_h$ being solved for exactly.


# %%
def best(family, norm, heads=None, d=d, n_context=n_context):
    mean = np.full(
        d, norm / np.sqrt(d)
    )  # any direction: the optima are invariant under rotations
    return optimal_risk(
        family, d=d, n_context=n_context, prior_mean=mean, heads=heads
    )


rows = [("GD from w*", "gd", None), ("y_q-LSA, one head", "yq", None)]
rows += [(f"y_q = 0, H = {h}", "multihead", h) for h in reversed(size.heads)]
rows += [("GD from 0, best scalar step", "gd_zero", None)]
lines = [
    f"| {name} | "
    + " | ".join(f"{best(f, m, h):.4f}" for m in size.norms)
    + " |"
    for name, f, h in rows
]
norms_head = (
    " | ".join(f"‖w*‖ = {m:g}" for m in size.norms)
    + " |\n|---|"
    + "---|" * len(size.norms)
)
Markdown(f"| exact risk | {norms_head}\n" + "\n".join(lines))

# %% [markdown]
# The search below $d$ heads is checked where the answer is known: with $d$ heads it must return the closed
# form. The claim uses it to ask whether the $(d+1)$th head is of any use.

# %%
top = max(size.norms)
along = np.full(d, top / np.sqrt(d))
moments = prompt_moments(d, n_context)
unlimited = best("multihead", top, d + 1)
excess = {
    h: few_heads.few_heads_risk(moments, along, h) - unlimited
    for h in (d - 1, d)
}
results.claim(
    "last-head-idle", paper="ours", section="3", statement="At the optimum d heads do as well as d+1",
    criterion=claims.within(-1e-6, 1e-6), estimate=exact(excess[d]), control=excess[d - 1],
    control_is="excess risk with d-1 heads",
)  # fmt: skip
Markdown(
    f"Excess over unlimited heads: {excess[d]:.1e} with d, {excess[d - 1]:.4f} with d-1 (‖w*‖ = {top:g})."
)

# %% [markdown]
# **When is the last head needed?** The optimum fixes $T$ only up to parts antisymmetric in its first two
# indices, which $G$ does not see. Let $A_j$ be its symmetric parts. A tensor of rank $d$ with these parts
# has some $z \ne 0$ with $z^\top T_j = 0$, hence $z^\top A_j z = 0$ for all $j$; conversely, given such a
# $z$, the antisymmetric $K_j = (A_j z z^\top - z z^\top A_j)/\|z\|^2$ gives $z^\top (A_j + K_j) = 0$. So
# $d$ heads suffice just if the forms $A_j$ share a real zero. Without noise $z = (0, \dots, 0, 1)$ is one.
# With label noise $\tilde c$ contains $\sigma^2$ and helps to make the constant, and for a large prior mean
# no real zero is left: there the bound $d+1$ is attained.


# %%
def last_head(sigma, norm=5 * top):
    setting = {
        "d": d,
        "n_context": n_context,
        "prior_mean": np.full(d, norm / np.sqrt(d)),
        "noise_std": sigma,
    }
    return optimal_risk("multihead", heads=d, **setting) - optimal_risk(
        "multihead", heads=d + 1, **setting
    )


noisy, quiet = last_head(4.0), last_head(0.0)
results.claim(
    "bound-attained", paper="ours", section="3", criterion=claims.above(1e-6), estimate=exact(noisy),
    statement=f"With label noise (σ = 4, ‖w*‖ = {5 * top:g}) the (d+1)th head lowers the optimal risk",
    control=quiet, control_is="no noise",
)  # fmt: skip
Markdown(f"Gain of the last head: {noisy:.4f} with noise, {quiet:.4f} without.")

# %% [markdown]
# ## Training
#
# All heads, norms and seeds train together in one compiled program. Each seed draws its own initial weights
# and its own direction of $w^*$ (Adam is not invariant under rotations), and each trained layer is judged
# by its **exact** risk: the error of one batch of 2048 prompts is several times larger than the gap. Three
# recipes:
#
# 1. the paper's: Adam, constant rate, sampled prompts;
# 2. the same with the exact gradient of the risk, to separate optimiser from sampling noise;
# 3. one that converges: exact gradient, a rate ten times larger that falls to zero along a cosine.

# %%
models = [train.Configuration(h, m) for h in size.heads for m in size.norms]
models += [train.Configuration(1, m, train_guess=True) for m in size.norms]
recipes = {
    "paper's": (
        train.Recipe(steps=size.steps, batch=size.batch),
        size.sampled_seeds,
    ),
    "paper's, exact gradient": (
        train.Recipe(steps=size.steps, batch=None),
        size.seeds,
    ),
    "converged": (
        replace(train.CONVERGED, steps=size.steps),
        size.seeds,
    ),
}
shared = {
    "d": d,
    "n_context": n_context,
    "data_seed": data_seed,
    "init_seed": init_seed,
}
sweeps = {
    name: train.train(models, recipe, seeds=n, **shared)
    for name, (recipe, n) in recipes.items()
}
risks = {
    name: train.exact_risks(sweep, moments) for name, sweep in sweeps.items()
}
optimum = np.array(
    [
        best("yq" if c.train_guess else "multihead", c.norm, c.heads)
        for c in models
    ]
)

# %% [markdown]
# How far above its own exact optimum does each recipe leave a family? The worst seed is shown, in percent.

# %%
kinds = [*size.heads, "y_q"]
worst = {
    name: 100 * (risk / optimum - 1).max(axis=0).reshape(len(kinds), -1)
    for name, risk in risks.items()
}
lines = [
    f"| {kind} | {name} | " + " | ".join(f"{value:.3f}" for value in worst[name][k]) + " |"
    for k, kind in enumerate(kinds) for name in worst
]  # fmt: skip
results.values["excess over optimum, percent, worst seed"] = worst
results.claim(
    "recipe-converges", paper="ours", section="5", criterion=claims.below(0.1),
    statement="The converged recipe brings every model within 0.1 % of its optimum (percent, worst model)",
    estimate=bootstrap(100 * (risks["converged"] / optimum - 1).max(axis=1), seed=evaluation_seed),
    control=float(worst["paper's, exact gradient"].max()), control_is="the paper's rate and steps",
)  # fmt: skip
Markdown(f"| heads | recipe | {norms_head}---|\n" + "\n".join(lines))

# %% [markdown]
# The learning curves say why the paper's settings leave $y_q$-LSA above its optimum when $\|w^*\|$ is
# large: Adam moves a coordinate by about its rate in each step, so the guess cannot travel further than
# rate times steps in any coordinate, and $w^*$ may lie beyond.

# %%
with figures.style():
    figure, axes = plt.subplots(1, 2, sharey=True)
    chosen = {f"H = {max(size.heads)}": models.index(train.Configuration(max(size.heads), top)),
              "y_q-LSA": models.index(train.Configuration(1, top, True))}  # fmt: skip
    for ax, (kind, model) in zip(axes, chosen.items(), strict=True):
        for (name, sweep), series in zip(
            sweeps.items(), figures.SERIES, strict=False
        ):
            median = np.median(
                sweep.curve[:, :, model] / optimum[model] - 1, axis=1
            )
            ax.plot(
                sweep.steps,
                np.maximum(median, 1e-6),
                label=name,
                markersize=3,
                **series,
            )
        ax.axhline(
            best("gd_zero", top) / optimum[model] - 1,
            color=figures.CONTROL["color"],
            label="GD from 0",
        )
        ax.set(title=f"{kind}, ‖w*‖ = {top:g}", xlabel="step", yscale="log")
    axes[0].set_ylabel("risk above the exact optimum (share)")
    axes[1].legend(fontsize=8)
final = {
    name: float(
        np.median(risks[name][:, chosen["y_q-LSA"]])
        / optimum[chosen["y_q-LSA"]]
        - 1
    )
    for name in risks
}
alt = "Learning curves; y_q-LSA ends above its optimum by " + ", ".join(
    f"{v:.2g} ({n})" for n, v in final.items()
)
figures.show(
    figure,
    alt=alt,
    caption="Median over seeds of the exact risk above each family's own optimum.",
)

# %% [markdown]
# ## The gap, by heads
#
# The excess over GD from $w^*$: exact optima as lines, trained layers as points (the converged recipe with
# its 95 % interval over seeds), $y_q$-LSA at the right, and GD from 0 as the control that ignores the prior
# mean.

# %%
floor = best("gd", 0.0)
shown = [m for m in size.norms if m > 0]
with figures.style():
    figure, axes = plt.subplots(
        1, len(shown), figsize=(3.4 * len(shown), 4), squeeze=False
    )
    for ax, norm in zip(axes[0], shown, strict=True):
        columns = [i for i, c in enumerate(models) if c.norm == norm]
        place = np.arange(len(columns))
        ax.plot(
            place[:-1],
            optimum[columns[:-1]] - floor,
            "-",
            color="0.3",
            label="exact optimum",
        )
        for offset, name, series in (
            (-0.15, "paper's", figures.SERIES[1]),
            (0.15, "converged", figures.SERIES[2]),
        ):
            gaps = risks[name][:, columns] - floor
            ax.plot(
                place + offset,
                gaps.mean(0),
                series["marker"],
                color=series["color"],
                label=f"{name} recipe",
                ms=4,
            )
            if len(gaps) > 1:
                interval = bootstrap(gaps, seed=evaluation_seed)
                ax.vlines(
                    place + offset,
                    interval.low,
                    interval.high,
                    color=series["color"],
                )
        ax.axhline(
            best("gd_zero", norm) - floor,
            label="GD from 0",
            **{**figures.CONTROL, "marker": ""},
        )
        ax.axhline(0, color="k", linewidth=0.8)
        ax.set(title=f"‖w*‖ = {norm:g}", xticks=place, xlabel="heads")
        ax.set_yscale("symlog", linthresh=0.01)
        ax.set_ylim(-0.003, None)
        ax.set_xticklabels([str(k) for k in kinds], fontsize=8)
    axes[0, 0].set_ylabel("risk above GD from w*")
    axes[0, 0].legend(fontsize=7, loc="upper right", bbox_to_anchor=(1, 0.9))
gap = best("multihead", top, d + 1) - floor
alt = f"Excess over GD falls until d heads, to {gap:.3f} for norm {top:g}, and stays; y_q-LSA is at zero."
figures.show(
    figure,
    alt=alt,
    caption="The excess falls until d heads, then stays; y_q-LSA reaches GD with one head.",
)

# %%
most = max(size.heads)
many, many_zero = (
    models.index(train.Configuration(most, m)) for m in (top, 0.0)
)
converged = risks["converged"]
results.claim(
    "gap-persists", paper="B", section="3",
    statement=f"With y_q = 0 and ‖w*‖ = {top:g}, {most} trained heads stay above GD from w* (risk above GD)",
    criterion=claims.above(1e-3), estimate=bootstrap(converged[:, many] - floor, seed=evaluation_seed),
    control=float(converged[:, many_zero].mean() - floor), control_is="the same for w* = 0",
)  # fmt: skip
share = {
    f"‖w*‖ = {m:g}": (best("multihead", m, d + 1) - floor) / floor
    for m in shown
}
results.values["gap as a share of the risk of GD"] = share
Markdown(
    "The gap as a share of GD's risk: "
    + ", ".join(f"{100 * v:.2f} % at {k}" for k, v in share.items())
    + "."
)

# %%
guess = models.index(train.Configuration(1, top, True))
one = models.index(train.Configuration(1, top))
excesses = {name: risk[:, guess] / floor - 1 for name, risk in risks.items()}
without = float(converged[:, one].mean() / floor - 1)
shared_claim = {
    "paper": "B",
    "control": without,
    "control_is": "one head without guess, converged",
}
results.claim(
    "guess-closes-gap", section="4",
    statement=f"Trained to convergence, y_q-LSA comes within 0.1 % of the risk of GD (‖w*‖ = {top:g})",
    criterion=claims.below(1e-3), **shared_claim,
    estimate=bootstrap(excesses["converged"], seed=evaluation_seed),
)  # fmt: skip
results.claim(
    "guess-with-paper-settings", section="5.2",
    statement=f"With the paper's rate and steps, y_q-LSA comes within 0.1 % of GD too (‖w*‖ = {top:g})",
    criterion=claims.below(1e-3),
    estimate=bootstrap(excesses["paper's, exact gradient"], seed=evaluation_seed), **shared_claim,
)  # fmt: skip
results

# %% [markdown]
# ## The gap law over $d$ and $C$
#
# The same converged recipe, with $d+1$ heads, for other dimensions and context lengths. On the diagonal the
# trained gap equals $2\|w^*\|^2/(Cd+2)$.

# %%
law, measured = [], []
grid = [(d, n_context), *size.grid]
for dim, context in grid:
    if (dim, context) == (d, n_context):
        columns = [models.index(train.Configuration(d + 1, m)) for m in shown]
        trained = converged[:, columns]
    else:
        settings = [train.Configuration(dim + 1, m) for m in shown]
        sweep = train.train(settings, recipes["converged"][0], seeds=size.seeds,
                            **{**shared, "d": dim, "n_context": context})  # fmt: skip
        trained = train.exact_risks(sweep, prompt_moments(dim, context))
    measured.append(trained - best("gd", 0.0, d=dim, n_context=context))
    law.append([2 * m**2 / (context * dim + 2) for m in shown])
law, measured = (
    np.array(law),
    np.stack(measured, axis=1),
)  # settings × norms, seeds × settings × norms

# %%
with figures.style():
    figure, ax = plt.subplots(figsize=(5, 3.8))
    interval = bootstrap(measured, seed=evaluation_seed)
    for k, (dim, context) in enumerate(grid):
        series = figures.SERIES[k % len(figures.SERIES)]
        ax.plot(
            law[k],
            interval.value[k],
            series["marker"],
            color=series["color"],
            label=f"d = {dim}, C = {context}",
        )
        ax.vlines(
            law[k], interval.low[k], interval.high[k], color=series["color"]
        )
    ends = np.array([law.min() / 1.5, law.max() * 1.5])
    ax.plot(ends, ends, "-", color="0.3", linewidth=1, label="law")
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="2‖w*‖² / (Cd + 2)",
        ylabel="trained gap to GD",
    )
    ax.legend(fontsize=8)
ratio = bootstrap((measured / law).mean(axis=(1, 2)), seed=evaluation_seed)
alt = "Trained gaps lie on the law; mean ratio {:.4f}, interval {:.4f} to {:.4f}".format(
    *ratio
)
figures.show(
    figure,
    alt=alt,
    caption="Gap of d+1 trained heads to GD from w*, and the law.",
)

# %%
results.claim(
    "gap-law", paper="ours", section="3",
    statement="The trained gap is 2‖w*‖²/(Cd+2) over all d, C and norms (mean ratio)",
    criterion=claims.within(0.98, 1.02), estimate=ratio, control=0.0, control_is="no gap",
)  # fmt: skip
small = best("multihead", 1.0, d + 1) / floor - 1
results.claim(
    "gap-is-small", paper="ours", section="3",
    statement="At ‖w*‖ = 1, the prior's own scale, the gap is less than 1 % of the risk of GD",
    criterion=claims.below(0.01), estimate=exact(small), control=best("gd_zero", 1.0) / floor - 1,
    control_is="GD from 0 instead of w*",
)  # fmt: skip
results.values["gap law"] = {
    "settings": grid,
    "norms": shown,
    "law": law,
    "trained": measured,
}

# %% [markdown]
# ## $y_q$-LSA is gradient descent
#
# **Construction.** $v = w^*$, last row of $W_{PV}$ equal to $(-w^{*\top}, 1)$ and $W_{KQ} = \begin{pmatrix}
# \Gamma^\top & 0 \\ 0 & 0 \end{pmatrix}$ give $\hat y = w^{*\top}x_q + (b - S w^*)^\top \Gamma^\top x_q$,
# one step of GD from $w^*$ preconditioned by $\Gamma$ (`gd.gd_layer`). Checked in double precision, with a
# preconditioner that is not even symmetric:

# %%
with jax.enable_x64(True):
    start = jnp.linspace(-1.0, 1.0, d)
    preconditioner = best_preconditioner(d, n_context) + jnp.triu(
        jnp.full((d, d), 0.05)
    )
    stepped = gd.gd_predict(x, y, query, start, [preconditioner])
    built = layer.predict(gd.gd_layer(start, preconditioner), x, y, query)
    difference, unstepped = (
        float(jnp.abs(each - stepped).max() / jnp.abs(stepped).max())
        for each in (built, query @ start)
    )
results.claim(
    "construction", paper="B", section="4", statement="One head with a guess is preconditioned GD from w*",
    criterion=claims.below(1e-12), estimate=exact(difference),
    control=unstepped, control_is="the guess alone, without the step",
)  # fmt: skip
Markdown(f"Largest relative difference: **{difference:.1e}**.")

# %% [markdown]
# **Trained weights.** Does training find this construction? The head's scale may move between $p$ and $U$,
# so $p$ is scaled to end in 1. Shown for the first seed, beside the construction.

# %%
sweep = sweeps["converged"]
mean = sweep.prior_means[0, guess]
found, wanted = (
    sweep.layer(0, guess),
    gd.gd_layer(mean, float(best_preconditioner(d, n_context)[0, 0])),
)


def inspect(each):
    row = np.asarray(each.value[0, -1])
    blocks = np.asarray(
        each.key_query[0, :, :d] + each.key_query[0, :, d:] * each.guess
    )
    return np.column_stack(
        [row[-1] * blocks, row / row[-1], np.append(each.guess, np.nan)]
    )


with figures.style():
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.4), sharey=True)
    limit = np.nanmax(np.abs(inspect(wanted)))
    for ax, each, title in zip(
        axes, (found, wanted), ("trained", "construction"), strict=True
    ):
        image = ax.imshow(inspect(each), vmin=-limit, vmax=limit)
        ax.set(
            title=title, xticks=[d / 2 - 0.5, d, d + 1], yticks=[d / 2 - 0.5, d]
        )
        ax.set_xticklabels(["U", "p", "v"])
        ax.set_yticklabels(["inputs", "label"])
        ax.grid(False)
    figure.colorbar(image, ax=axes, shrink=0.8)
apart = float(np.nanmax(np.abs(inspect(found) - inspect(wanted))))
alt = f"Heat maps of the trained head and of the construction; their largest difference is {apart:.2g}"
figures.show(
    figure,
    alt=alt,
    caption="U is η* times the identity above a zero row, p is (-w*, 1), v is w*.",
)

# %% [markdown]
# **Predictions and sensitivities.** On fresh prompts: the root mean square difference of the predictions,
# the $L_2$ distance of the sensitivities $\partial\hat y/\partial x_q$ and their cosine, for $y_q$-LSA and
# for many heads without a guess; as control, GD from 0.

# %%
rate = float(best_preconditioner(d, n_context)[0, 0])


def beside_gd(predictor, seed):
    mean = jnp.asarray(
        sweep.prior_means[seed, guess], jnp.float32
    )  # the direction of w* belongs to the seed
    *prompts, _ = features.draw_prompts(
        jax.random.key(evaluation_seed + seed),
        5000,
        d=d,
        n_context=n_context,
        prior_mean=mean,
    )
    return agreement.agreement(
        predictor, lambda *p: gd.gd_predict(*p, mean, [rate]), *prompts
    )


def of_layer(model, seed):
    trained = sweep.layer(seed, model)
    return lambda *p: layer.predict_fast(trained, *p)


def from_zero(*p):
    return gd.gd_predict(*p, jnp.zeros(d), [rate])


compared = {
    "y_q-LSA": [beside_gd(of_layer(guess, s), s) for s in range(size.seeds)],
    f"y_q = 0, H = {most}": [
        beside_gd(of_layer(many, s), s) for s in range(size.seeds)
    ],
    "GD from 0": [beside_gd(from_zero, s) for s in range(size.seeds)],
}

# %%
estimates = {
    name: bootstrap(np.array(rows), seed=evaluation_seed)
    for name, rows in compared.items()
}
lines = [
    f"| {name} | "
    + " | ".join("{:.4f} [{:.4f}, {:.4f}]".format(*e.at(k)) for k in range(3))
    + " |"
    for name, e in estimates.items()
]
results.claim(
    "guess-is-gd", paper="B", section="5.2",
    statement=f"Sensitivities of trained y_q-LSA and of GD agree at ‖w*‖ = {top:g} (mean cosine)",
    criterion=claims.above(0.999), estimate=estimates["y_q-LSA"].at(2),
    control=float(estimates["GD from 0"].value[2]), control_is="GD from 0",
)  # fmt: skip
head = "| beside GD from w* | predictions, L2 | sensitivities, L2 | cosine |\n|---|---|---|---|\n"
Markdown(head + "\n".join(lines))

# %% [markdown]
# ## What else closes the gap
#
# The gap comes from making a constant out of $\operatorname{tr} S$. Whatever supplies a constant removes
# it:
#
# - **A constant coordinate**, tokens $(1, x, y)$: $G$ then has the entry 1, and $T_{11j} = w^*_j$ is the
#   guess.
# - **RMS-normalised inputs**, $\|x\|^2 = d$: then $\operatorname{tr} S = d$ exactly.
# - **An unmasked query** is of no help: it adds $x_q x_q^\top/C$ to $S$, so that the constant and the step
#   disturb each other through the query's own length.
#
# `variants.gap_to_gd` measures the best member with any number of heads, on fresh prompts, against the best
# step of GD on the same prompts.

# %%
gaps = {
    (variant, m): variants.gap_to_gd(variant, d=d, n_context=n_context, prior_mean=m * np.eye(d)[0],
                                     prompts=size.prompts, seed=evaluation_seed)
    for variant in variants.VARIANTS for m in shown
}  # fmt: skip
law_at = {m: 2 * m**2 / (n_context * d + 2) for m in shown}

# %%
with figures.style():
    figure, ax = plt.subplots(figsize=(6, 3.4))
    for k, variant in enumerate(variants.VARIANTS):
        place = np.arange(len(shown)) + 0.12 * (k - 1.5)
        series, points = figures.SERIES[k], [gaps[variant, m] for m in shown]
        ax.plot(
            place,
            [p.value for p in points],
            series["marker"],
            color=series["color"],
            label=variant,
        )
        ax.vlines(
            place,
            [p.low for p in points],
            [p.high for p in points],
            color=series["color"],
        )
    ax.plot(
        np.arange(len(shown)),
        [law_at[m] for m in shown],
        "_",
        color="0.3",
        markersize=28,
        label="law, masked",
    )
    ax.set(xticks=np.arange(len(shown)), ylabel="risk above GD from w*")
    ax.set_xticklabels([f"‖w*‖ = {m:g}" for m in shown])
    ax.axhline(0, color="k", linewidth=0.8)
    ax.legend(fontsize=8)
times = {v: gaps[v, top].value / law_at[top] for v in variants.VARIANTS}
alt = f"Gap to GD at norm {top:g}, as a multiple of the law: " + ", ".join(
    f"{t:.2f} {v}" for v, t in times.items()
)
figures.show(
    figure,
    alt=alt,
    caption="Best LSA with y_q = 0 and unlimited heads, 95 % intervals over prompts.",
)

# %%
paper_tokens, unmasked, constant, normalised = (
    gaps[v, top] for v in variants.VARIANTS
)
for id, estimate, name in (("constant-closes-gap", constant, "A constant token coordinate closes"),
                           ("normalised-closes-gap", normalised, "RMS-normalised inputs close")):  # fmt: skip
    results.claim(
        id, paper="ours", section="3", criterion=claims.within(-0.02 * law_at[top], 0.02 * law_at[top]),
        statement=f"{name} the gap at ‖w*‖ = {top:g} to within 2 %", estimate=estimate,
        control=paper_tokens.value, control_is="tokens as in the paper",
    )  # fmt: skip
results.claim(
    "unmasked-widens-gap", paper="ours", section="3", criterion=claims.above(law_at[top]), estimate=unmasked,
    statement=f"Leaving the query unmasked widens the gap at ‖w*‖ = {top:g}",
    control=paper_tokens.value, control_is="query masked",
)  # fmt: skip
results.values["gap by variant, multiples of the law"] = times

# %% [markdown]
# ## Other context lengths at test time
#
# The step $\eta$ is fixed in the weights, tuned to the training length. For a test prompt of $C'$ examples
# the risk is $d\,(1 - 2\eta + \eta^2(1 + \tfrac{d+1}{C'}))$, which tends to $d(1-\eta)^2$ and not to 0. The
# reference curves are the best step for each $C'$, and ordinary least squares (OLS), which is exact from
# $C' = d$ on and is what Bayes would do.

# %%
lengths = np.unique(np.round(np.geomspace(1, 40 * n_context, 25)).astype(int))
at_length = np.array(
    [
        train.exact_risks(sweep, prompt_moments(d, int(c)))[:, [guess, many]]
        for c in lengths
    ]
)
tuned = np.array([best("gd", 0.0, n_context=int(c)) for c in lengths])
bayes = np.array([best("bayes", top, n_context=int(c)) for c in lengths])

# %%
with figures.style():
    figure, ax = plt.subplots(figsize=(6, 3.6))
    for k, name in enumerate(("y_q-LSA", f"y_q = 0, H = {most}")):
        figures.band(
            ax,
            lengths,
            bootstrap(at_length[:, :, k].T, seed=evaluation_seed),
            name,
            **figures.SERIES[k + 1],
        )
    ax.plot(
        lengths,
        tuned,
        color="0.2",
        label="GD from w*, step tuned to each length",
    )
    ax.plot(lengths, bayes, color="0.2", linestyle=":", label="Bayes")
    ax.axhline(d, label="prior mean alone", **{**figures.CONTROL, "marker": ""})
    ax.axvline(n_context, color="0.7", linewidth=0.8)
    ax.set(
        xscale="log",
        xlabel="examples in the test prompt",
        ylabel="exact risk",
        ylim=(0, 2.2 * d),
    )
    ax.legend(fontsize=8)
plateau = float(at_length[-1, :, 0].mean())
alt = f"y_q-LSA levels off at risk {plateau:.2f}; with a tuned step GD falls to {tuned[-1]:.2f}, Bayes to 0"
figures.show(
    figure, alt=alt, caption="Trained at the length of the vertical line."
)

# %%
results.claim(
    "length-plateau", paper="ours", section="5",
    statement=f"More context does not help for long: at {lengths[-1]} examples the risk is d(1-η*)² (ratio)",
    criterion=claims.within(0.95, 1.05), control=float(tuned[-1] / (d * (1 - rate) ** 2)),
    estimate=bootstrap(at_length[-1, :, 0] / (d * (1 - rate) ** 2), seed=evaluation_seed),
    control_is="GD from w*, step tuned to that length",
)  # fmt: skip
Markdown(
    f"Plateau d(1-η*)² = {d * (1 - rate) ** 2:.3f}; at {lengths[-1]} examples y_q-LSA has {plateau:.3f}."
)

# %% [markdown]
# ## Other prior means at test time
#
# The trained guess stores $w^*$. On prompts whose mean is $w^* + \delta$ the error is $(I - \eta^* S)(u +
# \delta)$, and the risk of $y_q$-LSA becomes $(d + \|\delta\|^2)(1 - \eta^*)$: every unit of $\|\delta\|^2$
# costs as much as one dimension. Without a guess, multi-head LSA has stored $w^*$ in its heads. A layer
# trained for the new mean would have the risk of GD.

# %%
shifts = np.linspace(0, 2 * top, 13)
turn = np.random.default_rng(evaluation_seed).normal(
    size=sweep.prior_means.shape
)
turn /= np.linalg.norm(turn, axis=-1, keepdims=True)
moved = np.array(
    [
        train.exact_risks(sweep, moments, sweep.prior_means + s * turn)[
            :, [guess, many]
        ]
        for s in shifts
    ]
)
predicted = (d + shifts**2) * (1 - rate)

# %%
with figures.style():
    figure, ax = plt.subplots(figsize=(6, 3.6))
    ax.plot(
        shifts, predicted, color="0.6", linewidth=4, label="(d + ‖δ‖²)(1 - η*)"
    )
    for k, name in enumerate(("y_q-LSA", f"y_q = 0, H = {most}")):
        figures.band(
            ax,
            shifts,
            bootstrap(moved[:, :, k].T, seed=evaluation_seed),
            name,
            **figures.SERIES[k + 1],
        )
    ax.axhline(
        floor, label="GD from the new mean", **{**figures.CONTROL, "marker": ""}
    )
    ax.set(xlabel="‖δ‖, distance of the test mean from w*", ylabel="exact risk")
    ax.legend(fontsize=8)
first, last = moved[[0, -1], :, 0].mean(axis=1)
alt = f"Risk grows with the square of the shift, from {first:.2f} at 0 to {last:.1f} at {shifts[-1]:g}"
figures.show(
    figure,
    alt=alt,
    caption="Test prompts with another prior mean; bands over training seeds.",
)

# %%
results.claim(
    "guess-memorises-mean", paper="ours", section="4",
    statement="On prompts of another mean, y_q-LSA costs (d + ‖δ‖²)(1 - η*) (ratio of risks, largest shift)",
    criterion=claims.within(0.98, 1.02),
    control=floor / float(predicted[-1]), control_is="GD from the new mean",
    estimate=bootstrap(moved[-1, :, 0] / predicted[-1], seed=evaluation_seed),
)  # fmt: skip
results.values["other prior means"] = {
    "shift": shifts,
    "y_q-LSA and many heads": moved.mean(axis=1),
}

# %% [markdown]
# ## $L$ layers and $L$ steps
#
# Let the query enter as $-w_0^\top x_q$ and let each layer use $p = (-w_0, 1)$ and $W_{KQ} =
# -\begin{pmatrix}\eta_l I & 0\\ 0 & 0\end{pmatrix}$. By induction the last entry of column $j$ after $l$
# layers is $y_j - (w_l - w_0)^\top x_j$: $p$ reads the residual $y_j - w_l^\top x_j$, and every column
# moves by $-\eta_l (\tfrac1C \sum_i r_i x_i)^\top x_j$. The query entry ends as $-w_L^\top x_q$
# (`gd.gd_stack`).

# %%
with jax.enable_x64(True):
    rates = deep.best_rates(3, d=d, n_context=n_context, seed=data_seed)
    stacked = -layer.predict(gd.gd_stack(start, rates), x, y, query)
    steps_taken = gd.gd_predict(x, y, query, start, rates)
    difference = float(
        jnp.abs(stacked - steps_taken).max() / jnp.abs(steps_taken).max()
    )
    fewer = float(
        jnp.abs(stacked - gd.gd_predict(x, y, query, start, rates[:2])).max()
        / jnp.abs(steps_taken).max()
    )
results.claim(
    "stack-construction", paper="ours", section="4",
    statement="Three layers with a guess are three steps of GD",
    criterion=claims.below(1e-12), estimate=exact(difference), control=fewer, control_is="two steps instead",
)  # fmt: skip
Markdown(f"Largest relative difference: **{difference:.1e}**.")

# %% [markdown]
# But is that what a trained stack does? Each stack starts at this construction, with rates tuned to be the
# best together, and is then trained on sampled prompts. All entries of all weights are free, so a layer may
# also change the inputs $x_j$ of the next one, which plain GD cannot.

# %%
deep_mean = np.full(d, 2 / np.sqrt(d))
stacks = {
    depth: deep.train_stack(
        depth, deep_mean, n_context=n_context, steps=size.updates, batch=512, learning_rate=2e-3,
        seeds=max(2, size.seeds), seed=data_seed, test_prompts=20_000,
    ) for depth in size.layers
}  # fmt: skip

# %%
with figures.style():
    figure, ax = plt.subplots(figsize=(5, 3.4))
    depths = np.array(size.layers)
    for name, series in (
        ("gd", figures.CONTROL),
        ("trained", figures.SERIES[1]),
    ):
        values = np.stack(
            [getattr(stacks[k], name) for k in size.layers], axis=1
        )
        label = (
            "L steps of GD from w*, tuned rates"
            if name == "gd"
            else "L layers of y_q-LSA, trained"
        )
        figures.band(
            ax, depths, bootstrap(values, seed=evaluation_seed), label, **series
        )
    ax.set(
        xlabel="L",
        ylabel="risk on fresh prompts",
        xticks=depths,
        ylim=(0, None),
    )
    ax.legend(fontsize=8)
ratios = {
    k: bootstrap(stack.trained / stack.gd, seed=evaluation_seed)
    for k, stack in stacks.items()
}
alt = "Risk of trained stacks relative to as many steps of GD: " + ", ".join(
    f"{r.value:.2f} at L = {k}" for k, r in ratios.items()
)
figures.show(
    figure,
    alt=alt,
    caption="Stacks beside gradient descent, 95 % intervals over training seeds.",
)

# %%
results.claim(
    "two-layers-stay-gd", paper="ours", section="4",
    statement="Two trained layers stay within 2 % of the risk of two tuned steps of GD (ratio of risks)",
    criterion=claims.within(0.98, 1.02), estimate=ratios[2],
    control=1.0, control_is="the GD construction, untrained",
)  # fmt: skip
results.values["risk of trained stacks relative to GD"] = {
    k: r.value for k, r in ratios.items()
}

# %% [markdown]
# ## Baselines that see the whole prompt
#
# One step of GD is far from the best use of a prompt. Without noise OLS is exact from $C = d$ on. The
# references, with label noise of standard deviation $\sigma$ and $w^*$ of norm 2; intervals over prompts
# where there is no closed form.

# %%
noises, rows = (
    (0.0, 0.5, 1.0),
    {
        "GD from w*": [],
        "y_q = 0, d+1 heads": [],
        "ridge from 0, λ = 1": [],
        "Bayes": [],
    },
)
for sigma in noises:
    setting = {
        "d": d,
        "n_context": n_context,
        "prior_mean": deep_mean,
        "noise_std": sigma,
    }
    prompts = baselines.sample_prompts(20_000, seed=evaluation_seed, **setting)
    rows["GD from w*"].append(exact(optimal_risk("gd", **setting)))
    rows["y_q = 0, d+1 heads"].append(
        exact(optimal_risk("multihead", heads=d + 1, **setting))
    )
    rows["ridge from 0, λ = 1"].append(
        baselines.monte_carlo_risk(
            lambda x, y: baselines.ridge(x, y, 1.0), prompts
        )
    )
    rows["Bayes"].append(baselines.monte_carlo_risk(
        lambda x, y, sigma=sigma: baselines.posterior_mean(x, y, deep_mean, sigma), prompts))  # fmt: skip
lines = [
    f"| {name} | "
    + " | ".join(
        "{:.3f} [{:.3f}, {:.3f}]".format(*estimate) for estimate in row
    )
    + " |"
    for name, row in rows.items()
]
head = (
    "| risk [95 % interval] | "
    + " | ".join(f"σ = {sigma:g}" for sigma in noises)
    + " |\n|---|---|---|---|\n"
)
Markdown(head + "\n".join(lines))

# %% [markdown]
# ## Verdicts

# %%
results

# %% [markdown]
# ## Limits
#
# - All of this is one linear layer on Gaussian regression. Nothing here says that a language model has a
#   guess, or that its attention computes gradients.
# - The exact results average over prompts from one prior. The gap to GD concerns that average alone, and GD
#   from $w^*$ is itself far from Bayes when the labels carry little noise.
# - Values with fewer than $d$ heads are optima of a numerical search (every start ends at the same value),
#   and so upper bounds of the true ones.
# - The paper does not state its initial weights or how $w^*$ is directed; ours are normal with standard
#   deviation 0.1 and a uniform direction. The excess under the paper's recipe depends on both.
# - Where sampled prompts were trained on for a single seed, the table says how far that run came and no
#   more.

# %%
saved = results.save()
