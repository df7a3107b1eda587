# %% [markdown]
# # Appendix: retrieval and perturbations in detail
#
# [Chapter 04](04_retrieval_and_format) compares a language model with kernel regression on the same
# demonstrations. Five questions are left to this appendix. Does another retriever's kernel come closer to the
# model? Do near demonstrations help through their labels? Does the kernel's answer depend much on its
# bandwidth? Do the heads that agree best with the model give near demonstrations more weight? What happens
# when the demonstrations rather than the test points are out of distribution?

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # name of a task with two classes
model: str = by_profile(
    "smollm2-135m-instruct", "smollm2-135m-instruct", "EleutherAI/gpt-j-6b"
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: int = by_profile(2, 4, 8)  # demonstrations per prompt
points: int = by_profile(4, 16, 500)  # test points with fresh demonstrations
most: int = 3  # prompts that a retrieved row may stand in
shared_points: int = by_profile(2, 6, 200)  # of them, for shared sets
sets: int = by_profile(2, 3, 10)  # demonstration sets that these share
pool: int = by_profile(16, 100, 2500)  # rows to choose demonstrations from
held_out: int = by_profile(20, 200, 1000)  # rows for the kernel's bandwidth
heads: int = 3  # how many of the best heads to look at
batch_size: int = 16  # queries per forward pass
data_seed: int = 0  # test points, pool and held-out rows
demonstration_seed: int = 1  # choice and order of demonstrations
model_seed: int = 2  # noise: in labels and texts
sampling_seed: int = 3  # halves of the test points, intervals

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.display import escape, number
from iclnb.llm.demonstrations import draw
from iclnb.llm.reader import Reader
from iclnb.steering import (
    conditions,
    estimates,
    head_widths,
    lexicon,
    material,
    pictures,
    retrieval,
    tables,
)
from iclnb.steering.retrieval import PREDICTIONS, WORDS, Retrieved
from iclnb.steering.study import Condition

run = settings.read(globals())
seed = run.sampling_seed
rows = material.draw_rows(
    run.task,
    run.points,
    run.pool,
    run.held_out,
    seed=run.data_seed,
    source=run.source,
)
reader = Reader.load(
    run.model,
    revision=run.revision,
    device_map=run.device_map,
    dtype=run.dtype,
    batch_size=run.batch_size,
)
study = material.prepare(reader, rows, run.k, seed=run.demonstration_seed)
results = claims.Results(
    "04a_steering_in_detail",
    vars(run),
    {"model": reader.origin, "data": rows.task_rows.origins},
)

# %% [markdown]
# ## Other retrievers and their own kernels
#
# Besides the cosine of embeddings, *prediction similarity* $P(o \mid x)^\top P(o \mid x_i)$ (both texts run
# alone through the model) and lexical overlap (BM25) choose the nearest demonstrations; *diverse* ones have
# maximal marginal relevance by embeddings. Every prompt has equally many of each label. Kernel regression
# weights the demonstrations by the retriever's own similarity (with embeddings, by the chapter's Gaussian
# kernel).

# %%
random, nearest = Retrieved("random"), Retrieved("nearest")
keys = [random, nearest, Retrieved("diverse")]
keys += [Retrieved("nearest", by=other) for other in (PREDICTIONS, WORDS)]
alike = retrieval.similarities(study)
retrievals = retrieval.conditions(
    study, alike, keys, run.k, most=run.most, seed=run.demonstration_seed
)

# %%
retrieved = study.measure_all(retrievals)
pictures.retrieval(retrieved, seed=seed)

# %%
tables.retrieval(retrievals, retrieved, seed=seed)

# %% [markdown]
# Why limit how often a row is shown? Without a limit, the commonest of the farthest rows is in this share of
# all prompts:

# %% tags=["hide-input"]
farthest = [Retrieved("farthest", False, by) for by in alike]
unlimited = retrieval.conditions(
    study, alike, farthest, run.k, most=None, seed=run.demonstration_seed
)
shares = {
    key.by: retrieval.commonest_row(each.shown)
    for key, each in unlimited.items()
}
Markdown("; ".join(f"{by}: {number(share)}" for by, share in shares.items()))

# %% [markdown]
# ## Do near demonstrations help through their labels?
#
# The nearest demonstrations are shown once more with *random labels*. What remains of their gain is not due to
# the labels.

# %%
relabelled = conditions.with_noise(
    retrievals[nearest].shown, 1.0, "random", seed=run.model_seed
)
unlabelled = study.measure(Condition(relabelled))

# %% [markdown]
# With few test points the expected calibration error in this table is mostly noise.

# %% tags=["hide-input"]
named = {key.name: each for key, each in retrieved.items()}
tables.accuracy(named | {"nearest, random labels": unlabelled})

# %%
results.claim(
    "nearest-labels-count",
    "The nearest demonstrations do better with their own labels than with random labels.",
    claims.above(0),
    estimates.difference(retrieved[nearest], unlabelled, seed=seed),
)

# %% [markdown]
# ## Does the kernel's answer depend on its bandwidth?
#
# The bandwidths are a very narrow one, which copies the nearest label, the one chosen on held-out rows, and a
# very wide one, which counts labels. The table shows the accuracy of kernel regression; its last row has the
# cosine itself as the kernel. (A negative cosine counts against its label.)

# %%
by_embeddings = {key.name: retrievals[key] for key in keys[:3]}
tables.bandwidths(study, by_embeddings, (0.05, study.bandwidth.value, 3.0))

# %% [markdown]
# ## How wide is the kernel of the best heads?
#
# If some heads are the kernel, their weights $a_i$ (the largest attention of the last token inside
# demonstration $i$) should fall with the distance of $x_i$ from the query. The candidates are heads of the
# paper's middle layers, by relative depth. Half of the test points choose among them, by how often a head's
# kernel regression gives the model's answer; the weights are measured on the other half. Whether such heads
# make the answer or report it is the subject of [chapter 03](03_middle_layer_heads).
#
# The *effective number* $1 / \sum_i w_i^2$ of normalised weights says how many demonstrations count. The
# *effective bandwidth* is the $h$ of the Gaussian kernel whose weights come closest; it is infinite if the
# weights do not fall with distance. Weights permuted within each prompt are the null.

# %%
widths = head_widths.measure(
    study,
    {key.name: retrievals[key] for key in (random, nearest)},
    run.heads,
    seed=seed,
)
tables.widths(widths, study.bandwidth.value, seed=seed)

# %% tags=["hide-input"]
names = ", ".join(f"layer {layer} head {head}" for layer, head in widths.heads)
Markdown(
    f"The heads chosen are {names}. The first agrees with the model on {number(widths.agreement)} of the "
    f"other half, repeating the last label on {number(widths.last_label)}."
)

# %%
results.claim(
    "best-heads-prefer-the-near",
    "The best heads of the middle layers weigh demonstrations near the query more than distant ones.",
    claims.below(0),
    estimates.narrowing_of_heads(widths, "random", seed=seed),
    paper="A",
    section="4.2",
)

# %% [markdown]
# ## Perturbed demonstrations
#
# This is one text under every perturbation at full strength:

# %%
words = lexicon.load()
text = material.joined(study.task, study.queries.rows[:1])[0]
tables.examples(text, words, seed=run.model_seed)

# %% [markdown]
# The chapter perturbs the texts of the test points. Here only those of the demonstrations are perturbed, at
# full strength; the paper's column is for inputs perturbed in its own way.

# %%
few = study.first(run.shared_points)
drawn = draw(study.labels, run.k, run.sets, seed=run.demonstration_seed)
shown = drawn.for_every(few.points)
plain = few.measure(Condition(shown))

# %%
perturbed = few.measure_all(
    conditions.perturbed_demonstrations(
        few, shown, (1.0,), lexicon=words, seed=run.model_seed
    )
)
tables.table_1(perturbed, plain, seed=seed)

# %%
results.claim(
    "ood-demonstrations-hurt",
    "Typos in the demonstrations alone make the right label word less probable.",
    claims.below(0),
    estimates.difference(perturbed["typos", 1.0], plain, seed=seed),
    paper="A",
    section="4.2",
)

# %% tags=["hide-input"]
at_chance = estimates.is_at_chance(
    plain.model, retrieved[random].model, retrieved[nearest].model, seed=seed
)
Markdown(
    f"{escape(run.model)} is {'not shown to be ' if at_chance else ''}above chance on this task."
)

# %% tags=["hide-input"]
results.values |= estimates.summary(
    retrieved=named, perturbed_demonstrations=perturbed
) | {
    "at_chance": {run.task: at_chance},
    "commonest_farthest_row_unlimited": shares,
    "best_heads": widths.heads,
}
saved = results.save()
