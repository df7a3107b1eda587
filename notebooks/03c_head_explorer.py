# %% [markdown]
# # Appendix 03c: the head explorer
#
# Does an attention head give weight to the demonstrations that are similar to the query, or to those at certain
# positions? If a head is a kernel, as {cite}`han2025kernel` propose, its weights follow similarity. This appendix of
# [chapter 03](03_middle_layer_heads) shows any head of the recorded models on single prompts: the weight of each
# demonstration beside its position, its label and its similarity to the query.

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
k: int = at_least(3, by_profile(4, 8, 16))  # demonstrations per prompt
prompts: int = at_least(
    8, by_profile(8, 16, 300)
)  # each with demonstrations of its own
shown: int = at_least(1, by_profile(3, 6, 6))  # of them, on this page
batch_size: int = at_least(1, 16)  # queries per forward pass
data_seed: int = 0  # choice of test points and of their halves
demonstration_seed: int = 1  # choice of demonstrations
sampling_seed: int = 3  # shuffles, intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.heads import estimates_appendix as estimates
from iclnb.heads import explorer_view
from iclnb.heads import pictures_appendix as pictures
from iclnb.heads.estimates import MARGIN
from iclnb.heads.explorer import EMBEDDING, PREDICTION, measure
from iclnb.heads.material import explorer_rows as design

run = settings.read(globals(), design)
seed = run.sampling_seed

# %% tags=["hide-input"]
ladder = ladders.measured("03c_head_explorer", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** Does position or similarity explain more of the best head's weights, over all prompts? {claim}`In both models it
# is open whether position explains more than either similarity, by the margin that counts <position-over-prediction:
# inconclusive everywhere; position-over-embedding: inconclusive everywhere>`.

# %% [markdown] tags=["answer"]
# Choose a run, a prompt and a head below. If the head is a kernel, its dots rise from left to right in the panel of
# similarity, whatever their position; if it follows the order of the prompt, they do so in the panel of position. The best
# head is shown first.

# %% tags=["answer", "hide-input"]
explorer_view.view(explorer_view.pages(ladder))

# %% [markdown]
# ## Position or similarity?
#
# In each prompt separately the weights of a head are ranked. The squared Spearman correlation with another quantity is the
# share of the variance of these ranks that the ranks of that quantity explain. It ignores sign and scale, so nothing is
# assumed about the shape of the kernel. Demonstrations are drawn at random, so position and similarity are independent,
# and by chance each explains $1/(k-1)$ on average: the difference of the two is 0 for a head that follows neither. The
# claims are about the head that agrees most with the model, chosen on one half of the prompts and judged on the other.

# %% tags=["hide-input"]
name = ladder.recorded[-1].name if ladder.recorded else ladders.HERE
pictures.followed(ladder[name], name)

# %% tags=["hide-input"]
results.claim(
    "position-over-prediction",
    "In the head that best gives the model's answer, position explains more of the weights than prediction similarity does.",
    claims.above(MARGIN),
    lambda one: estimates.position_beyond(one, PREDICTION, seed=seed),
    speaks="against",
)

# %% tags=["hide-input"]
results.claim(
    "position-over-embedding",
    "In that head position explains more of the weights than the similarity of sentence embeddings does.",
    claims.above(MARGIN),
    lambda one: estimates.position_beyond(one, EMBEDDING, seed=seed),
    speaks="against",
)

# %% [markdown]
# ## Limits
#
# Ranks say nothing about how strongly a head prefers one demonstration. Single prompts are examples; only the claims are
# about all prompts. A head that follows position may still contribute to right answers; what heads do to the answer is
# measured in [chapter 03](03_middle_layer_heads).

# %% tags=["hide-input"]
saved = results.save()
