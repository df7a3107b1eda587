# %% [markdown]
# # Appendix: the head explorer
#
# Does an attention head give weight to the demonstrations that are similar to the query, or to those at certain
# positions? If a head is a kernel, as {cite}`han2025kernel` propose, its weights follow similarity. This
# appendix of [chapter 03](03_middle_layer_heads) shows any head of the model on single prompts: the weight of
# each demonstration beside its position, its label and its similarity to the query.

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # the task that decides the claims, and is shown first
others: str = by_profile(
    "", "amazon_snippets", "rotten_tomatoes"
)  # further tasks to look at, separated by commas
model: str = by_profile(
    "smollm2-135m-instruct", "smollm2-135m-instruct", "EleutherAI/gpt-j-6b"
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
ks: str = by_profile("2,4", "4,8,16", "4,8,16")  # demonstrations per prompt
prompts: int = by_profile(10, 24, 300)  # of the first task
other_prompts: int = by_profile(10, 16, 100)  # of each further one
shown: int = by_profile(3, 6, 6)  # of each task, on this page
share: float = 0.5  # of the prompts, which choose a head
batch_size: int = 16  # queries per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations
sampling_seed: int = 3  # split, permutations, intervals

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.display import cell, escape
from iclnb.heads import (
    estimates_explorer,
    explorer,
    explorer_view,
    material,
    pictures_explorer,
)
from iclnb.heads.estimates import MARGIN
from iclnb.llm.data import tasks
from iclnb.llm.reader import Reader

run = settings.read(globals())
seed = run.sampling_seed

# %% [markdown]
# ## What is claimed, and what would refute it
#
# In each prompt separately the weights of a head are ranked. The squared Spearman correlation with another
# quantity is the share of the variance of these ranks that the ranks of that quantity explain. It ignores sign
# and scale, so nothing is assumed about the shape of the kernel.
#
# - *Ours:* the head that best reproduces the model's answers weights demonstrations by their position in the
#   prompt more than by their similarity to the query. *Refuted* if what position explains does not exceed what
#   similarity explains by 0.05.
#
# Demonstrations are drawn at random, so position and similarity are independent. By chance each share is
# $1/(k-1)$ on average, so the difference of the two is 0 on average for a head that follows neither.

# %%
reader = Reader.load(
    run.model,
    revision=run.revision,
    device_map=run.device_map,
    dtype=run.dtype,
    batch_size=run.batch_size,
)
ks = explorer.sizes(run.ks)

# %% tags=["hide-input"]
others = filter(None, map(str.strip, run.others.split(",")))
sizes = {run.task: run.prompts} | dict.fromkeys(others, run.other_prompts)
drawn = [
    material.draw_material(
        reader.tokenizer,
        tasks.get(name).name,
        k=ks[-1],
        sets=1,
        points=size,
        fresh=size,
        data_seed=run.data_seed,
        demonstration_seed=run.demonstration_seed,
        source=run.source,
    )
    for name, size in sizes.items()
]

# %% tags=["hide-input"]
origins = [origin for each in drawn for origin in each.rows.origins]
provenance = {"model": reader.origin, "data": origins}
results = claims.Results("03c_head_explorer", vars(run), provenance)
Markdown(escape(tasks.summary(origins)))

# %%
explored = [
    explorer.explore(reader, each, ks, share=run.share, seed=seed)
    for each in drawn
]
first = explored[0]

# %% [markdown]
# ## All heads at a glance
#
# The maps show for every head the mean over prompts of what position and two similarities explain: the paper's,
# between the model's predictions after each text alone, and that of sentence embeddings.

# %%
pictures_explorer.followed(first)

# %%
results.claim(
    "position-over-prediction",
    "In the head that best reproduces the model's answers (priors off), position explains more of the ranks of the weights "
    "than prediction similarity does.",
    claims.above(MARGIN),
    estimates_explorer.position_beyond(
        first, "prediction similarity", seed=seed
    ),
)

# %%
results.claim(
    "position-over-embedding",
    "In the head that best reproduces the model's answers (priors off), position explains more of the ranks of the weights "
    "than embedding similarity does.",
    claims.above(MARGIN),
    estimates_explorer.position_beyond(
        first, "embedding similarity", seed=seed
    ),
)

# %% tags=["answer", "hide-input"]
page = explorer.for_page(explored, shown=run.shown)
explorer_view.view(page, f"{run.model}, this run")

# %% tags=["answer", "hide-input"]
layer, head = first.head
Markdown(
    f"Layer {layer}, head {head} best reproduces the answers of {escape(run.model)}. What position explains of "
    "the ranks of its weights, less what a similarity explains: "
    + "; ".join(
        f"{name.removeprefix('position-over-')} {cell(claim.estimate)}, {claim.verdict}"
        for name, claim in ((claim.id, claim) for claim in results.claims)
    )
    + "."
)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - Another model: the menu above has every recorded run, the [results](../book/results) their verdicts.
# - A head chosen otherwise: the map shows which heads follow similarity, and whether they agree with the model.

# %% [markdown]
# ## Limits
#
# Ranks say nothing about how strongly a head prefers one demonstration. Single prompts are examples; only the
# claims are about all prompts. A head that follows position may still contribute to right answers; what heads
# do to the answer is measured in [chapter 03](03_middle_layer_heads).

# %% tags=["hide-input"]
results.values |= {"head": first.head, "explorer": page}
saved = results.save()
