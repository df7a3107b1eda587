# %% [markdown]
# # Kernel, induction or report: what do the heads do?
#
# Some attention heads reproduce a model's answers when their weights are used as a kernel on the
# demonstrations ([chapter 03](03_middle_layer_heads)). {cite}`han2025kernel` take them for the kernel
# regression that in-context learning is. Two other mechanisms would look the same. An *induction head*
# {cite}`olsson2022induction` copies what followed an earlier cue, whatever the query says. A head that
# *reports* looks at the labels that agree with an answer found before, elsewhere. This notebook tells the three
# apart by causes: it changes what a head receives, and sees what follows.

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
# The *best heads* are those whose kernel regression gives the model's own answer most often. The claim of
# the kernel view is that they make it, by the likeness of $x_\text{test}$ with each $x_i$. It is *refuted*
#
# 1. if the answer is in the residual stream before these heads: it can be read there, another run's state put
#    in place there takes its answer along, and hiding all labels from these layers on leaves the answer;
# 2. if their weights do not follow likeness among demonstrations of *one* label, where labels cannot help;
# 3. if the labels matter, and the query does not.
#
# On a task that a model can do without demonstrations nothing is left for them to explain. So labels are
# also *swapped*, and replaced by *arbitrary* words whose mapping is drawn anew for each set.

# %% [markdown]
# ## Material
#
# Demonstrations are drawn once. Each set is shown with the task's own words and with arbitrary ones, each under
# two labellings (as drawn, and every label moved on by one), to queries of its own.

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
# Nothing done to the last token changes the tokens before it. These are read once; every intervention is then
# one more run of the last token on top of them. What is read is kept, so that a second run is short.

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
# Do the answers follow the labels shown? Both labellings count: a model that ignores them is right in half
# of two-label prompts.

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
# Each head is scored on the same prompts: agreement of its kernel regression with the model's answer (priors
# off); attention from a repeated random token to what followed it before; attention on label words; whether
# its own weights $W_O W_V$ copy a label word into the answer; weight on demonstrations that carry the model's
# answer, beyond their share; correlation of weights with position, and with likeness within one label.

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
# A kernel over $x$ gives more weight to what is more like the query. Among demonstrations of one label it must
# do so without the label's help.

# %%
each = {c.name: estimates.likeness(c) for c in conditions}
estimates.claim_each(
    results,
    "likeness",
    "The best heads' weights follow likeness among demonstrations of one label",
    claims.above(LIKE),
    each,
    section="5.3",
)

# %%
each = {c.name: estimates.induction_heads(c, seed=seed) for c in conditions}
estimates.claim_each(
    results,
    "induction",
    "The best heads score higher as induction heads than the others of their layers",
    claims.above(0),
    each,
)

# %% [markdown]
# ## When is the answer there?
#
# The *logit lens* sends the residual stream at the last token straight to the unembedding. A linear *probe*,
# trained on other sets, may find what the lens misses; its control is trained on permuted targets.

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
# To read is not to cause. At the input of a layer the residual stream $h$ at the last token is replaced by
# that of another run, and the layers above run on. With $g$ the log-odds of the label words, the answer
# follows by
#
# $$
# \frac{\sum (g_\text{after} - g_\text{before}) \cdot (g_\text{other} - g_\text{before})}
#      {\sum \lVert g_\text{other} - g_\text{before} \rVert^2},
# $$
#
# 0 if nothing changes and 1 if the other run's answer comes along. The other run has another query, or
# other labels. Before a kernel head, $h$ holds the query and no label: answers follow the first and not the
# second. Or tokens are *hidden* from the last one, from a layer on.

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
    "With another query's state in place, the best heads turn to the labels that they chose for it",
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
# Where, then, are labels read? Hidden in one window of layers at a time, they leave this much of the answers:

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
# add up to all that tells answers apart. What the *query* changes whatever the labels is knowledge. What the
# *labels* change whatever the query is a count or an echo. Their *interaction* is what a kernel over $x$
# would give. The share of each that comes along with the state before the best heads is *report*; of what is
# read later, the interaction is a kernel if weights follow likeness, and the labels' effect is induction.
# One name is given from two thirds on.

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
# The heads may be the wrong place to look. How well can *any* kernel over $x$ predict this model's answers? It
# may use the states of each text read alone, in any layer, at the end of the text or of its cue, with any
# bandwidth, or a metric that is learned. Everything is chosen on other sets. The rivals see labels and their
# order and no text, or the query and no demonstrations.

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
# Without demonstrations there is nothing to average. {cite:t}`hendel2023task` and {cite:t}`todd2024function`
# add a vector to a zero-shot prompt instead: here the mean state at the last token, or the mean head outputs,
# of prompts from one half of the sets, on queries of the other. The controls are the vector of wrong labels
# and that of another layer. Demonstrations do two things: they say which words are answers (nats), and which of
# them is right (nats among label words).

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
# - A larger model, which follows swapped and arbitrary words where this one may not.
# - More sets: intervals are over sets, of which the laptop profile has few.
# - Another choice of best heads: the verdict is about those that reproduce answers, and other heads may read
#   labels in earlier layers.

# %% [markdown]
# ## Limits
#
# All interventions are at the last token. What label words pass on to later demonstrations, and these to the
# query, is not cut; hiding everything but the labels shows how much the last token takes from there. The
# interaction of query and labels is a kernel over $x$ only if weights follow likeness, and likeness is measured
# in three ways, none of which need be the model's own. A state that is put in place can be corrected above by
# heads that see the run's own labels: how far answers follow is a lower bound on what was decided, as the
# logit lens is on what a layer holds.

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
