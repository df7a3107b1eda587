# %% [markdown]
# # Are the middle-layer heads kernels?
#
# If in-context learning is kernel regression, some attention head should weight demonstrations by their
# similarity to the query and add up their labels. {cite}`han2025kernel` report such heads in the middle layers
# of GPT-J: the labels, averaged with the weights of a single head, reproduce most of the model's answers. How
# well would something that is no kernel have done, and what happens to the answer without these heads?

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # the task that is looked at closely
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
fresh: int = by_profile(10, 24, 300)  # of them also with fresh demonstrations
random_points: int = by_profile(6, 10, 100)  # of the random control
cause_points: int = by_profile(3, 8, 100)  # judging interventions
top: int = 8  # heads ablated
permutations: int = by_profile(20, 200, 200)  # size of permutation nulls
share: float = by_profile(0.5, 0.5, 0.7)  # of the points, which choose a head
batch_size: int = by_profile(16, 32, 16)  # queries per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # splits, permutations, random heads, intervals

# %% tags=["hide-input"]
from functools import partial

from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.display import cell, escape, number
from iclnb.heads import (
    causes,
    correlation,
    estimates,
    estimates_causes,
    estimates_features,
    material,
    pictures,
    reconstruction,
    table_2,
    tables,
)
from iclnb.heads.direct import DIRECT, LATER
from iclnb.heads.estimates import MARGIN, NATS
from iclnb.llm.data import tasks
from iclnb.llm.depth import MIDDLE, layers_within
from iclnb.llm.reader import Reader

run = settings.read(globals())
seed = run.sampling_seed

# %% [markdown]
# ## What is claimed, and what would refute it
#
# A head can reproduce the answers without being a kernel: if all test points share one set of demonstrations
# and the model nearly always gives the same answer, any head does so whose weights favour that label. So each
# measurement of the paper is shown here beside its controls.
#
# - **5.2, reconstruction.** The best head gives the model's answer, and the right one, more often than chance.
#   *Refuted, as measured*, if the most frequent answer does as well; *refuted, strictly*, if any control does:
#   a head chosen with permuted labels, a head of a model with random weights, or a rule that does not look at
#   the query. The strict test is repeated on the prompts where the model's answer is not the last label.
# - **5.2, depth.** These heads are in the middle layers. *Refuted* if heads elsewhere agree as much.
# - **5.3, similarity.** The weight $a_i$ grows with the prediction similarity
#   $P(o \mid x_\text{test})^\top P(o \mid x_i)$. *Refuted, as measured*, if it does so as much with the
#   similarities of other test points; *refuted, strictly*, if nothing is left in the part that changes with
#   the query, or if another similarity of texts explains it as well.
# - *Ours:* **cause.** Ablating the best heads costs more than ablating others, and the answer follows the
#   labels' values. *Refuted* if random heads of the same layers, or the best heads of other layers, cost as
#   much; or if swapped values change nothing, or no more than in other layers.
#
# Section 5.4 ([keys and values](03a_keys_and_values)) and [table 2](03b_table_2) (six tasks) have pages of
# their own. An effect counts only if it exceeds its control by the margin in its criterion: 0.05 of a rate or
# correlation, which the paper's own 300 held-out points can just resolve, or 0.1 nats of log-odds, which move
# the difference of two equal probabilities by as much.

# %% [markdown]
# ## Prompts, shared and fresh
#
# *Shared*: every test point is asked under the same few demonstration sets, as in the paper; we draw several
# sets, because one set is a single draw. *Fresh*: every test point has its own draw. Intervals over shared
# prompts are over sets and test points, so that few sets give wide ones. Part of the test points chooses the
# best head, the others judge it (700 and 300 in the paper).

# %% tags=["hide-input"]
names = ("revision", "device_map", "dtype", "batch_size")
where = {name: vars(run)[name] for name in names}
reader = Reader.load(run.model, **where)
draw = partial(
    material.draw_material,
    reader.tokenizer,
    k=run.k,
    sets=run.sets,
    data_seed=run.data_seed,
    demonstration_seed=run.demonstration_seed,
    source=run.source,
)
drawn = draw(run.task, points=run.points, fresh=run.fresh)

# %% tags=["hide-input"]
origins = drawn.rows.origins
Markdown(
    f"{escape(run.task)}: {run.sets} shared sets x {len(drawn.truth)} test points, "
    f"{len(drawn.fresh_prompts)} fresh prompts, for {escape(run.model)} in {reader.origin['dtype']}. "
    f"{escape(tasks.summary(origins))}"
)

# %% [markdown]
# ## Measurement
#
# In each prompt a head's attention from the last token is reduced to one weight $a_i$ for each demonstration:
# the largest from the start of $x_i$ to the end of $y_i$ (`iclnb.llm.kernel_weights.kernel_weights`; there are
# [other ways](03a_keys_and_values)). The head's answer is
#
# $$
# \tilde y = \arg\max_c \; \frac{\sum_i a_i \, [y_i = c]}{\sum_i a_i} .
# $$
#
# The control is a model of the same configuration with random weights, measured and judged in the same way.

# %%
weights = material.measure(reader, drawn)
blank = Reader.load(run.model, random_weights_seed=run.model_seed, **where)
random_weights = material.measure(blank, drawn.first(run.random_points))

# %%
judge = partial(
    reconstruction.both_arms,
    share=run.share,
    permutations=run.permutations,
    seed=seed,
)
found, random = judge(weights), judge(random_weights)

# %% tags=["hide-input"]
layers, heads = found.shared.selection.shape
middle = layers_within(layers, MIDDLE)
provenance = {"model": reader.origin, "control": blank.origin, "data": origins}
results = claims.Results("03_middle_layer_heads", vars(run), provenance)
Markdown(
    f"{layers} layers with {heads} heads each, counted from 0. The paper's layers 16 to 21 of 28 are, by "
    f"relative depth, layers {middle.min()} to {middle.max()} here."
)

# %% [markdown]
# ## Reconstruction, as the paper measures it

# %%
pictures.reconstruction_maps(found.shared, random.shared)

# %% [markdown]
# A model that always gives the same answer, as one with random weights tends to, is reproduced by any head that
# favours that label. And once the labels of a set are permuted, a head's weights no longer belong to the labels
# they are given; whatever agreement is left is no evidence.

# %%
results.claim(
    "shared-raw",
    "Under shared demonstrations the best head gives the model's answer more often than always naming the "
    "model's most frequent answer would.",
    claims.above(MARGIN),
    estimates.beyond_modal(found.shared, random.shared, seed=seed),
    paper="A",
    section="5.2",
)

# %%
results.claim(
    "shared-permuted",
    "Under shared demonstrations the best head agrees with the model more than a head does that is chosen and "
    "judged with each set's labels permuted.",
    claims.above(MARGIN),
    estimates.beyond_permuted_sets(found.shared, seed=seed),
    paper="A",
    section="5.2, stricter",
)

# %%
results.claim(
    "performance-raw",
    "The head chosen for its agreement with the model is right more often than always naming the most "
    "frequent label would be.",
    claims.above(MARGIN),
    estimates.performance(found.fresh, seed=seed),
    paper="A",
    section="5.2",
)

# %% [markdown]
# ## Reconstruction with fresh demonstrations
#
# Now labels can be permuted in each prompt separately. The other rivals do not look at the query: the last
# label, the majority of labels, a kernel $a_i = \lambda^{k-i}$ that knows only the order, and the best head
# with its weights averaged over queries. The last control is simple and strong: a model with random weights
# mixes the labels that its heads attend to, so that they reproduce its answers, and nobody would call them
# kernels. *Prior off*: the median answer is subtracted before the model or a head decides
# (`iclnb.heads.reconstruction.prior`), so that a preference for one label gains nothing.

# %%
tables.rivals(found.fresh, found.fresh_prior_off, seed=seed)

# %% tags=["hide-input"]
results.claim(
    "fresh-controls",
    "With fresh demonstrations and priors taken off, the best head agrees with the model more than any "
    "control does.",
    claims.above(MARGIN),
    estimates.beyond_controls(
        found.fresh_prior_off, random.fresh_prior_off, seed=seed
    ),
    paper="A",
    section="5.2, stricter",
)

# %% tags=["hide-input"]
results.claim(
    "fresh-against-last",
    "On the prompts that the model does not answer with the last label, too, the best head agrees with the "
    "model more than any control does.",
    claims.above(MARGIN),
    estimates.beyond_controls(
        found.fresh_prior_off,
        random.fresh_prior_off,
        found.fresh_prior_off.against_last,
        seed=seed,
    ),
    paper="A",
    section="5.2, stricter",
)

# %% tags=["hide-input"]
results.claim(
    "shared-controls",
    "Under shared demonstrations, and with priors taken off, the best head agrees with the model more than "
    "any control does.",
    claims.above(MARGIN),
    estimates.beyond_controls(
        found.shared_prior_off, random.shared_prior_off, seed=seed
    ),
    paper="A",
    section="5.2, stricter",
)

# %% tags=["hide-input"]
results.claim(
    "performance-corrected",
    "With priors taken off, the chosen head is right more often than the majority of its demonstrations' "
    "labels.",
    claims.above(MARGIN),
    estimates.performance_beyond_majority(found.fresh_prior_off, seed=seed),
    paper="A",
    section="5.2, stricter",
)

# %% [markdown]
# ## Where the heads are

# %%
pictures.agreement_by_depth(found, random, middle, seed=seed)

# %%
results.claim(
    "depth-shared",
    "Heads in the middle layers agree with the model more than heads elsewhere (shared demonstrations).",
    claims.above(MARGIN),
    estimates.middle_more_than_others(found.shared, seed=seed),
    paper="A",
    section="5.2",
)

# %%
results.claim(
    "depth-fresh",
    "Heads in the middle layers agree with the model more than heads elsewhere (fresh demonstrations).",
    claims.above(MARGIN),
    estimates.middle_more_than_others(found.fresh_prior_off, seed=seed),
    paper="A",
    section="5.2, stricter",
)

# %% tags=["hide-input"]
depth_of = partial(estimates.best_depth, top=run.top, seed=seed)
depths = {
    "shared": depth_of(found.shared),
    "fresh, prior off": depth_of(found.fresh_prior_off),
}
paper = table_2.PAPER_BEST
Markdown(
    f"Mean relative depth of the {run.top} best heads: shared {cell(depths['shared'])}, fresh with priors "
    f"off {cell(depths['fresh, prior off'])}. The paper's best heads: {number(paper['shallowest'])} to "
    f"{number(paper['deepest'])}; one of them agrees in up to {number(paper['agreement'])} and is right in "
    f"{number(paper['performance'])} of the prompts (GPT-J, SST-2)."
)

# %% [markdown]
# ## What the weights follow
#
# The paper correlates $a_i$ with the prediction similarity of query and demonstration, each text run alone.
# Pooled over all prompts and demonstrations, such a correlation also counts what has nothing to do with a
# kernel: a demonstration near the end draws attention whatever the query is. The stricter version subtracts
# each demonstration's mean over test points from weights and similarities; what is left varies only with the
# query. Rivals are the cosine of sentence embeddings and the overlap of words (BM25). The null is the
# correlation of a head chosen and judged with the similarities of other test points.

# %%
similarities = drawn.similarities(reader)
prediction = similarities[estimates_features.PREDICTION]
selecting = material.split(len(drawn.truth), run.share, seed=seed)
readings = {
    "pooled": correlation.pooled,
    "query-dependent": correlation.query_dependent,
}

# %%
pictures.correlation_maps(
    {
        f"{how}: {name}": correlate(
            weights.shared.weights["maximum"][:, ~selecting],
            similarities[name][:, ~selecting],
        )
        for how, correlate in readings.items()
        for name in ("prediction", "embedding")
    }
)

# %% tags=["hide-input"]
follows = partial(
    estimates_features.follows_similarity,
    weights.shared,
    prediction,
    selecting,
    permutations=run.permutations,
    seed=seed,
)
results.claim(
    "similarity-raw",
    "The best head's weights correlate with prediction similarity more than those of a head chosen and judged "
    "with similarities of other test points.",
    claims.above(MARGIN),
    follows(readings["pooled"]),
    paper="A",
    section="5.3",
)

# %%
results.claim(
    "similarity-query-dependent",
    "In the part that changes with the query, the best head's weights correlate with prediction similarity "
    "more than those of a head chosen and judged with similarities of other test points.",
    claims.above(MARGIN),
    follows(readings["query-dependent"]),
    paper="A",
    section="5.3, stricter",
)

# %% tags=["hide-input"]
results.claim(
    "similarity-rivals",
    "In the part that changes with the query, the best head's weights correlate with prediction similarity "
    "more than with the strongest rival, embeddings or words.",
    claims.above(MARGIN),
    estimates_features.follows_more_than_rivals(
        weights.shared, similarities, selecting, seed=seed
    ),
    paper="A",
    section="5.3, stricter",
)

# %% [markdown]
# ## Cause, not only correlation
#
# *Ablation.* At the last token the outputs of the best heads (those that agree most with the model on the
# fresh prompts, priors off) are replaced by their averages over prompts. Controls are as many random heads of
# the same layers, and the best heads of all other layers. The effect is measured by the *separation* of the
# labels: by how many nats the true label exceeds the others once a set's average answer is subtracted (a shifted
# preference for one label does not count).
#
# *Swap.* At the label tokens the values are swapped between the classes; keys stay. A kernel would now add up the
# wrong labels. Heads that share keys swap together. For comparison, labels are swapped in the prompts' text, too.

# %% tags=["hide-input"]
intervened = causes.measure(
    reader,
    drawn.wording,
    drawn.shared_prompts,
    drawn.truth,
    found.fresh_prior_off.selection,
    selecting,
    top=run.top,
    points=run.cause_points,
    rewritten=drawn.relabelled(reader.tokenizer, seed=seed),
    seed=seed,
)

# %%
pictures.intervention_costs(intervened, seed=seed)

# %%
results.claim(
    "ablation-random",
    "Ablating the best heads lowers the separation of the labels more than ablating as many random heads of "
    "the same layers.",
    claims.above(NATS),
    estimates_causes.ablation_beyond_random(intervened, seed=seed),
)

# %%
results.claim(
    "ablation-elsewhere",
    "Ablating the best heads lowers the separation of the labels more than ablating the best heads of other "
    "layers.",
    claims.above(NATS),
    estimates_causes.ablation_beyond_elsewhere(intervened, seed=seed),
)

# %% [markdown]
# Where does the cost of an ablation come from? What the heads write at the last token goes straight to the
# logits (*direct*). Later layers may then make up for the loss (*self-repair* {cite}`mcgrath2023hydra`), or stop
# suppressing an answer that is no longer there {cite}`mcdougall2024copy`. And the final norm rescales all that
# was written {cite}`rushing2024explorations`. The three parts add up to the total (`iclnb.heads.direct`).

# %%
pictures.ablation_parts(intervened, seed=seed)

# %%
part = partial(estimates_causes.part_of_ablation, intervened, seed=seed)
results.claim(
    "ablation-direct",
    "What the best heads write at the last token itself separates the labels.",
    claims.above(NATS),
    part(DIRECT),
)

# %%
results.claim(
    "ablation-later",
    "Later layers make up for the best heads: what they write when these are ablated adds separation.",
    claims.below(-NATS),
    part(LATER),
)

# %%
results.claim(
    "values-followed",
    "Swapping the label tokens' values between classes in the middle layers lowers the separation of the "
    "labels.",
    claims.above(NATS),
    estimates_causes.follows_values(intervened, seed=seed),
)

# %%
results.claim(
    "values-middle",
    "Swapping the label tokens' values in the middle layers lowers the separation more than the same swap in "
    "as many layers elsewhere.",
    claims.above(NATS),
    estimates_causes.values_in_the_middle(intervened, seed=seed),
)

# %% tags=["answer", "hide-input"]
at_chance = estimates.is_at_chance(*found, seed=seed)
Markdown(estimates.answer(results.claims, run.model, at_chance))

# %% tags=["answer", "hide-input"]
pictures.agreement_by_depth(found, random, middle, seed=seed)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - A larger model: see the [results of all models](../book/results). A model at chance has no answer that a
#   kernel could explain.
# - More demonstration sets, where a verdict on shared demonstrations is undecided.
# - A task in which demonstrations matter: where the model answers the same without any, heads that agree with
#   it may merely report an answer made elsewhere.

# %% [markdown]
# ## Limits
#
# A head that agrees with the model on fresh prompts may be one of many through which the answer passes; only the
# interventions speak about causes, and they act on the last token or on what later tokens read. Their intervals
# hold for the heads chosen: in Qwen2.5-Coder-1.5B many agree about as often, fewer prompts chose others, and
# the cost of ablating those had the other sign. All prompts have one format. Permuted labels keep each prompt's
# label counts, so that no head gets credit for the majority. Where the model is at chance, agreement means little.

# %% tags=["hide-input"]
costs = estimates_causes.by_intervention(intervened, seed=seed)
ablations = estimates_causes.ablation_parts(intervened, seed=seed)
results.values |= {
    "layers": layers,
    "heads": heads,
    "middle_layers": middle,
    "best_heads": intervened.heads,
    "chosen": {name: arm.head for name, arm in found._asdict().items()},
    "depth": {name: list(depth) for name, depth in depths.items()},
    "agreement": {name: arm.by_head() for name, arm in found._asdict().items()},
    "separation": list(estimates_causes.separation(intervened, seed=seed)),
    "costs": {name: list(cost) for name, cost in costs.items()},
    "ablation_parts": {
        name: {part: list(cost) for part, cost in parts.items()}
        for name, parts in ablations.items()
    },
    "at_chance": {run.task: at_chance},
}
saved = results.save()
