# %% [markdown]
# # Where does the last token look?
#
# A language model answers from one position: the last token of the prompt. Whatever is known there about the
# demonstrations must have arrived through attention. {cite}`han2025kernel` (section 5.1) look at this row of
# attention in GPT-J and name three places that it goes to. This chapter measures all three, on a real model
# and real text, and compares them with a model that has learned nothing.

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import by_profile

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
k: int = by_profile(4, 16, 16)  # demonstrations per prompt
prompts: int = by_profile(
    6, 16, 700
)  # test points, each with fresh demonstrations
tail: int = 5  # how many tokens count as the end of the query
batch_size: int = 4  # prompts per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # choice of control tokens, intervals

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.allocation import estimates, material, measurements, pictures
from iclnb.allocation.groups import FIRST_TOKEN, GROUPS, LABELS, QUERY_END
from iclnb.display import escape, number, verbatim
from iclnb.llm.data import tasks
from iclnb.llm.demonstrations import task_rows
from iclnb.llm.depth import FIRST, MIDDLE, layers_within
from iclnb.llm.reader import Reader

run = settings.read(globals())
seed = run.sampling_seed

# %% [markdown]
# ## What is claimed, and what would refute it
#
# 1. **The end of the query** draws attention, mostly in the first layers. *Refuted* if the last tokens of the
#    prompt (the end of $x_\text{test}$ and the cue behind it) get no larger a multiple of their uniform share
#    there than in the other layers.
# 2. **The first token** of the prompt draws attention. *Refuted* if it gets no more than its uniform share.
# 3. **The label words** $y_i$ draw attention, in the middle layers. *Refuted* if they get no more than their
#    uniform share there, or no larger a multiple of it than in the other layers.
#
# The third is the one that matters for kernel regression: a head can only average labels that it attends to.
# We add a question that the paper leaves open: is it the *labels*, or would any token of a demonstration do?
#
# A *uniform share* is what a group of tokens would get if all tokens drew the same attention. "First" and
# "middle" are fixed before looking: the depths, relative to GPT-J's 28 layers, of the layers the paper names.

# %% [markdown]
# ## Prompts
#
# Each test point gets one prompt with a fresh draw of demonstrations, so an interval over prompts is also an
# interval over demonstration sets. (A set shared by all test points would be a single draw.)

# %%
rows = task_rows(run.task, run.prompts, seed=run.data_seed, source=run.source)
where = {
    "revision": run.revision,
    "device_map": run.device_map,
    "dtype": run.dtype,
}
reader = Reader.load(run.model, batch_size=run.batch_size, **where)
prompts = material.fresh_prompts(
    reader.tokenizer, rows, run.k, seed=run.demonstration_seed
)

# %% tags=["hide-input"]
Markdown(escape(tasks.summary(rows.origins)))

# %% tags=["hide-input"]
verbatim(f"The first prompt ends:\n\n{prompts[0].text[-220:]}")

# %% [markdown]
# ## Measurement
#
# In every layer and head we keep the attention weights $a_{T,1}, \dots, a_{T,T}$ that the last of $T$ tokens
# gives to the tokens of its prompt. For a group $G$ of tokens (labels, end of the query, first token) the
# *ratio to uniform* is
#
# $$
# r_G = \frac{\sum_{t \in G} a_{T,t}}{|G| / T},
# $$
#
# averaged over heads: 1 means no preference, however long the prompt is. The control is a model of the same
# configuration with random weights, on the same prompts.

# %%
blank = Reader.load(
    run.model,
    batch_size=run.batch_size,
    random_weights_seed=run.model_seed,
    **where,
)

# %%
found = estimates.Measured(
    *(
        measurements.measure(each, prompts, tail=run.tail, seed=seed)
        for each in (reader, blank)
    )
)

# %% [markdown]
# The paper's "first" and "middle" layers at the same relative depth in this model:

# %%
layers = len(found.learned.map)
first, middle = layers_within(layers, FIRST), layers_within(layers, MIDDLE)

# %% tags=["hide-input"]
Markdown(
    f"Of {layers} layers, counted from 0, the first are {first.min()} to {first.max()} and the middle "
    f"ones {middle.min()} to {middle.max()}."
)

# %% tags=["hide-input"]
data_sources = {
    "model": reader.origin,
    "control": blank.origin,
    "data": rows.origins,
}
results = claims.Results("02_attention_allocation", vars(run), data_sources)

# %% [markdown]
# ## The averaged map
#
# Every stretch of text between two labels is rescaled to the same number of positions by linear
# interpolation, each label keeps a position of its own, and the maps are averaged over prompts. There is one
# line per head, one block per layer.

# %%
pictures.averaged_map(
    found.learned, run.k, shown_layers={"first": first, "middle": middle}
)

# %% [markdown]
# A single prompt, averaged over heads, shows the tokens that the averaged map blurs.

# %%
pictures.one_prompt(reader, prompts[0])

# %% [markdown]
# ## Depth profiles
#
# Lines are means over prompts with 95 % intervals; crosses are the model with random weights. The labels have
# a stricter control on the same axes: as many tokens of the same demonstrations, drawn at random from their
# texts $x_i$. A head that attends to demonstrations but not to their labels treats both alike.

# %%
by_layer = estimates.by_layer(found.learned, seed=seed)
by_layer_random = estimates.by_layer(found.random, seed=seed)
pictures.depth_profiles(by_layer, by_layer_random, first=first, middle=middle)

# %% [markdown]
# The paper's three statements. Attention is relative to uniform in all claims; where one compares layers, the
# difference is taken prompt by prompt.

# %%
results.claim(
    "query-end-first-layers",
    "The last tokens of the prompt draw more attention in the first layers than in the others.",
    claims.above(0),
    estimates.more_than_elsewhere(found, QUERY_END, first, seed=seed),
    paper="A",
    section="5.1",
)

# %%
results.claim(
    "first-token",
    "The first token draws more than its uniform share, over all layers.",
    claims.above(1),
    estimates.share(found, FIRST_TOKEN, seed=seed),
    paper="A",
    section="5.1",
)

# %%
results.claim(
    "labels-middle-layers",
    "In the middle layers the label words draw more than their uniform share.",
    claims.above(1),
    estimates.share(found, LABELS, middle, seed=seed),
    paper="A",
    section="5.1",
)

# %% [markdown]
# The statements can be read more strictly. The end of the query may draw more in the first layers and still
# draw much later. Labels may draw attention in the middle layers as they do everywhere. And they may draw more
# than the average token only because they are part of a demonstration.

# %%
results.claim(
    "query-end-only-first-layers",
    "Outside the first layers the last tokens of the prompt draw no more than their uniform share.",
    claims.below(1),
    estimates.share_outside(found, QUERY_END, first, seed=seed),
    paper="A",
    section="5.1, stricter",
)

# %%
results.claim(
    "labels-middle-not-elsewhere",
    "The label words draw more attention in the middle layers than in the others.",
    claims.above(0),
    estimates.more_than_elsewhere(found, LABELS, middle, seed=seed),
    paper="A",
    section="5.1, stricter",
)

# %%
results.claim(
    "labels-not-texts",
    "In the middle layers label words draw more attention than other tokens of their demonstrations.",
    claims.above(0),
    estimates.labels_over_texts(found, middle, seed=seed),
)

# %% [markdown]
# ## Robustness: which layers?
#
# The paper's window of layers was found on another model. Moving a window of the same width through all depths
# shows where this model attends to labels, and how much the verdict depends on the choice.

# %%
by_window = estimates.windows(found.learned.ratio[LABELS], len(middle))
best = int(by_window.argmax())

# %% tags=["hide-input"]
Markdown(
    f"Of all windows of {len(middle)} layers, {best} to {best + len(middle) - 1} (relative depth "
    f"{number(best / layers, 2)} to {number((best + len(middle) - 1) / layers, 2)}) have the most "
    f"attention on labels, {number(by_window[best], 2)} times the uniform share. The paper's window has "
    f"{number(by_window[middle[0]], 2)} times."
)

# %% tags=["answer", "hide-input"]
Markdown(estimates.answer(results.claims))

# %% tags=["answer", "hide-input"]
pictures.depth_profiles(by_layer, by_layer_random, first=first, middle=middle)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - A larger model: it may have heads for labels in its middle layers.
# - Another window of layers: the paper's was found by looking at GPT-J, and is carried over by relative depth.
# - More prompts, where a verdict is undecided.

# %% [markdown]
# ## Limits
#
# Attention is not use: a head may look at a label and do nothing with it. Whether such heads act as a kernel
# is the question of the [next chapter](03_middle_layer_heads). An average over heads hides that a few of them
# may carry a layer's attention on labels; the map shows them. A model with random weights attends almost
# uniformly, which makes it a weak control; other tokens of the same demonstrations are the stronger one. All
# prompts are of one task and one format.

# %% tags=["hide-input"]
results.values |= {
    "layers": layers,
    "first_layers": first,
    "middle_layers": middle,
    "best_window_start": best,
    "ratio": {name: one.value for name, one in by_layer.items()},
    "ratio_random_weights": {
        name: one.value for name, one in by_layer_random.items()
    },
    "share": {name: found.learned.mass[name].mean(0) for name in GROUPS},
}
saved = results.save()
