# %% [markdown]
# # What steers in-context learning, and would a kernel do the same?
#
# Five things decide how well a language model learns from its prompt: which demonstrations are shown, which
# words stand for the labels, whether the labels are right, in what order the demonstrations come, and
# whether the texts look like those the model knows. {cite}`han2025kernel` (section 4.2) compare kernel
# regression with these observations. It explains some, they say, and leaves two open. Here all five are
# measured, and each time plain kernel regression answers from the very same demonstrations. What the kernel
# does not do, it does not explain.

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # name of a task with two classes
model: str = by_profile(
    "smollm2-135m-instruct", "smollm2-135m-instruct", "EleutherAI/gpt-j-6b"
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: int = by_profile(2, 4, 8)  # demonstrations per prompt
ks: str = by_profile("2", "1,4", "1,2,4,8,16")  # of retrieval
points: int = by_profile(4, 16, 500)  # test points with fresh demonstrations
shared_points: int = by_profile(2, 6, 200)  # of them, for shared sets
sets: int = by_profile(2, 3, 10)  # demonstration sets that these share
pool: int = by_profile(16, 100, 2000)  # rows to choose demonstrations from
held_out: int = by_profile(20, 200, 1000)  # rows for the kernel's bandwidth
order_k: int = by_profile(2, 3, 4)  # demonstrations shown in all orders
shares: str = by_profile("1", "0.5,1", "0.25,0.5,0.75,1")  # of noisy labels
strengths: str = by_profile("1", "0.5,1", "0.25,0.5,0.75,1")  # perturbation
other_strategies: str = by_profile(
    "nearest", "nearest", "nearest,farthest,diverse"
)  # of retrieval by other similarities than embeddings
heads: int = 3  # how many of the best heads to look at
batch_size: int = 16  # queries per forward pass
data_seed: int = 0  # test points, pool and held-out rows
demonstration_seed: int = 1  # choice and order of demonstrations
model_seed: int = 2  # noise: in labels, words and texts
sampling_seed: int = 3  # halves of the test points, intervals

# %% tags=["hide-input"]
from functools import partial

from IPython.display import Markdown, display

from iclnb import claims, settings
from iclnb.display import escape, number
from iclnb.llm.data import tasks
from iclnb.llm.demonstrations import draw
from iclnb.llm.reader import Reader
from iclnb.steering import (
    conditions,
    estimates,
    head_widths,
    lexicon,
    material,
    pictures,
    retrieval,
    tables,
)
from iclnb.steering.retrieval import EMBEDDINGS, Retrieved
from iclnb.steering.study import Condition

run = settings.read(globals())
seed = run.sampling_seed
ks = material.numbers(run.ks, int)
shares, strengths = material.parts(run.shares), material.parts(run.strengths)

# %% [markdown]
# ## What is claimed, and what would refute it
#
# The kernel view **predicts** that
#
# 1. demonstrations **near the query** help and distant ones hurt. *Refuted* if the right label word gets no
#    more probability with the nearest demonstrations than with random ones, or no less with the farthest;
# 2. heads that act as the kernel **weigh near demonstrations more**. *Refuted* if the weighted distance to
#    the query is no smaller than the plain mean distance;
# 3. **label words and formats** steer the output, and demonstrations draw probability into the set of
#    labels. *Refuted* if swapping words or changing the format leaves the answers where they are, or the
#    probability outside the label words does not fall;
# 4. labels count: with all of them **flipped** the model should answer wrongly. *Refuted* if the right word
#    keeps half of the probability;
# 5. inputs **out of distribution** hurt: typos most, rare words less, complex sentences least. *Refuted*,
#    kind by kind, if the right word loses no probability.
#
# It **does not explain**, the paper says,
#
# 6. that **random labels** do little harm: a kernel would fall to chance. *Refuted* if they cost the right
#    word 0.05 of probability or more;
# 7. that the **order** of demonstrations matters: a sum has no order. *Refuted* if order explains next to
#    nothing of the log-odds, or if the last label pulls no more than the others.
#
# The control of a claim is, wherever there is one, what kernel regression gives on the same demonstrations.
# A claim can hold and still not speak for the kernel view, if the kernel does something else.

# %% [markdown]
# ## Two answers to every prompt
#
# **The model's** answer is the probability of each label word as the next token, renormalised among the
# label words. The measure throughout is the probability of the *right* word. It moves where accuracy would
# need many test points to. Test points are balanced between the classes, so a model that always says the
# same word has one half. The mass outside the label words is kept apart.
#
# **The kernel's** answer is Nadaraya-Watson regression on the same demonstrations and labels, with a
# Gaussian kernel on all-MiniLM-L6-v2 embeddings,
#
# $$
# \hat y = \frac{\sum_i e(y_i)\, K(x_\text{test}, x_i)}{\sum_i K(x_\text{test}, x_i)}, \qquad
# K(x, x') = \exp\left(-\frac{\lVert x - x' \rVert^2}{2 h^2}\right).
# $$
#
# Its bandwidth $h$ has the least log-loss on rows that are used for nothing else.

# %% tags=["hide-input"]
rows = material.draw_rows(
    run.task,
    run.points,
    run.pool,
    run.held_out,
    seed=run.data_seed,
    source=run.source,
)
reader = Reader.load(
    run.model,
    revision=run.revision,
    device_map=run.device_map,
    dtype=run.dtype,
    batch_size=run.batch_size,
)
origins = rows.task_rows.origins
results = claims.Results(
    "04_retrieval_and_format",
    vars(run),
    {"model": reader.origin, "data": origins},
)
claim = partial(results.claim, paper="A", section="4.2")
Markdown(escape(tasks.summary(origins)))

# %%
study = material.prepare(reader, rows, run.k, seed=run.demonstration_seed)

# %% tags=["hide-input"]
Markdown(
    f"The kernel's bandwidth is {number(study.bandwidth.value)} (embeddings "
    "have length one). Its log-loss on held-out rows is "
    f"{number(study.bandwidth.log_loss)} nats; that of chance is 0.693."
)

# %% [markdown]
# ## Retrieval
#
# For each test point fresh demonstrations are chosen: at random, as the nearest, as the farthest, or as
# diverse ones (maximal marginal relevance). Three similarities choose: cosine of embeddings; *prediction
# similarity* $P(o \mid x)^\top P(o \mid x_i)$, with both texts run alone through the model; and lexical
# overlap (BM25). Which demonstrations are chosen and how they are ordered are two things, so their order is
# shuffled under every strategy. Intervals run over test points.

# %%
retrievals = retrieval.conditions(
    study,
    retrieval.similarities(study),
    run.k,
    ks=ks,
    others=run.other_strategies.split(","),
    seed=run.demonstration_seed,
)
retrieved = study.measure_all(retrievals)

# %%
pictures.retrieval(retrieved, seed=seed)

# %% tags=["hide-input"]
random, nearest, farthest, diverse = (
    Retrieved(EMBEDDINGS, strategy, run.k) for strategy in retrieval.STRATEGIES
)

# %%
claim(
    "nearest-demonstrations-help",
    f"With the {run.k} nearest demonstrations the right label word is more"
    " probable than with random ones.",
    claims.above(0),
    estimates.difference(retrieved[nearest], retrieved[random], seed=seed),
)

# %%
claim(
    "farthest-demonstrations-hurt",
    f"With the {run.k} farthest demonstrations the right label word is less"
    " probable than with random ones.",
    claims.below(0),
    estimates.difference(retrieved[farthest], retrieved[random], seed=seed),
)

# %% [markdown]
# Most near demonstrations carry the query's own label, so a model that only repeats the commonest label would
# gain, too; the kernel's gain owes part of its size to this. They could also help without their labels, as
# texts that look alike: the [appendix](04a_steering_in_detail) shows them once more with random labels.

# %% [markdown]
# ### How wide is the kernel of the best heads?
#
# If some heads are the kernel, their weights $a_i$ (the largest attention of the last token inside
# demonstration $i$) should fall with the distance of $x_i$ from the query. The candidates are heads of the
# paper's middle layers, by relative depth. Half of the test points choose among them, by how well a head's
# kernel regression agrees with the model's answers; the other half is looked at. Whether that agreement
# itself is more than chance is the subject of [chapter 03](03_middle_layer_heads).
#
# The *effective number* $1 / \sum_i w_i^2$ of normalised weights says how many demonstrations count. The
# *effective bandwidth* is the $h$ of the Gaussian kernel whose weights come closest; it is infinite if
# weights do not fall with distance. Weights permuted inside each prompt are the null.

# %%
widths = head_widths.measure(
    study,
    {"random": retrievals[random], "nearest": retrievals[nearest]},
    run.heads,
    seed=seed,
)
tables.widths(widths, study.bandwidth.value, seed=seed)

# %% tags=["hide-input"]
names = ", ".join(f"layer {layer} head {head}" for layer, head in widths.heads)
Markdown(
    f"The heads chosen are {names}. The first agrees with the model on "
    f"{number(widths.agreement)} of the other half, repeating the last label "
    f"on {number(widths.last_label)}."
)

# %%
claim(
    "best-heads-prefer-the-near",
    "The best heads weigh demonstrations near the query more: their weighted"
    " distance is below the mean distance.",
    claims.below(0),
    estimates.narrowing_of_heads(widths, "random", seed=seed),
)

# %% [markdown]
# ## Label words and formats
#
# From here on several demonstration sets are drawn, each shared by all test points, and intervals run over
# sets and points. To the kernel a label is an index: it answers the same whatever the words are. The model
# is asked with the task's own words, other words of the same meaning, the words swapped between the
# classes, arbitrary ones, and common words drawn at random; then with other templates and another
# separator. Everything else stays.

# %%
few = study.first(run.shared_points)
drawn = draw(study.labels, run.k, run.sets, seed=run.demonstration_seed)
shown = drawn.for_every(few.points)

# %%
words = lexicon.load()
wordings = conditions.label_wordings(
    study.task, reader.tokenizer, words, seed=run.model_seed
) | conditions.format_wordings(study.task)
worded = few.measure_all(
    {name: Condition(shown, each) for name, each in wordings.items()}
)
zero_shot = {name: few.zero_shot(each) for name, each in wordings.items()}

# %%
pictures.wordings(worded, zero_shot, seed=seed)

# %% tags=["hide-input"]
own_words = next(iter(wordings))
plain, unshown = worded[own_words], zero_shot[own_words]
other_formats = [
    worded[name] for name in conditions.format_wordings(study.task)
]

# %%
claim(
    "label-words-steer",
    "With the label words swapped between the classes the right label is less"
    " probable.",
    claims.below(0),
    estimates.difference(worded["swapped"], plain, seed=seed),
)

# %%
claim(
    "format-steers",
    "Another template or separator moves the probability of the right word by"
    " more than 0.05 on average.",
    claims.above(0.05),
    estimates.absolute_difference(other_formats, plain, seed=seed),
)

# %%
claim(
    "demonstrations-draw-mass",
    "Demonstrations lower the probability of everything that is no label word.",
    claims.below(0),
    estimates.less_zero_shot(plain, unshown, "outside", seed=seed),
)

# %% [markdown]
# ## Random and flipped labels
#
# A share of the labels in every demonstration set is replaced: by a label drawn at random, which may be the
# right one, or by the other label. The replaced places are nested, so that a larger share keeps what a
# smaller one did. The share is of whole labels, so with few demonstrations it comes in steps.

# %%
noised = few.measure_all(
    conditions.label_noise(drawn, shares, few.points, seed=run.model_seed)
)
pictures.label_noise(noised, unshown, seed=seed)

# %%
claim(
    "flipped-labels-are-followed",
    "With all labels flipped the right label word has less than half of the"
    " probability.",
    claims.below(0.5),
    estimates.right_word(noised["flipped", 1.0], seed=seed),
)

# %%
claim(
    "random-labels-do-little-harm",
    "Random labels in place of the right ones cost the right label word less"
    " than 0.05 of probability.",
    claims.above(-0.05),
    estimates.difference(noised["random", 1.0], plain, seed=seed),
)

# %%
results.claim(
    "random-labels-beat-none",
    "Demonstrations with random labels make the right label word more probable"
    " than no demonstrations.",
    claims.above(0),
    estimates.less_zero_shot(
        noised["random", 1.0], unshown, "of_truth", seed=seed
    ),
)

# %% [markdown]
# ## Order
#
# Small demonstration sets with both labels are shown in all their orders. The variance of the log-odds then
# splits exactly into what the query explains, what the set explains, what both explain together, and what
# only the order does. A kernel has none of the last. The *recency profile* compares, for the same set and
# query, the orders with a positive label at a position with those that have a negative one there.

# %%
ordered = conditions.in_all_orders(
    conditions.mixed_sets(
        study.labels, run.order_k, run.sets, seed=run.demonstration_seed
    )
)
by_order = few.measure(Condition(ordered.for_every(few.points)))

# %%
explained = estimates.variance_explained(by_order, seed=seed)
pictures.orders(by_order, ordered.labels, explained, seed=seed)

# %%
claim(
    "order-matters",
    "The order of the demonstrations explains more than 5 % of the variance of"
    " the log-odds.",
    claims.above(0.05),
    explained["order"],
)

# %%
claim(
    "last-label-pulls-most",
    "The last label pulls the answer more than labels at the other positions"
    " do.",
    claims.above(0),
    estimates.last_label_pull(by_order, ordered.labels, seed=seed),
)

# %% [markdown]
# ## Out of distribution
#
# The test points' texts are perturbed by deterministic rules: typos; rare synonyms (WordNet, word counts
# from books); longer synonyms inside nested frames ("complex"); capitals and punctuation at random.
# Strength is the share of the words concerned, nested like the label noise. The kernel reads the embeddings
# of the perturbed texts. Perturbed demonstrations and the paper's table 1 are in the
# [appendix](04a_steering_in_detail).

# %%
perturbed = few.measure_all(
    conditions.perturbed_queries(
        few,
        shown,
        strengths,
        lexicon=words,
        seed=run.model_seed,
    )
)
pictures.perturbed(perturbed, plain, published=True, seed=seed)

# %%
for kind in ("typos", "rare words", "complex"):
    display(
        claim(
            f"ood-{kind.replace(' ', '-')}-hurt",
            f"Queries out of distribution ({kind}) make the right label word"
            " less probable.",
            claims.below(0),
            estimates.difference(perturbed[kind, 1.0], plain, seed=seed),
        )
    )

# %%
claim(
    "ood-typos-worse-than-complex",
    "Typos in queries cost more of the right word's probability than complex"
    " sentences do.",
    claims.below(0),
    estimates.difference(
        perturbed["typos", 1.0], perturbed["complex", 1.0], seed=seed
    ),
)

# %% [markdown]
# ## Robustness
#
# The probability of the right word and accuracy need not agree: a model can become surer without changing
# an answer. Here are the main contrasts by both, the accuracy also with the decision threshold at the
# median log-odds of each condition, which takes off the model's preference for one word.

# %% tags=["hide-input"]
contrasts = {
    "nearest - random": (retrieved[nearest], retrieved[random]),
    "farthest - random": (retrieved[farthest], retrieved[random]),
    "diverse - random": (retrieved[diverse], retrieved[random]),
    "swapped - own words": (worded["swapped"], plain),
    "random - right labels": (noised["random", 1.0], plain),
    "flipped - right labels": (noised["flipped", 1.0], plain),
} | {
    f"{kind} - none": (perturbed[kind, 1.0], plain)
    for kind in ("typos", "rare words", "complex")
}
tables.contrasts(contrasts, seed=seed)

# %% tags=["answer", "hide-input"]
Markdown(estimates.answer(results.claims))

# %% tags=["answer", "hide-input"]
pictures.effects(
    {
        name: estimates.difference(*both, seed=seed)
        for name, both in contrasts.items()
    }
)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - A larger model: what a small one does not learn from labels, a larger one may.
# - A kernel on other features than sentence embeddings: it could agree with the model more often.
# - More test points and demonstration sets, where a verdict is undecided.

# %% [markdown]
# ## Limits
#
# - The kernel here is a plain one on sentence embeddings, not the one that the theory derives from the
#   pre-training distribution; that one is out of reach for a language model. It is a weak opponent where
#   demonstrations are few: a class without one has no vote.
# - The bandwidth comes from random demonstrations; the [appendix](04a_steering_in_detail) shows other
#   bandwidths.
# - Perturbations follow rules: synonyms are looked up without context, and "complex" wraps fixed frames
#   around a text, which is not what a human paraphrase does. The paper's table gives one strength of its
#   own for each kind, so the comparison is by kind, not by strength.
# - Orders are those of small sets. In a fixed set a label that stands last leaves the other positions to
#   the other labels, so the sign of the recency profile says more than its size.
# - The claims are many and not corrected for that.
# - Two choices were made after a first look at small runs: the criterion of *random-labels-do-little-harm*
#   was made stricter (from keeping half of the probability to losing less than 0.05), and the best heads
#   are sought in the paper's middle layers alone, since few points chose heads of the first layer at
#   random.

# %% tags=["hide-input"]
results.values |= estimates.summary(
    retrieved=retrieved,
    words_and_formats=worded,
    label_noise=noised,
    perturbed_queries=perturbed,
) | {
    "bandwidth": study.bandwidth.value,
    "best_heads": widths.heads,
    "zero_shot_right": {n: a.of_truth.mean() for n, a in zero_shot.items()},
    "zero_shot_outside": {n: a.outside.mean() for n, a in zero_shot.items()},
    "variance_shares": {n: e.estimate.value for n, e in explained.items()},
    "recency_profile": estimates.pulls(by_order, ordered.labels).mean((0, 1)),
}
saved = results.save()
