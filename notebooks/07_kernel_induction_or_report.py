# %% [markdown]
# # Kernel, induction or report: what do the heads do?
#
# Some attention heads reproduce a model's answers when their weights are used as a kernel on the
# demonstrations ([chapter 03](03_middle_layer_heads)). {cite}`han2025kernel` see in them the kernel regression by
# which, they argue, in-context learning works. Two other mechanisms would look the same. An *induction head*
# {cite}`olsson2022induction` copies what followed an earlier cue, whatever the query says. A head that
# *reports* attends to the labels that agree with an answer found before it, elsewhere in the model. This chapter
# tells the three apart by intervention: it changes what a head receives and observes what follows.

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # name of a task
model: str = by_profile(
    "smollm2-135m-instruct",
    "smollm2-135m-instruct",
    "qwen2.5-coder-1.5b-instruct",
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: int = by_profile(4, 16, 16)  # demonstrations per prompt
sets: int = by_profile(4, 10, 40)  # demonstration sets
points: int = by_profile(
    2, 4, 6
)  # queries of each set, in pairs of different labels
words: str = "foo,bar,dog,cup,tree,ring"  # arbitrary label words
depths: int = by_profile(
    3, 8, 14
)  # layers at which states are put in place, and kernels are tried
sequences: int = by_profile(4, 16, 64)  # of repeated random tokens
length: int = by_profile(20, 50, 50)  # of these, before they are repeated
folds: int = by_profile(2, 5, 10)  # of sets, for probes and kernels
permutations: int = by_profile(20, 100, 400)  # of the null
batch_size: int = 16  # texts per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations, mappings
sampling_seed: int = 3  # random tokens, nulls, intervals

# %% tags=["hide-input"]
from IPython.display import Markdown, display

from iclnb import claims, settings
from iclnb.display import escape, number, table, verbatim
from iclnb.llm.data import tasks
from iclnb.llm.demonstrations import task_rows
from iclnb.llm.reader import Reader
from iclnb.mechanism import (
    ceiling,
    decision,
    estimates,
    function_vectors,
    material,
    pictures,
)
from iclnb.mechanism import (
    estimates_flow as flow,
)
from iclnb.mechanism.study import measure, study
from iclnb.mechanism.verdict import LIKE, PURE

run = settings.read(globals())
seed = run.sampling_seed

# %% [markdown]
# ## What is claimed, and what would refute it
#
# The *best heads* are those whose kernel regression gives the model's own answer most often: at most eight, within
# 0.05 of the best. On the kernel view they produce this answer, and weight each $x_i$ by its likeness to
# $x_\text{test}$. This is *refuted*
#
# 1. if the answer is in the residual stream before these heads: it can be read there, a state put in there from a
#    run with other labels brings more than half of that run's answer, and hiding all labels from there on leaves
#    more than half of the answer;
# 2. if their weights hardly follow likeness (correlation below 0.1) among demonstrations of *one* label, where
#    labels cannot help;
# 3. if the labels matter, and the query does not.
#
# On a task that a model can do without demonstrations, little is left for these heads to do. So labels are also
# *swapped*, and replaced by *arbitrary* words whose mapping is drawn anew for each set.

# %% [markdown]
# ## Material
#
# Demonstrations are drawn once. Each set has its own queries, and is shown with the task's own words and with
# arbitrary ones, each under two labellings: as drawn, and with every label replaced by the next one.

# %%
rows = task_rows(
    run.task,
    3 * run.sets * run.points,
    seed=run.data_seed,
    source=run.source,
    at_most=True,
)

# %% tags=["hide-input"]
where = {
    "revision": run.revision,
    "device_map": run.device_map,
    "dtype": run.dtype,
}
reader = Reader.load(run.model, batch_size=run.batch_size, **where)

# %%
drawn = material.drawn(
    reader.tokenizer,
    rows,
    run.k,
    run.sets,
    run.points,
    seed=run.demonstration_seed,
    arbitrary=run.words.split(","),
)

# %% tags=["hide-input"]
Markdown(escape(tasks.summary(rows.origins)))

# %% tags=["hide-input"]
text = drawn.prompts[material.ARBITRARY][0, 0].text
verbatim(f"A prompt with arbitrary words begins:\n\n{text[:220]}")

# %% [markdown]
# ## Measurement
#
# Nothing done to the last token changes the tokens before it. So the model reads these once, and every
# intervention is one more pass of the last token alone. Measurements are kept, so that a second run is short.

# %%
measured = measure(
    reader,
    drawn,
    depths=run.depths,
    sequences=run.sequences,
    length=run.length,
    seed=seed,
)
runs = measured.runs

# %%
studied = {
    name: study(measured, drawn, name, draws=run.permutations, seed=seed)
    for name in material.CONDITIONS
}

# %% tags=["hide-input"]
data_sources = {"model": reader.origin, "data": rows.origins}
results = claims.Results(
    "07_kernel_induction_or_report", vars(run), data_sources
)
conditions = list(studied.values())

# %% [markdown]
# Do the answers follow the labels shown? Both labellings count: where there are two labels, a model that ignores
# those shown is right half of the time.

# %%
each = {c.name: estimates.follows_demonstrations(c, drawn) for c in conditions}
estimates.claim_each(
    results,
    "follows",
    "The answer is the word that the demonstrations call right",
    claims.above(1 / drawn.classes),
    each,
)

# %% [markdown]
# ## The heads, side by side
#
# Each head has these scores: agreement of its kernel regression with the model's answer (both with *priors off*,
# that is, minus their means over prompts); attention from a repeated random token to what followed it before;
# attention on label words; whether its weights $W_O W_V$ copy a label word into the answer (*copying*); weight on
# demonstrations that carry the model's answer, minus their share (*label-match*); correlation of its attention
# with position, and with likeness within one label.

# %%
pictures.heads(studied["own words"])

# %%
pictures.heads(studied["arbitrary words"])

# %% tags=["hide-input"]
display(*(estimates.heads_table(one) for one in conditions))

# %%
each = {c.name: estimates.reconstruction(c) for c in conditions}
estimates.claim_each(
    results,
    "reconstruct",
    "On other sets the best heads reproduce the model's answers, better than chance",
    claims.above(0),
    each,
    section="5.2",
)

# %% [markdown]
# A kernel over $x$ gives more weight to what is more like the query. It must do so even among demonstrations of
# one label. Of three measures of likeness, the one that correlates best counts.

# %%
each = {c.name: estimates.likeness(c) for c in conditions}
estimates.claim_each(
    results,
    "likeness",
    "The best heads' weights follow likeness among demonstrations of one label",
    claims.above(LIKE),
    each,
)

# %%
each = {c.name: estimates.induction_heads(c, seed=seed) for c in conditions}
estimates.claim_each(
    results,
    "induction",
    "The best heads score higher as induction heads than the heads of their layers do on average",
    claims.above(0),
    each,
)

# %% [markdown]
# ## When is the answer there?
#
# The *logit lens* sends the residual stream at the last token straight to the unembedding. The answer counts as
# present at a layer if there, and in all later ones, lens and final answer agree in at least nine of ten prompts.
# A linear *probe*, trained on other sets, may find what the lens misses; its control is trained on permuted targets.

# %%
readings = {}
for name in material.CONDITIONS:
    probe, blind = decision.probe(runs, name, folds=run.folds, seed=seed)
    readings[name] = {
        "logit lens": decision.lens(reader, runs, drawn, name),
        "linear probe": probe,
        "control: permuted targets": blind,
    }
lens = {name: each["logit lens"] for name, each in readings.items()}
pictures.decision(readings, conditions, seed=seed)

# %%
each = {
    c.name: estimates.after_decision(c, lens, seed=seed) for c in conditions
}
estimates.claim_each(
    results,
    "after-decision",
    "The best heads stand no earlier than where the logit lens gives the final answer",
    claims.above(-0.5),
    each,
)

# %% [markdown]
# ## Which way does it flow?
#
# That an answer can be read does not mean that it is used. So at the input of a layer, the residual stream $h$ at
# the last token is replaced by that of another run, and later layers run on. With $g$ the log-probabilities of
# the label words minus their mean, the answer follows the other run to the degree
#
# $$
# \frac{\sum (g_\text{after} - g_\text{before}) \cdot (g_\text{other} - g_\text{before})}
#      {\sum \lVert g_\text{other} - g_\text{before} \rVert^2},
# $$
#
# 0 if nothing changes and 1 if the answer becomes the other run's. The other run has another query, or the other
# labelling. Before a kernel head, $h$ would hold the query and no label: answers would follow another query's
# state, but not another labelling's. In a second kind of intervention, tokens are *hidden* from the last one,
# from some layer on.

# %%
pictures.flow(runs, conditions, seed=seed)

# %%
each = {c.name: flow.decided_before(c) for c in conditions}
estimates.claim_each(
    results,
    "decided",
    "More than half of what labels change is decided before the best heads",
    claims.above(0.5),
    each,
)

# %%
each = {c.name: flow.heads_follow(runs, c, seed=seed) for c in conditions}
estimates.claim_each(
    results,
    "heads-follow",
    "With another query's state in place, the best heads attend to the labels that they attend to in that query's "
    "own run",
    claims.above(0.5),
    each,
)

# %%
each = {c.name: flow.without_labels(runs, c, seed=seed) for c in conditions}
estimates.claim_each(
    results,
    "without-labels",
    "More than half of the answer is left when labels are hidden from the best heads' layers on",
    claims.above(0.5),
    each,
)

# %%
each = {c.name: flow.read_earlier(runs, c, seed=seed) for c in conditions}
estimates.claim_each(
    results,
    "read-earlier",
    "Labels are read before the best heads: hiding them there, too, takes more of the answer",
    claims.above(0),
    each,
)

# %% [markdown]
# Where, then, are labels read? If they are hidden in one window of layers only, this share of the answers is left:

# %% tags=["hide-input"]
left = {one.name: flow.windows(runs, one.name, seed=seed) for one in conditions}
table(
    ("layers", *left),
    [
        (rows[0][0], *(row[1] for row in rows))
        for rows in zip(*left.values(), strict=True)
    ],
)

# %% [markdown]
# ## The verdict
#
# Two queries of different labels under two labellings give four answers: a 2 x 2 design, whose three effects
# add up to all that tells answers apart. What the *query* changes under both labellings is prior knowledge. What
# the *labels* change for both queries is a count or an echo. Their *interaction* (*both*) is what a kernel over $x$
# would give. The part of each effect that a state put in before the best heads brings along is *report*. Of the
# rest, the labels' effect is *induction*, the query's is *query read later*, and the interaction is a *kernel over
# x* if weights follow likeness (correlation of at least 0.1), else *mapping without likeness*. The model gets the
# name of a share of two thirds or more; if there is none, it is a mixture.

# %%
pictures.shares(conditions)

# %% tags=["hide-input"]
table(
    ("effect", *studied),
    [
        (name, *(one.verdict.effects[name] for one in conditions))
        for name in conditions[0].verdict.effects
    ],
)

# %%
each = {c.name: estimates.kernel_share(c) for c in conditions}
estimates.claim_each(
    results,
    "kernel",
    "The best heads are a kernel over x: its share of what tells answers apart is at least two thirds",
    claims.above(PURE),
    each,
    section="5.2",
)

# %% [markdown]
# ## The ceiling of kernel regression
#
# The heads may be the wrong place to look. How well can the best kernel over $x$ that we find predict this model's
# answers? It compares the model's states on each text read alone, at the end of the text or of its cue; layer,
# bandwidth, or a learned metric are chosen on other sets. Its rivals see the labels and their order but no text,
# or the query but no demonstrations.

# %% tags=["hide-input"]
sizes = {"depths": run.depths, "folds": run.folds}
found = {
    name: ceiling.ceilings(reader, runs, drawn, measured.texts, name, **sizes)
    for name in material.CONDITIONS
}

# %% tags=["hide-input"]
agreed = {
    name: estimates.ceiling_table(values, seed=seed)
    for name, values in found.items()
}
table(
    ("agreement of", *agreed),
    [
        (rows[0][0], *(row[1] for row in rows))
        for rows in zip(*agreed.values(), strict=True)
    ],
)

# %%
each = {
    n: estimates.ceiling_over_rivals(v, seed=seed) for n, v in found.items()
}
estimates.claim_each(
    results,
    "ceiling",
    "The best kernel over x predicts the model's answers better than labels and order do",
    claims.above(0),
    each,
)

# %% [markdown]
# ## Vectors in place of demonstrations
#
# Without demonstrations there is nothing to average. {cite:t}`hendel2023task` put the state of a prompt with
# demonstrations into a zero-shot prompt; {cite:t}`todd2024function` add mean head outputs. Here mean states or head
# outputs at the last token, over one half of the sets, are put in place for queries of the other; or a *vector* is
# added, the mean state minus that of zero-shot prompts. The controls are the vector of wrong labels and that of
# another layer. Demonstrations show which words are answers, and which of them is right: gains in log-probability
# of the right word (nats) measure both, those among the label words (nats among label words) only the second.

# %% tags=["hide-input"]
tried = {
    name: function_vectors.attempt(
        reader, runs, drawn, name, depths=run.depths, seed=seed
    )
    for name in material.CONDITIONS
}

# %% tags=["hide-input"]
gained = {
    name: estimates.gains(each, seed=seed) for name, each in tried.items()
}
pictures.vectors(gained)

# %%
each = {n: estimates.gain_back(t, seed=seed) for n, t in tried.items()}
estimates.claim_each(
    results,
    "vector",
    "An added vector gives back more than half of what demonstrations gain, in nats",
    claims.above(0.5),
    each,
)

# %%
each = {n: estimates.right_over_wrong(t, seed=seed) for n, t in tried.items()}
estimates.claim_each(
    results,
    "vector-mapping",
    "The vector of right labels gains more than that of wrong labels, in nats among label words,",
    claims.above(0),
    each,
)

# %% tags=["answer", "hide-input"]
Markdown(estimates.answer(conditions))

# %% tags=["answer", "hide-input"]
pictures.shares(conditions)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - A larger model, which may follow swapped and arbitrary words where this one does not.
# - More sets: intervals are over sets, of which the laptop profile has few.
# - Another choice of best heads: the verdict is about those that reproduce answers, and other heads may read
#   labels in earlier layers.

# %% [markdown]
# ## Limits
#
# All interventions are at the last token. What label words pass on to later demonstrations, and these to the
# query, is not cut; hiding everything but the labels shows how much the last token takes from there. The
# interaction of query and labels counts as a kernel over $x$ only if weights follow likeness, and likeness is
# measured in three ways, none of which need be the model's own. Later heads that see the run's own labels can
# correct a state that is put in place: how far answers follow is a lower bound on what was decided, as the logit
# lens is on what a layer holds.

# %% tags=["hide-input"]
results.values |= {
    "layers": runs.layers,
    "verdict": {one.name: one.verdict.name for one in conditions},
    "shares": {
        one.name: {n: s.value for n, s in one.verdict.shares.items()}
        for one in conditions
    },
    "share_intervals": {
        one.name: {n: [s.low, s.high] for n, s in one.verdict.shares.items()}
        for one in conditions
    },
    "effects": {
        one.name: {n: s.value for n, s in one.verdict.effects.items()}
        for one in conditions
    },
    "best_heads": {one.name: one.best for one in conditions},
    "decision_layer": {
        name: decision.decision_layer(each["logit lens"])
        for name, each in readings.items()
    },
    "lens": {
        name: each["logit lens"].mean((0, 1)) for name, each in readings.items()
    },
    "ceiling": {
        name: {n: v.mean() for n, v in values.items()}
        for name, values in found.items()
    },
    "gains": {
        name: {row[0]: [number(e.value) for e in row[1:]] for row in each}
        for name, each in gained.items()
    },
}
saved = results.save()
