# %% [markdown]
# # Appendix: what table 3 of paper A measures
#
# {cite}`han2025kernel` report the distance between kernel regression and the posterior for 1 to 128
# demonstrations (appendix C, table 3). They do not say which norm the distance is, how the HMMs are drawn, or how
# long $x$ is, and the distance stops falling at $n = 32$. What do the numbers themselves, and the experiment of
# [chapter 01](01_posterior_convergence), tell us about this?

# %% tags=["parameters", "hide-input"]
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
hmms: int = by_profile(2, 20, 100)  # HMMs of the main experiment
prompts: int = by_profile(20, 500, 500)  # prompts per HMM there
readings_hmms: int = by_profile(2, 5, 20)  # HMMs of every other reading
readings_prompts: int = by_profile(4, 20, 20)  # prompts per HMM there
length: int = 6  # tokens of each x
scale: float = 50.0  # T and B have rows softmax(scale x N(0, 1))
bandwidth: float = 20.0  # β of the belief kernel exp(β cos)
hmm_seed: int = 0  # seeds the HMMs
prompt_seed: int = 1  # seeds the prompts
bootstrap_seed: int = 3  # seeds the intervals

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, display, settings
from iclnb.bayes import (
    estimates,
    families,
    material,
    pictures,
    study,
    tables,
)
from iclnb.bayes.experiment import PAPER_DEMONSTRATIONS

run = settings.read(globals())
results = claims.Results("01b_reading_table_3", vars(run))
seeds = {"hmm_seed": run.hmm_seed, "prompt_seed": run.prompt_seed}
seed = run.bootstrap_seed

# %% [markdown]
# ## The norm of the distance
#
# At $n = 1$ the kernel cancels: $\hat y = e(y_1)$. If the posterior is nearly one-hot, the distance is then
# $c\,(1 - \text{accuracy})$ with $c = 2$ for $L_1$, $\sqrt 2$ for $L_2$ and 1 for $L_\infty$; for larger $n$ this
# holds if $\hat y$ is nearly one-hot, too. We estimate $c$ by least squares over the eight columns:

# %%
results.claim(
    "table-is-l1",
    "Distance = c (1 - accuracy) with c = 2: the norm is L1 and posteriors are nearly one-hot",
    claims.within(1.9, 2.1),
    estimates.table_norm(),
    section="appendix C, table 3",
)

# %% tags=["hide-input"]
deviation = estimates.table_norm_deviation()
Markdown(
    f"Largest deviation from 2 (1 - accuracy): {display.number(deviation)}."
)

# %% [markdown]
# This suggests that the paper's HMMs are nearly deterministic, as those of our reading are.
#
# ## Which kernels reproduce the table?
#
# Here the whole curve counts, not only its end. Scale and bandwidth were chosen with the table in view, so a fit
# of the belief kernel would be no test (the end of this page has one). For the kernel that the paper prints it
# is a test:

# %% tags=["hide-input"]
n_demo = PAPER_DEMONSTRATIONS
main = study.run(
    material.appendix_c(length=run.length, rows=families.softmax(run.scale)),
    [
        "printed",
        "unweighted",
        "ratio",
        "belief",
        "prediction",
        "labels only",
    ],
    n_demo,
    run.hmms,
    run.prompts,
    **seeds,
    bandwidth=run.bandwidth,
)

# %%
results.claim(
    "table-printed",
    "Kernel printed reproduces table 3 (mean over n of the gap between mean distances)",
    claims.below(0.1),
    estimates.table_gap(main, "printed", seed=seed),
    paper="A",
    section="appendix C, table 3",
)

# %% [markdown]
# A few prompts whose normaliser is nearly zero can dominate the printed kernel's mean, so here are medians, and
# the share of prompts with a *negative* normaliser:

# %%
pictures.medians_and_signs(main, seed=seed)

# %%
results.claim(
    "normaliser-positive",
    "Printed kernel: fewer than 1 % of prompts have a negative normaliser at n = 8",
    claims.below(0.01),
    estimates.negative_normalisers(main, "printed", 8, seed=seed),
    section="theorem 1",
)

# %% tags=["hide-input"]
Markdown(estimates.rank_and_reach(main))

# %% [markdown]
# ## Where does the plateau come from?
#
# From $n = 32$ on, the table's distance stops falling. Four explanations can be tested.
#
# 1. *Kernel regression stops there*: then the ratio of the distances at $n = 128$ and $n = 32$ would be near one
#    for us too, whereas the rate $n^{-1/2}$ gives one half. The criterion is three quarters, midway.
# 2. *A fixed kernel has a limit of its own*: then that limit would lie at the plateau.
# 3. *One unlucky HMM*: then a fair share of single HMMs, more than one in five, would stay above the table's
#    lowest distance from $n = 32$ on.
# 4. *Another target*: the table's distance may be to the token drawn after the query (the *drawn answer*, as a
#    one-hot distribution), not to the posterior. Then the distance between the posterior and the drawn answer
#    remains for any $n$: the noise of the HMM itself, which no method can predict.

# %%
tables.plateaus(main, seed=seed)

# %%
results.claim(
    "plateau-belief",
    "Plateau, belief: the distance to the posterior hardly falls after n = 32 (ratio d(128) / d(32))",
    claims.above(0.75),
    estimates.plateau(main, "belief", seed=seed),
    section="appendix C, table 3",
)

# %%
results.claim(
    "plateau-prediction",
    "Plateau, prediction: the distance to the posterior hardly falls after n = 32 (ratio d(128) / d(32))",
    claims.above(0.75),
    estimates.plateau(main, "prediction", seed=seed),
    section="appendix C, table 3",
)

# %%
results.claim(
    "plateau-answer",
    "Plateau, answer: the distance of the belief kernel to the drawn answer hardly falls after n = 32 "
    "(ratio d(128) / d(32))",
    claims.above(0.75),
    estimates.plateau(main, "belief", key="to_answer", seed=seed),
    section="appendix C, table 3",
)

# %%
results.claim(
    "plateau-unlucky-hmm",
    "More than one HMM in five stays above table 3's lowest distance from n = 32 on (belief)",
    claims.above(0.2),
    estimates.unlucky_hmms(main, "belief"),
    section="appendix C, table 3",
)

# %% [markdown]
# How large that noise is depends on how deterministic the HMMs are, so the picture also shows rows of twice our
# scale:

# %% tags=["hide-input"]
sharper = study.run(
    material.appendix_c(
        length=run.length,
        rows=families.softmax(2 * run.scale),
        threshold=1.0,
    ),
    ["belief", "labels only"],
    n_demo,
    run.hmms,
    run.prompts,
    **seeds,
    bandwidth=run.bandwidth,
)

# %%
pictures.two_targets(main, sharper, run.scale, seed=seed)

# %% [markdown]
# The table's accuracy, with which we have compared no curve so far, tests this explanation: is it agreement with
# the drawn answer, too?

# %%
tables.accuracies(
    {
        f"posterior, scale {run.scale:g}": (main, "accuracy"),
        f"drawn answer, scale {run.scale:g}": (main, "answered"),
        f"posterior, scale {2 * run.scale:g}": (sharper, "accuracy"),
        f"drawn answer, scale {2 * run.scale:g}": (sharper, "answered"),
    }
)

# %%
results.claim(
    "accuracy-answer",
    f"Belief kernel, agreement with the drawn answer from n = 32 on, scale {2 * run.scale:g}: within 0.02 of "
    "table 3's accuracy (mean gap)",
    claims.below(0.02),
    estimates.answered_gap(sharper, "belief", seed=seed),
    section="appendix C, table 3",
)

# %% [markdown]
# That the table's distance is to the drawn answer is an inference; the theorem speaks of the posterior.
#
# ## Other readings of appendix C
#
# For the belief kernel, on fewer prompts, the table shows accuracy (agreement with the posterior's largest
# entry), distance, and gap to table 3, also with the drawn answer as the target. A reading fits if both the
# accuracy at $n = 1$ and the distances fit.

# %% tags=["hide-input"]
read = study.run_each(
    material.readings(run.length, run.scale),
    ["belief"],
    n_demo,
    run.readings_hmms,
    run.readings_prompts,
    **seeds,
    bandwidth=run.bandwidth,
)

# %%
tables.readings(read, seed=seed)

# %% [markdown]
# Next we vary the **bandwidth** of the belief kernel, and the **cut-off** of the whitening behind the printed
# kernel (of singular values; by default at the level of rounding). Too wide a kernel keeps an error in the limit:

# %% tags=["hide-input"]
varied = study.vary_choices(
    material.appendix_c(
        length=run.length, rows=families.softmax(run.scale), threshold=1e-5
    ),
    n_demo,
    run.readings_hmms,
    5 * run.readings_prompts,
    **seeds,
)

# %%
tables.choices(varied, seed=seed)

# %% [markdown]
# ### A test of the readings
#
# Table 3 cannot support what was chosen to fit it. So the reading (or the bandwidth, under our reading) and the
# target (posterior or drawn answer) are chosen again, by $n = 1, 4, 16, 64$ alone, and judged on other HMMs by
# $n = 2, 8, 32, 128$. (Our own reading, one of the candidates, was found with the whole table in view.)

# %% tags=["hide-input"]
widths = {
    label: each
    for label, (kernel, each) in varied.items()
    if kernel == "belief"
}
name, target = estimates.chosen_reading(read | widths)
design, bandwidth = material.reading(name, run.length, run.scale, run.bandwidth)
fresh = study.run(
    design,
    ["belief", "labels only"],
    n_demo,
    run.hmms,
    5 * run.readings_prompts,
    hmm_seed=(run.hmm_seed, 1),
    prompt_seed=(run.prompt_seed, 1),
    bandwidth=bandwidth,
)
Markdown(estimates.choice_in_words(name, target))

# %%
results.claim(
    "table-held-out",
    "A reading chosen on half of table 3's columns reproduces the others on fresh HMMs (mean gap)",
    claims.below(0.1),
    estimates.judged_gap(fresh, target, seed=seed),
    section="appendix C, table 3",
)

# %% tags=["hide-input"]
results.values |= {
    "plateau": {
        "table": float(estimates.table_plateau()),
        "limit": {name: main.limit(name).mean() for name in main.kernels},
        "risk": main.risk.mean(axis=0),
    },
    "to answer": {
        f"scale {run.scale:g}": main.means("to_answer")["belief"],
        f"scale {2 * run.scale:g}": sharper.means("to_answer")["belief"],
    },
    "negative": main.means("negative")["printed"],
    "rank": {"smallest": main.rank.min(), "largest": main.rank.max()},
    "readings": estimates.gaps(read, seed=seed),
}
saved = results.save()
