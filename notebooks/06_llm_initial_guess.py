# %% [markdown]
# # Does a language model use an initial guess?
#
# Linear self-attention that is given a guess of the query's answer can do what gradient descent from that guess does
# (notebook 05). {cite}`xie2025initialization` (section 5.3) carry the idea over to language models: a prompt scores
# pairs of sentences for similarity, and beside every pair, demonstrations and query alike, stands the prediction of a
# small model. With it the answers get better. But a guess that is good can simply be copied. This notebook asks what
# the model does with it: copy it, improve on it, or correct it by what it got wrong on the demonstrations, as gradient
# descent would.

# %% [markdown]
# ## What is claimed, and what would refute it
#
# 1. **With an initial guess the model scores pairs better than without** (paper, section 5.3). *Refuted* if answers
#    correlate no better with human scores than without a guess.
#
# We add what the paper leaves open:
#
# 2. **The answer is better than the guess itself.** *Refuted* if its error is no smaller than that of the guess alone,
#    which therefore stands in every table here.
# 3. **The answer adds to the guess.** A worse answer may still know something that the guess does not. *Refuted* if
#    guess and answer together predict held-out pairs no better than the guess does, beyond what a bent copy would.
# 4. **The model copies.** *Refuted* if the answer leans on the truth, given the guess, more than on the guess.
# 5. **Bad guesses hurt**: a useless guess is worse than none, an adversarial one turns the answers round. *Refuted* if
#    a model weighs the guess against what it reads.
# 6. **The model corrects the guess by the residuals that the demonstrations show**, as gradient descent from the guess
#    does. *Refuted* if moving the demonstrations' guesses or scores does not move the answer, or moves it elsewhere.

# %% [markdown]
# ## Parameters

# %% tags=["parameters"]
from typing import Optional

profile: str = "laptop"  # smoke, laptop or paper; gives what is None below
model: Optional[str] = None  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads the model over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
template: str = "Initial guess: {guess}"  # the guess's line
position: str = "after"  # of the guess: before, between or after the sentences
decimals: int = 1  # of the guess
answer_decimals: int = 1  # of the demonstrations' scores
chat: Optional[bool] = None  # every prompt in the model's chat template
k: Optional[int] = None  # demonstrations per prompt
sets: Optional[int] = None  # demonstration sets, each shared by all test pairs
pairs: Optional[int] = None  # test pairs, main comparison
subset: Optional[int] = None  # test pairs, everything else
train_pairs: Optional[int] = None  # what the small model learns from
grades: Optional[int] = None  # qualities of the graded guess
variants: Optional[int] = None  # other ways to write guess and answer
folds: int = 5  # of cross-fitting
delta: float = 1.0  # points that guesses and scores are moved by
batch_size: int = 16  # queries per forward pass
data_seed: int = 0  # choice of pairs
demonstration_seed: int = 1  # choice of demonstrations
regressor_seed: int = 2  # training of the small model
guess_seed: int = 3  # random and graded guesses
sampling_seed: int = 4  # bootstrap, folds, permutations

# %%
import jax
import numpy as np
from IPython.display import Markdown

from iclnb import claims, figures, profiles, stats
from iclnb.llm import models
from iclnb.llm.data import tasks
from iclnb.guess import (
    answers,
    asking,
    descent,
    features,
    guesses,
    pictures,
    regressor,
    scores,
    stacking,
)
from iclnb.guess.pairs import Pairs, Style, pair_prompts
from iclnb.llm.prompts import fresh_demonstrations
from iclnb.lsa import gd, layer

packaged = {"model": models.PACKAGED, "chat": False}
size = profiles.choose(
    profile,
    {
        "smoke": {**packaged, "k": 2, "sets": 2, "pairs": 4, "subset": 3, "train_pairs": 50, "grades": 2,
                  "variants": 1, "resamples": 200},
        "laptop": {**packaged, "k": 10, "sets": 3, "pairs": 24, "subset": 6, "train_pairs": 500, "grades": 3,
                   "variants": 2, "resamples": 500},
        "paper": {"model": "meta-llama/Llama-3.1-8B-Instruct", "chat": True, "k": 10, "sets": 5, "pairs": 1379,
                  "subset": 300, "train_pairs": 5749, "grades": 6, "variants": 4, "resamples": 1000},
    },
    model=model, chat=chat, k=k, sets=sets, pairs=pairs, subset=subset, train_pairs=train_pairs, grades=grades,
    variants=variants,
)  # fmt: skip

# %% [markdown]
# ## Pairs and their guesses
#
# Demonstrations come from the train split of the STS benchmark, queries from its test split. The small model is
# trained as in the paper (Adam, learning rate $10^{-3}$, squared error, 10 epochs, batches of 8) on features
# $\varphi = (|u - v|,\, u \circ v,\, 1)$ of the two sentence embeddings. It is linear,
# $g(x) = w_0^\top \varphi(x)$: then it *is* the guess of $y_q$-LSA, and gradient descent from it is known exactly.
#
# Demonstrations are pairs that the small model has learned from. Its guesses on them would be better than on queries,
# so a demonstration's guess comes from a model trained without it (`regressor.cross_fitted`).

# %%
train = tasks.load("stsb", "train", source).shuffle(seed=data_seed)
train = train.select(range(min(size.train_pairs, len(train))))
test = tasks.load("stsb", "test", source).shuffle(seed=data_seed)
test = test.select(range(min(size.pairs, len(test))))
few = min(size.subset, len(test))
truth, train_scores = np.array(test["score"]), np.array(train["score"])
encoder = models.load_encoder()
compared, train_compared = (
    features.encode_pairs(encoder, rows) for rows in (test, train)
)

# %%
small = regressor.train(train_compared, train_scores, seed=regressor_seed)
unseen = regressor.cross_fitted(
    train_compared, train_scores, folds=folds, seed=regressor_seed
)
overlap, train_overlap = (guesses.word_overlap(rows) for rows in (test, train))
mean = np.full(len(test), train_scores.mean())
small_guess = guesses.clipped(small.predict(compared))
unseen_guess = guesses.clipped(unseen)

# %% [markdown]
# The other guesses: word overlap, rescaled to scores by least squares on train; the mean train score, the same for
# every pair; a random score; and the adversarial guess $5 - g$. Each pair of arrays holds the guesses of test and
# train pairs, rounded as they are written.

# %%
made = {
    "small model": (small_guess, unseen_guess),
    "word overlap": tuple(
        guesses.rescaled(each, train_overlap, train_scores)
        for each in (overlap, train_overlap)
    ),
    "train mean": (mean, np.full(len(train), train_scores.mean())),
    "random": (
        guesses.random(len(test), train_scores, seed=guess_seed),
        guesses.random(len(train), train_scores, seed=guess_seed + 1),
    ),
    "adversarial": tuple(map(guesses.reflected, (small_guess, unseen_guess))),
}
made = {
    name: tuple(np.round(each, decimals) for each in both)
    for name, both in made.items()
}
correlation = [
    np.corrcoef(*both)[0, 1]
    for both in ((small_guess, truth), (unseen_guess, train_scores))
]
Markdown(
    f"The small model, trained on {len(train)} pairs, correlates with human scores by {correlation[0]:.3f} on the "
    f"{len(test)} test pairs and, cross-fitted, by {correlation[1]:.3f} on the train pairs that demonstrations are "
    "drawn from."
)

# %% [markdown]
# ## Prompts
#
# A demonstration set is drawn once and shared by all test pairs (the paper draws anew for every prompt, which costs
# many times more and leaves set and pair entangled); several sets are drawn, and every interval below resamples sets
# and pairs (`stats.crossed_bootstrap`).

# %%
loaded = models.load(
    size.model, revision=revision, device_map=device_map, dtype=dtype
)
style = Style(template, position, decimals, answer_decimals, size.chat)
format = tasks.get("stsb").format
drawn = fresh_demonstrations(
    len(train), size.k, size.sets, seed=demonstration_seed
)


def demonstrations(name, chosen=drawn):
    """The demonstration sets with guesses of one kind, or with none."""
    return [
        Pairs(
            [train[int(i)] for i in rows],
            None if name == "none" else made[name][1][rows],
        )
        for rows in chosen
    ]


def queries(name, chosen):
    """Test pairs with guesses of one kind, or with none."""
    return Pairs(
        [test[int(i)] for i in chosen],
        None if name == "none" else made[name][0][chosen],
    )


# %%
example = pair_prompts(
    loaded.tokenizer, format, style, demonstrations("small model")[0], queries("small model", [0])
)[0]  # fmt: skip
Markdown(
    f"The prompts of `{size.model}` end like this one:\n\n~~~text\n{example.text[-420:]}\n~~~"
)

# %% [markdown]
# ## Answers
#
# The model's next token is the first digit of its score. The answer is the expected score
#
# $$
# \hat y = \sum_{d=0}^{5} \frac{p(d)}{\sum_{d'} p(d')}\, s(d),
# $$
#
# and, for comparison, the greedy one, $s(\arg\max_d p(d))$. If the demonstrations' scores are whole, $s(d) = d$. If
# they have decimals, as in the benchmark and by default here, the first digit leaves the score open within one point,
# and $s(d)$ is the mean of the train scores that begin with $d$ (`answers.digit_values`). How guess and score are
# written matters more than one would think; see *Robustness*.

# %%
values = answers.digit_values(train_scores, answer_decimals)
everything, part = np.arange(len(test)), np.arange(few)


def ask(shown, asked, style=style):
    return asking.ask(
        loaded, format, style, shown, asked, values=values, batch_size=batch_size
    )  # fmt: skip


answered = {}
for name in ("none", *made):
    chosen = everything if name in ("none", "small model") else part
    (answered[name],) = ask(demonstrations(name), [queries(name, chosen)])

# %% [markdown]
# What gradient descent from the small model's guess would answer is computed beside: one step on the same
# demonstrations, in the same features, at the rate that is best on prompts made of train pairs
# (`descent.step_on_train`).

# %%
inputs, train_inputs = (
    small.scaling(each) for each in (compared, train_compared)
)
mimic = fresh_demonstrations(len(train), size.k + 1, 4000, seed=sampling_seed)
residuals = train_scores - made["small model"][1]
rate = descent.step_on_train(
    train_inputs, residuals, mimic, np.zeros(len(mimic))
)
direction = descent.kernel_mean(train_inputs[drawn], residuals[drawn], inputs)
stepped = guesses.clipped(made["small model"][0] + rate * direction)


# %%
def over(statistic, *tables):
    """The statistic with its interval over demonstration sets and pairs; a table without sets is repeated."""
    tables = [
        np.broadcast_to(each, (size.sets, np.shape(each)[-1]))
        for each in tables
    ]
    if np.isnan(statistic(*tables)).any():
        return stats.exact(np.nan)
    return stats.crossed_bootstrap(
        *tables,
        statistic=statistic,
        seed=sampling_seed,
        resamples=size.resamples,
    )


def cell(estimate):
    value, low, high = (float(each) for each in estimate)
    return "n/a" if np.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def line(name, table, greedy=None, mass=None):
    n = table.shape[-1]
    found = [
        over(each, table, truth[:n])
        for each in (scores.pearson, scores.spearman, scores.mse)
    ]
    extra = [
        "" if greedy is None else cell(over(scores.mse, greedy, truth[:n])),
        "" if mass is None else f"{mass.mean():.2f}",
    ]
    return f"| {name} | {n} | {' | '.join([*map(cell, found), *extra])} |"


head = (
    "| | pairs | Pearson | Spearman | squared error | greedy, squared error | mass on digits |\n"
    "|---|---|---|---|---|---|---|\n"
)
lines = [line("answer, no guess", *answered["none"])]
for name, (guess, _) in made.items():
    n = answered[name].expected.shape[-1]
    lines.append(line(f"answer, {name}", *answered[name]))
    lines.append(line(f"*{name} alone*", guess[None, :n]))
lines.append(line("*one step of GD from the small model*", stepped))
Markdown(head + "\n".join(lines))

# %%
alone = {
    name: guess[None, : answered[name].expected.shape[-1]]
    for name, (guess, _) in made.items()
}
panels = {
    label: (
        {
            name: over(statistic, found.expected, truth[: found.expected.shape[-1]])
            for name, found in answered.items()
        },
        {
            name: float(over(statistic, guess, truth[: guess.shape[-1]]).value)
            for name, guess in alone.items()
        },
    )
    for label, statistic in (("Pearson correlation", scores.pearson), ("squared error", scores.mse))
}  # fmt: skip
with figures.style():
    figure = pictures.beside_the_guess(panels)
told = "; ".join(
    f"{name} {panels['Pearson correlation'][0][name].value:.2f}"
    + (f" (alone {alone_:.2f})" if np.isfinite(alone_) else "")
    for name in answered
    for alone_ in [panels["Pearson correlation"][1].get(name, np.nan)]
)
figures.show(
    figure,
    alt=f"Pearson correlation of the answers with human scores by guess: {told}. The second panel shows squared errors.",
    caption="Answers with each guess, 95 % intervals over demonstration sets and pairs, and the guess alone.",
)

# %% [markdown]
# ## Copying
#
# How close is the answer to the guess, and what does it owe to guess and truth together? The slopes are those of
# $\hat y \sim a + b\, g + c\, y$: a copier has $(b, c) = (1, 0)$. The control is the answer given *without* a guess,
# regressed on the same numbers.

# %%
guess, shown_guess = made["small model"]
slopes = {
    name: over(
        scores.copying, answered[name].expected, alone[name], truth[: alone[name].shape[-1]]
    )
    for name in ("small model", "word overlap", "random", "adversarial")
}  # fmt: skip
blind_slopes = over(scores.copying, answered["none"].expected, guess, truth)
rows = [
    f"| {name} | {cell(over(scores.pearson, answered[name].expected, alone[name]))} | {cell(found.at(0))} | "
    f"{cell(found.at(1))} |"
    for name, found in slopes.items()
]
rows.append(
    f"| no guess, set against the small model's | {cell(over(scores.pearson, answered['none'].expected, guess))} | "
    f"{cell(blind_slopes.at(0))} | {cell(blind_slopes.at(1))} |"
)
Markdown(
    "| guess | correlation of answer and guess | slope on the guess | slope on the truth |\n|---|---|---|---|\n"
    + "\n".join(rows)
)

# %% [markdown]
# ## Does the answer add to the guess?
#
# Truth is regressed on the guess, and on guess and answer, always predicting pairs that the regression has not seen
# (`stacking.held_out_errors`). A gain can come from news about the pair, or from a bend: if the answer is a curved
# function of the guess, it repairs what a straight line misses. So the null exchanges answers among pairs of nearly
# the same guess: this keeps the bend and loses the news. (Permuting answers among all pairs would lose both, and count
# a bent copy as news.) For comparison the answer given without any guess is stacked on the guess in the same way: what
# the model knows about the pair when nobody tells it.

# %%
gains = {
    name: stacking.gain(
        truth, guess, answered[name].expected, folds=max(2, min(folds, len(test) // 2)), seed=sampling_seed
    )
    for name in ("small model", "none")
}  # fmt: skip
error_alone = stacking.held_out_errors(
    truth,
    [guess[None, :]],
    stacking.fold_of(
        len(test), max(2, min(folds, len(test) // 2)), seed=sampling_seed
    ),
).mean()
names = {"small model": "given with the guess", "none": "given without a guess"}  # fmt: skip
rows = []
for name, (gain, null) in gains.items():
    cells = [cell(over(np.mean, each)) for each in (gain, null, gain - null)]
    rows.append(f"| {names[name]} | {' | '.join(cells)} |")
Markdown(
    f"Held-out squared error of the guess, rescaled: {error_alone:.3f}. What the answer takes off it:\n\n"
    "| answer | gain | gain, answers exchanged | difference |\n|---|---|---|---|\n"
    + "\n".join(rows)
)

# %% [markdown]
# ## Dose and response
#
# If the quality of the guess is a dial, what do the answers do? A graded guess is the true scores dealt out anew
# (`guesses.graded`): every grade has the mean and spread of the truth, and only the pairing gets worse. Demonstrations
# are graded like queries, so a model could learn from them how far the guess can be trusted.

# %%
qualities = np.sin(
    np.linspace(0, np.pi / 2, size.grades)
)  # closer together near 1
doses, curves = [], []
for quality in qualities:
    made["graded"] = tuple(
        np.round(guesses.graded(each, quality, seed=guess_seed), decimals)
        for each in (truth, train_scores)
    )
    (found,) = ask(demonstrations("graded"), [queries("graded", part)])
    doses.append(made.pop("graded")[0][part])
    curves.append(found.expected)
doses, curves = np.stack(doses), np.stack(curves)


# %%
def by_grade(statistic):
    def each(*tables):
        return np.array([statistic(each, tables[-1]) for each in tables[:-1]])

    answers_ = over(each, *curves, truth[part])
    guesses_ = np.array([statistic(dose[None], truth[None, part]) for dose in doses])  # fmt: skip
    without = over(statistic, answered["none"].expected[:, part], truth[part])
    return answers_, guesses_, without


graded = {
    "Pearson correlation": by_grade(scores.pearson),
    "squared error": by_grade(scores.mse),
}
with figures.style():
    figure = pictures.dose_response(graded["Pearson correlation"][1], graded)
told = "; ".join(
    f"{dose:.2f} gives {value:.2f}"
    for dose, value in zip(
        graded["Pearson correlation"][1],
        graded["Pearson correlation"][0].value,
        strict=True,
    )
)
figures.show(
    figure,
    alt=f"Correlation of guess with truth, and of the answer: {told}; without a guess "
    f"{graded['Pearson correlation'][2].value:.2f}. The second panel shows squared errors.",
    caption=f"Answers by quality of the guess ({few} pairs), beside the guess alone and answers without a guess.",
)

# %% [markdown]
# ## Gradient descent from the guess
#
# Let $w_0$ be the small model. One step of gradient descent on the demonstrations predicts
#
# $$
# \hat y = g_q + \frac{\eta}{k} \sum_{i=1}^{k} (y_i - g_i)\, \varphi_i^\top \varphi_q ,
# $$
#
# the query's guess plus the demonstrations' **residuals**, weighted by a kernel. Notebook 05 proves that $y_q$-LSA
# is this, if its guess is $w_0$; with the features and weights at hand the two agree to rounding:

# %%
with jax.enable_x64(True):
    start, asked_inputs = small.weights, inputs[: len(drawn)]
    step_layer = gd.gd_layer(start, rate)
    by_layer = np.asarray(layer.predict(step_layer, train_inputs[drawn], train_scores[drawn], asked_inputs))  # fmt: skip
own = train_scores[drawn] - train_inputs[drawn] @ start
by_step = asked_inputs @ start + rate * np.diag(
    descent.kernel_mean(train_inputs[drawn], own, asked_inputs)
)
no_residuals = np.abs(by_layer - asked_inputs @ start).max()
disagreement = float(np.abs(by_layer - by_step).max())
Markdown(
    f"Largest difference of LSA and the formula: {disagreement:.1e} (the residuals move predictions by up to "
    f"{no_residuals:.1e})."
)

# %% [markdown]
# This says how an answer must move:
#
# | what is raised by one point | gradient descent | copier | ignores guesses |
# |---|---|---|---|
# | the query's guess | $1$ | $1$ | $0$ |
# | the demonstrations' guesses | $-\kappa_q$ | $0$ | $0$ |
# | all guesses | $1-\kappa_q$ | $1$ | $0$ |
# | the demonstrations' scores | $\kappa_q$ | $0$ | any |
#
# with $\kappa_q = \frac{\eta}{k}\sum_i \varphi_i^\top\varphi_q$. Demonstrations whose guesses are all a point too low
# should send the answer up. How far depends on the rate, and the rate on what to expect: if guesses err independently,
# their residuals say little about the query and the best $\eta$ is small; if the guesses of a prompt err together, it
# pays to follow. Two rates are tuned on train pairs, one for guesses as they are and one for prompts whose residuals
# share a shift of standard deviation `delta`.
#
# An expected score over a broad distribution of digits is drawn towards the middle, which weakens all responses
# alike; their ratios are more telling than their sizes.
#
# Pairs and demonstrations here have guesses and scores far enough from the ends of the scale to be moved without
# clipping.

# %%
shifts = np.random.default_rng(sampling_seed).normal(0, delta, len(mimic))
rates = {
    "GD, rate for guesses as they are": rate,
    "GD, rate for a common shift": descent.step_on_train(
        train_inputs, residuals, mimic, shifts
    ),
}


def movable(*columns):
    return np.flatnonzero(
        np.all(
            [(delta <= each) & (each <= 5 - delta) for each in columns], axis=0
        )
    )


pool = movable(shown_guess, train_scores)
movable_sets = pool[
    fresh_demonstrations(len(pool), size.k, size.sets, seed=demonstration_seed)
]
inner = movable(guess)[: max(few, 2)]
response = asking.responses(
    ask, demonstrations("small model", movable_sets), queries("small model", inner), delta
)  # fmt: skip
measured = {name: over(np.mean, table) for name, table in response.items()}

# %%
weight = descent.kernel_mean(
    train_inputs[movable_sets], np.ones(movable_sets.shape), inputs[inner]
)
kappa = {name: each * weight for name, each in rates.items()}
predicted = {
    name: [1, -each.mean(), 1 - each.mean(), each.mean()]
    for name, each in kappa.items()
}
predicted["copier"] = [1, 0, 1, 0]
with figures.style():
    figure = pictures.responses(measured, predicted)
told = "; ".join(f"{name} {each.value:.2f}" for name, each in measured.items())
figures.show(
    figure,
    alt=f"Change of the answer per point: {told}. Gradient descent with a rate for a common shift predicts "
    + ", ".join(f"{x:.2f}" for x in predicted["GD, rate for a common shift"])
    + ".",
    caption=f"Responses of the answer, {len(inner)} pairs, 95 % intervals over demonstration sets and pairs.",
)

# %%
rows = [
    f"| {name} | {cell(each)} | "
    + " | ".join(f"{predicted[h][i]:.2f}" for h in predicted)
    + " |"
    for i, (name, each) in enumerate(measured.items())
]
Markdown(
    f"| raised by one point | model | {' | '.join(predicted)} |\n|---|---|{'---|' * len(predicted)}\n"
    + "\n".join(rows)
)

# %% [markdown]
# The residuals that the small model really leaves test the same without moving anything: among queries of the same
# guess, does the answer lie higher where the kernel-weighted residuals
# $h_q = \frac1k\sum_i (y_i - g_i)\varphi_i^\top\varphi_q$ are higher? The slope of $\hat y$ on $h_q$, with $g_q$
# beside it and within demonstration sets, is $\eta$ for gradient descent. The control deals the residuals of a set out
# to its demonstrations at random, which keeps their mean and loses which demonstration was missed by how much.


# %%
def on_residuals(answer, guess, direction):
    return scores.copying(answer, guess, direction)[1]


shuffle, dealt = np.random.default_rng(sampling_seed), []
for _ in range(20):
    permuted = shuffle.permuted(residuals[drawn], axis=1)
    elsewhere = descent.kernel_mean(train_inputs[drawn], permuted, inputs)
    dealt.append(
        on_residuals(
            answered["small model"].expected,
            np.broadcast_to(guess, elsewhere.shape),
            elsewhere,
        )
    )
followed = over(
    on_residuals, answered["small model"].expected, guess, direction
)
Markdown(
    f"Slope on the kernel-weighted residuals: {cell(followed)}; residuals dealt out at random: {np.mean(dealt):.2f}; "
    f"gradient descent at the rate that is best on train: {rate:.2f}."
)

# %% [markdown]
# ## Chat templates
#
# The same prompts as a conversation, a turn for each pair, in the model's own chat template
# (`pairs.chat_format`), if it has one.

# %%
ways = {"plain": False, "chat": True}
if loaded.tokenizer.chat_template is None:
    ways.pop("chat")
by_way = {}
for way, is_chat in ways.items():
    for name in ("none", "small model"):
        if is_chat == size.chat:
            by_way[way, name] = answered[name].expected[:, part]
            continue
        written = Style(template, position, decimals, answer_decimals, is_chat)
        (found,) = ask(demonstrations(name), [queries(name, part)], written)
        by_way[way, name] = found.expected
rows = [
    line(f"{way}, {name if name != 'none' else 'no guess'}", found)
    for (way, name), found in by_way.items()
]
rows.append(line("*small model alone*", guess[None, part]))
Markdown(head + "\n".join(rows))

# %% [markdown]
# ## Robustness: how guess and answer are written
#
# Position and precision of the guess, on the same pairs. Where guess and scores are written differently (a guess with
# a decimal, scores without), a model that copies has to round, which copying the first digit does wrongly.

# %%
ways_to_write = {
    "as above": style,
    "both whole": Style(template, position, 0, 0, size.chat),
    "guess with a decimal, scores whole": Style(template, position, 1, 0, size.chat),
    "guess before the sentences": Style(template, "before", decimals, answer_decimals, size.chat),
    "guess between the sentences": Style(template, "between", decimals, answer_decimals, size.chat),
    "guess after the sentences": Style(template, "after", decimals, answer_decimals, size.chat),
}  # fmt: skip
rows, by_variant = [], {}
for name, variant in list(ways_to_write.items())[: size.variants + 1]:
    stands_for = answers.digit_values(train_scores, variant.answer_decimals)
    if variant == style:
        found = answers.Answers(*(each[:, part] for each in answered["small model"]))  # fmt: skip
    else:
        found, = asking.ask(
            loaded, format, variant, demonstrations("small model"), [queries("small model", part)],
            values=stands_for, batch_size=batch_size,
        )  # fmt: skip
    by_variant[name] = found.expected
    as_written = np.round(guess, variant.decimals)[None, part]
    copied = over(scores.pearson, found.expected, as_written)
    rows.append(line(f"{name}", *found)[:-1] + f"| {cell(copied)} |")
    rows.append(line("*the guess alone, so written*", as_written)[:-1] + "| |")
first, second, _ = head.split("\n")
Markdown(
    f"{first} correlation with the guess |\n{second}---|\n" + "\n".join(rows)
)

# %% [markdown]
# ## Verdicts

# %%
parameters = {
    **vars(size), "profile": profile, "source": source, "template": template, "position": position, "dtype": dtype,
    "decimals": decimals, "answer_decimals": answer_decimals, "folds": folds, "delta": delta,
    "batch_size": batch_size, "data_seed": data_seed, "demonstration_seed": demonstration_seed,
    "regressor_seed": regressor_seed, "guess_seed": guess_seed, "sampling_seed": sampling_seed,
}  # fmt: skip
data = [tasks.origin(rows) for rows in (train, test)]
results = claims.Results(
    "06_llm_initial_guess", parameters, {"model": loaded.origin, "data": data}
)


def difference(statistic):
    """Statistic of one table less that of another, both against the truth, for `over`."""
    return lambda one, other, truth: (
        statistic(one, truth) - statistic(other, truth)
    )


def judge(id, statement, criterion, estimate, control, control_is, paper="ours"):  # fmt: skip
    results.claim(
        id, paper=paper, section="5.3" if paper == "B" else "this notebook", statement=statement,
        criterion=criterion, estimate=estimate, control=float(control), control_is=control_is,
    )  # fmt: skip


# %% [markdown]
# The paper's claim, in both scores, with a random guess as control: a guess as such, without information.

# %%
none, with_guess = (answered[name].expected for name in ("none", "small model"))
nothing, chance = none[:, part], answered["random"].expected
judge(
    "guess-helps-correlation", "Answers correlate better with human scores when a guess is given.", claims.above(0),
    over(difference(scores.pearson), with_guess, none, truth),
    difference(scores.pearson)(chance, nothing, np.broadcast_to(truth[part], chance.shape)),
    "the same with random guesses", paper="B",
)  # fmt: skip
judge(
    "guess-helps-error", "Answers have a smaller squared error when a guess is given (difference).", claims.below(0),
    over(difference(scores.mse), with_guess, none, truth),
    difference(scores.mse)(chance, nothing, np.broadcast_to(truth[part], chance.shape)),
    "the same with random guesses", paper="B",
)  # fmt: skip

# %% [markdown]
# Ours: better than the guess, more than the guess, copying.

# %%
swapped = stacking.exchanged(
    with_guess, guess, block=5, rng=np.random.default_rng(sampling_seed)
)
repeated = np.broadcast_to(truth, with_guess.shape)
judge(
    "better-than-guess", "Answers have a smaller squared error than the guess they were given (difference).",
    claims.below(0), over(difference(scores.mse), with_guess, guess, truth),
    scores.mse(swapped, repeated) - scores.mse(guess, truth), "answers exchanged among similar guesses",
)  # fmt: skip
judge(
    "adds-to-guess",
    "Guess and answer predict held-out pairs better than the guess, beyond a bent copy (squared error saved).",
    claims.above(0), over(np.mean, gains["small model"][0] - gains["small model"][1]),
    (gains["none"][0] - gains["none"][1]).mean(), "answers given without a guess, stacked alike",
)  # fmt: skip


def lean(answer, guess, truth):
    on_guess, on_truth = scores.copying(answer, guess, truth)
    return on_guess - on_truth


judge(
    "copies", "The answer leans on the guess more than, given the guess, on the truth (difference of slopes).",
    claims.above(0), over(lean, with_guess, guess, truth),
    lean(none, np.broadcast_to(guess, none.shape), repeated), "answers given without a guess",
)  # fmt: skip

# %% [markdown]
# Bad guesses. The dose-response curve gives the useless guess (quality 0).

# %%
judge(
    "useless-guess-hurts", "A useless guess makes answers correlate less than no guess does (difference).",
    claims.below(0), over(difference(scores.pearson), curves[0], nothing, truth[part]),
    difference(scores.pearson)(curves[-1], nothing, np.broadcast_to(truth[part], nothing.shape)),
    "a perfect guess",
)  # fmt: skip
judge(
    "adversarial-turns-answers", "With the adversarial guess 5 - g answers correlate negatively with human scores.",
    claims.below(0), over(scores.pearson, answered["adversarial"].expected, truth[part]),
    scores.pearson(nothing, np.broadcast_to(truth[part], nothing.shape)), "no guess",
)  # fmt: skip

# %% [markdown]
# Gradient descent: what moves the answer?

# %%
judge(
    "lsa-is-descent", "y_q-LSA with the small model as its guess is one step of GD from it, on these pairs.",
    claims.below(1e-8), stats.exact(disagreement), no_residuals, "leaving the residuals out",
)  # fmt: skip
judge(
    "follows-query-guess", "The answer moves with the query's own guess, point for point (as GD and a copier do).",
    claims.within(0.9, 1.1), measured["query guess"], 0.0, "a model that ignores guesses",
)  # fmt: skip
judge(
    "corrects-shown-guesses", "Raising the demonstrations' guesses alone lowers the answer.", claims.below(0),
    measured["shown guesses"], 0.0, f"a copier; GD {predicted['GD, rate for a common shift'][1]:.2f}",
)  # fmt: skip
judge(
    "only-residuals-matter", "Raising the demonstrations' guesses undoes raising their scores (sum of responses).",
    claims.within(-0.1, 0.1), over(np.mean, response["shown guesses"] + response["shown scores"]),
    measured["shown scores"].value, "raising the scores alone",
)  # fmt: skip
judge(
    "corrects-common-shift",
    "More than half of what the query's guess does to the answer is undone if all guesses shift alike (share).",
    claims.above(0.5), over(lambda all_, own: 1 - all_.mean() / own.mean(), response["all guesses"], response["query guess"]),
    0.0, f"a copier; GD {-predicted['GD, rate for a common shift'][1]:.2f}",
)  # fmt: skip
judge(
    "follows-real-residuals", "The answer leaves the guess in the direction of the kernel-weighted residuals (slope).",
    claims.above(0), followed, np.mean(dealt), "residuals dealt out at random",
)  # fmt: skip
if "chat" in ways:
    judge(
        "guess-helps-in-chat", "In the chat template too, answers correlate better when a guess is given.",
        claims.above(0),
        over(difference(scores.pearson), by_way["chat", "small model"], by_way["chat", "none"], truth[part]),
        difference(scores.pearson)(
            by_way["plain", "small model"], by_way["plain", "none"], np.broadcast_to(truth[part], nothing.shape)
        ), "the same in plain text", paper="B",
    )  # fmt: skip
results

# %% [markdown]
# In short, for this model and these sizes:

# %%
verdict = {claim.id: claim.verdict for claim in results.claims}
Markdown(
    f"A guess takes the correlation with human scores from {panels['Pearson correlation'][0]['none'].value:.2f} to "
    f"{panels['Pearson correlation'][0]['small model'].value:.2f}; the guess alone has "
    f"{panels['Pearson correlation'][1]['small model']:.2f}. Verdicts: the guess helps, "
    f"*{verdict['guess-helps-correlation']}*; the answer beats the guess, *{verdict['better-than-guess']}*; it adds to "
    f"the guess, *{verdict['adds-to-guess']}*; the model copies, *{verdict['copies']}*. As gradient descent from the "
    f"guess would, it answers lower where the demonstrations' guesses are too high, "
    f"*{verdict['corrects-shown-guesses']}*, undoes most of a common shift, *{verdict['corrects-common-shift']}*, and "
    f"weighs nothing but residuals, *{verdict['only-residuals-matter']}*."
)

# %% [markdown]
# ## Limits
#
# - The sentence encoder behind the guess knows more about similarity than a small language model does; a stronger model
#   may have more to add. The profile `paper` runs the paper's own models.
# - The word-overlap guess is fitted on the train pairs that demonstrations come from (two numbers, so that its guesses
#   on them are hardly better than on queries); the small model's guesses there are cross-fitted.
# - With scores written in decimals only their first digit is read: the answers are blind to tenths, and part of any
#   error is this rounding. The variant *both whole* has no such loss.
# - Rates of gradient descent are tuned to train pairs; what a language model expects of a prompt is not known, so the
#   size of its response decides less than its sign.
# - Few demonstration sets make wide intervals; the profile says how many there were.
# - Some choices were made after a first look at small runs of this model: one decimal for guess and score (mixed forms
#   had made larger errors), and what *corrects-common-shift* and *follows-real-residuals* measure.
#   Another model, or the full test set, is the better judge of them.

# %%
results.values |= {
    "pearson": {name: found.value for name, found in panels["Pearson correlation"][0].items()},
    "pearson_guess_alone": panels["Pearson correlation"][1],
    "squared_error": {name: found.value for name, found in panels["squared error"][0].items()},
    "squared_error_guess_alone": panels["squared error"][1],
    "squared_error_gd_from_guess": scores.mse(stepped, repeated),
    "mass_on_digits": {name: found.mass.mean() for name, found in answered.items()},
    "dose": {"guess": graded["Pearson correlation"][1], "answer": graded["Pearson correlation"][0].value},
    "responses": {name: each.value for name, each in measured.items()},
    "responses_predicted": predicted,
    "squared_error_by_variant": {
        name: scores.mse(found, np.broadcast_to(truth[part], found.shape)) for name, found in by_variant.items()
    },
}  # fmt: skip
saved = results.save()
