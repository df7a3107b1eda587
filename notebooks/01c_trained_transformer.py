# %% [markdown]
# # Appendix: does a trained transformer follow Bayes or a kernel?
#
# [Chapter 01](01_posterior_convergence) compares exact Bayesian inference with kernel regression on prompts from
# hidden Markov models (HMMs). Both are formulas. What does a transformer do that was *trained* on such prompts?
# Is its prediction nearer to Bayes or to a kernel regression, and does its attention look like a kernel?

# %% tags=["parameters", "hide-input"]
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
hmms: int = by_profile(2, 3, 6)  # HMM mixtures, a transformer for each
steps: int = by_profile(20, 400, 3000)  # training steps
batch: int = by_profile(16, 64, 64)  # prompts a step
prompts: int = by_profile(60, 400, 1000)  # fresh prompts for each HMM
demonstrations: int = 16  # N, demonstrations of a prompt
layers: int = 2  # of the transformer
heads: int = 4  # in each layer
width: int = 32  # of its residual stream
hmm_seed: int = 4  # seeds the HMMs
prompt_seed: int = 1  # seeds the fresh prompts
train_seed: int = 5  # seeds the training prompts
init_seed: int = 6  # seeds the initial weights
bootstrap_seed: int = 3  # seeds the intervals

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.bayes import (
    estimates_transformer,
    following,
    material,
    pictures_transformer,
)
from iclnb.bayes.transformer import Shape

run = settings.read(globals())
results = claims.Results("01c_trained_transformer", vars(run))
seed = run.bootstrap_seed

# %% [markdown]
# ## What is asked, and what would refute it
#
# Neither paper makes these claims; all are ours.
#
# - **The prediction is nearer to Bayes than to any kernel regression.** *Refuted by* a ratio of distances of one
#   or more. As kernel regressions are noisy with few demonstrations, this alone says little. Hence the next claim.
# - **It follows Bayes**: its distance to Bayes is less than half of the distance between Bayes and *ignoring* the
#   demonstrations. *Refuted by* a ratio of one half or more.
# - **Some head's attention resembles a kernel**: its correlation with a kernel of the chapter is higher, by 0.1,
#   than that of heads with random weights. *Refuted by* a smaller difference.
# - **Some head's regression approximates the prediction**, as {cite}`han2025kernel` find in language models: labels
#   weighted by its attention come nearer to the prediction than label frequencies do. *Refuted by* a ratio of one
#   or more.
#
# The control is the same transformer with random weights. For each claim the head, and the kernel that it is
# compared with, are chosen on half of the prompts and judged on the other half; so are those of the control.

# %% [markdown]
# ## The transformer and its training
#
# The HMMs are drawn by the chapter's second design: 4 tasks of 3 states, 10 observations, sequences of three
# tokens, of which three in ten are replaced. A prompt has two kinds of tokens: demonstrations $(x_i, y_i)$ and
# queries $(x_i, ?)$, counted from 0. Each attends to itself and to the demonstrations before its place, so that
# one pass answers every query $i$ from the $i$ demonstrations before it. Attention is softmax,
#
# $$
# a_{ij} = \frac{\exp(q_i^\top k_j / \sqrt{d_h})}{\sum_{j' < i} \exp(q_i^\top k_{j'} / \sqrt{d_h}) +
# \exp(q_i^\top k_i / \sqrt{d_h})}, \qquad j < i,
# $$
#
# followed by a two-layer perceptron, with residual connections and layer normalisation (`transformer.forward`).
# Demonstrations have no position embedding, as they are exchangeable. For each HMM mixture one transformer is
# trained on the cross-entropy of the labels, on prompts drawn anew in each step (`transformer.train`).

# %% tags=["hide-input"]
found = following.follow(
    material.NOISY,
    Shape(run.layers, run.heads, run.width, run.demonstrations),
    hmms=run.hmms,
    prompts=run.prompts,
    steps=run.steps,
    batch=run.batch,
    hmm_seed=run.hmm_seed,
    prompt_seed=run.prompt_seed,
    train_seed=run.train_seed,
    init_seed=run.init_seed,
)
Markdown(estimates_transformer.loss(found))

# %% [markdown]
# ## Bayes or kernel?
#
# The table shows mean $L_1$ distances of the prediction on fresh prompts. *The nearest kernel* is, for each HMM
# and $n$, the kernel of the chapter whose regression happens to be nearest.

# %%
estimates_transformer.along(found)

# %%
results.claim(
    "transformer-nearer-bayes",
    f"With {run.demonstrations} demonstrations the prediction is nearer to Bayes than to every kernel regression "
    "(ratio of distances)",
    claims.below(1),
    estimates_transformer.nearer_to_bayes(found, seed=seed),
    section="appendix",
)

# %%
results.claim(
    "transformer-follows-bayes",
    "Its distance to Bayes is less than half of the distance between Bayes and ignoring the demonstrations (ratio)",
    claims.below(0.5),
    estimates_transformer.follows_bayes(found, seed=seed),
    section="appendix",
)

# %% [markdown]
# ## Are its heads kernels?
#
# The correlation is taken within a prompt, over its demonstrations, between the attention $a_{Nj}$ of the last
# query and $K(x_\text{test}, x_j)$. (The answer's picture shows, on the right, the best head for each kernel.)

# %%
results.claim(
    "transformer-heads-kernel",
    "The best head correlates with a kernel of the chapter better than heads of random weights do (difference)",
    claims.above(0.1),
    estimates_transformer.heads_match(found, seed=seed),
    section="appendix",
)

# %%
results.claim(
    "transformer-heads-regress",
    "Labels weighted by the best head are nearer to the prediction than label frequencies are (ratio)",
    claims.below(1),
    estimates_transformer.heads_regress(found, seed=seed),
    section="appendix",
)

# %% [markdown]
# Bayes has no use for similarity: each demonstration is evidence about the task, whatever $x_\text{test}$ is,
# and counts by the likelihood of its pair. Attention that spreads over all demonstrations and carries this
# evidence in its values is enough. So a head that resembles a kernel does not by itself show that the prediction
# is a kernel regression; that is why we ask about both.

# %% tags=["answer", "hide-input"]
Markdown(estimates_transformer.answer(results.claims))

# %% tags=["answer", "hide-input"]
pictures_transformer.following(found, seed=seed)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - Too many tasks to be told apart with so few demonstrations, or tasks never seen in training: then Bayes over
#   the training tasks is no ideal.
# - Another size, or text with delimiters and one token per observation: here a demonstration is a single token.
# - A head that computes a kernel unlike all of the chapter's.

# %% [markdown]
# ## Limits
#
# - There is one transformer for each HMM mixture, so intervals mix the variation of both, and a laptop trains few.
# - Nothing here says what a language model does. Its pre-training corpus is no mixture of four HMMs.

# %% [markdown]
# ## Prior art
#
# {cite}`xie2022explanation`, too, train transformers on a mixture of HMMs and find that they learn in context;
# {cite}`muller2022transformers` train them to approximate the posterior under the prior of the prompts, and
# {cite}`garg2022what` on regression, where they come near to least squares. That training finds Bayes where it
# can is thus known. New here, as far as we know, is only the comparison, on the same prompts, with the kernels
# that {cite}`han2025kernel` propose.

# %% tags=["hide-input"]
results.values |= {
    "loss": found.curve.mean(axis=1),
    "loss of Bayes": found.entropy,
    "correlation of the best head": {
        name: [float(each.value) for each in pair]
        for name, pair in estimates_transformer.by_kernel(
            found, seed=seed
        ).items()
    },
}
saved = results.save()
