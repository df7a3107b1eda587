# %% [markdown]
# # 03 Are the middle-layer heads kernels?
#
# If in-context learning is kernel regression, some attention head should weight demonstrations by their similarity to
# the query and add up their labels. {cite}`han2025kernel` find heads in the middle layers of GPT-J whose weights alone
# reproduce most of the model's answers. Do other models have such heads, do their weights follow similarity, and what
# happens to the answers without them?

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # name of a task
model: str = by_profile(
    "smollm2-135m-instruct", "smollm2-135m-instruct", "EleutherAI/gpt-j-6b"
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: int = at_least(2, by_profile(4, 8, 16))  # demonstrations per prompt
sets: int = at_least(
    2, by_profile(4, 3, 10)
)  # demonstration sets that test points share
points: int = at_least(8, by_profile(8, 12, 200))  # test points
fresh: int = at_least(
    8, by_profile(8, 12, 300)
)  # prompts with demonstrations of their own
cause_points: int = at_least(
    2, by_profile(4, 4, 40)
)  # test points that judge interventions
top: int = at_least(1, 8)  # heads ablated
redraws: int = at_least(1, by_profile(2, 3, 20))  # choices of these heads
permutations: int = at_least(
    1, by_profile(10, 50, 200)
)  # size of permutation nulls
batch_size: int = at_least(
    1, by_profile(16, 32, 16)
)  # queries per forward pass
data_seed: int = 0  # choice of test points and of their halves
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # permutations, choices of heads, intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.heads import (
    causes,
    estimates,
    pictures,
)
from iclnb.heads.correlation import POOLED, QUERY_DEPENDENT
from iclnb.heads.direct import DIRECT, LATER
from iclnb.heads.estimates import MAP, MARGIN, NATS
from iclnb.heads.findings import ALONE, FRESH, SHARED, WITH_CUE
from iclnb.heads.material import draw_rows as design
from iclnb.heads.measure import measure
from iclnb.heads.reconstruction import PRIOR_OFF, RAW
from iclnb.kernel_regression import kernel_regression

run = settings.read(globals(), design)
seed = run.sampling_seed

# %% tags=["hide-input"]
ladder = ladders.measured("03_middle_layer_heads", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** {claim}`On SST-2 one head gives the model's answer more often than any rule that ignores the query, in every
# model on record <shared-controls: supported everywhere; fresh-controls: supported everywhere>`, and {claim}`such heads lie
# in the middle layers, as in the paper, when every query has demonstrations of its own; in the largest model this is at the
# margin <depth-fresh: supported on SmolLM2-135M, Qwen2.5-Coder-0.5B; inconclusive on Qwen2.5-Coder-1.5B>`. Are its weights
# a similarity? {claim}`Where they change with the query they follow the paper's similarity, if the model reads every text
# with the cue behind it <similarity-cue: supported everywhere>`: {claim}`a little in SmolLM2-135M, and in both Qwen models
# better than any rival; there the heads that agree with the model are those that follow similarity <similarity-rivals:
# inconclusive on SmolLM2-135M; supported on Qwen2.5-Coder-0.5B, Qwen2.5-Coder-1.5B; map-cue: inconclusive on SmolLM2-135M;
# supported on Qwen2.5-Coder-0.5B, Qwen2.5-Coder-1.5B>`. {claim}`For the texts alone, as in the paper, that is not so in
# Qwen2.5-Coder-0.5B, and open in the others <similarity-raw: not supported on Qwen2.5-Coder-0.5B; inconclusive on
# SmolLM2-135M, Qwen2.5-Coder-1.5B; similarity-query-dependent: inconclusive everywhere>`. Does the answer need these
# heads? {claim}`Whether it is worse without them than without random heads is open <ablation-random: inconclusive
# everywhere>`. {claim}`It does need the labels that the middle layers read: exchanging their values between classes costs
# more than within classes <values-followed: supported everywhere>`.

# %% [markdown]
# ## What the paper says
#
# In every head the attention of the last token is reduced to a weight $a_i$ for each demonstration: the largest inside
# the span from $x_i$ to $y_i$. A head's answer is then
#
# $$
# \tilde y = \arg\max_c \; \frac{\sum_i a_i \, [y_i = c]}{\sum_i a_i} .
# $$
#
# On SST-2 the best heads of GPT-J give the model's own answer for 89 of 100 test points, and they lie in layers 16 to 21
# of 28 (section 5.2). Their weights correlate with the *prediction similarity* of query and demonstration,
# $P(o \mid x_\text{test})^\top P(o \mid x_i)$, each text run alone (section 5.3). The paper calls the first a
# reconstruction of the output and takes both as signs that these heads are the kernel. It does not test whether the
# answer depends on them.

# %% [markdown]
# ## Does one head give the model's answer?
#
# *Shared* demonstrations stand before every test point, as in the paper; several sets of them are drawn, since one set
# is one draw. *Fresh* ones are drawn for each prompt anew. A model that nearly always gives one answer is reproduced by
# any head that favours that label, so a head has to beat several controls: the model's most frequent answer, the last
# label, the majority of labels, a kernel $a_i = \lambda^{k-i}$ that knows only the order, its own weights averaged over
# queries, and a head chosen with permuted labels. Under fresh demonstrations there is one more: a model with random
# weights, whose heads reproduce its answers, too, without being kernels. *Priors off*: the median answer is subtracted
# before the model or a head decides.
#
# Half of the test points choose (the head, and which control is strongest), the other half judge, and the other way
# round. An effect counts if it exceeds its control by 0.05 of a rate or correlation, which the paper's 300 held-out
# points can just resolve.

# %% tags=["hide-input"]
pictures.controls(ladder, seed=seed)

# %% tags=["hide-input"]
results.claim(
    "shared-raw",
    "Under shared demonstrations the best head gives the model's answer more often than the most frequent answer does.",
    claims.above(MARGIN),
    lambda one: estimates.beyond_modal(one, seed=seed),
    paper="A",
    section="5.2",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "shared-controls",
    "Under shared demonstrations, priors off, the best head gives the model's answer more often than any control.",
    claims.above(MARGIN),
    lambda one: estimates.beyond_controls(one, SHARED, seed=seed),
    paper="A",
    section="5.2, stricter",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "fresh-controls",
    "Under fresh demonstrations, priors off, the best head gives the model's answer more often than any control.",
    claims.above(MARGIN),
    lambda one: estimates.beyond_controls(one, FRESH, seed=seed),
    paper="A",
    section="5.2, stricter",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "fresh-against-last",
    "Where the model does not answer with the last label, the best head agrees more often than any control (fresh).",
    claims.above(MARGIN),
    lambda one: estimates.beyond_controls(
        one, FRESH, against_last=True, seed=seed
    ),
    paper="A",
    section="5.2, stricter",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "performance-raw",
    "Under shared demonstrations the best head is right more often than the most frequent label.",
    claims.above(MARGIN),
    lambda one: estimates.performance(one, SHARED, RAW, seed=seed),
    paper="A",
    section="5.2",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "performance-corrected",
    "Under fresh demonstrations, priors off, the best head is right more often than the most frequent label.",
    claims.above(MARGIN),
    lambda one: estimates.performance(one, FRESH, PRIOR_OFF, seed=seed),
    paper="A",
    section="5.2, stricter",
    speaks="for",
)

# %% [markdown]
# ## Where are these heads?

# %% tags=["answer", "hide-input"]
pictures.agreement_by_depth(ladder, seed=seed)

# %% tags=["hide-input"]
results.claim(
    "depth-shared",
    "Heads at the paper's depth agree with the model more than heads elsewhere (shared demonstrations).",
    claims.above(MARGIN),
    lambda one: estimates.middle_more_than_others(one, SHARED, seed=seed),
    paper="A",
    section="5.2",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "depth-fresh",
    "Heads at the paper's depth agree with the model more than heads elsewhere (fresh demonstrations, priors off).",
    claims.above(MARGIN),
    lambda one: estimates.middle_more_than_others(one, FRESH, seed=seed),
    paper="A",
    section="5.2, stricter",
    speaks="for",
)

# %% tags=["hide-input"]
pictures.agreement_maps(ladder)

# %% [markdown]
# ## Do their weights follow similarity?
#
# *Pooled* over all prompts and demonstrations, as in the paper, a correlation also counts what has nothing to do with
# the query: a demonstration near the end draws attention whatever is asked. *Query-dependent* is what is left once each
# demonstration's mean over test points is taken off weights and similarities. And the paper's similarity is read in two
# ways: from the texts alone, behind which nothing asks for a label, and with the cue ("Sentiment:") behind each text,
# where the model predicts one. Chance is the best head's correlation with the similarities of other test points.

# %% tags=["hide-input"]
pictures.similarity(ladder, seed=seed)

# %% tags=["hide-input"]
results.claim(
    "similarity-raw",
    "The best head's weights correlate with prediction similarity of the texts alone (pooled).",
    claims.above(MARGIN),
    lambda one: estimates.follows_similarity(one, POOLED, ALONE, seed=seed),
    paper="A",
    section="5.3",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "similarity-query-dependent",
    "The best head's weights follow prediction similarity of the texts alone in the part that changes with the query.",
    claims.above(MARGIN),
    lambda one: estimates.follows_similarity(
        one, QUERY_DEPENDENT, ALONE, seed=seed
    ),
    paper="A",
    section="5.3, stricter",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "similarity-cue",
    "In that part the best head's weights follow prediction similarity that is read with the cue behind each text.",
    claims.above(MARGIN),
    lambda one: estimates.follows_similarity(
        one, QUERY_DEPENDENT, WITH_CUE, seed=seed
    ),
    paper="A",
    section="5.3, the reading that can succeed",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "similarity-rivals",
    "The best head's weights follow similarity with the cue more than the strongest rival, embeddings or shared words.",
    claims.above(MARGIN),
    lambda one: estimates.follows_more_than_rivals(
        one, QUERY_DEPENDENT, WITH_CUE, seed=seed
    ),
    paper="A",
    section="5.3, stricter",
    speaks="for",
)

# %% [markdown]
# The paper also finds that the two maps of heads resemble each other. Both are larger in some layers than in others, which
# would be enough for that; so the question is asked inside each layer.

# %% tags=["hide-input"]
results.claim(
    "map-raw",
    "Of the heads of a layer, those that agree with the model are those whose weights follow the texts alone (pooled).",
    claims.above(MAP),
    lambda one: estimates.same_heads(one, POOLED, ALONE, seed=seed),
    paper="A",
    section="5.3",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "map-cue",
    "Of the heads of a layer, those that agree are those whose weights follow similarity with the cue (query-dependent).",
    claims.above(MAP),
    lambda one: estimates.same_heads(one, QUERY_DEPENDENT, WITH_CUE, seed=seed),
    paper="A",
    section="5.3, stricter",
    speaks="for",
)

# %% [markdown]
# ## Does the answer need them?
#
# *Ablation*: at the last token the outputs of the eight heads that agree most are replaced by their averages over prompts.
# Which eight is itself a draw, so they are chosen twenty times, each time on another half of the fresh prompts, and judged
# on test points that chose none. Controls are as many random heads of the same layers, and the best heads of all other
# layers. The effect is measured by the *separation* of the labels: by how many nats the true label exceeds the others once
# a set's average answer is subtracted. What is lost is what the heads write at the last token (*direct*), plus what later
# layers do about it: make up for the loss (*self-repair* {cite}`mcgrath2023hydra`), or no longer suppress an answer
# {cite}`mcdougall2024copy`; the final norm's scale takes the rest {cite}`rushing2024explorations`.
#
# *Swap*: in the middle layers the label tokens get the values of labels of the other class, keys stay. A kernel now adds up
# the wrong labels. Controls are the same swap within classes, and in as many other layers.

# %% tags=["hide-input"]
pictures.interventions(ladder, seed=seed)

# %% tags=["hide-input"]
results.claim(
    "ablation-random",
    "Ablating the best heads costs more separation than ablating random heads of the same layers.",
    claims.above(NATS),
    lambda one: estimates.ablation_beyond(one, causes.RANDOM, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "ablation-elsewhere",
    "Ablating the best heads costs more separation than ablating the best heads of other layers.",
    claims.above(NATS),
    lambda one: estimates.ablation_beyond(one, causes.ELSEWHERE, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "ablation-direct",
    "What the best heads write at the last token separates the labels more than what random heads write there.",
    claims.above(NATS),
    lambda one: estimates.ablation_beyond(
        one, causes.RANDOM, DIRECT, seed=seed
    ),
)

# %% tags=["hide-input"]
results.claim(
    "ablation-later",
    "Later layers make up for the best heads more than for random heads.",
    claims.below(-NATS),
    lambda one: estimates.ablation_beyond(one, causes.RANDOM, LATER, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "values-followed",
    "In the middle layers swapping label values between classes costs more than swapping them within classes.",
    claims.above(NATS),
    lambda one: estimates.swap_beyond(one, causes.SAME_CLASS, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "values-middle",
    "Swapping label values between classes costs more in the middle layers than in as many other layers.",
    claims.above(NATS),
    lambda one: estimates.swap_beyond(one, causes.OTHER_LAYERS, seed=seed),
)

# %% [markdown]
# ## How it is measured
#
# `iclnb.heads.measure` reads all prompts once and keeps a number a demonstration and head. From these weights a head's
# answer is a line of kernel regression:

# %%
weights, labels = [0.6, 0.1, 0.3], [0, 1, 1]  # a_i and y_i of one head
kernel_regression(weights, labels, 2)

# %% [markdown]
# The largest attention inside a demonstration is the paper's weight. The sum over the same tokens, and the largest
# attention on the label word alone, choose other heads. How often these agree with the model, under shared demonstrations:

# %% tags=["hide-input"]
pictures.variants(ladder)

# %% [markdown]
# ## Limits
#
# A head that agrees with the model may be one of many through which the answer passes, or report an answer that was made
# before it ([chapter 07](07_kernel_induction_or_report)); only the interventions speak about causes, and they act on the last token or on
# what later tokens read. Where a model is at chance, agreement means little. All prompts of a task have one format.
#
# Chosen after looking: eight heads, the halves in place of the paper's 700 and 300 points, and the reading with the
# cue, after the texts alone had shown next to nothing in the smallest model. Choices of heads are redrawn because
# single choices had led to opposite verdicts in models that many heads reproduce equally well. Related: heads whose
# attention leads to wrong answers {cite}`halawi2024overthinking`, and heads that copy by matching what stood before
# {cite}`olsson2022induction`.

# %% tags=["hide-input"]
results.value(
    "at_chance", lambda one: {one.task: estimates.at_chance(one, seed=seed)}
)
results.value("accuracy without heads", lambda one: estimates.accuracy(one))
results.value(
    "depth of the best heads",
    lambda one: list(estimates.best_depth(one, top=run.top, seed=seed)),
)
results.value("share of the most chosen head", estimates.most_chosen)
results.value(
    "contrast of same and other labels",
    lambda one: {
        reading: list(estimates.label_contrast(one, reading, seed=seed))
        for reading in (ALONE, WITH_CUE)
    },
)
saved = results.save()
