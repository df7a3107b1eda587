# %% [markdown]
# # What steers in-context learning, and would a kernel do the same?
#
# In practice five things decide how well a language model learns from its prompt: which demonstrations are shown,
# which words stand for the labels, whether the labels are right, in what order the demonstrations come, and whether
# all texts look like those the model knows. {cite}`han2025kernel` (section 4.2) hold kernel regression against these
# habits: it explains some, they say, and leaves two open. This notebook measures all five, and each time lets plain
# kernel regression answer from the very same demonstrations. What the kernel does not do, it does not explain.

# %% [markdown]
# ## What is claimed, and what would refute it
#
# The kernel view **predicts** that
#
# 1. demonstrations **near the query** help, and distant ones do harm: retrieval narrows the kernel. *Refuted* if the
#    right label word gets no more probability with the nearest demonstrations than with random ones, or no less with
#    the farthest;
# 2. heads that act as the kernel **weigh near demonstrations more**. *Refuted* if the weighted distance to the query
#    is no smaller than the plain mean distance;
# 3. **label words and formats** steer the output, and demonstrations draw probability into the set of labels.
#    *Refuted* if swapping words or changing the format leaves the answers where they are, or the probability outside
#    the label words does not fall;
# 4. labels count: with all of them **flipped** the model should answer wrongly. *Refuted* if the right word keeps
#    half of the probability;
# 5. inputs **out of distribution** hurt: typos most, rare words less, complex sentences least. *Refuted*, kind by
#    kind, if the right word loses no probability.
#
# It **does not explain**, the paper says,
#
# 6. that **random labels** do little harm: a kernel would fall to chance. *Refuted* if they cost the right word 0.05
#    of probability or more;
# 7. that the **order** of demonstrations matters: a sum has no order. *Refuted* if order explains next to nothing of
#    the log-odds, or if the last label pulls no more than the others.

# %% [markdown]
# ## Parameters

# %% tags=["parameters"]
from typing import Optional

profile: str = "laptop"  # smoke, laptop or paper; gives what is None below
task: Optional[str] = None  # name of a task with two classes
model: Optional[str] = None  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads the model over several GPUs
dtype: Optional[str] = None  # float32 or bfloat16; None: as models.load chooses
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: Optional[int] = None  # demonstrations per prompt
points: Optional[int] = None  # test points, each with its own demonstrations
shared_points: Optional[int] = (
    None  # how many of them also share demonstrations
)
sets: Optional[int] = None  # demonstration sets that these share
pool: Optional[int] = None  # rows to choose demonstrations from
held_out: Optional[int] = None  # further rows, to choose the kernel's bandwidth
order_k: Optional[int] = None  # demonstrations shown in all their orders
heads: int = 3  # how many of the best heads to look at
batch_size: int = 16  # queries per forward pass
data_seed: int = 0  # test points, pool and held-out rows
demonstration_seed: int = 1  # choice and order of demonstrations
model_seed: int = 2  # noise: in labels, words and texts
sampling_seed: int = 3  # halves of the test points, bootstrap

# %%
from dataclasses import replace

import numpy as np
from IPython.display import Markdown

from iclnb import claims, figures, kernel_regression, settings, stats
from iclnb.errors import IclnbError
from iclnb.heads import agreement
from iclnb.llm import depth, draws, models, reading, similarity
from iclnb.llm.data import tasks
from iclnb.steering import (
    conditions,
    lexicon,
    measures,
    perturb,
    pictures,
    retrieval,
    trial,
)

packaged = {"task": "movie_snippets", "model": models.PACKAGED}
size = settings.choose(
    profile,
    {
        "smoke": {
            **packaged, "k": 2, "ks": (2,), "points": 4, "shared_points": 2, "sets": 2, "pool": 16,
            "held_out": 20, "order_k": 2, "shares": (1.0,), "strengths": (1.0,), "shown_strengths": (1.0,),
            "other_strategies": ("nearest",),
        },
        "laptop": {
            **packaged, "k": 4, "ks": (1, 4), "points": 16, "shared_points": 6, "sets": 3, "pool": 100,
            "held_out": 200, "order_k": 3, "shares": (0.5, 1.0), "strengths": (0.5, 1.0), "shown_strengths": (1.0,),
            "other_strategies": ("nearest",),
        },
        "paper": {
            "task": "sst2", "model": "EleutherAI/gpt-j-6b", "k": 8, "ks": (1, 2, 4, 8, 16), "points": 500,
            "shared_points": 200, "sets": 10, "pool": 2000, "held_out": 1000, "order_k": 4,
            "shares": (0.25, 0.5, 0.75, 1.0), "strengths": (0.25, 0.5, 0.75, 1.0),
            "shown_strengths": (0.25, 0.5, 0.75, 1.0), "other_strategies": retrieval.STRATEGIES[1:],
        },
    },
    task=task, model=model, k=k, points=points, shared_points=shared_points, sets=sets, pool=pool,
    held_out=held_out, order_k=order_k,
)  # fmt: skip
ks = sorted({*size.ks, size.k})
chosen = tasks.get(size.task)
if len(chosen.classes) != 2:
    raise IclnbError(
        f"this notebook speaks of two classes and {size.task} has {len(chosen.classes)}; choose another task"
    )

# %% [markdown]
# ## Method
#
# Test points are the same under all conditions, as many of one class as of the other, so that always saying one word has
# one half. In the section on retrieval every one has demonstrations of its own,
# and intervals run over test points. In the others all test points share each of several demonstration sets, and
# intervals run over sets and points together (`iclnb.stats.crossed_bootstrap`).

# %%
drawn_from, drawn_queries = draws.pool_and_queries(
    size.task, 4 * size.points, seed=data_seed, source=source, at_most=True
)
drawn_queries = drawn_queries.select(
    draws.alternating([chosen.label(row) for row in drawn_queries], size.points)
)
drawn_from = drawn_from.shuffle(seed=data_seed)
pool_rows = drawn_from.select(range(min(size.pool, len(drawn_from)))).to_list()
apart = range(len(pool_rows), len(drawn_from))[: size.held_out]
held_rows = drawn_from.select(apart).to_list()
query_rows = drawn_queries.to_list()
labels, truths, held_truths = (
    np.array([chosen.label(row) for row in rows])
    for rows in (pool_rows, query_rows, held_rows)
)
trained = models.load(
    size.model, revision=revision, device_map=device_map, dtype=dtype
)
words = lexicon.load()

# %% [markdown]
# Two answers are taken from every prompt.
#
# **The model's.** The probabilities of the label words as the next token, $P(y \mid \text{prompt})$, renormalised
# among the label words. The measure throughout is the probability of the *right* word. It moves where accuracy would
# need many test points to, and a model that always says the same has one half on balanced classes. The mass outside
# the label words is kept apart.
#
# **The kernel's.** Nadaraya-Watson regression on the same demonstrations and labels, with a Gaussian kernel on
# all-MiniLM-L6-v2 embeddings,
#
# $$
# \hat y = \frac{\sum_i e(y_i)\, K(x_\text{test}, x_i)}{\sum_i K(x_\text{test}, x_i)}, \qquad
# K(x, x') = \exp\left(-\frac{\lVert x - x' \rVert^2}{2 h^2}\right).
# $$
#
# Its bandwidth $h$ has the least log-loss on rows that are used for nothing else
# (`iclnb.llm.kernel_regression`).


# %%
def texts(rows) -> list[str]:
    """The text columns of rows, joined."""
    return [" ".join(row[name] for name in chosen.inputs) for row in rows]


embedded = similarity.embed(texts([*pool_rows, *query_rows, *held_rows]))
pool_vectors, query_vectors, held_vectors = np.split(
    embedded, [len(pool_rows), len(pool_rows) + len(query_rows)]
)
held_table = trial.own(
    retrieval.choose(
        held_vectors @ pool_vectors.T,
        size.k,
        "random",
        seed=demonstration_seed,
    ),
    labels,
)
held_distance = trial.distances(held_table, pool_vectors, held_vectors)
bandwidth = kernel_regression.choose_bandwidth(
    held_distance, held_table.labels, held_truths, np.geomspace(0.05, 3, 15), 2
)
held_weights = kernel_regression.gaussian_weights(
    held_distance, bandwidth.value
)
Markdown(
    f"`{size.model}` on {len(query_rows)} test points of `{size.task}`, {np.mean(truths):.0%} of them "
    f"{chosen.classes[1]}. The kernel's bandwidth is {bandwidth.value:.2f}, where random demonstrations lie at a "
    f"distance of {held_distance.mean():.2f} on average; of {size.k} demonstrations "
    f"{kernel_regression.effective_number(held_weights).mean():.1f} count effectively. Its log-loss on held-out rows "
    f"is {bandwidth.log_loss:.3f} nats, chance {np.log(2):.3f}."
)


# %%
def ask(
    table, rows=pool_rows, queries=query_rows, truths=truths, **changes
) -> measures.Answers:
    """The model's answers; ``changes`` are label words or a format."""
    written = changes.get("format", chosen.format)
    named = changes.get("words", chosen.label_words)
    return trial.ask(
        trained, written, named, table, rows, queries, truths, batch_size=batch_size
    )  # fmt: skip


def regressed(
    table, rows=pool_vectors, queries=query_vectors, truths=truths
) -> measures.Answers:
    """The kernel's answers from the same table."""
    return trial.regressed(
        table, rows, queries, truths, bandwidth=bandwidth.value, classes=2
    )


def over_points(values) -> stats.Estimate:
    """Mean and interval over test points with demonstrations of their own."""
    return stats.bootstrap(values, seed=sampling_seed)


def over_both(values) -> stats.Estimate:
    """Mean and interval over demonstration sets and test points."""
    return stats.crossed_bootstrap(values, seed=sampling_seed)


def stacked(estimates) -> stats.Estimate:
    """Several estimates as the points of one curve."""
    return stats.Estimate(
        *(np.array(part) for part in zip(*estimates, strict=True))
    )


def listed(header: list[str], rows: list[list]) -> Markdown:
    """A table; numbers with three digits."""
    cells = [
        [f"{x:.3f}" if isinstance(x, float) else str(x) for x in row]
        for row in rows
    ]
    lines = [header, ["---"] * len(header), *cells]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


# %% [markdown]
# ## Retrieval
#
# For each test point demonstrations are chosen at random, as the nearest ones, as the farthest ones, or as diverse ones
# (maximal marginal relevance), by three similarities: cosine of all-MiniLM-L6-v2 embeddings; *prediction similarity*
# $P(o \mid x)^\top P(o \mid x_i)$, with both texts run alone through the model; and lexical overlap (BM25). Which
# demonstrations are chosen and how they are ordered are two things, so their order is shuffled under every strategy.

# %%
shown_alone = reading.next_token_probabilities(
    trained,
    [chosen.format.x.format_map(row) for row in [*query_rows, *pool_rows]],
    batch_size=batch_size,
)
predictions, pool_predictions = (
    shown_alone[: len(query_rows)],
    shown_alone[len(query_rows) :],
)
alike = {
    "MiniLM": (
        query_vectors @ pool_vectors.T,
        pool_vectors @ pool_vectors.T,
    ),
    "prediction": (
        predictions @ pool_predictions.T,
        pool_predictions @ pool_predictions.T,
    ),
    "BM25": (
        similarity.bm25(texts(query_rows), texts(pool_rows)),
        similarity.bm25(texts(pool_rows), texts(pool_rows)),
    ),
}


# %%
def retrieved(by: str, strategy: str, count: int) -> trial.Table:
    """The demonstrations of every test point under one strategy."""
    to_pool, among = alike[by]
    return trial.own(
        retrieval.choose(
            to_pool, count, strategy, seed=demonstration_seed, among=among
        ),
        labels,
    )


tables = {
    ("MiniLM", strategy, count): retrieved("MiniLM", strategy, count)
    for strategy in ("random", "nearest")
    for count in ks
} | {
    (by, strategy, size.k): retrieved(by, strategy, size.k)
    for by in alike
    for strategy in (
        retrieval.STRATEGIES[1:] if by == "MiniLM" else size.other_strategies
    )
}
looked = {
    strategy: trial.look(
        trained, chosen.format, chosen.label_words, tables["MiniLM", strategy, size.k], pool_rows, query_rows,
        truths, batch_size=batch_size,
    )
    for strategy in ("random", "nearest")
}  # fmt: skip
found = {
    key: measures.answers_of(looked[key[1]].said, truths)
    if key[0] == "MiniLM" and key[2] == size.k and key[1] in looked
    else ask(table)
    for key, table in tables.items()
}
found_kernel = {key: regressed(table) for key, table in tables.items()}

# %% [markdown]
# One more condition tells two reasons for success apart: the nearest demonstrations with *random labels*. What is left
# of the gain then owes nothing to their labels.

# %%
near = tables["MiniLM", "nearest", size.k]
unlabelled = trial.Table(
    near.chosen,
    conditions.noisy_labels(
        near.labels, 1.0, "random", classes=2, seed=model_seed
    ),
)
found_unlabelled, kernel_unlabelled = ask(unlabelled), regressed(unlabelled)


# %%
def curve(by: str, strategy: str, answers) -> tuple:
    """A strategy's probability of the right word over k."""
    at = [
        count
        for count in ks
        if (by, strategy, count) in answers
        and (by == "MiniLM" or count == size.k)
    ]
    return at, stacked(
        over_points(answers[by, strategy, count].of_truth) for count in at
    )


def panels(answers) -> dict:
    """A panel for each similarity; random demonstrations stand in all of them."""
    everywhere = {
        (by, "random", count): answers["MiniLM", "random", count]
        for by in alike
        for count in ks
    }
    every = answers | everywhere
    return {
        by: {
            strategy: curve(by, strategy, every)
            for strategy in retrieval.STRATEGIES
            if (by, strategy, size.k) in every
        }
        for by in alike
    }


with figures.style():
    figure = pictures.curves(
        panels(found),
        panels(found_kernel),
        xlabel="demonstrations k",
        ylabel="probability of the right label word",
        reference={"chance": 0.5},
    )
at_k = {
    strategy: found["MiniLM", strategy, size.k].of_truth.mean()
    for strategy in retrieval.STRATEGIES
}
figures.show(
    figure,
    alt=f"With {size.k} demonstrations by MiniLM the right word has a probability of "
    + ", ".join(f"{value:.2f} ({name})" for name, value in at_k.items())
    + f"; kernel regression on the nearest ones gives {found_kernel['MiniLM', 'nearest', size.k].of_truth.mean():.2f}.",
    caption="Retrieval. Bars: 95 % over test points. Grey: kernel regression on the same demonstrations.",
)

# %% [markdown]
# Accuracy, calibration (expected calibration error of the answer given, which is mostly noise with few test points) and
# mass outside the label words, all at the main $k$, with the kernel's accuracy on the same demonstrations:

# %%
compared = {
    f"{strategy}, {by}" if strategy != "random" else "random": (
        found[by, strategy, size.k],
        found_kernel[by, strategy, size.k],
    )
    for (by, strategy, count) in tables
    if count == size.k
} | {"nearest, MiniLM, random labels": (found_unlabelled, kernel_unlabelled)}
listed(
    ["shown", "accuracy", "right word", "calibration error", "outside", "kernel: accuracy", "kernel: right label"],
    [
        [
            name, float(own.correct.mean()), float(own.of_truth.mean()),
            measures.calibration_error(own.probabilities.max(-1), own.correct), float(own.outside.mean()),
            float(other.correct.mean()), float(other.of_truth.mean()),
        ]
        for name, (own, other) in compared.items()
    ],
)  # fmt: skip

# %% [markdown]
# ### How wide is the kernel of the best heads?
#
# If some heads are the kernel, their weights $a_i$ (the largest attention of the last token inside demonstration $i$)
# should fall with the distance of $x_i$ from the query. The candidates are the heads of the paper's middle layers,
# carried over by relative depth. Half of the test points choose among them, by how well a head's kernel regression
# agrees with the model's own answers; the other half is looked at.
#
# Two numbers describe weights. The *effective number* $1 / \sum_i w_i^2$ of normalised weights says how many
# demonstrations count. The *effective bandwidth* is the $h$ of the Gaussian kernel whose weights come closest; it is
# infinite if weights do not fall with distance. Weights that change places at random inside each prompt are the null.

# %%
selecting = agreement.split(size.points, 0.5, seed=sampling_seed)
judged = {
    strategy: agreement.agree(
        weighed, selecting, permutations=100, seed=sampling_seed
    )
    for strategy, weighed in looked.items()
}
selection = np.mean([found.selection for found in judged.values()], axis=0)
middle = depth.layers_within(len(selection), depth.MIDDLE)
within = np.full(selection.shape, -np.inf)
within[middle] = selection[middle]
best = np.argsort(-within, axis=None, kind="stable")[:heads]


def widths(strategy: str, permuted: bool = False) -> tuple:
    """Weights of the best heads on the other half, with distances."""
    weights = looked[strategy].weights["maximum"].astype(float)[~selecting]
    weights = weights.reshape(len(weights), -1, size.k)[:, best]
    if permuted:
        rng = np.random.default_rng(sampling_seed)
        weights = rng.permuted(weights, axis=-1)
    table = tables["MiniLM", strategy, size.k]
    distance = trial.distances(table, pool_vectors, query_vectors)[~selecting]
    return weights, np.broadcast_to(distance[:, None], weights.shape)


def narrowing(strategy: str, permuted: bool = False):
    """Weighted minus mean distance by test point, mean of the best heads."""
    weights, distance = widths(strategy, permuted)
    return kernel_regression.narrowing(weights, distance).mean(1)


rows = []
for strategy in looked:
    for name, (weights, distance) in {
        "heads": widths(strategy),
        "heads, permuted": widths(strategy, permuted=True),
        "kernel": (
            kernel_regression.gaussian_weights(
                widths(strategy)[1], bandwidth.value
            ),
            widths(strategy)[1],
        ),
    }.items():
        flat = weights.reshape(-1, size.k), distance.reshape(-1, size.k)
        rows.append(
            [
                strategy, name, float(kernel_regression.effective_number(flat[0]).mean()),
                kernel_regression.effective_bandwidth(*flat),
                float(kernel_regression.narrowing(weights, distance).mean()),
            ]
        )  # fmt: skip
listed(
    ["demonstrations", "weights of", "effective number", "effective bandwidth", "weighted minus mean distance"],
    rows,
)  # fmt: skip

# %%
places = [divmod(int(index), selection.shape[1]) for index in best]
hits = np.mean([found.by_head()[places[0]] for found in judged.values()])
null, last = (
    np.mean([of(found) for found in judged.values()])
    for of in (
        lambda found: found.permuted.mean(),
        lambda found: (found.blind.last == found.target).mean(),
    )
)
Markdown(
    f"The {heads} heads are {', '.join(f'layer {layer} head {head}' for layer, head in places)}. The best one agrees with "
    f"the model on {hits:.0%} of the other half. With labels permuted inside prompts the best of all heads there reaches "
    f"{null:.0%} on average, and repeating the last label {last:.0%}."
)

# %% [markdown]
# ## Label words and formats
#
# To the kernel a label is an index: it answers the same whatever the words are, and it has no other words to say. The
# model is asked with the task's own words, other words that mean the same, the words swapped between the classes,
# arbitrary ones, and common words drawn at random; then with other templates and another separator. Everything else
# stays.

# %%
few = slice(size.shared_points)
few_queries, few_truths = query_rows[few], truths[few]
drawn = draws.fresh_demonstrations(
    len(pool_rows), size.k, size.sets, seed=demonstration_seed
)
base = trial.shared(drawn, labels[drawn], len(few_queries))
few_settings = {"queries": few_queries, "truths": few_truths}
own_words = " / ".join(chosen.label_words)
wordings = {
    own_words: {},
    **{
        " / ".join(named): {"words": named}
        for named in chosen.other_label_words.values()
    },
    "swapped": {"words": conditions.swapped(chosen.label_words)},
    "arbitrary: foo / bar": {"words": ("foo", "bar")},
}
at_random = conditions.random_words(
    words, trained.tokenizer, chosen.format.label_prefix, 2, seed=model_seed
)
wordings[f"random: {' / '.join(at_random)}"] = {"words": at_random}
formattings = {
    f"template: {name}": {"format": written}
    for name, written in chosen.formats.items()
    if written is not chosen.format
}
formattings["separator: one line"] = {
    "format": replace(chosen.format, separator="\n")
}

# %%
worded = {
    name: ask(base, **few_settings, **changes)
    for name, changes in (wordings | formattings).items()
}
zero_shot = trial.ask_without(
    trained,
    chosen.format,
    {
        name: changes.get("words", chosen.label_words)
        for name, changes in wordings.items()
    },
    few_queries,
    few_truths,
    batch_size=batch_size,
)
for name, changes in formattings.items():
    zero_shot |= trial.ask_without(
        trained,
        changes["format"],
        {name: chosen.label_words},
        few_queries,
        few_truths,
        batch_size=batch_size,
    )
plain, plain_kernel = (
    worded[own_words],
    regressed(base, queries=query_vectors[few], truths=few_truths),
)

# %%
with figures.style():
    figure = pictures.conditions(
        {
            "right": {n: over_both(a.of_truth) for n, a in worded.items()},
            "outside": {n: over_both(a.outside) for n, a in worded.items()},
        },
        {
            "right": dict.fromkeys(worded, plain_kernel.of_truth.mean()),
            "outside": dict.fromkeys(worded, 0.0),
        },
        xlabels={
            "right": "probability of the right word",
            "outside": "mass outside the label words",
        },
        reference={
            "right": {n: a.of_truth.mean() for n, a in zero_shot.items()},
            "outside": {n: a.outside.mean() for n, a in zero_shot.items()},
        },
    )
figures.show(
    figure,
    alt="Probability of the right word by label words and format: "
    + "; ".join(f"{n} {a.of_truth.mean():.2f}" for n, a in worded.items())
    + f". Kernel regression has {plain_kernel.of_truth.mean():.2f} under all of them.",
    caption="Label words and formats. Bars: 95 % over demonstration sets and test points. Rings: no demonstrations.",
)

# %% [markdown]
# ## Random and flipped labels
#
# A share of the labels in every demonstration set is replaced: by a label drawn at random, which may be the right one,
# or by the other label. The replaced places are nested, so that a larger share keeps what a smaller one did. Zero-shot
# shows what the model says with nothing to learn from. The share is of whole labels, so with few demonstrations it
# comes in steps.

# %%
shares = (0.0, *size.shares)
noised, noised_kernel = {}, {}
for kind in conditions.NOISE:
    for share in shares:
        table = trial.shared(
            drawn,
            conditions.noisy_labels(
                labels[drawn], share, kind, classes=2, seed=model_seed
            ),
            len(few_queries),
        )
        noised[kind, share] = (
            plain if share == 0 else ask(table, **few_settings)
        )
        noised_kernel[kind, share] = regressed(
            table, queries=query_vectors[few], truths=few_truths
        )
unshown = zero_shot[own_words].of_truth


# %%
def dose(answers) -> dict:
    """Each kind's probability of the right word over the share."""
    return {
        "": {
            kind: (
                shares,
                stacked(over_both(answers[kind, s].of_truth) for s in shares),
            )
            for kind in conditions.NOISE
        }
    }


with figures.style():
    figure = pictures.curves(
        dose(noised),
        dose(noised_kernel),
        xlabel="share of labels replaced",
        ylabel="probability of the right label word",
        reference={"zero-shot": unshown.mean(), "chance": 0.5},
    )
figures.show(
    figure,
    alt=f"The right word has {plain.of_truth.mean():.2f} with right labels, "
    f"{noised['random', 1.0].of_truth.mean():.2f} with random and {noised['flipped', 1.0].of_truth.mean():.2f} with "
    f"flipped ones, {unshown.mean():.2f} without demonstrations; kernel regression {plain_kernel.of_truth.mean():.2f}, "
    f"{noised_kernel['random', 1.0].of_truth.mean():.2f} and {noised_kernel['flipped', 1.0].of_truth.mean():.2f}.",
    caption="Label noise. Bars: 95 % over demonstration sets and test points.",
)

# %% [markdown]
# ## Order
#
# Small demonstration sets with both labels are shown in all their orders. The variance of the log-odds then splits
# exactly into what the query explains, what the set explains, what both explain together, and what only the order does.
# A kernel has none of the last. The *recency profile* compares, for the same set and query, the orders with a positive
# label at a position with those that have a negative one there.

# %%
candidates = draws.fresh_demonstrations(
    len(pool_rows), size.order_k, 50 * size.sets, seed=demonstration_seed
)
mixed = candidates[np.ptp(labels[candidates], axis=1) > 0][: size.sets]
ordered = mixed[:, conditions.orders(size.order_k)]
order_table = trial.shared(ordered, labels[ordered], len(few_queries))
in_order = np.moveaxis(
    ask(order_table, **few_settings).log_odds, 1, -1
)  # sets, points, orders
kernel_in_order = np.moveaxis(
    regressed(
        order_table, queries=query_vectors[few], truths=few_truths
    ).probabilities[..., 1],
    1,
    -1,
)
pull = measures.recency_profile(in_order, labels[ordered])
explained = stats.crossed_bootstrap(
    in_order, statistic=measures.variance_shares, seed=sampling_seed
)
kernel_explained = measures.variance_shares(kernel_in_order)

# %%
with figures.style():
    figure = pictures.orders(
        in_order,
        over_both(pull),
        {name: explained.at(part) for part, name in enumerate(measures.PARTS)},
    )
turned = np.ptp(np.sign(in_order), axis=-1) > 0
figures.show(
    figure,
    alt=f"Of the variance of the log-odds the order explains {explained.value[-1]:.0%}, the query "
    f"{explained.value[0]:.0%}, the demonstration set {explained.value[1]:.0%}. A positive label at the last position "
    f"moves the log-odds by {pull[..., -1].mean():+.2f} nats, at the first by {pull[..., 0].mean():+.2f}. The answer "
    f"depends on the order for {turned.mean():.0%} of sets and queries. The kernel's order share is "
    f"{kernel_explained[-1]:.0e}.",
    caption="Order. Left: one dot for each order. Bands and bars: 95 % over demonstration sets and test points.",
)

# %% [markdown]
# ## Out of distribution
#
# Texts are perturbed by deterministic rules: typos; rare synonyms (WordNet, word counts from books); longer synonyms
# inside nested frames ("complex"); capitals and punctuation at random. Strength is the share of the words concerned,
# nested like the label noise. Queries alone are perturbed, or the demonstrations alone. The kernel reads the embeddings
# of the perturbed texts. Here is one text at full strength:

# %%
listed(
    ["kind", "text"],
    [["none", texts(query_rows)[0]]]
    + [
        [kind, perturb.perturb(texts(query_rows)[0], kind, 1.0, seed=model_seed, lexicon=words)]
        for kind in perturb.KINDS
    ],
)  # fmt: skip

# %%
variants = [
    (kind, strength) for kind in perturb.KINDS for strength in size.strengths
]


def perturbed(rows, kind: str, strength: float) -> list[dict]:
    """The same rows with their texts perturbed."""
    return perturb.perturb_rows(
        rows, chosen.inputs, kind, strength, seed=model_seed, lexicon=words
    )


shown = np.unique(drawn)
changed_queries = [perturbed(few_queries, *variant) for variant in variants]
changed_shown = [
    perturbed([pool_rows[row] for row in shown], *variant)
    for variant in variants
]
vectors = similarity.embed(
    texts([row for rows in changed_queries + changed_shown for row in rows])
)
query_variants, shown_variants = np.split(
    vectors, [len(variants) * len(few_queries)]
)
query_variants = query_variants.reshape(len(variants), len(few_queries), -1)
shown_variants = shown_variants.reshape(len(variants), len(shown), -1)

# %% [markdown]
# Perturbed queries stand behind the same demonstrations, which are then read only once.

# %%
many = len(variants) * len(few_queries)
said = ask(
    trial.shared(drawn, labels[drawn], many),
    queries=[row for rows in changed_queries for row in rows],
    truths=np.tile(few_truths, len(variants)),
)
moved: dict[str, dict] = {"queries": {}, "demonstrations": {}}
moved_kernel: dict[str, dict] = {"queries": {}, "demonstrations": {}}
for i, variant in enumerate(variants):
    part = slice(i * len(few_queries), (i + 1) * len(few_queries))
    moved["queries"][variant] = measures.Answers(
        said.probabilities[:, part], said.outside[:, part], said.truths[:, part]
    )
    moved_kernel["queries"][variant] = regressed(
        base, queries=query_variants[i], truths=few_truths
    )
    if variant[1] not in size.shown_strengths:
        continue
    rows, vectors = list(pool_rows), pool_vectors.copy()
    for place, row in enumerate(shown):
        rows[row], vectors[row] = (
            changed_shown[i][place],
            shown_variants[i, place],
        )
    moved["demonstrations"][variant] = ask(base, rows=rows, **few_settings)
    moved_kernel["demonstrations"][variant] = regressed(
        base, rows=vectors, queries=query_vectors[few], truths=few_truths
    )


# %%
def dial(answers, unperturbed) -> dict:
    """Accuracy over strength, a panel for what is perturbed."""
    every = {
        where: {kind: {0.0: unperturbed} for kind in perturb.KINDS}
        for where in answers
    }
    for where, found_there in answers.items():
        for (kind, strength), these in found_there.items():
            every[where][kind][strength] = these
    return {
        where: {
            kind: (
                list(steps),
                stacked(over_both(these.correct) for these in steps.values()),
            )
            for kind, steps in kinds.items()
        }
        for where, kinds in every.items()
    }


published = {
    kind: (1.0, perturb.TABLE_1[kind])
    for kind in perturb.KINDS
    if kind in perturb.TABLE_1
}
with figures.style():
    figure = pictures.curves(
        dial(moved, plain),
        dial(moved_kernel, plain_kernel),
        xlabel="strength",
        ylabel="accuracy",
        reference={"chance": 0.5},
        points={"queries": published},
    )
figures.show(
    figure,
    alt=f"Accuracy {plain.correct.mean():.2f} unperturbed; with perturbed queries at full strength "
    + ", ".join(
        f"{kind} {moved['queries'][kind, 1.0].correct.mean():.2f}"
        for kind in perturb.KINDS
    )
    + ".",
    caption="Perturbed texts. Bars: 95 % over demonstration sets and test points. Stars: paper A, table 1.",
)

# %% [markdown]
# The paper's table 1 (GPT-J 6B on SST-2, texts perturbed in the authors' own way) beside ours at full strength:

# %%
listed(
    ["inputs", "paper A", "queries perturbed", "demonstrations perturbed", "kernel: queries", "kernel: demonstrations"],
    [["none", perturb.TABLE_1["none"], *[float(plain.correct.mean())] * 2, *[float(plain_kernel.correct.mean())] * 2]]
    + [
        [
            kind, perturb.TABLE_1.get(kind, "-"),
            *(float(moved[where][kind, 1.0].correct.mean()) for where in moved),
            *(float(moved_kernel[where][kind, 1.0].correct.mean()) for where in moved),
        ]
        for kind in perturb.KINDS
    ],
)  # fmt: skip

# %% [markdown]
# ## Verdicts
#
# Each criterion is applied to a 95 % interval. The control of a claim is, wherever there is one, what kernel regression
# gives on the same demonstrations: a claim can hold and still not speak for the kernel view, if the kernel does
# something else.

# %%
parameters = {
    **vars(size), "profile": profile, "source": source, "dtype": dtype, "heads": heads, "batch_size": batch_size,
    "data_seed": data_seed, "demonstration_seed": demonstration_seed, "model_seed": model_seed,
    "sampling_seed": sampling_seed,
}  # fmt: skip
data = [tasks.origin(drawn_from), tasks.origin(drawn_queries)]
sources = {"model": trained.origin, "data": data}
results = claims.Results("04_retrieval_and_format", parameters, sources)
SAME = "kernel regression, same demonstrations"


def judge(
    id: str,
    statement: str,
    criterion: claims.Criterion,
    estimate: stats.Estimate,
    control: float,
    control_is: str = SAME,
    paper: str = "A",
) -> None:
    """Record one claim."""
    results.claim(
        id, paper=paper, section="4.2" if paper == "A" else "this notebook", statement=statement, criterion=criterion,
        evidence=claims.Evidence(estimate=estimate, control=float(control), control_is=control_is),
    )  # fmt: skip


# %% [markdown]
# Retrieval:


# %%
def gain(answers, strategy: str, other: str = "random"):
    """Probability of the right word, one strategy minus another, by test point."""
    return (
        answers["MiniLM", strategy, size.k].of_truth
        - answers["MiniLM", other, size.k].of_truth
    )


judge(
    "nearest-demonstrations-help",
    f"With the {size.k} nearest demonstrations the right label word is more probable than with random ones.",
    claims.above(0),
    over_points(gain(found, "nearest")),
    gain(found_kernel, "nearest").mean(),
)
judge(
    "farthest-demonstrations-hurt",
    f"With the {size.k} farthest demonstrations the right label word is less probable than with random ones.",
    claims.below(0),
    over_points(gain(found, "farthest")),
    gain(found_kernel, "farthest").mean(),
)
judge(
    "nearest-labels-count",
    "The nearest demonstrations do better with their own labels than with random labels.",
    claims.above(0),
    over_points(
        found["MiniLM", "nearest", size.k].of_truth - found_unlabelled.of_truth
    ),
    (
        found_kernel["MiniLM", "nearest", size.k].of_truth
        - kernel_unlabelled.of_truth
    ).mean(),
    paper="ours",
)
judge(
    "best-heads-prefer-the-near",
    "The best heads weigh demonstrations near the query more: their weighted distance is below the mean distance.",
    claims.below(0),
    over_points(narrowing("random")),
    narrowing("random", permuted=True).mean(),
    "weights permuted inside prompts",
)

# %% [markdown]
# Label words, formats, labels:

# %%
other_formats = np.stack([worded[name].of_truth for name in formattings])
judge(
    "label-words-steer",
    "With the label words swapped between the classes the right label is less probable.",
    claims.below(0),
    over_both(worded["swapped"].of_truth - plain.of_truth),
    0,
    "kernel regression, to which words are indices",
)
judge(
    "format-steers",
    "Another template or separator moves the probability of the right word by more than 0.05 on average.",
    claims.above(0.05),
    over_both(np.abs(other_formats - plain.of_truth).mean(0)),
    0,
    "kernel regression, which sees no format",
)
judge(
    "demonstrations-draw-mass",
    "Demonstrations lower the probability of everything that is no label word.",
    claims.below(0),
    over_both(plain.outside - zero_shot[own_words].outside),
    0,
    "no demonstrations",
)
judge(
    "flipped-labels-are-followed",
    "With all labels flipped the right label word has less than half of the probability.",
    claims.below(0.5),
    over_both(noised["flipped", 1.0].of_truth),
    noised_kernel["flipped", 1.0].of_truth.mean(),
)
judge(
    "random-labels-do-little-harm",
    "Random labels in place of the right ones cost the right label word less than 0.05 of probability.",
    claims.above(-0.05),
    over_both(noised["random", 1.0].of_truth - plain.of_truth),
    (noised_kernel["random", 1.0].of_truth - plain_kernel.of_truth).mean(),
)
judge(
    "random-labels-beat-none",
    "Demonstrations with random labels make the right label word more probable than no demonstrations.",
    claims.above(0),
    over_both(noised["random", 1.0].of_truth - unshown),
    0,
    "no demonstrations",
    paper="ours",
)

# %% [markdown]
# Order:

# %%
judge(
    "order-matters",
    "The order of the demonstrations explains more than 5 % of the variance of the log-odds.",
    claims.above(0.05),
    explained.at(len(measures.PARTS) - 1),
    kernel_explained[-1],
)
judge(
    "last-label-pulls-most",
    "The last label pulls the answer more than labels at the other positions do.",
    claims.above(0),
    over_both(pull[..., -1] - pull[..., :-1].mean(-1)),
    0,
    "kernel regression, which has no order",
)

# %% [markdown]
# Out of distribution:

# %%
lost, lost_kernel = (
    {
        (where, kind): answers[where][kind, 1.0].of_truth - whole.of_truth
        for where in answers
        for kind in perturb.KINDS
    }
    for answers, whole in ((moved, plain), (moved_kernel, plain_kernel))
)
for kind in published:
    judge(
        f"ood-{kind.replace(' ', '-')}-hurt",
        f"Queries out of distribution ({kind}) make the right label word less probable.",
        claims.below(0),
        over_both(lost["queries", kind]),
        lost_kernel["queries", kind].mean(),
    )
judge(
    "ood-typos-worse-than-complex",
    "Typos in queries cost more of the right word's probability than complex sentences do.",
    claims.below(0),
    over_both(lost["queries", "typos"] - lost["queries", "complex"]),
    (
        lost_kernel["queries", "typos"] - lost_kernel["queries", "complex"]
    ).mean(),
)
judge(
    "ood-demonstrations-hurt",
    "Typos in the demonstrations alone make the right label word less probable.",
    claims.below(0),
    over_both(lost["demonstrations", "typos"]),
    lost_kernel["demonstrations", "typos"].mean(),
)
results

# %% [markdown]
# A claim that holds speaks for the kernel view only where kernel regression would meet the criterion too, and against it
# where it would not:

# %%
held = [claim for claim in results.claims if claim.verdict == claims.SUPPORTED]
alike = [
    claim
    for claim in held
    if claim.criterion.verdict((claim.control, claim.control))
    == claims.SUPPORTED
]
Markdown(
    f"{len(held)} of {len(results.claims)} claims hold. The control meets the criterion itself in {len(alike)} of these"
    + "".join(f"; {claim.id}" for claim in alike)
    + "."
)

# %% [markdown]
# ## Robustness
#
# The probability of the right word and accuracy need not agree: a model can become surer without changing an answer.
# Here are the main contrasts by both, the accuracy also with the decision threshold at the median log-odds of each
# condition, which takes off the model's preference for one word.


# %%
def both_ways(one: measures.Answers, other: measures.Answers) -> list:
    """One condition minus another by three measures, with intervals."""

    def centred(a: measures.Answers):
        above = a.log_odds > np.median(a.log_odds)
        return (above == (a.truths == 1)).astype(float)

    over = over_both if one.truths.ndim == 2 else over_points
    return [
        "{:+.3f} [{:+.3f}, {:+.3f}]".format(*over(of(one) - of(other)))
        for of in (lambda a: a.of_truth, lambda a: a.correct, centred)
    ]


random_ones = found["MiniLM", "random", size.k]
listed(
    ["contrast", "right word", "accuracy", "accuracy, median threshold"],
    [
        ["nearest - random", *both_ways(found["MiniLM", "nearest", size.k], random_ones)],
        ["farthest - random", *both_ways(found["MiniLM", "farthest", size.k], random_ones)],
        ["diverse - random", *both_ways(found["MiniLM", "diverse", size.k], random_ones)],
        ["nearest by prediction - random", *both_ways(found["prediction", "nearest", size.k], random_ones)],
        ["nearest by BM25 - random", *both_ways(found["BM25", "nearest", size.k], random_ones)],
        ["swapped words - own words", *both_ways(worded["swapped"], plain)],
        ["random labels - right labels", *both_ways(noised["random", 1.0], plain)],
        ["flipped labels - right labels", *both_ways(noised["flipped", 1.0], plain)],
        *(
            [f"{kind} in queries - none", *both_ways(moved["queries"][kind, 1.0], plain)]
            for kind in perturb.KINDS
        ),
    ],
)  # fmt: skip

# %% [markdown]
# And the opponent: does the kernel's own answer owe much to its bandwidth? From very narrow, which copies the nearest
# label, to very wide, which counts labels:

# %%
widened = {
    h: {
        strategy: trial.regressed(
            tables["MiniLM", strategy, size.k],
            pool_vectors,
            query_vectors,
            truths,
            bandwidth=h,
            classes=2,
        ).of_truth.mean()
        for strategy in retrieval.STRATEGIES
    }
    for h in (0.05, bandwidth.value, 3.0)
}
listed(
    ["bandwidth", *retrieval.STRATEGIES],
    [[f"{h:.2f}", *map(float, row.values())] for h, row in widened.items()],
)

# %% [markdown]
# ## Limits
#
# The kernel here is a plain one on sentence embeddings, not the one that the theory derives from the pre-training
# distribution; that one is out of reach for a language model, and a kernel on other features could do better. The
# bandwidth comes from random demonstrations. Perturbations follow rules: synonyms are looked up without context, and
# "complex" wraps fixed frames around a text, which is not what a human paraphrase does. The paper's table gives one
# strength of its own for each kind, so the columns share kinds, not doses. A share of label noise in a small set comes
# in steps. Orders are those of small sets; with many demonstrations one order more or less may weigh differently.
#
# The kernel is a weak opponent where demonstrations are few: a class without one has no vote, and its log-loss above
# shows it. The claims are many and not corrected for that; one that holds by a hair should be read so. In a fixed set a
# label that is drawn to the end leaves the other positions to the other labels, so the recency profile's sign says more
# than its size. Two choices were made after a first look at small runs: the criterion of *random-labels-do-little-harm*
# was made stricter (from keeping half of the probability to losing less than 0.05), and the best heads are sought in the
# paper's middle layers alone, since few points chose heads of the first layer at random.

# %%
results.values |= {
    "bandwidth": bandwidth.value,
    "best_heads": places,
    "retrieval": {
        "/".join(map(str, key)): {
            "accuracy": answers.correct.mean(), "right": answers.of_truth.mean(),
            "kernel_accuracy": found_kernel[key].correct.mean(), "kernel_right": found_kernel[key].of_truth.mean(),
        }
        for key, answers in found.items()
    },
    "words_and_formats": {
        name: {
            "right": answers.of_truth.mean(), "outside": answers.outside.mean(),
            "zero_shot_right": zero_shot[name].of_truth.mean(), "zero_shot_outside": zero_shot[name].outside.mean(),
        }
        for name, answers in worded.items()
    },
    "label_noise": {f"{kind} {share}": answers.of_truth.mean() for (kind, share), answers in noised.items()},
    "variance_shares": dict(zip(measures.PARTS, explained.value, strict=True)),
    "recency_profile": pull.mean((0, 1)),
    "accuracy_perturbed": {
        where: {f"{kind} {strength}": a.correct.mean() for (kind, strength), a in answers.items()}
        for where, answers in moved.items()
    },
}  # fmt: skip
saved = results.save()
