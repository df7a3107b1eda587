# %% [markdown]
# # Appendix 01b: what does table 3 of paper A show?
#
# {cite}`han2025kernel` check theorem 1 on synthetic data (appendix C, table 3): 8 tasks, 80 states, 100 observations. The
# distance between kernel regression and the posterior falls from 1.32 with one demonstration to 0.09 with 32, and stays
# there. They do not say how the HMMs are drawn, how long $x$ is, or which norm the distance has. Under which reading
# does their kernel give their table?

# %% tags=["parameters", "hide-input"]
from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
readings: int = at_least(
    1, by_profile(2, 3, 12)
)  # of twelve, in the order of the table
hmms: int = at_least(2, by_profile(4, 4, 40))  # HMMs of each
prompts: int = at_least(1, by_profile(3, 10, 20))  # prompts per HMM
search_hmms: int = at_least(
    1, by_profile(1, 2, 10)
)  # HMMs that fix the sharpness of rows
search_prompts: int = at_least(
    1, by_profile(5, 30, 100)
)  # prompts per HMM there
hmm_seed: int = 0  # seeds the HMMs
prompt_seed: int = 1  # seeds the prompts
bootstrap_seed: int = 3  # seeds the intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.bayes import estimates_table_3, pictures, tables
from iclnb.bayes.measure_table_3 import measure

run = settings.read(globals())
seed = run.bootstrap_seed

# %% tags=["hide-input"]
ladder = ladders.measured("01b_reading_table_3", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** The paper leaves open how its HMMs are drawn, so {claim}`we judge each claim under the one of twelve
# readings that suits it best: with nearly deterministic HMMs and a start state of its own for every task, the printed
# kernel comes as near to the posterior with 128 demonstrations as the paper says <convergence-printed: supported
# everywhere>`. {claim}`No reading gives the whole table: where the first column fits, the distance falls more slowly
# than in the paper, and elsewhere it starts too low <table-printed: not supported everywhere>`. {claim}`With the
# repaired kernel it is the same <table-repaired: not supported everywhere>`. {claim}`What is left at the end is not the
# bias that the authors take it for: under the reading nearest to their table there is none <plateau-bias: not supported
# everywhere>`. Whether the table can show in-context learning {claim}`stays open, even under the reading in which
# demonstrations move the exact answer most <demonstrations-matter: inconclusive everywhere>`.

# %% tags=["answer", "hide-input"]
pictures.table_3(ladder)

# %% [markdown]
# ## What the paper says
#
# The table's distances are 1.322, 0.942, 0.519, 0.218, 0.163, 0.085, 0.093, 0.083 for 1, 2, 4, ..., 128 demonstrations. The
# authors take the fall as their theorem at work, and what is left at the end for the part of its bound that does not
# depend on $n$ (their equation 7). Code is announced, but the repository could not be had from where this book was
# written; should it hold the synthetic experiment, it replaces the readings below.
#
# ## Readings
#
# In section 3.2 every task has a start state of its own, so these readings come first; others let it start anywhere
# in its block of ten states. Either each task is an HMM apart, and eight are merged, or there is one joint HMM. Rows of
# $T$ and $B$ are softmax(scale · N(0, 1)) or Dirichlet; $x$ has 2, 6 or 12 tokens.
#
# How sharp are the rows? With one demonstration the kernel cancels: $\hat y = e(y_1)$, whatever the kernel, and the
# distance is $2(1 - P(y_1))$. So the first column depends on the HMMs alone. For eight readings we search the sharpness
# that gives 1.322, on HMMs that are used for nothing else; four more have scale 50, nearly deterministic. No kernel
# enters this search.

# %% tags=["hide-input"]
tables.readings(pictures.strongest(ladder))

# %% [markdown]
# *Gap to the table*: mean over the eight columns of the difference from the table's distance. *Missed*: probability of the
# sequences that second moments lack. Means count a prompt at most 2, the largest distance between distributions:
# uncapped, a few prompts that divide by nearly zero decide everything.
#
# A claim is judged under the reading that suits it best: the one whose interval on one half of the HMMs says most for it is
# judged on the other half. So "not supported" says that every reading fails. The table's last columns differ by chance,
# so the bound is their largest.

# %% tags=["hide-input"]
results.claim(
    "convergence-printed",
    "Under some reading the printed kernel comes as near to the posterior with 128 demonstrations as in table 3.",
    claims.below(estimates_table_3.PLATEAU),
    lambda one: estimates_table_3.last_distance(one, "printed", seed=seed),
    paper="A",
    section="appendix C, table 3",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "table-printed",
    "Under some reading the printed kernel gives the whole of table 3 (mean gap).",
    claims.below(0.1),
    lambda one: estimates_table_3.table_gap(one, "printed", seed=seed),
    paper="A",
    section="appendix C, table 3",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "table-repaired",
    "Under some reading the repaired kernel (ratio) gives the whole of table 3 (mean gap).",
    claims.below(0.1),
    lambda one: estimates_table_3.table_gap(one, "ratio", seed=seed),
    section="appendix C, table 3",
)

# %% [markdown]
# The reason can be seen in the normaliser $\sum_i K$. For a kernel that weighs, it is positive:

# %% tags=["hide-input"]
results.claim(
    "normaliser-positive",
    "Under some reading fewer than one prompt in a hundred has a negative normaliser at n = 8, under the printed "
    "kernel.",
    claims.below(0.01),
    lambda one: estimates_table_3.negative_normalisers(one, 8, seed=seed),
    section="theorem 1",
)

# %% [markdown]
# ## Where does the plateau come from?
#
# The authors' explanation is a bias that does not fall with $n$. The bias of the printed kernel can be computed: it is
# the distance of its limit. Under the reading that is nearest to the table it should lie at the plateau.

# %% tags=["hide-input"]
results.claim(
    "plateau-bias",
    "Under the reading nearest to table 3, what is left as n grows accounts for the plateau (at least 0.07).",
    claims.above(0.07),
    lambda one: estimates_table_3.bias(one, seed=seed),
    paper="A",
    section="appendix C, equation 7",
    speaks="for",
)

# %% [markdown]
# In nearly deterministic HMMs the $\varphi(x)$ are nearly independent, the special case in which theorem 1 is right: there
# is no bias to explain anything with. Another target would make a plateau: the token that was drawn after the query,
# in the place of the posterior. No method can predict the noise in it. That is a guess, and the numbers do not decide it.
#
# ## Which norm?
#
# If posterior and $\hat y$ are nearly one-hot, a distance is $c\,(1 - \text{accuracy})$, with $c = 2$ for $L_1$ and for the
# squared $L_2$ norm, $\sqrt 2$ for $L_2$ and 1 for $L_\infty$. By least squares over the columns:

# %% tags=["hide-input"]
tables.constants(pictures.strongest(ladder), seed=seed)

# %% [markdown]
# $L_1$ fits the table, as far as the printed kernel under its nearest reading can tell.
#
# ## Does table 3 test in-context inference?
#
# Inference is *in-context* only if demonstrations change the answer. So we compare the exact posterior with the one
# without demonstrations, under the reading where they differ most.

# %% tags=["hide-input"]
results.claim(
    "demonstrations-matter",
    "Under some reading 128 demonstrations move the posterior by more than 0.05 (L1).",
    claims.above(0.05),
    lambda one: estimates_table_3.demonstrations_matter(one, seed=seed),
    section="appendix C",
)

# %% [markdown]
# The designs of [chapter 01](01_posterior_convergence) are made so that demonstrations matter.
#
# ## Limits
#
# - Twelve readings are not all. The second moment is a sum over likely and drawn sequences; with softer rows it misses
#   much of the probability, which favours the printed kernel: with fewer sequences than its rank it looks $x$ up.
# - A first run with 20 HMMs left two claims undecided, the table of the repaired kernel by a hair; their number was then
#   doubled, once. Readings were first chosen by means instead of intervals. With 40 HMMs that chose a reading with a few
#   unlucky HMMs and left open what the authors' kernel does at n = 128; the present rule is the fairer one to them.

# %% tags=["hide-input"]
saved = results.save()
