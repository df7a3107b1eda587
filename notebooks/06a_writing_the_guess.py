# %% [markdown]
# # Appendix 06a: how the guess is written
#
# [Chapter 06](06_llm_initial_guess) writes a small model's guess behind every pair of sentences, with one decimal. A
# language model reads it as text. Does it still help in plain text and in the model's chat template, with whole numbers,
# or in front of the sentences?

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
model: str = by_profile(
    "smollm2-135m-instruct",
    "smollm2-135m-instruct",
    "meta-llama/Llama-3.1-8B-Instruct",
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
template: str = "Initial guess: {guess}"  # the guess's line
position: str = "after"  # of the guess: before, between or after sentences
decimals: int = at_least(0, 1)  # of the guess
answer_decimals: int = at_least(0, 1)  # of the demonstrations' scores
chat: Optional[bool] = by_profile(False, None, None)  # in chat template, if any
k: int = at_least(1, by_profile(2, 3, 10))  # demonstrations per prompt
sets: int = at_least(
    2, by_profile(2, 2, 5)
)  # demonstration sets, shared by all pairs
subset: int = at_least(4, by_profile(4, 4, 300))  # test pairs
train_pairs: int = by_profile(100, 150, 5749)  # the small model learns from
folds: int = at_least(2, 5)  # of cross-fitting
batch_size: int = at_least(
    1, by_profile(16, 32, 16)
)  # queries per forward pass
data_seed: int = 0  # choice of pairs
demonstration_seed: int = 1  # choice of demonstrations
regressor_seed: int = 2  # training of the small model
sampling_seed: int = 4  # intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.guess import estimates, pictures
from iclnb.guess.findings import STYLES
from iclnb.guess.measure_styles import measure

run = settings.read(globals())
seed = run.sampling_seed

# %% tags=["hide-input"]
ladder = ladders.measured("06a_writing_the_guess", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** {claim}`In the chat template, too, a guess helps every model on record <guess-helps-in-chat: supported
# everywhere>`: the correlation with human scores rises by {value}`0.67 <guess-helps-in-chat on SmolLM2-135M>` in
# SmolLM2-135M, by {value}`0.81 <guess-helps-in-chat on Qwen2.5-Coder-0.5B>` in Qwen2.5-Coder-0.5B and by
# {value}`0.16 <guess-helps-in-chat on Qwen2.5-Coder-1.5B>` in the largest. {claim}`In front of the sentences, far from the
# answer, it helps the two smaller models <guess-helps-in-front: supported on SmolLM2-135M, Qwen2.5-Coder-0.5B>`;
# {claim}`for the largest that is open <guess-helps-in-front: inconclusive on Qwen2.5-Coder-1.5B>`. Do the other ways to
# write it, drawn below, make a difference?

# %% tags=["answer", "hide-input"]
pictures.styles(ladder, seed=seed)

# %% [markdown]
# ## Six ways to write it
#
# Train pairs and small model are those of the chapter; test pairs and demonstration sets are its first ones. The chat
# template writes one turn a pair. If guess and scores have different precision, a model that copies has to round, and
# copying the first digit always rounds down. If both are whole, nothing is lost in reading only the answer's first
# digit.

# %% tags=["hide-input"]
results.claim(
    "guess-helps-in-chat",
    "In the chat template answers correlate better with human scores when a guess is given.",
    claims.above(0),
    lambda one: estimates.helps_in(one, STYLES[1], seed=seed),
    paper="B",
    section="5.3",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "guess-helps-in-front",
    "Answers correlate better with a guess that stands in front of the sentences, away from the answer, than with none.",
    claims.above(0),
    lambda one: estimates.helps_in(one, STYLES[4], seed=seed),
    paper="B",
    section="5.3",
    speaks="for",
)

# %% [markdown]
# ## Limits
#
# One wording of the guess is used at a time; the parameter `template` tries others.

# %% tags=["hide-input"]
saved = results.save()
