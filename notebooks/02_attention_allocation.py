# %% [markdown]
# # Where does the last token look?
#
# In-context learning happens at one position: the last token of the prompt, from which the model answers. Whatever
# it knows about the demonstrations must have reached it through attention. {cite}`han2025kernel` (section 5.1)
# look at this row of attention in GPT-J and name three places that it goes to. This notebook measures all three,
# on a real model and real text, against what a model that has learned nothing would do.

# %% [markdown]
# ## What is claimed, and what would refute it
#
# 1. **The end of the query** draws attention, mostly in the first layers. *Refuted* if the last tokens of
#    $x_\text{test}$ get no larger a multiple of their uniform share there than in the other layers.
# 2. **The first token** of the prompt draws attention. *Refuted* if it gets no more than its uniform share.
# 3. **The label words** $y_i$ draw attention, in the middle layers. *Refuted* if they get no more than their
#    uniform share there, or no larger a multiple of it than in the other layers.
#
# The third is the one that matters for kernel regression: a head can only average labels that it attends to. We
# add a question that the paper leaves open: is it the *labels*, or would any token of a demonstration do?
#
# "First" and "middle" are fixed before looking, as the paper's layers over GPT-J's number of layers.

# %% [markdown]
# ## Parameters

# %% tags=["parameters"]
from typing import Optional

profile: str = "laptop"  # smoke, laptop or paper; gives what is None below
task: Optional[str] = None  # name of a task
model: Optional[str] = None  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads the model over several GPUs
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: Optional[int] = None  # demonstrations per prompt
prompts: Optional[int] = None  # test points, each with its own demonstrations
tail: int = 5  # how many tokens count as the end of the query
batch_size: int = 4  # prompts per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # choice of control tokens, bootstrap

# %%
import numpy as np
from IPython.display import Markdown

from iclnb import claims, figures, settings, stats
from iclnb.allocation import measurements as allocation
from iclnb.allocation import pictures
from iclnb.llm import draws, models
from iclnb.llm.data import tasks

size = settings.choose(
    profile,
    {
        "smoke": {"task": "movie_snippets", "model": models.PACKAGED, "k": 4, "prompts": 6},
        "laptop": {"task": "movie_snippets", "model": models.PACKAGED, "k": 16, "prompts": 24},
        "paper": {"task": "sst2", "model": "EleutherAI/gpt-j-6b", "k": 16, "prompts": 700},
    },
    task=task, model=model, k=k, prompts=prompts,
)  # fmt: skip

# %% [markdown]
# ## Prompts
#
# One prompt per test point, each with demonstrations of its own: an interval over prompts is then an interval over
# demonstration sets. (With one set for all test points they would all be a single draw.)

# %%
chosen = tasks.get(size.task)
pool, queries = draws.pool_and_queries(
    size.task, size.prompts, seed=data_seed, source=source
)
trained = models.load(size.model, revision=revision, device_map=device_map)
made = draws.fresh_prompts(
    trained.tokenizer, chosen, pool, queries, k=size.k, seed=demonstration_seed
)
lengths = [len(prompt.input_ids) for prompt in made]
Markdown(
    f"{len(made)} prompts of `{size.task}` with {size.k} demonstrations, {min(lengths)} to {max(lengths)} tokens long, "
    f"for `{size.model}`. The first one ends:\n\n~~~text\n{made[0].text[-220:]}\n~~~"
)

# %% [markdown]
# ## Measurement
#
# `iclnb.llm.attention.last_token_attention` gives, for each layer and head, the row $a_{T,1}, \dots, a_{T,T}$ of the
# attention matrix that belongs to the last token. It runs the model's own eager attention a block of queries at a
# time, so that memory grows with the number of tokens and not with its square.
#
# For a group $G$ of tokens (labels, end of the query, first token) the *ratio to uniform* is
#
# $$
# r_G = \frac{\sum_{t \in G} a_{T,t}}{|G| / T},
# $$
#
# averaged over heads (`iclnb.allocation.measurements.measure`): 1 is no preference, however long the prompt. The control is a
# model of the same configuration with random weights, on the same prompts.

# %%
control = models.load(
    size.model,
    revision=revision,
    device_map=device_map,
    random_weights_seed=model_seed,
)
settings = {
    "pad_token_id": trained.tokenizer.pad_token_id,
    "batch_size": batch_size,
}
learned = allocation.measure(
    trained.model, made, tail=tail, seed=sampling_seed, **settings
)
random = allocation.measure(
    control.model, made, tail=tail, seed=sampling_seed, **settings
)

# %% [markdown]
# The paper's "first" and "middle" layers, carried over to this model by relative depth:

# %%
layers, heads, _ = learned.map.shape
first = allocation.layers_within(layers, allocation.FIRST)
middle = allocation.layers_within(layers, allocation.MIDDLE)
Markdown(
    f"Of {layers} layers, counted from 0, the first are {first.min()} to {first.max()} and the middle ones "
    f"{middle.min()} to {middle.max()}."
)

# %% [markdown]
# ## The averaged map
#
# Every stretch of text between two labels is rescaled to the same number of positions by linear interpolation, labels
# keep a position of their own, and the maps are averaged over prompts: one line per head, one block per layer.

# %%
with figures.style():
    figure = pictures.averaged_map(
        learned.map, k=size.k, segment=allocation.SEGMENT
    )
figures.show(
    figure,
    alt=f"Heat map of {layers} layers by {heads} heads over the prompt. Labels draw "
    f"{learned.ratio['labels'][:, middle].mean():.1f} times their uniform share in the middle layers and "
    f"{learned.ratio['labels'][:, first].mean():.1f} times in the first ones.",
    caption="Attention of the last token, averaged over prompts. Labels y are marked above.",
)

# %% [markdown]
# One prompt alone, with the heads averaged, shows the single tokens that the average blurs.

# %%
shown, rows = next(allocation.attentions(trained.model, made[:1], **settings))
with figures.style():
    figure = pictures.one_prompt(rows.mean(1), shown.y)
figures.show(
    figure,
    alt=f"Heat map of {layers} layers over the {rows.shape[2]} tokens of one prompt. Its first token draws "
    f"{rows[:, :, 0].mean():.0%} of the attention, its {len(shown.y)} labels "
    f"{sum(rows[:, :, list(y.tokens)].sum(-1).mean() for y in shown.y):.0%}.",
    caption="One prompt, heads averaged. Labels y are marked above.",
)

# %% [markdown]
# ## Depth profiles
#
# Lines are means over prompts, bands their 95 % bootstrap intervals (over demonstration sets), crosses the model with
# random weights. For the labels a stricter control stands on the same axes: as many tokens of the same demonstrations,
# drawn from their texts $x_i$. A head that reads demonstrations but does not care for labels treats both alike.

# %%
by_layer = {
    name: stats.bootstrap(learned.ratio[name], seed=sampling_seed)
    for name in allocation.GROUPS
}
by_layer_random = {
    name: stats.bootstrap(random.ratio[name], seed=sampling_seed)
    for name in allocation.GROUPS
}
panels = {
    "labels": ["labels", "label control"],
    "end of the query": ["query end"],
    "first token": ["first token"],
}

# %%
with figures.style():
    figure = pictures.depth_profiles(
        by_layer,
        by_layer_random,
        panels=panels,
        shaded={"labels": middle, "end of the query": first},
    )
peaks = [
    f"{name} at most {by_layer[name].value.max():.1f} (layer {by_layer[name].value.argmax()}), "
    f"with random weights {by_layer_random[name].value.max():.1f}"
    for name in allocation.GROUPS
]
figures.show(
    figure,
    alt="Three panels of attention relative to uniform by layer: "
    + "; ".join(peaks)
    + ".",
    caption="Attention relative to uniform. Shaded: the layers that the claim is about.",
)

# %% [markdown]
# ## Verdicts
#
# Each criterion is applied to a 95 % interval over demonstration sets. Where a claim compares layers, the difference is
# taken prompt by prompt (`iclnb.allocation.measurements.contrast`).

# %%
parameters = {
    **vars(size), "profile": profile, "source": source, "tail": tail, "batch_size": batch_size, "data_seed": data_seed,
    "demonstration_seed": demonstration_seed, "model_seed": model_seed, "sampling_seed": sampling_seed,
}  # fmt: skip
data = [tasks.origin(pool), tasks.origin(queries)]
sources = {"model": trained.origin, "control": control.origin, "data": data}
results = claims.Results("02_attention_allocation", parameters, sources)


# %%
def judge(
    id: str,
    statement: str,
    criterion: claims.Criterion,
    values,
    blind,
    paper: str = "A",
) -> None:
    """Record a claim about a number per prompt; ``blind`` are the same numbers with random weights."""
    results.claim(
        id, paper=paper, section="5.1" if paper == "A" else "this notebook", statement=statement, criterion=criterion,
        evidence=claims.Evidence(estimate=stats.bootstrap(values, seed=sampling_seed),
        control=blind.mean(), control_is="random weights, same prompts"),
    )  # fmt: skip


# %% [markdown]
# The paper's three statements:

# %%
judge(
    "query-end-first-layers",
    "The last tokens of the query draw more attention in the first layers than in the others.",
    claims.above(0),
    *(
        allocation.contrast(found.ratio["query end"], first)
        for found in (learned, random)
    ),
)
judge(
    "first-token",
    "The first token draws more than its uniform share, over all layers.",
    claims.above(1),
    *(found.ratio["first token"].mean(1) for found in (learned, random)),
)
judge(
    "labels-middle-layers",
    "In the middle layers the label words draw more than their uniform share.",
    claims.above(1),
    *(found.ratio["labels"][:, middle].mean(1) for found in (learned, random)),
)

# %% [markdown]
# Stricter readings. That the end of the query draws more in the first layers does not say that it draws little later.
# That labels draw attention somewhere says little about the middle layers, and that they draw more than the average
# token says little about labels: they might draw it as part of a demonstration.

# %%
judge(
    "query-end-only-first-layers",
    "Outside the first layers the last tokens of the query draw no more than their uniform share.",
    claims.below(1),
    *(
        np.delete(found.ratio["query end"], first, axis=1).mean(1)
        for found in (learned, random)
    ),
)
judge(
    "labels-middle-not-elsewhere",
    "The label words draw more attention in the middle layers than in the others.",
    claims.above(0),
    *(
        allocation.contrast(found.ratio["labels"], middle)
        for found in (learned, random)
    ),
)
judge(
    "labels-not-texts",
    "In the middle layers label words draw more attention than other tokens of their demonstrations.",
    claims.above(0),
    *(
        (found.ratio["labels"] - found.ratio["label control"])[:, middle].mean(
            1
        )
        for found in (learned, random)
    ),
    paper="ours",
)
results

# %% [markdown]
# ## Robustness: which layers?
#
# The paper's window of layers was found on another model. Sliding a window of the same width over all depths shows
# where this model attends to labels, and how much the verdict owes to the choice.

# %%
windows = np.lib.stride_tricks.sliding_window_view(
    learned.ratio["labels"], len(middle), axis=1
).mean(-1)
best = int(windows.mean(0).argmax())
Markdown(
    f"Of all windows of {len(middle)} layers, {best} to {best + len(middle) - 1} (relative depth "
    f"{best / layers:.2f} to {(best + len(middle) - 1) / layers:.2f}) have the most attention on labels, "
    f"{windows.mean(0)[best]:.1f} times the uniform share. The paper's window has "
    f"{learned.ratio['labels'][:, middle].mean():.1f} times."
)

# %% [markdown]
# ## Limits
#
# Attention is not use: a head may look at a label and do nothing with it. Whether such heads act as a kernel is
# another question. Averages over heads hide that a few heads can carry a layer's attention on labels; the map shows
# them. Random weights attend almost uniformly, which makes them a weak opponent; the other tokens of the same
# demonstrations are the stronger one. The prompts are of one task and one format.

# %%
results.values |= {
    "layers": layers, "first_layers": first, "middle_layers": middle, "best_window_start": best,
    "ratio": {name: found.value for name, found in by_layer.items()},
    "ratio_random_weights": {name: found.value for name, found in by_layer_random.items()},
    "share": {name: learned.mass[name].mean(0) for name in allocation.GROUPS},
}  # fmt: skip
saved = results.save()
