# %% [markdown]
# # Appendix 03a: what keys and values at a label hold
#
# If a head is a kernel, the keys near a label $y_i$ must tell what its text $x_i$ predicts, and the values which label it
# is. {cite}`han2025kernel` (section 5.4) read both off with linear probes, most accurately at the label itself. Is that
# so, and was it learned? This appendix of [chapter 03](03_middle_layer_heads) repeats the probes with controls.

# %% tags=["parameters", "hide-input"]
from typing import Optional

from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
task: str = by_profile(
    "movie_snippets", "movie_snippets", "sst2"
)  # name of a task
model: str = by_profile(
    "smollm2-135m-instruct", "smollm2-135m-instruct", "EleutherAI/gpt-j-6b"
)  # packaged name, folder or hub id
revision: Optional[str] = None  # commit of a hub model that is not pinned
device_map: Optional[str] = None  # "auto" spreads over several GPUs
dtype: Optional[str] = None  # of the model, such as "bfloat16"
source: str = "auto"  # of the rows: packaged, local, hub, auto
k: int = at_least(1, by_profile(4, 8, 16))  # demonstrations per set
probe_sets: int = at_least(
    4, by_profile(4, 8, 60)
)  # demonstration sets of the probes
batch_size: int = at_least(1, by_profile(16, 32, 16))  # texts per forward pass
data_seed: int = 0  # choice of the query behind the demonstrations
demonstration_seed: int = 1  # choice of demonstrations
model_seed: int = 2  # weights of the random control
sampling_seed: int = 3  # shuffles, intervals

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.heads import estimates_appendix as estimates
from iclnb.heads import pictures_appendix as pictures
from iclnb.heads.estimates import MARGIN
from iclnb.heads.material import probe_rows as design
from iclnb.heads.probes import measure

run = settings.read(globals(), design)
seed = run.sampling_seed

# %% tags=["hide-input"]
ladder = ladders.measured("03a_keys_and_values", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** In any transformer, trained or not, the values at a label hold the label's own token, and its keys something
# of what stands before it; so is it a sign of a kernel that a probe can read them off?
# {claim}`In both models the probe reads no more from the best head's keys and values at the label than controls such as
# the same architecture with random weights give <keys-learned: not supported everywhere; values-learned: not supported
# everywhere>`, and {claim}`the label is no better a place to read from than it is there <keys-position: not supported
# everywhere; values-position: not supported everywhere>`.

# %% tags=["answer", "hide-input"]
pictures.probe_positions(ladder)

# %% [markdown]
# ## Probes
#
# A probe is a ridge regression ($\lambda = 0.01$) from the keys around each label to the most likely token after $x_i$
# alone, or from the values to $y_i$. There is one for every layer, key-value head and position, from one before the label
# to three behind it. Whole demonstration sets are held out. Controls are the most frequent target, the same probe on
# shuffled targets {cite}`hewitt2019control`, and a model with random weights: in any model the values at a label hold
# the label's own token, so only what exceeds random weights was learned. The best head, and which control is strongest,
# are chosen on every other demonstration set and judged on the rest.

# %% tags=["hide-input"]
results.claim(
    "keys-learned",
    "At the label, what the text predicts can be read off the keys of the best head better than by any control.",
    claims.above(MARGIN),
    lambda one: estimates.probe_beyond_controls(one, "keys", seed=seed),
    paper="A",
    section="5.4, stricter",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "values-learned",
    "At the label, the label can be read off the values of the best head better than by any control.",
    claims.above(MARGIN),
    lambda one: estimates.probe_beyond_controls(one, "values", seed=seed),
    paper="A",
    section="5.4, stricter",
    speaks="for",
)

# %% [markdown]
# The paper's probes are most accurate at the label. That may be so in a model that has learned nothing, too: what is
# compared is the mean accuracy of all heads at the label, less that at the best other position, and less the same for
# random weights.

# %% tags=["hide-input"]
results.claim(
    "keys-position",
    "The label is the place where keys tell what the text predicts, more than with random weights.",
    claims.above(MARGIN),
    lambda one: estimates.label_is_the_place(one, "keys", seed=seed),
    paper="A",
    section="5.4, stricter",
    speaks="for",
)

# %% tags=["hide-input"]
results.claim(
    "values-position",
    "The label is the place where values tell the label, more than with random weights.",
    claims.above(MARGIN),
    lambda one: estimates.label_is_the_place(one, "values", seed=seed),
    paper="A",
    section="5.4, stricter",
    speaks="for",
)

# %% [markdown]
# ## Limits
#
# A ridge regression finds only what is linear, and that something can be read off does not mean that the model reads it.
# The first edition's claims, which compared with the most frequent target alone, hold in models with random weights and
# were dropped.

# %% tags=["hide-input"]
saved = results.save()
