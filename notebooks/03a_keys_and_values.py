# %% [markdown]
# # Appendix: what keys and values at a label hold
#
# If a head is a kernel, the keys near a label $y_i$ must tell what its text $x_i$ predicts, and the values
# which label it is. {cite}`han2025kernel` (section 5.4) read both off with linear probes, most accurately at
# the label itself. Is that so, and was it learned? This appendix of [chapter 03](03_middle_layer_heads)
# repeats the probes with controls, compares ways to turn attention into a kernel weight and to read prediction
# similarity, and shows one prompt token by token.

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
sets: int = by_profile(2, 8, 3)  # demonstration sets that test points share
points: int = by_profile(10, 24, 1000)  # test points
probe_sets: int = by_profile(4, 8, 60)  # demonstration sets of the probes
permutations: int = by_profile(20, 200, 200)  # size of permutation nulls
share: float = by_profile(0.5, 0.5, 0.7)  # of the points, which choose a head
batch_size: int = by_profile(16, 32, 16)  # queries per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # splits, permutations, shuffles, intervals

# %% tags=["hide-input"]
from functools import partial

from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.display import escape
from iclnb.heads import (
    correlation,
    estimates_features,
    material,
    pictures_appendix,
    probes,
    reconstruction,
    tables,
    token_view,
)
from iclnb.heads.estimates import MAP, MARGIN
from iclnb.llm.data import tasks
from iclnb.llm.kernel_weights import VARIANTS
from iclnb.llm.reader import Reader

run = settings.read(globals())
seed = run.sampling_seed

# %% [markdown]
# ## What is claimed, and what would refute it
#
# - **5.4, keys and values.** At the label, keys tell what $x_i$ predicts and values tell $y_i$, better than at
#   the positions around it. *Refuted* if naming the most frequent target does as well, or another position;
#   *refuted, strictly*, if random weights do as well.
# - **5.3, similarity.** The heads that agree with the model are those whose weights follow the prediction
#   similarity. *Refuted* if the correlation of the two maps of heads is not above 0.3.
#
# The other margins are the chapter's.

# %% tags=["hide-input"]
where = {
    "revision": run.revision,
    "device_map": run.device_map,
    "dtype": run.dtype,
    "batch_size": run.batch_size,
}
reader = Reader.load(run.model, **where)
blank = Reader.load(run.model, random_weights_seed=run.model_seed, **where)
drawn = material.draw_material(
    reader.tokenizer,
    run.task,
    k=run.k,
    sets=run.sets,
    points=run.points,
    fresh=1,
    data_seed=run.data_seed,
    demonstration_seed=run.demonstration_seed,
    source=run.source,
)

# %% tags=["hide-input"]
origins = drawn.rows.origins
provenance = {"model": reader.origin, "control": blank.origin, "data": origins}
results = claims.Results("03a_keys_and_values", vars(run), provenance)
Markdown(escape(tasks.summary(origins)))

# %% [markdown]
# ## Probes
#
# A probe is a ridge regression ($\lambda = 0.01$) from the keys around each label to the most likely token
# after $x_i$ alone, or from the values to $y_i$. There is one for every layer, key-value head and position,
# from one before the label to three behind it. Whole demonstration sets are held out. The controls are the
# same probe on shuffled targets {cite}`hewitt2019control`, and on a model with random weights.

# %% tags=["hide-input"]
prompts, texts = material.probe_prompts(
    reader.tokenizer,
    drawn.rows,
    run.k,
    run.probe_sets,
    seed=run.demonstration_seed,
)
predicted = probes.predicted_tokens(reader, texts)
probed = {
    name: probes.keys_and_values(each, prompts, predicted, seed=seed)
    for name, each in (("trained", reader), ("random weights", blank))
}

# %% tags=["hide-input"]
pictures_appendix.probe_positions(
    {
        "keys: what the text predicts": {
            name: both.keys for name, both in probed.items()
        },
        "values: the label": {
            name: both.values for name, both in probed.items()
        },
    },
    seed=seed,
)

# %% [markdown]
# The best head is chosen on every other demonstration set and judged on the rest.

# %%
keys, values = zip(*probed.values(), strict=True)
results.claim(
    "keys-raw",
    "At the label, what the text predicts can be read off the keys of the best head more often than by naming "
    "its most frequent value.",
    claims.above(MARGIN),
    estimates_features.beyond_majority(keys[0], seed=seed),
    paper="A",
    section="5.4",
)

# %%
results.claim(
    "keys-learned",
    "At the label, what the text predicts can be read off the keys of the best head more often than off those "
    "of the best head of a model with random weights.",
    claims.above(MARGIN),
    estimates_features.beyond_random(*keys, seed=seed),
    paper="A",
    section="5.4, stricter",
)

# %%
results.claim(
    "keys-position",
    "Over all heads, what the text predicts can be read off the keys more often at the label than at any of the "
    "positions around it.",
    claims.above(MARGIN),
    estimates_features.beyond_other_positions(*keys, seed=seed),
    paper="A",
    section="5.4",
)

# %%
results.claim(
    "values-raw",
    "At the label, the label can be read off the values of the best head more often than by naming the most "
    "frequent one.",
    claims.above(MARGIN),
    estimates_features.beyond_majority(values[0], seed=seed),
    paper="A",
    section="5.4",
)

# %%
results.claim(
    "values-learned",
    "At the label, the label can be read off the values of the best head more often than off those of the best "
    "head of a model with random weights.",
    claims.above(MARGIN),
    estimates_features.beyond_random(*values, seed=seed),
    paper="A",
    section="5.4, stricter",
)

# %%
results.claim(
    "values-position",
    "Over all heads, the label can be read off the values more often at the label than at any of the positions "
    "around it.",
    claims.above(MARGIN),
    estimates_features.beyond_other_positions(*values, seed=seed),
    paper="A",
    section="5.4",
)

# %% [markdown]
# *Selectivity* is a probe's accuracy less that of the same probe on shuffled targets. For the best head at the
# label:

# %% tags=["hide-input"]
tables.selectivity(
    {
        f"{part}, {name}": getattr(both, part)
        for part in ("keys", "values")
        for name, both in probed.items()
    },
    seed=seed,
)

# %% [markdown]
# ## Other kernel weights
#
# The paper's weight is the largest attention inside a demonstration (*maximum*). The sum over the same tokens
# and the largest attention on the label word alone may choose other heads (shared demonstrations):

# %% tags=["hide-input"]
weights = material.measure(reader, drawn).shared
selecting = material.split(len(drawn.truth), run.share, seed=seed)
variants = {
    name: reconstruction.agree(
        weights,
        selecting,
        variant=name,
        permutations=run.permutations,
        seed=seed,
    )
    for name in VARIANTS
}

# %% tags=["hide-input"]
tables.variants(variants)

# %% [markdown]
# ## Prediction similarity, read in two ways
#
# For the paper's similarity $P(o \mid x)^\top P(o \mid x')$ each text is run alone (section 5.3). What follows
# a text is mostly punctuation, whatever its label. With the cue (such as "Sentiment:") behind the text the
# model predicts a label word, so this reading may succeed where the first does not. How much more similar is a
# query to demonstrations of its own label?

# %%
readings = drawn.prediction_readings(reader)
contrasts = {
    name: estimates_features.label_contrast(alike, weights, seed=seed)
    for name, alike in readings.items()
}

# %% tags=["hide-input"]
tables.contrasts(contrasts)

# %% tags=["hide-input"]
results.claim(
    "similarity-cue",
    "In the part that changes with the query, the best head's weights correlate with prediction similarity "
    "with the cue behind each text more than those of a head chosen and judged with similarities of other "
    "test points.",
    claims.above(MARGIN),
    estimates_features.follows_similarity(
        weights,
        readings["with the cue"],
        selecting,
        correlation.query_dependent,
        permutations=run.permutations,
        seed=seed,
    ),
    paper="A",
    section="5.3, another reading",
)

# %% [markdown]
# Are the heads that agree with the model those whose weights follow the paper's similarity? The claims
# correlate the two maps of heads, which are measured on different test points.

# %% tags=["hide-input"]
same = partial(
    estimates_features.same_heads,
    weights,
    readings["texts alone"],
    selecting,
    seed=seed,
)
results.claim(
    "map-raw",
    "Heads that agree with the model are heads whose weights correlate with prediction similarity.",
    claims.above(MAP),
    same(correlation.pooled),
    paper="A",
    section="5.3",
)

# %% tags=["hide-input"]
results.claim(
    "map-query-dependent",
    "Heads that agree with the model are heads whose weights correlate with prediction similarity, in the "
    "part that changes with the query.",
    claims.above(MAP),
    same(correlation.query_dependent),
    paper="A",
    section="5.3, stricter",
)

# %% [markdown]
# ## One prompt, token by token
#
# This is the head chosen by the paper's weight, on a prompt with fresh demonstrations. Other layers and heads
# can be selected on the page.

# %%
prompt, attention = next(reader.attention(drawn.fresh_prompts))
token_view.token_view(
    reader.tokenizer, prompt, attention, head=variants["maximum"].head
)

# %% tags=["answer", "hide-input"]
Markdown(estimates_features.answer(results.claims, run.model))

# %% tags=["answer", "hide-input"]
pictures_appendix.probe_positions(
    {"values: the label": {name: both.values for name, both in probed.items()}},
    seed=seed,
)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - More demonstration sets: the intervals are over held-out sets.
# - Another probe: a ridge regression finds only what is linear. And in any model a label token holds its own
#   label; only what exceeds random weights was learned.

# %% tags=["hide-input"]
results.values |= {
    "chosen": {name: one.head for name, one in variants.items()},
    "label_contrast": {name: list(one) for name, one in contrasts.items()},
    "agreement": {
        name: float(one.best.mean()) for name, one in variants.items()
    },
}
saved = results.save()
