# %% [markdown]
# # Appendix 04a: retrievers, perturbed demonstrations, calibration
#
# [Chapter 04](04_retrieval_and_format) compares a language model with kernel regression on sentence embeddings. Does
# the paper's own similarity, which asks what the model itself predicts after each text, come closer? What happens when
# the demonstrations are out of distribution and not the queries? And how much of the order's influence is a bias that
# calibration takes off?

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # name of a task with 2 to 10 classes
model: str = by_profile(
    "smollm2-135m-instruct", "smollm2-135m-instruct", "EleutherAI/gpt-j-6b"
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: int = at_least(2, by_profile(2, 3, 8))  # demonstrations per prompt
points: int = at_least(
    2, by_profile(4, 6, 500)
)  # test points, each with its own
most: int = at_least(1, 3)  # prompts that a retrieved row may stand in
shared_points: int = at_least(
    2, by_profile(2, 4, 200)
)  # of them, for calibration
sets: int = at_least(
    2, by_profile(2, 3, 10)
)  # demonstration sets that these share
orders: int = at_least(2, by_profile(2, 3, 8))  # orders of each set
domain_texts: int = at_least(
    1, by_profile(1, 3, 20)
)  # of random words, for calibration
pool: int = at_least(
    2, by_profile(80, 100, 2500)
)  # rows to choose demonstrations from
held_out: int = at_least(
    1, by_profile(20, 50, 1000)
)  # rows for the kernel's bandwidth
batch_size: int = at_least(1, 16)  # queries per forward pass
data_seed: int = 0  # test points, pool and held-out rows
demonstration_seed: int = 1  # choice and order of demonstrations
model_seed: int = 2  # noise: in texts
sampling_seed: int = 3  # intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.steering import estimates_details as estimates
from iclnb.steering import pictures
from iclnb.steering.findings import (
    BATCH,
    CONTEXTUAL,
    DOMAIN,
    PERTURBED,
    PREDICTIONS,
)
from iclnb.steering.material import draw_rows as design
from iclnb.steering.measure_details import measure

run = settings.read(globals(), design)
seed = run.sampling_seed

# %% tags=["hide-input"]
ladder = ladders.measured("04a_steering_in_detail", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** {claim}`In SmolLM2-135M a part of the order's influence is a bias of the prompt: dividing by what the same
# demonstrations favour, estimated in any of three ways, lets two orders differ less often <contextual-steadies: supported
# on SmolLM2-135M; batch-steadies: supported on SmolLM2-135M; domain-context-steadies: supported on SmolLM2-135M>`. Are
# demonstrations that are near by the model's own predictions better than random ones of the same labels, and does that
# similarity tell more of the answer than embeddings do? {claim}`Both are open <predictions-retrieve: inconclusive on
# SmolLM2-135M; predictions-tell-more: inconclusive on SmolLM2-135M>`, as is {claim}`whether typos in the demonstrations
# alone hurt <typos-in-demonstrations-hurt: inconclusive on SmolLM2-135M>`.

# %% tags=["answer", "hide-input"]
pictures.calibration(ladder, seed=seed)

# %% [markdown]
# ## Whose similarity?
#
# Besides the cosine of embeddings, *prediction similarity* $P(o \mid x)^\top P(o \mid x_i)$ (both texts run alone
# through the model; section 5.3 of the paper) and the overlap of words (BM25) choose the nearest demonstrations.
# As in the chapter, the control are random rows with the same labels in the same places. On the right, each similarity
# is the kernel of kernel regression on random demonstrations: how much of the model's answer does it tell, counts of
# labels and the right answer taken out?

# %% tags=["hide-input"]
pictures.retrievers(ladder, seed=seed)

# %% tags=["hide-input"]
results.claim(
    "predictions-retrieve",
    "The demonstrations nearest by prediction similarity help more than random ones of the same labels.",
    claims.above(0),
    lambda one: estimates.retrieval_helps(one, PREDICTIONS, seed=seed),
    paper="A",
    section="4.2 and 5.3",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "predictions-tell-more",
    "The kernel of prediction similarity tells more of the answer than that of embeddings (difference of partial correlations).",
    claims.above(0),
    lambda one: estimates.tells_more(one, PREDICTIONS, seed=seed),
    paper="A",
    section="5.3, carried over",
    speaks="for",
)

# %% [markdown]
# ## Demonstrations out of distribution
#
# Here the texts of the demonstrations are perturbed, and the queries are as they are.

# %% tags=["hide-input"]
pictures.demonstrations(ladder, seed=seed)

# %% tags=["hide-input"]
results.claim(
    "typos-in-demonstrations-hurt",
    "Typos in the demonstrations alone make the right word less probable.",
    claims.below(0),
    lambda one: estimates.demonstrations_count(one, PERTURBED[0], seed=seed),
    paper="A",
    section="4.2",
    speaks="for",
)

# %% [markdown]
# ## Is the influence of order a bias?
#
# In practice the dependence on the order is known as a *bias* of the prompt towards a label word, and the remedy is to
# divide the probabilities by a prior estimated with the same demonstrations: **contextual** calibration
# {cite}`zhao2021calibrate` by the mean answer to "N/A", "[MASK]" and an empty text; **batch** calibration
# {cite}`zhou2024batch` by the mean answer to the test points, whose labels stay unseen; **domain-context** calibration
# {cite}`fei2023mitigating` by the mean answer to random words of the task's texts.
#
# Demonstration sets, shared by all test points, are shown in several orders. The control divides by the priors of
# *another set's* prompts: it takes off what the model prefers everywhere, but not what this prompt adds.

# %% tags=["hide-input"]
results.claim(
    "contextual-steadies",
    "Contextual calibration lets two orders differ less often than the priors of another set do.",
    claims.below(0),
    lambda one: estimates.steadies(one, CONTEXTUAL, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "batch-steadies",
    "Batch calibration lets two orders differ less often than the priors of another set do.",
    claims.below(0),
    lambda one: estimates.steadies(one, BATCH, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "domain-context-steadies",
    "Domain-context calibration lets two orders differ less often than the priors of another set do.",
    claims.below(0),
    lambda one: estimates.steadies(one, DOMAIN, seed=seed),
)

# %% [markdown]
# ## Limits
#
# - Similarities by prediction and by words are used as kernels as they are, those of embeddings by the chapter's
#   Gaussian; a monotone function of either might tell more.
# - Batch calibration sees few test points, and equally many of each class, which suits it.

# %% tags=["hide-input"]
saved = results.save()
