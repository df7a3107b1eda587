# %% [markdown]
# # Does the mean lie above zero?
#
# Replace this by your question, and say in two or three sentences what it means
# and who claims what.

# %% tags=["parameters", "hide-input"]
from iclnb.settings import at_least, by_profile

profile: str = "laptop"  # smoke, laptop or paper
count: int = at_least(2, by_profile(20, 200, 2000))  # draws
mean: float = 0.5  # of their distribution
data_seed: int = 0  # seeds the draws
sampling_seed: int = 1  # seeds the interval and the control

# %% tags=["hide-input"]
from iclnb import claims, ladders, settings
from iclnb.cli.template.room import estimates, pictures
from iclnb.cli.template.room.measure import measure

run = settings.read(globals())
seed = run.sampling_seed

# %% tags=["hide-input"]
ladder = ladders.measured("00_template", measure, run)
results = claims.Results(ladder)
ladder

# %% [markdown] tags=["answer"]
# **Answer.** Which sentence will stand here? Once a run is on record, write what
# it found, and name the claim that each sentence rests on (see CONTRIBUTING).

# %% tags=["answer", "hide-input"]
pictures.means(ladder, seed=seed)

# %% [markdown]
# ## What is claimed, and what would refute it
#
# The mean of the draws lies above zero. *Refuted* if its whole interval lies at
# or below zero.

# %% tags=["hide-input"]
results.claim(
    "mean-above-zero",
    "The mean of the draws lies above zero.",
    claims.above(0),
    lambda one: estimates.mean(one, seed=seed),
)

# %% [markdown]
# ## Limits
#
# Say what was not tested, and what would change the answer.

# %% tags=["hide-input"]
saved = results.save()
