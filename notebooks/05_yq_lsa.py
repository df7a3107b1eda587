# %% [markdown]
# # When is linear self-attention gradient descent?
#
# A linear self-attention (LSA) layer can imitate one step of gradient descent (GD) on a regression prompt,
# if the regression weights have mean zero. {cite}`xie2025initialization` ask what happens when they do not:
# how many heads does LSA need, how far does it stay from GD, and does a trainable *initial guess* $y_q$
# close the gap? All of this is a quadratic problem in Gaussian variables, so most questions have an exact
# answer, by which trained layers can be judged.

# %% tags=["parameters", "hide-input"]
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
d: int = 10  # inputs of the regression
n_context: int = 10  # C, examples in a prompt
heads: str = by_profile(
    "1,10,11", "1,5,10,11,20", "1,2,5,10,11,12,20"
)  # numbers of heads; 1, d and d+1 are added
norms: str = by_profile("0,4", "0,1,2,4", "0,1,2,4")  # norms of w*
law_norms: str = by_profile("1,50", "1,8,50", "1,8,50")  # and for the head law
steps: int = by_profile(40, 5000, 5000)  # training steps of every recipe
batch: int = by_profile(64, 2048, 2048)  # sampled prompts a step
seeds: int = by_profile(2, 3, 10)  # repetitions with the exact gradient
sampled_seeds: int = by_profile(1, 1, 5)  # repetitions on sampled prompts
grid: str = by_profile(
    "5x10", "2x10,5x10,10x3,10x30", "2x10,5x10,10x3,10x30,10x100,20x10"
)  # other d and C for the gap law
prompts: int = by_profile(20_000, 100_000, 1_000_000)  # for token variants
data_seed: int = 0  # prompts, and directions of the prior mean
init_seed: int = 1  # initial weights
evaluation_seed: int = 2  # fresh prompts for evaluation, and intervals

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.lsa import (
    agreement,
    conditions,
    estimates,
    estimates_exact,
    generalisation,
    material,
    pictures,
    pictures_exact,
    starts,
    study,
    tables,
    variants,
)

run = settings.read(globals())
results = claims.Results("05_yq_lsa", vars(run))
size = {"d": run.d, "n_context": run.n_context}
seed = run.evaluation_seed

# %% [markdown]
# ## What is claimed, and what would refute it
#
# - **At most $d+1$ heads are useful** (section 3 of the paper). Proved; a layer of more heads whose predictions
#   no layer of $d+1$ heads can make would contradict it.
# - **A gap to GD persists for $y_q = 0$ and a non-zero prior mean, however many heads** (section 3).
#   *Refuted if* the trained gap is 0.001 or less.
# - **$y_q$-LSA, one head, closes it** (section 4). *Refuted if* its trained risk stays 0.1 % or more above GD's.
# - **Trained $y_q$-LSA *is* GD** (section 5.2). *Refuted if* the sensitivities $\partial\hat y/\partial x_q$ have
#   a cosine of 0.999 or less; *ours:* if its predictions are not ten times nearer to GD than those of many heads.
# - *Ours:* the gap is $2\|w^*\|^2/(Cd+2)$ with $d$ or more heads, and with $H < d$ follows a *head law* that tends
#   to $2\|w^*\|^2/(CH+2)$ as $w^*$ grows. *Refuted if* training misses the first by 2 % or more, or a search over
#   the weights does not end at the second.

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
# trains $v$. Let $p_h$ be the last row of $W_{PV}^h$, $U_h = W_{KQ}^h \binom{I}{v^\top}$ and $G = E M
# E^\top / C$. Then
#
# $$
# \hat y = \langle T, \; G \otimes x_q \rangle + v^\top x_q, \qquad T = \sum_h p_h \otimes U_h .
# $$
#
# The heads matter only through the coefficient tensor $T$, and the prediction is linear in features that do not
# depend on the weights. This makes exact risks and fast training possible. Whatever $v$ is, the $U_h$ can be any
# matrices: **$y_q$-LSA is LSA plus the linear skip $v^\top x_q$**, and the guess adds nothing else.
#
# ## How many heads count
#
# Unfolded as a $(d+1) \times (d+1)d$ matrix, $T$ is a sum of $H$ matrices of rank 1, and its own rank is at
# most $d+1$. So **every LSA of $H$ heads makes the same predictions as one of $\min(H, d+1)$ heads**
# ([proof](05a_lsa_proofs)). The control drops one head more.

# %%
results.proved(
    "heads-bound",
    "20 random heads predict no more than d+1 heads can",
    estimates_exact.fewest_heads(**size, init_seed=run.init_seed, seed=seed),
    paper="B",
    section="3",
    proof="05a, at most d+1 heads",
)

# %% [markdown]
# ## How large the gap is
#
# With shifted labels $\tilde y = y - w^{*\top}x$ the risk splits in two ([proof](05a_lsa_proofs)): a part odd in
# $w - w^*$, for which one step of GD from $w^*$ is best, and an even part, for which the layer has to produce the
# constant $w^*$. A free guess $v = w^*$ does so without error. With $y_q = 0$ the constant has to come from
# $\operatorname{tr} S$, $S = \frac1C\sum x_i x_i^\top$, which varies from prompt to prompt. Hence
#
# $$
# R_{\text{GD}} = R_{y_q} = d(1 - \eta^*), \quad \eta^* = \frac{1}{1 + (d+1)/C}, \qquad
# R_{\text{LSA}} - R_{\text{GD}} = \frac{2\|w^*\|^2}{Cd+2} .
# $$
#
# The gap is real, and it vanishes as $Cd$ grows. It says nothing about attention: a linear skip from
# the query closes it, and the attention term then takes the same step of GD as before.
#
# **Fewer heads.** Exactly $d$ heads are needed for this value ([proof](05a_lsa_proofs)). With $H < d$, the
# constant can come from only $H$ directions of $S$:
#
# $$
# \frac{R_H - R_{\text{GD}}}{\|w^*\|^2} \;\longrightarrow\; \frac{2}{CH+2} \qquad (\|w^*\| \to \infty).
# $$
#
# The limit is proved. For finite $\|w^*\|$, let one head tilt its row $p$ between the label and $w^*$ and the
# others read one input direction each: the best tilt gives the *head law* $R_H$ (`head_law.head_law_risk`). That
# layer exists, so $R_H$ is attained; that *no other layer of $H$ heads does better* is a **conjecture**, tested by
# a search over all weights.
#
# The exact risks of the best layers (for $H < d$, the head law; `optima.optimal_risk`):

# %% tags=["hide-input"]
models = material.sweep_models(run.heads, run.norms, run.d)
trained = study.train_models(
    models,
    **size,
    steps=run.steps,
    batch=run.batch,
    seeds=run.seeds,
    sampled_seeds=run.sampled_seeds,
    data_seed=run.data_seed,
    init_seed=run.init_seed,
)
top, most = trained.top, trained.most

# %%
tables.exact_risks(trained)

# %%
law_norms = material.numbers(run.law_norms)
pictures_exact.head_law(**size, norms=law_norms)

# %%
results.claim(
    "head-law",
    "For H < d a search over all weights ends at the risk of the head law (largest relative difference)",
    claims.below(1e-5),
    estimates_exact.head_law(**size, norms=law_norms),
    section="3",
)

# %%
results.proved(
    "head-law-limit",
    "At ‖w*‖ = 10000 the gap over ‖w*‖² is 2/(CH+2) for every H up to d (largest difference)",
    estimates_exact.head_law_end(**size, norm=1e4),
    section="3",
    proof="05a, the head law",
    tolerance=1e-6,
)

# %%
results.claim(
    "gap-is-small",
    "At ‖w*‖ = 1, the prior's own scale, the gap is less than 1 % of the risk of GD",
    claims.below(0.01),
    estimates_exact.gap_share(**size, norm=1.0),
    section="3",
)

# %% [markdown]
# ## Trained layers
#
# Each seed draws its own initial weights and its own direction of $w^*$ (Adam is not invariant under rotations).
# Each trained layer is judged by its **exact** risk: at $\|w^*\| = 1$ the sampling error of one batch of 2048
# prompts is several times larger than the gap. Three recipes, all with Adam:
#
# 1. the paper's rate, steps and batch: $5\cdot10^{-4}$, 5000 steps of 2048 sampled prompts;
# 2. the same with the exact gradient of the risk, to separate the optimiser from sampling noise;
# 3. one that converges: the exact gradient, and a rate ten times larger that falls to zero along a cosine.

# %%
pictures.gap_by_heads(trained, seed=seed)

# %%
results.claim(
    "gap-persists",
    f"With y_q = 0 and ‖w*‖ = {top:g}, {most} trained heads stay above GD from w* (risk above GD)",
    claims.above(1e-3),
    estimates.gap(trained, seed=seed),
    paper="B",
    section="3",
)

# %%
results.claim(
    "guess-closes-gap",
    f"Trained to convergence, y_q-LSA comes within 0.1 % of the risk of GD (‖w*‖ = {top:g})",
    claims.below(1e-3),
    estimates.guess_excess(trained, study.CONVERGED, seed=seed),
    paper="B",
    section="4",
)

# %% [markdown]
# How far above its exact optimum does each recipe leave each model? The worst seed is shown, in percent.

# %%
tables.worst_excess(trained)

# %%
results.claim(
    "recipe-converges",
    "The converged recipe brings every model within 0.1 % of its optimum (percent, worst model)",
    claims.below(0.1),
    estimates.convergence(trained, seed=seed),
    section="5",
)

# %% [markdown]
# ### What the paper does not give
#
# The paper states rate, steps and batch, but not the initial weights, the norm of $w^*$ or its direction. So we
# vary the scale of the initial weights, over seeds that also draw the direction, with the exact gradient and the
# largest norm. The table shows the mean excess over GD, in percent.

# %% tags=["hide-input"]
varied = starts.vary_starts(
    most,
    top,
    **size,
    steps=run.steps,
    seeds=run.seeds,
    data_seed=run.data_seed,
    init_seed=run.init_seed,
)

# %%
tables.starts(varied, most)

# %% tags=["hide-input"]
Markdown(estimates.comparison(varied, most))

# %%
pictures.learning_curves(trained)

# %%
results.claim(
    "longer-training-closes-gap",
    f"Twice the paper's steps bring y_q-LSA within 0.1 % of GD (‖w*‖ = {top:g}, our initial weights)",
    claims.below(1e-3),
    estimates.longer_training(varied, seed=seed),
    section="5.2",
)

# %% [markdown]
# With the paper's number of steps and our initial weights, the next claim is about our setting, not the paper.

# %%
results.claim(
    "guess-with-paper-settings",
    f"With the paper's rate and steps and our initial weights, y_q-LSA comes within 0.1 % of GD too (‖w*‖ = {top:g})",
    claims.below(1e-3),
    estimates.guess_excess(trained, study.EXACT, seed=seed),
    section="5.2",
)

# %% [markdown]
# ## The gap law over $d$ and $C$
#
# We train $d+1$ heads by the converged recipe for other dimensions and context lengths, too. On the diagonal the
# trained gap equals $2\|w^*\|^2/(Cd+2)$.

# %% tags=["hide-input"]
gaps = study.trained_gaps(
    trained,
    material.dimensions(run.grid),
    seeds=run.seeds,
    data_seed=run.data_seed,
    init_seed=run.init_seed,
)

# %%
pictures.law(gaps, seed=seed)

# %%
results.claim(
    "gap-law",
    "The trained gap is 2‖w*‖²/(Cd+2) for all d, C and norms (largest deviation, share of the law)",
    claims.below(0.02),
    estimates.law_deviation(gaps, seed=seed),
    section="3",
)

# %% [markdown]
# ## $y_q$-LSA is gradient descent
#
# **Construction.** With $b = \frac1C \sum y_i x_i$, the choice $v = w^*$, last row of $W_{PV}$ $(-w^{*\top}, 1)$
# and $W_{KQ} = \begin{pmatrix} \Gamma^\top & 0 \\ 0 & 0 \end{pmatrix}$ gives $\hat y = w^{*\top}x_q + (b - S
# w^*)^\top \Gamma^\top x_q$, one step of GD from $w^*$ preconditioned by $\Gamma$ (`gd.gd_layer`). This is checked
# in double precision, with a preconditioner that is not even symmetric:

# %%
results.proved(
    "construction",
    "One head with a guess is preconditioned GD from w*",
    estimates_exact.construction(**size, seed=seed),
    paper="B",
    section="4",
    proof="05, by substitution",
)

# %% [markdown]
# **Trained weights.** Does training find this construction? Only the product of $p$ and $U$ is determined, so $p$
# is scaled to end in 1. The picture shows the first seed beside the construction.

# %%
pictures.trained_head(trained)

# %% [markdown]
# **Predictions and sensitivities.** On fresh prompts: the root mean square difference of the predictions,
# the $L_2$ distance of the sensitivities $\partial\hat y/\partial x_q$ and their cosine. The rival to beat is not
# GD from 0 but many heads without a guess, which come close.

# %%
beside = agreement.beside_gd(trained, prompts=5000, seed=seed)
tables.agreement(beside, trained, seed=seed)

# %%
results.claim(
    "guess-is-gd",
    f"Sensitivities of trained y_q-LSA and of GD agree at ‖w*‖ = {top:g} (mean cosine)",
    claims.above(0.999),
    estimates.sensitivity_cosine(beside, seed=seed),
    paper="B",
    section="5.2",
)

# %%
results.claim(
    "guess-nearer-than-heads",
    f"Predictions of y_q-LSA are ten times nearer to GD than those of {most} heads without a guess (ratio of distances)",
    claims.below(0.1),
    estimates.prediction_distance(beside, seed=seed),
    section="5.2",
)

# %% [markdown]
# ## What else closes the gap
#
# The gap comes from making a constant out of $\operatorname{tr} S$. Whatever supplies a constant removes it:
#
# - **A constant coordinate**, tokens $(1, x, y)$: $G$ then has an entry 1, and $T_{11j} = w^*_j$ acts as the
#   guess. The gap is zero by construction, with two heads.
# - **RMS-normalised inputs**, $\|x\|^2 = d$: then $\operatorname{tr} S = d$ exactly.
# - **An unmasked query** does not help: it adds $x_q x_q^\top/C$ to $S$, so that the constant and the step
#   disturb each other through the query's own length.
#
# `variants.gap_to_gd` compares the best layer of any number of heads with the best step of GD, on the same fresh
# prompts.

# %%
by_variant = variants.gaps(
    trained.norms, **size, prompts=run.prompts, seed=seed
)
pictures.variants(by_variant, **size)

# %%
closed = estimates.closes_gap(by_variant, top, **size)
results.proved(
    "constant-closes-gap",
    "With a constant token coordinate, two heads without a guess are one step of GD from w*",
    estimates_exact.constant_coordinate(**size, seed=seed),
    section="3",
    proof="05a, a constant coordinate",
)

# %%
results.claim(
    "normalised-closes-gap",
    f"RMS-normalised inputs close the gap at ‖w*‖ = {top:g} to within 2 %",
    closed.criterion,
    closed.normalised,
    section="3",
)

# %%
results.claim(
    "unmasked-widens-gap",
    f"Leaving the query unmasked widens the gap at ‖w*‖ = {top:g}",
    claims.above(closed.law),
    closed.unmasked,
    section="3",
)

# %% [markdown]
# ## Other conditions
#
# - **Label noise** of variance $\sigma^2$: the mean of $\tilde y_i^2$ then contains $\sigma^2$, another source of
#   the constant, and the gap shrinks.
# - **Inputs of covariance $\Lambda$**: the gap is $2\,w^{*\top}\Lambda w^*/(Cd+2)$; the direction of $w^*$ matters.
# - **A prior of covariance $\Sigma$**: the gap does not change, since $\Sigma^{-1/2}w^*$ and $\Sigma^{1/2}
#   \Lambda\Sigma^{1/2}$ take the places of $w^*$ and $\Lambda$.
# - **More context at test time**: the step $\eta$ is fixed in the weights. For $C'$ examples the risk is $d\,(1 -
#   2\eta + \eta^2(1 + \tfrac{d+1}{C'}))$, which tends to $d(1-\eta)^2$ and not to 0. (Bayes equals least squares
#   from $C' = d$ on, not before.)

# %%
lengths = generalisation.other_lengths(trained)
others = conditions.vary_conditions(**size, norm=top)
pictures_exact.conditions(others, lengths, trained, seed=seed)

# %%
results.claim(
    "length-plateau",
    f"More context does not help for long: at {lengths.lengths[-1]} examples the risk is d(1-η*)² (ratio)",
    claims.within(0.95, 1.05),
    estimates.plateau(lengths, trained, seed=seed),
    section="5",
)

# %% [markdown]
# **Other prior means.** The trained guess stores $w^*$. On prompts whose mean is $w^* + \delta$ the error is
# $(I - \eta^* S)(u + \delta)$ with $u \sim N(0, I)$, and the risk of $y_q$-LSA becomes $(d + \|\delta\|^2)(1 -
# \eta^*)$: every unit of $\|\delta\|^2$ costs as much as one dimension. Multi-head LSA without a guess stores
# $w^*$ in its heads.

# %%
means = generalisation.other_means(trained, seed)
pictures.shifted_means(means, trained, seed=seed)

# %%
results.claim(
    "guess-memorises-mean",
    "On prompts of another mean, y_q-LSA costs (d + ‖δ‖²)(1 - η*) (ratio of risks, largest shift)",
    claims.within(0.98, 1.02),
    estimates.shift_cost(means, trained, seed=seed),
    section="4",
)

# %% tags=["answer", "hide-input"]
Markdown(estimates.answer(results, trained))

# %% tags=["answer", "hide-input"]
pictures_exact.head_law(**size, norms=law_norms)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - A layer of $H < d$ heads with less risk than the head law: its optimality at finite norm is a conjecture.
# - Another task: all of this is about one linear layer on Gaussian regression; label noise shrinks the gap.
# - Tokens that carry a constant, or normalised inputs: then no guess is needed.
# - Initial weights other than ours, where the paper's recipe is concerned.

# %% [markdown]
# ## Prior art
#
# {cite}`vonoswald2023transformers` construct weights with which one linear layer takes a step of GD.
# {cite}`ahn2023transformers` and {cite}`mahankali2024one` prove that for a prior of mean zero such a
# (preconditioned) step is the best that the layer can do, and {cite}`zhang2024trained` that training finds it. For
# a prior mean that is not zero, {cite}`zhang2024incontext` show an error that LSA alone cannot remove, and that
# an added MLP lets the layer take one step of GD from a learnable start. That overlaps with
# {cite}`xie2025initialization`, and with the gap here. We have not seen elsewhere the size of the gap for $y_q =
# 0$ by number of heads, $2\|w^*\|^2/(CH+2)$, the number of heads that are needed, or the reading of the guess as a
# skip; they follow from short calculations and may well be known.
#
# ## Limits
#
# - Nothing here says that a language model has a guess, or that its attention computes gradients.
# - The exact results average over prompts from one prior. The gap to GD concerns that average alone, and GD
#   from $w^*$ is itself far from Bayes when the labels carry little noise
#   ([references](05b_lsa_beyond)).
# - With fewer than $d$ heads the values are attained, and proved optimal in the limit of a large mean; elsewhere
#   their optimality rests on a search that is not convex.
# - Where training on sampled prompts has a single seed, the table says how far that run came and no more.

# %% tags=["hide-input"]
results.values |= {
    "excess over optimum, percent, worst seed": trained.worst_excess(),
    "gap as a share of the risk of GD": trained.gap_shares(),
    "gap law": gaps._asdict(),
    "gap by variant, multiples of the law": closed.multiples,
    "other prior means": {
        "shift": means.shifts,
        "y_q-LSA": means.guess.mean(axis=0),
        "many heads": means.many.mean(axis=0),
    },
}
saved = results.save()
