# %% [markdown]
# # 02 Where does the last token look?
#
# A language model answers from one position: the last token of the prompt. Whatever is known there about the
# demonstrations must have arrived through attention. {cite}`han2025kernel` (section 5.1) look at this row of
# attention in GPT-J and name three places that it goes to. Do other models look at the same places?

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
k: int = at_least(1, by_profile(4, 8, 16))  # demonstrations per prompt
prompts: int = at_least(
    2, by_profile(6, 10, 700)
)  # test points, each with fresh demonstrations
tail: int = at_least(1, 5)  # how many tokens count as the end of the query
batch_size: int = at_least(1, 4)  # prompts per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # choice of control tokens, intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.allocation import estimates, material, pictures
from iclnb.allocation.findings import FIRST_TOKEN, LABELS, QUERY_END
from iclnb.allocation.material import draw_rows as design
from iclnb.allocation.measure import measure
from iclnb.claims.tasks import across_tasks
from iclnb.display import verbatim
from iclnb.llm.demonstrations import task_rows
from iclnb.llm.loading.readers import load_reader

run = settings.read(globals(), design)
seed = run.sampling_seed

# %% tags=["hide-input"]
ladder = ladders.measured("02_attention_allocation", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** {claim}`In every model and task on record the very first token of the prompt draws far more than its share
# <first-token: supported everywhere>`. {claim}`The last tokens, which ask for the label, draw more in the first layers than in later ones
# <query-end-first-layers: supported everywhere>`, although {claim}`most of what they draw, summed over layers, they
# draw later <query-end-mostly-first-layers: not supported everywhere>`. And {claim}`in the middle layers label words
# stand out, not the texts that they belong to <labels-middle-layers: supported everywhere; labels-not-texts: supported
# everywhere>`, as a mechanism that averages labels would require. Does it average them, and with which weights? The
# [next chapter](03_middle_layer_heads) asks.

# %% tags=["answer", "hide-input"]
pictures.depth_profiles(ladder, seed=seed)

# %% [markdown]
# ## What the paper says
#
# In every layer and head the last of $T$ tokens gives weights $a_{T,1}, \dots, a_{T,T}$ to the tokens of its prompt.
# The paper averages them over prompts and sees three places: the end of the query $x_\text{test}$, mostly in the
# first three of 28 layers; the first tokens of the prompt; and the label words $y_i$, in the middle layers. The third
# is what kernel regression needs: a head can only average labels that it attends to.
#
# The figure repeats the paper's picture for each model of this book. Prompts differ in length, so every stretch of text
# between two labels is rescaled to the same number of positions, and each label keeps a position of its own.

# %% tags=["hide-input"]
pictures.averaged_maps(ladder)

# %% [markdown]
# ## Do the three places draw more than their share?
#
# A *uniform share* is what a group of tokens would get if all tokens drew the same attention. For a group $G$ of
# tokens the *ratio to uniform* is
#
# $$
# r_G = \frac{\sum_{t \in G} a_{T,t}}{|G| / T},
# $$
#
# so that 1 means no preference, however long the prompt is. "First" and "middle" layers are those at the depth that
# the paper names: the first 3 and the layers 16 to 21 of 28. The query's end are the last five tokens of the prompt,
# which hold the cue. The control is a model of the same architecture with random weights. Intervals are over prompts.

# %% tags=["hide-input"]
results.claim(
    "query-end-first-layers",
    "The last tokens of the prompt draw more attention in the first layers than in the others.",
    claims.above(1),
    lambda one: estimates.times_elsewhere(one, QUERY_END, one.first, seed=seed),
    paper="A",
    section="5.1",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "query-end-mostly-first-layers",
    "Most of the attention on the last tokens, summed over layers, falls into the first layers.",
    claims.above(0.5),
    lambda one: estimates.share_of_all_layers(
        one, QUERY_END, one.first, seed=seed
    ),
    paper="A",
    section="5.1, read strictly",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "first-token",
    "The first token draws more than its uniform share, over all layers.",
    claims.above(1),
    lambda one: estimates.share(one, FIRST_TOKEN, seed=seed),
    paper="A",
    section="5.1",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "labels-middle-layers",
    "In the middle layers the label words draw more than their uniform share.",
    claims.above(1),
    lambda one: estimates.share(one, LABELS, one.middle, seed=seed),
    paper="A",
    section="5.1",
    speaks="for",
)

# %% [markdown]
# ## Is it the labels, and is it those layers?
#
# Labels might draw attention only because they are part of a demonstration. The stricter control, the grey lines of the
# first figure, is as many tokens drawn at random from the texts $x_i$ of the same demonstrations. And the paper's layers
# were found on another model. Of all windows of six neighbouring layers in 28, carried over by depth, is the one that
# attends most to labels the paper's?

# %% tags=["hide-input"]
results.claim(
    "labels-not-texts",
    "In the middle layers label words draw more attention than other tokens of their demonstrations.",
    claims.above(1),
    lambda one: estimates.times_texts(one, one.middle, seed=seed),
)

# %% tags=["hide-input"]
results.claim(
    "labels-at-papers-depth",
    "The window of layers that attends most to labels, as wide as the paper's, overlaps it by more than half.",
    claims.above(0.5),
    lambda one: estimates.window_overlap(one, seed=seed),
    paper="A",
    section="5.1, carried over",
    speaks="for",
)

# %% [markdown]
# An average over heads hides how unequal they are. Each dot below is one head.

# %% tags=["hide-input"]
pictures.label_heads(ladder)

# %% [markdown]
# ## Does it hold in other tasks?
#
# SST-2 and Rotten Tomatoes ask for the sentiment of film reviews, *hate* whether a tweet is hateful, and MNLI whether one
# sentence follows from another, with three label words. Other tasks than SST-2 were measured on fewer prompts.

# %% tags=["hide-input"]
across_tasks(
    results, "first-token", "query-end-first-layers", "labels-not-texts"
)

# %% [markdown]
# ## How it is measured
#
# Each test point gets one prompt with a fresh draw of demonstrations, so an interval over prompts is also an
# interval over demonstrations. One prompt with two of them:

# %%
rows = task_rows(run.task, run.prompts, seed=run.data_seed)
reader = load_reader(run.model)
prompt = material.fresh_prompts(reader.tokenizer, rows, 2, seed=0)[0]
verbatim(prompt.text)

# %% [markdown]
# Below, `reader` captures what the last token gives to every token, in every layer and head, without writing out the
# attention of the other tokens. `iclnb.allocation.measure` reduces it to shares, prompt by prompt.

# %%
_, attention = next(reader.attention([prompt]))
pictures.one_prompt(attention, prompt)

# %% [markdown]
# ## Limits
#
# Attention does not imply use: a head may look at a label and do nothing with it. A model with random weights attends almost
# uniformly, which makes it a weak control; other tokens of the same demonstrations are the stronger one. The
# claims that hold do so by so much that more prompts would change nothing; a larger model might. The
# claim that most of the attention falls into the first layers, and the one on the window of layers, were written after
# seeing that the others hold by a wide margin.

# %% tags=["hide-input"]
saved = results.save()
