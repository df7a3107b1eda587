# %% [markdown]
# # Appendix: beyond one layer and one step
#
# [Chapter 05](05_yq_lsa) compares one layer with one step of gradient descent (GD). Are $L$ trained layers $L$
# steps of GD, then? And how far is one step from the best use of a prompt?

# %% tags=["parameters", "hide-input"]
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
d: int = 10  # inputs of the regression
n_context: int = 10  # C, examples in a prompt
norm: float = 2.0  # norm of w*
layers: str = by_profile("2", "1,2,3", "1,2,3,4")  # depths of trained stacks
updates: int = by_profile(5, 300, 3000)  # training steps of a stack
seeds: int = by_profile(2, 3, 10)  # repetitions
data_seed: int = 0  # training prompts
evaluation_seed: int = 2  # fresh prompts for evaluation, and intervals

# %% tags=["hide-input"]
from iclnb import claims, settings
from iclnb.lsa import deep, estimates, estimates_exact, pictures, tables

run = settings.read(globals())
results = claims.Results("05b_lsa_beyond", vars(run))
size = {"d": run.d, "n_context": run.n_context}
seed = run.evaluation_seed

# %% [markdown]
# ## $L$ layers and $L$ steps
#
# Let the query's last entry be $y_q = -w_0^\top x_q$ and let each layer use $p = (-w_0, 1)$ and $W_{KQ} =
# -\begin{pmatrix}\eta_l I & 0\\ 0 & 0\end{pmatrix}$. By induction the last entry of column $j$ after $l$
# layers is $y_j - (w_l - w_0)^\top x_j$: $p$ reads the residual $r_j = y_j - w_l^\top x_j$, and every column
# moves by $-\eta_l (\tfrac1C \sum_i r_i x_i)^\top x_j$. The query entry ends as $-w_L^\top x_q$, minus the
# prediction (`gd.gd_stack`).

# %%
rates = deep.best_rates(3, **size, seed=run.data_seed)
results.proved(
    "stack-construction",
    "Three layers with a guess are three steps of GD",
    estimates_exact.stack_construction(**size, rates=rates, seed=seed),
    section="4",
    proof="05b, by induction",
)

# %% [markdown]
# But is this what a trained stack does? Each stack starts at this construction, slightly perturbed, with rates
# that are best together, and is then trained on sampled prompts. All entries of all weights are free, so a layer
# may also change the inputs $x_j$ of the next one, which plain GD cannot do.

# %%
stacks = deep.train_stacks(
    run.layers,
    run.norm,
    **size,
    steps=run.updates,
    seeds=run.seeds,
    seed=run.data_seed,
)
pictures.stacks(stacks, seed=seed)

# %%
results.claim(
    "two-layers-stay-gd",
    "Two trained layers stay within 2 % of the risk of two tuned steps of GD (ratio of risks)",
    claims.within(0.98, 1.02),
    estimates.stack_ratio(stacks[2], seed=seed),
    section="4",
)

# %% [markdown]
# ## Baselines beyond one step
#
# One step of GD is not the best use of a prompt: without noise, Bayes is exact from $C = d$ on. The table shows
# risks under label noise of standard deviation $\sigma$, with intervals over prompts where there is no closed
# form.

# %%
tables.references(**size, norm=run.norm, noises=(0.0, 0.5, 1.0), seed=seed)

# %% tags=["hide-input"]
results.values |= {
    "risk of trained stacks relative to GD": {
        depth: float((stack.trained / stack.gd).mean())
        for depth, stack in stacks.items()
    }
}
saved = results.save()
