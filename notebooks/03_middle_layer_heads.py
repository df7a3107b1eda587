# %% [markdown]
# # Are the middle-layer heads kernels?
#
# If in-context learning is kernel regression, some attention head should do it: weigh each demonstration by its
# likeness to the query and add up the labels. {cite}`han2025kernel` (sections 5.2 to 5.5) report such heads in the
# middle layers of GPT-J. Their evidence is that the labels, averaged with the weights of a single head, reproduce most
# of the model's own answers.
#
# That evidence is easily had. If all test points share one set of demonstrations, a model that nearly always gives
# the same answer is reproduced by any head whose weights favour a demonstration with that label. This notebook measures
# what the paper measured, and then asks each time what something that is no kernel would have scored: labels that
# change places among the demonstrations, the last label alone, a kernel that knows only the order, random weights.
# Finally it interferes: what happens to the answer when these heads are ablated, or the labels' values swapped?

# %% [markdown]
# ## What is claimed, and what would refute it
#
# - **5.2, reconstruction.** The best head's answer $\tilde y = \arg\max \sum_i a_i e(y_i)$ is the model's answer $\hat y$
#   more often than chance. *Refuted, as measured*, if the model's most frequent answer does as well; *refuted, strictly*,
#   if the best of all heads does as well with permuted labels, if a kernel made of order alone does, or if the
#   agreement vanishes on prompts that the model answers against the last label.
# - **5.2, depth.** These heads are in the middle layers. *Refuted* if other layers have them too.
# - **5.3, similarity.** The weight $a_i$ grows with the prediction similarity
#   $P(o \mid x_\text{test})^\top P(o \mid x_i)$. *Refuted, strictly*, if nothing is left in the part that changes with
#   the query, or if another likeness of texts explains it better.
# - **5.4, features.** Keys at the label tell what $x_i$ predicts, values at the label tell $y_i$. *Refuted, strictly*, if
#   random weights do as well, or other positions.
# - **5.5, table 2.** Over six tasks reconstruction works and beats kernel regression on sentence encoders. *Refuted* by
#   any task.
# - *Ours:* **cause.** Silencing the best heads costs more than silencing others, and the answer follows the labels'
#   values. *Refuted* if random heads of the same layers cost as much, or if exchanged values change nothing.
#
# An effect counts only if it exceeds its control by a margin, `MARGIN` for rates and correlations and `NATS` for
# log-odds (`iclnb.heads.verdicts.rules`).

# %% [markdown]
# ## Parameters

# %% tags=["parameters"]
from typing import Optional

profile: str = "laptop"  # smoke, laptop or paper; gives what is None below
task: Optional[str] = None  # the task that is looked at closely
table: Optional[str] = None  # tasks of table 2, separated by commas
model: Optional[str] = None  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads the model over several GPUs
dtype: Optional[str] = None  # float32 or bfloat16; None: as models.load chooses
second_encoder: Optional[str] = None  # folder or hub id of another encoder
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: Optional[int] = None  # demonstrations per prompt
sets: Optional[int] = None  # demonstration sets that test points share
points: Optional[int] = None  # test points
fresh: Optional[int] = None  # test points with demonstrations of their own
table_points: Optional[int] = None  # test points of the other tasks
table_fresh: Optional[int] = None  # those with demonstrations of their own
random_points: Optional[int] = None  # test points of the random control
probe_sets: Optional[int] = None  # demonstration sets that probes see
cause_points: Optional[int] = None  # judging test points of interventions
top: int = 8  # heads ablated
permutations: Optional[int] = None  # size of permutation nulls
share: Optional[float] = None  # of the test points that choose; the rest judge
batch_size: int = 16  # queries per forward pass
data_seed: int = 0  # choice of test points
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # splits, permutations, random heads, bootstrap

# %%
import numpy as np
from IPython.display import Markdown

from iclnb import claims, figures, settings
from iclnb.display import escape
from iclnb.errors import IclnbError
from iclnb.heads import (
    agreement,
    correlation,
    effects,
    interventions,
    kernel,
    pictures,
    probes,
    study,
    token_view,
    verdicts,
)
from iclnb.heads import table as tables
from iclnb.llm import draws, kernel_weights, models
from iclnb.llm.attention import prepare
from iclnb.llm.data import tasks
from iclnb.llm.depth import MIDDLE, layers_within
from iclnb.llm.reading import next_token_probabilities, read

globals().update(vars(settings.read(globals())))  # of the annotated types
size = settings.choose(
    profile,
    {
        "smoke": {"task": "movie_snippets", "table": "movie_snippets", "model": models.PACKAGED, "dtype": None,
                  "second_encoder": None, "k": 4, "sets": 2, "points": 10, "fresh": 10, "table_points": 10,
                  "table_fresh": 10, "random_points": 10, "probe_sets": 4, "cause_points": 3, "permutations": 20, "share": 0.5},
        "laptop": {"task": "movie_snippets", "table": "movie_snippets,amazon_snippets,tweet_snippets",
                   "model": models.PACKAGED, "dtype": None, "second_encoder": None, "k": 16, "sets": 3,
                   "points": 54, "fresh": 40, "table_points": 24, "table_fresh": 0, "random_points": 12,
                   "probe_sets": 8, "cause_points": 10, "permutations": 200, "share": 0.5},
        "paper": {"task": "sst2",
                  "table": "sst2,mnli,rotten_tomatoes,tweet_eval_hate,tweet_eval_irony,tweet_eval_offensive",
                  "model": "EleutherAI/gpt-j-6b", "dtype": None,
                  "second_encoder": "sentence-transformers/bert-base-nli-mean-tokens", "k": 16, "sets": 3,
                  "points": 1000, "fresh": 300, "table_points": 1000, "table_fresh": 300, "random_points": 100,
                  "probe_sets": 60, "cause_points": 100, "permutations": 200, "share": 0.7},
    },
    task=task, table=table, model=model, dtype=dtype, second_encoder=second_encoder, k=k, sets=sets, points=points,
    fresh=fresh, table_points=table_points, table_fresh=table_fresh, random_points=random_points,
    probe_sets=probe_sets, cause_points=cause_points, permutations=permutations, share=share,
)  # fmt: skip
table_tasks = [tasks.get(name.strip()).name for name in size.table.split(",")]

# %% [markdown]
# ## Prompts, twice
#
# *Shared*: every test point under the same few demonstration sets, as in the paper; several sets, because one set is one
# draw. *Fresh*: demonstrations of its own for every test point. Intervals over shared prompts resample sets and test
# points together (`iclnb.stats.crossed_bootstrap`), those over fresh ones resample prompts. A share of the test points
# chooses a head, the others judge it (700 and 300 in the paper).


# %%
def gather(name: str, points: int, fresh: int) -> study.Material:
    return study.gather(
        trained.tokenizer, name, k=size.k, sets=size.sets, points=points, fresh=fresh, data_seed=data_seed,
        demonstration_seed=demonstration_seed, source=source,
    )  # fmt: skip


trained = models.load(
    size.model, revision=revision, device_map=device_map, dtype=size.dtype
)
material = gather(size.task, size.points, size.fresh)
truth = np.array(material.truth)
lengths = [len(prompt.input_ids) for prompt in material.shared[0]]
Markdown(
    f"{escape(size.task)}, {size.k} demonstrations; {len(material.shared)} shared sets x {len(truth)} test points and "
    f"{len(material.fresh)} fresh prompts, {min(lengths)} to {max(lengths)} tokens long, for {escape(size.model)} in "
    f"{trained.origin['dtype']}. Label words: {escape(', '.join(material.task.label_words))}. "
    + escape(
        tasks.summary(
            [tasks.origin(material.pool), tasks.origin(material.queries)]
        )
    )
)

# %% [markdown]
# ## Measurement
#
# The last token's attention row of each layer and head is reduced, prompt by prompt, to one weight $a_i$ for each
# demonstration: the maximum over the tokens of $x_i$ and $y_i$ (`iclnb.heads.kernel.kernel_weights`). The sum over
# the same tokens and the maximum on the label word alone are kept as variants. The head's answer is
#
# $$
# \tilde y = \arg\max_c \; \frac{\sum_i a_i \, [y_i = c]}{\sum_i a_i} .
# $$
#
# The model reads a shared demonstration set once; the queries then run in batches on top of the remembered keys and
# values (`iclnb.llm.attention.prefix`).

# %%
shared = kernel.weigh_sets(
    trained, material.shared, truth, material.tokens, variants=kernel_weights.VARIANTS, batch_size=batch_size
)  # fmt: skip
own = kernel.weigh(
    trained, material.fresh, truth[: len(material.fresh)], material.tokens, batch_size=batch_size
)  # fmt: skip
layers, heads = shared.weights["maximum"].shape[2:4]
middle = layers_within(layers, MIDDLE)
selecting = agreement.split(len(truth), size.share, seed=sampling_seed)
selecting_own = agreement.split(len(own.truth), size.share, seed=sampling_seed)
Markdown(
    f"{layers} layers with {heads} heads each, counted from 0. The paper's layers 16 to 21 of 28 are, by relative depth, "
    f"layers {middle.min()} to {middle.max()} here."
)

# %% [markdown]
# The control is a model of the same configuration with random weights. It is read like the other and judged by the same
# rules.

# %%
control = models.load(
    size.model, revision=revision, device_map=device_map, dtype=size.dtype, random_weights_seed=model_seed
)  # fmt: skip
some = np.arange(min(size.random_points, len(material.fresh)))
random_shared = kernel.weigh_sets(
    control,
    [[prompts[i] for i in some] for prompts in material.shared],
    truth[some],
    material.tokens,
    batch_size=batch_size,
)
random_own = kernel.weigh(
    control,
    material.fresh[: len(some)],
    own.truth[: len(some)],
    material.tokens,
    batch_size=batch_size,
)
selecting_random = agreement.split(len(some), size.share, seed=sampling_seed)

# %% [markdown]
# ## Reconstruction, as the paper measures it


# %%
def agree(
    found: kernel.Weighed, chosen: np.ndarray, **settings
) -> agreement.Agreement:
    return agreement.agree(
        found, chosen, permutations=size.permutations, seed=sampling_seed, **settings
    )  # fmt: skip


raw = agree(shared, selecting)
corrected = agree(shared, selecting, corrected=True)
blind, blind_corrected = (
    agree(random_shared, selecting_random, corrected=off)
    for off in (False, True)
)
with figures.style():
    figure = pictures.head_maps(
        {
            "agreement with the model": raw.by_head(),
            "accuracy against the truth": raw.by_head(raw.truth),
            "random weights: agreement": blind.by_head(),
        },
        mark={
            "agreement with the model": raw.head,
            "accuracy against the truth": raw.head,
            "random weights: agreement": blind.head,
        },
    )
figures.show(
    figure,
    alt=f"Heat maps of {layers} layers by {heads} heads. Against the model the best head reaches "
    f"{raw.by_head().max():.2f}, against the truth {raw.by_head(raw.truth).max():.2f}; with random weights "
    f"{blind.by_head().max():.2f} against its own answers.",
    caption="How often each head's answer is the model's, or the true one. Frames mark the heads that were chosen on the "
    "other test points.",
)

# %%
variants = {name: agree(shared, selecting, variant=name) for name in kernel_weights.VARIANTS}  # fmt: skip
lines = [
    f"| {name} | layer {found.head[0]}, head {found.head[1]} | {found.head[0] / layers:.2f} | {found.best.mean():.3f} | "
    f"{found.performance.mean():.3f} | {np.median(found.permuted_sets):.3f} | {found.modal:.3f} |"
    for name, found in variants.items()
]
Markdown(
    "| weight | chosen head | relative depth | agrees | right | best head, sets' labels permuted (median) | "
    "most frequent answer |\n|---|---|---|---|---|---|---|\n"
    + "\n".join(lines)
    + "\n\nThe paper's best heads: relative depth {shallowest} to {deepest}, agreement up to {agreement}, right up to "
    "{performance} (GPT-J, SST-2).".format(**tables.PAPER_BEST)
)

# %% [markdown]
# The last two columns are what to compare with. If the labels of a set change places, what a head attends to no longer
# has anything to do with what it reads, and whatever agreement is left is no evidence. And a model that says one thing
# throughout, as one with random weights is apt to, is reproduced by any head that favours that label.
#
# ## Reconstruction, with demonstrations of their own
#
# Now every prompt has its own demonstrations, and labels can be permuted in each prompt by itself. The other rivals do not
# look at the query: the last label, the majority of labels, a kernel $a_i = \lambda^{k-i}$ that knows only the order
# (with the best $\lambda$ on the selection points), and the best head with its weights averaged over queries, a fixed
# reading of positions. One control is as strong as it is simple: a model with random weights answers with some mixture
# of the labels that its heads attend to, so its heads reproduce it, and no one would call them kernels. *Prior off*
# means that model and heads decide after what they say on average is taken off (`iclnb.heads.kernel.prior`), so
# that a preference for one label is worth nothing.

# %%
fresh_raw, fresh_corrected = (
    agree(own, selecting_own, corrected=off) for off in (False, True)
)
random_fresh = agree(random_own, selecting_random, corrected=True)


def shown_agreement(found: agreement.Agreement) -> dict[str, str]:
    """What the chosen head reaches, and what its rivals do."""
    best = agreement.interval(found.best, seed=sampling_seed)
    against = found.best[found.against_last]
    return {
        "chosen head": "layer {}, head {}".format(*found.head),
        "**it agrees**": f"{best.value:.3f} [{best.low:.3f}, {best.high:.3f}]",
        "best of all heads, labels permuted (95 %)": f"{np.quantile(found.permuted, 0.95):.3f}",
        **{name: f"{hits.mean():.3f}" for name, hits in found.rivals().items()},
        "**where the last label is not the answer it agrees**": f"{against.sum()} of {len(against)}",
        "best of all heads there, labels permuted (95 %)": f"{np.quantile(found.permuted_against, 0.95):.3f}",
    }


columns = shown_agreement(fresh_raw), shown_agreement(fresh_corrected)
Markdown(
    "| | decisions as they are | prior off |\n|---|---|---|\n"
    + "\n".join(
        f"| {name} | {columns[0][name]} | {columns[1][name]} |"
        for name in columns[0]
    )
    + f"\n\nWith random weights the best head reaches {random_fresh.best.mean():.3f} against its own model, prior off."
)

# %% [markdown]
# ## Where the heads are

# %%
best_layers = {
    name: pictures.best_by_layer(found, seed=sampling_seed).value
    for name, found in (("shared", raw), ("fresh", fresh_corrected))
}
with figures.style():
    figure = pictures.agreement_by_depth(
        {"shared": raw, "fresh, prior off": fresh_corrected},
        random={"shared": blind, "fresh, prior off": random_fresh},
        middle=middle,
        seed=sampling_seed,
    )
figures.show(
    figure,
    alt="Agreement by layer, best and mean head, in two panels. Shared demonstrations: best layer "
    f"{best_layers['shared'].argmax()}; fresh ones with priors off: best layer "
    f"{best_layers['fresh'].argmax()}. Middle layers {middle.min()} to {middle.max()} are shaded.",
    caption="Best and mean head of every layer, with what permuted labels and blind rules reach.",
)

# %%
depths = {
    name: agreement.best_depth(found.hits, top=top, seed=sampling_seed)
    for name, found in (("shared", raw), ("fresh, prior off", fresh_corrected))
}
Markdown(
    f"Mean relative depth of the {top} best heads: "
    + "; ".join(
        f"{name} {found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        for name, found in depths.items()
    )
    + ". The paper's: {shallowest} to {deepest}.".format(**tables.PAPER_BEST)
)

# %% [markdown]
# ## One prompt, token by token
#
# The head that was chosen under fresh demonstrations, on the first of their prompts. Another layer or head can be
# chosen in the page.

# %%
shown = next(
    iter(
        read(
            trained.model,
            material.fresh[:1],
            pad_token_id=trained.tokenizer.pad_token_id,
        )
    )
)
token_view.token_view(
    trained.tokenizer,
    material.fresh[0],
    shown.attention,
    head=fresh_corrected.head,
)

# %% [markdown]
# ## What the kernel measures
#
# The paper correlates $a_i$ with the prediction similarity of query and demonstration, each text run alone. Pooled over
# all prompts and demonstrations, such a correlation also counts what no kernel needs: a demonstration near the end draws
# attention for whoever asks. The stricter version takes off every demonstration's mean over test points, on both sides
# (`iclnb.heads.correlation.query_dependent`): what is left changes with the query alone. Rivals on the same axes:
# cosine of sentence embeddings, and overlap of words (BM25). The null is the largest correlation of any head with the
# similarities of other test points.

# %%
similarities = {
    "prediction": study.likeness(
        material, study.prediction_similarity(trained)
    ),
    "embedding": study.likeness(material, study.embedding_similarity()),
    "lexical": study.likeness(material, study.lexical_similarity),
}
by_part = {
    part: {name: found[:, rows] for name, found in similarities.items()}
    for part, rows in (("selection", selecting), ("evaluation", ~selecting))
}
weights = {
    part: shared.weights["maximum"][:, rows]
    for part, rows in (("selection", selecting), ("evaluation", ~selecting))
}

# %%
correlations = {
    f"{how}: {name}": correlate(
        weights["evaluation"], by_part["evaluation"][name]
    )
    for how, correlate in (
        ("pooled", correlation.pooled),
        ("query-dependent", correlation.query_dependent),
    )
    for name in ("prediction", "embedding")
}
with figures.style():
    figure = pictures.head_maps(
        correlations, label="Pearson's correlation", diverging=True
    )
figures.show(
    figure,
    alt="Heat maps of the correlation of kernel weights with similarity, by head. "
    + "; ".join(
        f"{name} at most {found.max():.2f}"
        for name, found in correlations.items()
    )
    + ".",
    caption="Correlation of each head's weights with the similarity of query and demonstration.",
)

# %% [markdown]
# ## Where the features are
#
# Ridge regression ($\lambda = 0.01$) from the keys around each label to the most likely token after $x_i$ alone, and
# from the values to $y_i$, for every layer, key-value head and position from one before the label to three behind it.
# Whole demonstration sets are held out. Beside the probe stand its controls: the same probe on shuffled targets, and on a
# model with random weights.

# %%
several = draws.shared_prompts(
    trained.tokenizer,
    material.task,
    material.pool,
    material.queries.select([0]),
    k=size.k,
    sets=size.probe_sets,
    seed=demonstration_seed + 2,
)
features = {
    name: probes.gather(
        (prepare(loaded.model, prompts[0].input_ids), prompts[0])
        for prompts in several
    )
    for name, loaded in (("trained", trained), ("random", control))
}
shown_texts = study.demonstration_texts(
    material, size.probe_sets, seed=demonstration_seed + 2
)
unique = list(dict.fromkeys(shown_texts))
foreseen = dict(
    zip(
        unique,
        next_token_probabilities(trained, unique).argmax(1),
        strict=True,
    )
)
predicted = np.array([foreseen[text] for text in shown_texts])

# %%
probed = {
    (part, name): probes.probe(
        getattr(found, part),
        found,
        predicted if part == "keys" else found.labels,
        seed=sampling_seed,
    )
    for name, found in features.items()
    for part in ("keys", "values")
}
with figures.style():
    figure = pictures.probe_positions(
        {
            "keys: what the text predicts": {
                "trained": probed["keys", "trained"],
                "random weights": probed["keys", "random"],
            },
            "values: the label": {
                "trained": probed["values", "trained"],
                "random weights": probed["values", "random"],
            },
        },
        seed=sampling_seed,
    )
figures.show(
    figure,
    alt="Accuracy of probes by position relative to the label, best and mean head. At the label: keys "
    f"{np.nanmax(probed['keys', 'trained'].accuracy[..., 1].mean(0)):.2f} at best (random weights "
    f"{np.nanmax(probed['keys', 'random'].accuracy[..., 1].mean(0)):.2f}), values "
    f"{np.nanmax(probed['values', 'trained'].accuracy[..., 1].mean(0)):.2f} (random weights "
    f"{np.nanmax(probed['values', 'random'].accuracy[..., 1].mean(0)):.2f}).",
    caption="Probes of keys and values around the label, with shuffled targets and random weights as controls.",
)

# %% [markdown]
# *Selectivity* is a probe's accuracy minus that of the same probe on shuffled targets: of the best head at the label,

# %%
at_label = probes.OFFSETS.index(0)
lines = []
for (part, name), found in probed.items():
    chosen = pictures.best_head(found.accuracy[..., at_label].mean(0))
    gain = found.selectivity(seed=sampling_seed).at(*chosen, at_label)
    lines.append(
        f"| {part}, {name} | layer {chosen[0]}, key-value head {chosen[1]} | "
        f"{found.accuracy[:, *chosen, at_label].mean():.3f} | {found.majority[:, at_label].mean():.3f} | "
        f"{gain.value:.3f} [{gain.low:.3f}, {gain.high:.3f}] |"
    )
Markdown(
    "| probe | best head | accuracy | most frequent target | selectivity |\n|---|---|---|---|---|\n"
    + "\n".join(lines)
)

# %% [markdown]
# ## Cause, not only correlation
#
# *Ablation.* At the last token the best heads put out, whatever the prompt, what they put out on average
# (`iclnb.heads.interventions.ablate`). As controls, as many random heads of the same layers, and the best heads of all
# other layers. The effect is measured by the *separation* of the labels: by how many nats the true label stands above the
# others once a set's average answer is taken off (`iclnb.heads.effects.separation`), so that a shifted preference
# for one label counts for nothing.
#
# *Exchange.* At the label tokens the values of the two classes change places, keys stay as they are. A kernel would now
# add up the wrong labels. For comparison, the same prompts with the labels really written the other way round.

# %%
judged = np.flatnonzero(~selecting)[: size.cause_points]
chosen_points = np.flatnonzero(selecting)[: max(8, size.cause_points)]
mixed = [
    prompts for prompts in material.shared if len(set(prompts[0].labels)) > 1
]
probe_prompts = [[prompts[i] for i in judged] for prompts in mixed]
judged_truth = np.tile(truth[judged], (len(mixed), 1))
kept = {}  # demonstrations that were read already


def answered(prompts=probe_prompts, **settings) -> np.ndarray:
    return effects.answered(
        trained, prompts, material.tokens, batch_size=batch_size, prefixes=kept, **settings
    )  # fmt: skip


def separated(said: np.ndarray) -> np.ndarray:
    return effects.separation(said, judged_truth)


# %%
best_heads = interventions.best_heads(fresh_corrected.selection, top)
elsewhere_heads = interventions.best_heads(
    fresh_corrected.selection,
    top,
    without={layer for layer, _ in best_heads},
)
rng = np.random.default_rng(sampling_seed)
random_heads = [
    interventions.random_heads_like(best_heads, heads, rng) for _ in range(3)
]
means = interventions.mean_outputs(
    trained.model,
    [prompts[i] for prompts in mixed for i in chosen_points],
    pad_token_id=trained.tokenizer.pad_token_id,
    batch_size=batch_size,
    prefixes=kept,
)

# %%
said = {
    "whole": answered(),
    "best heads ablated": answered(
        edit=interventions.ablate(best_heads, means)
    ),
    "best heads of other layers": answered(
        edit=interventions.ablate(elsewhere_heads, means)
    ),
}
said_at_random = [
    answered(edit=interventions.ablate(drawn, means)) for drawn in random_heads
]

# %%
others = rng.permutation(np.setdiff1d(np.arange(layers), middle))[: len(middle)]
rewritten = study.relabelled(
    trained.tokenizer, material, demonstration_seed, seed=sampling_seed
)
said |= {
    "values, middle layers": answered(
        alter=effects.swapping(sampling_seed, middle.tolist())
    ),
    "values, as many other layers": answered(
        alter=effects.swapping(sampling_seed, others.tolist())
    ),
    "values, all layers": answered(alter=effects.swapping(sampling_seed)),
    "labels rewritten in the prompt": answered(
        [[prompts[i] for i in judged] for prompts in rewritten]
    ),
}

# %%
separation = {name: separated(found) for name, found in said.items()}
at_random = [separated(found) for found in said_at_random]
whole = separation.pop("whole")
costs = {
    "best heads ablated": whole - separation["best heads ablated"],
    "random heads of the same layers": whole - np.mean(at_random, axis=0),
    **{
        name: whole - found
        for name, found in separation.items()
        if name != "best heads ablated"
    },
}
intervals = {
    name: agreement.interval(cost, seed=sampling_seed)
    for name, cost in costs.items()
}
baseline = agreement.interval(whole, seed=sampling_seed)
with figures.style():
    figure = pictures.effect_intervals(
        intervals,
        controls={
            "random heads of the same layers",
            "best heads of other layers",
            "values, as many other layers",
        },
        label="separation lost, in nats",
    )
figures.show(
    figure,
    alt=f"Separation lost, of {baseline.value:.2f} nats: "
    + "; ".join(
        f"{name} {found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
        for name, found in intervals.items()
    )
    + ".",
    caption=f"What interventions cost, of a separation of {baseline.value:.2f} nats. Controls are drawn in grey.",
)

# %% [markdown]
# The same in accuracy, which sees only answers that change sides, and with each condition's own preference for a label
# left in:

# %%
right = {
    name: (found.argmax(-1) == judged_truth).astype(float)
    for name, found in said.items()
}
right["random heads of the same layers"] = np.mean(
    [(found.argmax(-1) == judged_truth) for found in said_at_random], axis=0
)
accuracy = {
    name: agreement.interval(
        hits if name == "whole" else right["whole"] - hits, seed=sampling_seed
    )
    for name, hits in right.items()
}
Markdown(
    "| | accuracy, or what is lost of it |\n|---|---|\n"
    + "\n".join(
        f"| {name} | {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] |"
        for name, found in accuracy.items()
    )
)

# %% [markdown]
# ## Table 2
#
# The model, the head chosen for its agreement with it, and kernel regression on sentence encoders over the same
# demonstrations, in several tasks. In brackets the paper's number for GPT-J 6B, where it has the task. The paper does not
# say how it turns embeddings into a kernel: beside $K = \cos$ stands a Gaussian kernel whose bandwidth the selection
# points chose, the stronger rival. The random weights among the controls are those of the task above; where a task has
# more classes, chance agreement is rarer there, and they are a stricter control than its own would be.

# %%
encoders = {"MiniLM": study.embedding_similarity()}
missing = ""
if size.second_encoder:
    try:
        models.load_encoder(size.second_encoder)
        encoders["BERT-NLI"] = study.embedding_similarity(size.second_encoder)
    except IclnbError as error:
        missing = f"\n\nWithout the second encoder: {error}"


# %%
def table_rows(name: str) -> list[tables.Row]:
    """The rows of one task: shared demonstrations, and fresh ones if there are any."""
    if name == size.task:
        found, shared_part, own_part = material, shared, own
    else:
        found = gather(name, size.table_points, size.table_fresh)
        shared_part = kernel.weigh_sets(
            trained, found.shared, found.truth, found.tokens, batch_size=batch_size
        )  # fmt: skip
        own_part = None
        if found.fresh:
            own_part = kernel.weigh(
                trained, found.fresh, found.truth[: len(found.fresh)], found.tokens, batch_size=batch_size
            )  # fmt: skip
    parts = [
        (shared_part, {name: study.likeness(found, compare) for name, compare in encoders.items()}),
        (own_part, {name: study.own_likeness(found, compare) for name, compare in encoders.items()}),
    ]  # fmt: skip
    return [
        tables.row(
            name, part, agreement.split(part.truth.shape[-1], size.share, seed=sampling_seed), cosines,
            permutations=size.permutations, seed=sampling_seed,
        )
        for part, cosines in parts
        if part is not None
    ]  # fmt: skip


rows = [row for name in table_tasks for row in table_rows(name)]
chance = [f"{row.task} ({row.arm})" for row in rows if row.at_chance]
Markdown(
    tables.markdown(rows)
    + "\n\nThe model is not shown to be above the most frequent label in: "
    + (", ".join(chance) or "no task")
    + ". Agreement there says how a head reproduces a model that does not solve the task."
    + missing
)

# %% [markdown]
# ## Verdicts

# %%
parameters = {
    **vars(size), "profile": profile, "source": source, "top": top, "batch_size": batch_size, "data_seed": data_seed,
    "demonstration_seed": demonstration_seed, "model_seed": model_seed, "sampling_seed": sampling_seed,
}  # fmt: skip
data = [tasks.origin(material.pool), tasks.origin(material.queries)]
sources = {"model": trained.origin, "control": control.origin, "data": data}
results = claims.Results("03_middle_layer_heads", parameters, sources)

# %%
verdicts.agreement.shared(
    results, (raw, blind), (corrected, blind_corrected), seed=sampling_seed
)
verdicts.agreement.fresh(
    results, (fresh_corrected, random_fresh), seed=sampling_seed
)
verdicts.agreement.performance(
    results, fresh_raw, fresh_corrected, seed=sampling_seed
)
verdicts.agreement.depth(
    results, "shared", raw, seed=sampling_seed, section="5.2"
)
verdicts.agreement.depth(
    results,
    "fresh",
    fresh_corrected,
    seed=sampling_seed,
    section="5.2, stricter",
)

# %%
chosen_heads = verdicts.similarity.similarity(
    results,
    weights,
    by_part,
    permutations=size.permutations,
    seed=sampling_seed,
)
verdicts.similarity.same_map(
    results, shared, by_part, selecting, seed=sampling_seed
)
for part, reads in (
    ("keys", "what the text predicts"),
    ("values", "the label"),
):
    verdicts.probes.features(
        results,
        part,
        reads,
        probed[part, "trained"],
        probed[part, "random"],
        seed=sampling_seed,
    )

# %%
verdicts.causes.ablation(
    results,
    whole,
    separation["best heads ablated"],
    at_random,
    separation["best heads of other layers"],
    seed=sampling_seed,
)
verdicts.causes.following(
    results,
    whole,
    separation["values, middle layers"],
    separation["values, as many other layers"],
    seed=sampling_seed,
)
for arm in ("shared", "fresh"):
    if of_arm := [row for row in rows if row.arm == arm]:
        random = blind_corrected if arm == "shared" else random_fresh
        verdicts.table.tasks(results, of_arm, random, seed=sampling_seed)
results

# %% [markdown]
# ## Limits
#
# A head that agrees with the model on prompts of its own may still be one of many through which the answer passes; only
# the interventions speak about causes, and they act on the last token (ablation) or on what later tokens read
# (exchange). Prompts of one task have one format. Permuted labels keep the label counts of each prompt, so that a model
# that follows the majority is no kernel's credit. Small models are biased and noisy classifiers; where the model is at
# chance, table 2 says so, and agreement with it means little. Key-value heads shared by several heads can only be
# probed and exchanged together.

# %%
results.values |= {
    "layers": layers, "heads": heads, "middle_layers": middle, "best_heads": best_heads,
    "chosen": {"shared": raw.head, "fresh": fresh_raw.head, "fresh, prior off": fresh_corrected.head, **chosen_heads},
    "depth": {name: list(found) for name, found in depths.items()},
    "agreement": {"shared": raw.by_head(), "fresh, prior off": fresh_corrected.by_head(), "random": blind.by_head()},
    "accuracy": {name: list(found) for name, found in accuracy.items()},
    "separation": {"whole": list(baseline), **{name: list(found) for name, found in intervals.items()}},
    "table": [tables.to_json(row) for row in rows],
}  # fmt: skip
saved = results.save()
