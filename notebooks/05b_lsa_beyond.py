# %% [markdown]
# # Appendix 05b: beyond one layer and one step
#
# [Chapter 05](05_yq_lsa) compares one layer with one step of gradient descent (GD). Are $L$ trained layers $L$
# steps of GD, then? And how far is one step from the best use of a prompt?

# %% tags=["parameters", "hide-input"]
from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
d: int = at_least(1, by_profile(3, 5, 10))  # inputs of the regression
n_context: int = at_least(1, by_profile(4, 10, 10))  # C, examples in a prompt
scale: float = 1.0  # norm of w* over √d
layers: str = by_profile("2", "1,2", "1,2,3")  # depths of trained stacks
updates: int = at_least(
    1, by_profile(5, 300, 10_000)
)  # training steps of a stack
seeds: int = at_least(2, by_profile(2, 2, 5))  # repetitions
data_seed: int = 0  # training prompts
evaluation_seed: int = 2  # fresh prompts for evaluation, and intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.lsa import estimates, pictures
from iclnb.lsa.measure_beyond import measure

run = settings.read(globals())
seed = run.evaluation_seed

# %% tags=["hide-input"]
ladder = ladders.measured("05b_lsa_beyond", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** {claim}`A stack of layers with a guess can take as many steps of gradient descent as it has layers
# <stack-construction: proved everywhere>`, but {claim}`training finds something better: two trained layers err clearly
# less than two tuned steps <two-layers-stay-gd: not supported everywhere>`. What do they do? {claim}`They come near to
# GD++, which also changes the inputs between steps, without quite reaching its best <two-layers-are-gd-plus-plus: not
# supported everywhere>`.

# %% tags=["answer", "hide-input"]
pictures.stacks(ladder, seed=seed)

# %% [markdown]
# ## $L$ layers and $L$ steps
#
# Let the query's last entry be $y_q = -w_0^\top x_q$ and let each layer use $p = (-w_0, 1)$ and $W_{KQ} =
# -\begin{pmatrix}\eta_l I & 0\\ 0 & 0\end{pmatrix}$. By induction the last entry of column $j$ after $l$ layers is $y_j
# - (w_l - w_0)^\top x_j$: $p$ reads the residual $r_j = y_j - w_l^\top x_j$, and every column moves by $-\eta_l
# (\tfrac1C \sum_i r_i x_i)^\top x_j$. The query entry ends as $-w_L^\top x_q$, minus the prediction.

# %% tags=["hide-input"]
results.proved(
    "stack-construction",
    "Three layers with a guess are three steps of GD.",
    estimates.stacked_steps,
    section="4",
    proof="05b, by induction",
)

# %% [markdown]
# But a layer may also change the inputs that the next one reads. {cite}`vonoswald2023transformers` found that trained
# stacks do: they multiply every input by $I - \gamma_l S$ before the next step, and call it *GD++*. The eigenvalue
# $\lambda$ of $S$ then keeps $\prod_l \big(1 - \eta_l\lambda \prod_{k<l}(1-\gamma_k\lambda)^2\big)$ of the error, where
# GD keeps $\prod_l(1-\eta_l\lambda)$. {cite}`vladymyrov2024versatile` show what such stacks can do under label noise.
# These authors have a prior of mean zero; a guess makes no difference to the argument.
#
# Stacks that start as GD, slightly perturbed, and are trained on sampled prompts, all entries of all weights being
# free, leave GD. Do they end at GD++ with the best $\eta_l$ and $\gamma_l$? The figure at the top of the page compares
# their risks.

# %% tags=["hide-input"]
results.claim(
    "two-layers-stay-gd",
    "Two trained layers stay within 2 % of the risk of two tuned steps of GD (ratio of risks).",
    claims.within(0.98, 1.02),
    lambda one: estimates.stack_ratio(one, "GD", seed=seed),
    section="4",
)

# %% tags=["hide-input"]
results.claim(
    "two-layers-are-gd-plus-plus",
    "Two trained layers come within 5 % of the risk of two tuned steps of GD++ (ratio of risks).",
    claims.within(0.95, 1.05),
    lambda one: estimates.stack_ratio(one, "GD++", seed=seed),
    section="4",
)

# %% [markdown]
# ## Baselines beyond one step
#
# One step of GD is not the best use of a prompt: without noise, Bayes is exact from $C = d$ on. The table shows
# risks under label noise of standard deviation $\sigma$ in this run, with intervals over prompts where there is no
# closed form.

# %% tags=["hide-input"]
pictures.baselines(ladder.here, seed=seed)

# %% tags=["hide-input"]
saved = results.save()
