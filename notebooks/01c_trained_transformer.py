# %% [markdown]
# # Appendix 01c: does a trained transformer follow Bayes or a kernel?
#
# [Chapter 01](01_posterior_convergence) compares formulas: Bayes wins on tasks of the corpus, and on others a kernel
# may. What does a transformer do that was *trained* on a corpus of 2 to 256 tasks, on these tasks and on others?

# %% tags=["parameters", "hide-input"]
from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
tasks: str = by_profile("2 8", "2 64", "2 4 16 64 256")  # sizes of the corpora
trainings: int = at_least(
    2, by_profile(2, 2, 4)
)  # of each, HMM and tasks drawn anew
steps: int = at_least(1, by_profile(20, 60, 2500))  # training steps
batch: int = at_least(1, by_profile(4, 16, 16))  # prompts a step
prompts: int = at_least(
    1, by_profile(20, 100, 500)
)  # fresh prompts, of each kind
demonstrations: int = at_least(
    1, by_profile(8, 64, 64)
)  # N, demonstrations of a prompt
layers: int = at_least(1, 2)  # of the transformer
heads: int = at_least(1, 4)  # in each layer
width: int = at_least(1, 32)  # of its residual stream
hmm_seed: int = 4  # seeds the HMMs and their tasks
prompt_seed: int = 1  # seeds the fresh prompts
train_seed: int = 5  # seeds the training prompts
init_seed: int = 6  # seeds the initial weights
bootstrap_seed: int = 3  # seeds the intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.bayes import estimates_transformer, pictures, tables
from iclnb.bayes.measure_transformer import measure

run = settings.read(globals())
seed = run.bootstrap_seed

# %% tags=["hide-input"]
ladder = ladders.measured("01c_trained_transformer", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** {claim}`On the tasks that it was trained on, be they 2 or 256, a small transformer answers nearer to
# Bayesian inference over these tasks than to any kernel regression <transformer-nearer-bayes: supported everywhere;
# transformer-follows-bayes: supported everywhere>`. What does it do with a task that its corpus lacks? {claim}`Trained
# on two tasks, it is nearer to Bayesian inference over these two than over all tasks <few-tasks-memorise: supported
# everywhere>`. {claim}`Trained on 256, it has begun to find what tasks have in common, and is nearer to Bayes over all
# tasks that could have been drawn <many-tasks-general: supported everywhere>`. {claim}`Nowhere on the way between these
# two is it nearer to a kernel <no-kernel-elsewhere: supported everywhere>`.

# %% tags=["answer", "hide-input"]
pictures.following(ladder, seed=seed)

# %% [markdown]
# ## What is asked
#
# Neither paper makes these claims; all are ours. There are two ideal readers. *Bayes over the corpus* knows the 2 to 256
# tasks of the corpus; on another task it is misspecified, as in the chapter. *Bayes over all tasks* knows how tasks are
# drawn, and stands for a learner that has found what they have in common. *The nearest kernel* is, for each training
# and $n$, the kernel of the chapter whose regression happens to be nearest. The control is the same transformer with
# random weights. A ratio of distances of one or more refutes a claim.

# %% tags=["hide-input"]
results.claim(
    "transformer-nearer-bayes",
    "On tasks of its corpus a prediction is nearer to Bayes than to every kernel regression, whatever the size of the "
    "corpus (ratio).",
    claims.below(1),
    lambda one: estimates_transformer.nearer_to_bayes(one, seed=seed),
    section="tasks of the corpus",
)

# %% tags=["hide-input"]
results.claim(
    "transformer-follows-bayes",
    "There its distance to Bayes is less than half of that between Bayes and ignoring the demonstrations, whatever the "
    "size of the corpus (ratio).",
    claims.below(0.5),
    lambda one: estimates_transformer.follows_bayes(one, seed=seed),
    section="tasks of the corpus",
)

# %% tags=["hide-input"]
results.claim(
    "few-tasks-memorise",
    "On other tasks, with the smallest corpus, it is further from Bayes over all tasks than from Bayes over the corpus "
    "(ratio).",
    claims.above(1),
    lambda one: estimates_transformer.generality(one, 0, seed=seed),
    section="other tasks",
)

# %% tags=["hide-input"]
results.claim(
    "many-tasks-general",
    "On other tasks, with the largest corpus, it is nearer to Bayes over all tasks than to Bayes over the corpus "
    "(ratio).",
    claims.below(1),
    lambda one: estimates_transformer.generality(one, -1, seed=seed),
    section="other tasks",
)

# %% tags=["hide-input"]
results.claim(
    "no-kernel-elsewhere",
    "On other tasks it is nearer to one of the two Bayes than to every kernel regression, whatever the size of the "
    "corpus (ratio).",
    claims.below(1),
    lambda one: estimates_transformer.no_kernel_elsewhere(one, seed=seed),
    section="other tasks",
)

# %% [markdown]
# ## The transformer and its training
#
# Tasks share an HMM of four blocks of three states and 6 observations; sequences have two tokens, one in ten replaced.
# A task is a distribution of the first state, drawn from a Dirichlet distribution. A prompt has two kinds of tokens:
# demonstrations $(x_i, y_i)$ and queries $(x_i, ?)$, counted from 0. Each attends to itself and to the demonstrations before
# its place, so that one pass answers every query $i$ from the $i$ demonstrations before it. Attention is softmax,
#
# $$
# a_{ij} = \frac{\exp(q_i^\top k_j / \sqrt{d_h})}{\sum_{j' < i} \exp(q_i^\top k_{j'} / \sqrt{d_h}) +
# \exp(q_i^\top k_i / \sqrt{d_h})}, \qquad j < i,
# $$
#
# followed by a two-layer perceptron, with residual connections and layer normalisation (`transformer.forward`).
# Demonstrations have no position embedding, as they are exchangeable. Training is on the cross-entropy of the labels, on
# prompts drawn anew in each step (`transformer.train`). Each training draws HMM, tasks, weights and prompts anew; the
# tasks of a smaller corpus are among those of a larger one. How near do their losses come to that of Bayes over the corpus?

# %% tags=["hide-input"]
tables.training(pictures.strongest(ladder))

# %% [markdown]
# ## Limits and prior art
#
# - The tasks are so alike that kernels have a hard time with 64 demonstrations (chapter 01); where kernels come close to
#   Bayes the question could not be asked.
# - Text with delimiters and one token per observation is another matter, and so is a language model, whose corpus is
#   no mixture of HMMs.
#
# {cite}`xie2022explanation`, too, train transformers on a mixture of HMMs; {cite}`muller2022transformers` train them to
# approximate the posterior under the prior of the prompts, and {cite}`garg2022what` on regression. That few tasks are
# memorised and many make a learner general is what {cite}`raventos2023pretraining` find for linear regression and
# {cite}`park2024competition` for Markov chains. New here, as far as we know, is the comparison on the same prompts with
# the kernels that {cite}`han2025kernel` propose.

# %% tags=["hide-input"]
saved = results.save()
