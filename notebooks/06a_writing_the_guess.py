# %% [markdown]
# # Appendix: how the guess is written
#
# [Chapter 06](06_llm_initial_guess) writes a small model's guess behind every pair of sentences, with one
# decimal. A language model reads it as text. Does it still help in the model's chat template, and how does
# the answer change with the place and the precision of the guess?

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import by_profile

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
decimals: int = 1  # of the guess
answer_decimals: int = 1  # of the demonstrations' scores
chat: Optional[bool] = by_profile(False, None, None)  # in chat template, if any
k: int = by_profile(1, 10, 10)  # demonstrations per prompt
sets: int = by_profile(2, 3, 5)  # demonstration sets, shared by all pairs
subset: int = by_profile(2, 8, 300)  # test pairs
train_pairs: int = by_profile(50, 500, 5749)  # the small model learns from
variants: int = by_profile(1, 2, 4)  # other ways to write guess and answer
folds: int = 5  # of cross-fitting
batch_size: int = by_profile(16, 32, 16)  # queries per forward pass
data_seed: int = 0  # choice of pairs
demonstration_seed: int = 1  # choice of demonstrations
regressor_seed: int = 2  # training of the small model
sampling_seed: int = 4  # intervals

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.guess import comparison, estimates, material, scoring, tables
from iclnb.guess.material import NONE, SMALL
from iclnb.guess.pair_prompts import (
    Style,
    in_chat,
    other_styles,
    templates,
)
from iclnb.llm import models
from iclnb.llm.reader import Reader

run = settings.read(globals())
rows = material.load_pairs(
    run.train_pairs, run.subset, seed=run.data_seed, source=run.source
)
small = material.small_model(
    rows, models.load_encoder(), folds=run.folds, seed=run.regressor_seed
)
shown = material.demonstration_sets(
    len(rows.train), run.k, run.sets, seed=run.demonstration_seed
)
reader = Reader.load(
    run.model,
    revision=run.revision,
    device_map=run.device_map,
    dtype=run.dtype,
    batch_size=run.batch_size,
)
chat = in_chat(run.chat, reader.tokenizer)
style = Style(
    run.template, run.position, run.decimals, run.answer_decimals, chat
)
scorer = scoring.Scorer(reader, rows, style)
guess = small.guess.rounded(run.decimals)
results = claims.Results(
    "06a_writing_the_guess",
    vars(run),
    {"model": reader.origin, "data": rows.origins},
)

# %% [markdown]
# Train pairs and small model are those of the chapter; test pairs and demonstration sets are its first ones.
#
# ## Chat templates
#
# The same prompts are also written as a conversation, one turn per pair, in the model's own chat template, if
# it has one. That a guess helps there too is *refuted* if answers correlate no better than without one.

# %%
ways = comparison.by_style(
    scorer,
    templates(style, reader.tokenizer),
    shown,
    {NONE: None, SMALL: guess},
    seed=run.sampling_seed,
)
tables.by_style(ways)

# %%
results.claim(
    "guess-helps-in-chat",
    "In the chat template too, answers correlate better when a guess is given.",
    claims.above(0),
    estimates.helps_in_chat(ways["chat"], ways["plain"]),
    paper="B",
    section="5.3",
) if "chat" in ways else Markdown("This model has no chat template.")

# %% [markdown]
# ## Place and precision
#
# If guess and scores are written differently (a guess with a decimal, scores without), a model that copies
# has to round, and copying the first digit always rounds down. If both are whole, nothing is lost in reading
# only the answer's first digit.

# %%
styles = dict(list(other_styles(style).items())[: run.variants + 1])
written = comparison.by_style(
    scorer, styles, shown, {SMALL: guess}, seed=run.sampling_seed
)
tables.by_style(written)

# %% [markdown]
# ## Limits
#
# - There are few test pairs and demonstration sets: the intervals show how much they can decide.
# - One wording of the guess is used at a time; the parameter `template` tries others.

# %% tags=["hide-input"]
results.values |= {
    "by_template": {name: each.summary() for name, each in ways.items()},
    "by_style": {name: each.summary() for name, each in written.items()},
}
saved = results.save()
