"""The files of a new chapter, which runs, passes the tests and waits for its question.

``NAME`` stands for the notebook's name, ``ROOM`` for the chapter's folder in the package, ``NUMBER`` for its
number.
"""

INIT = '''"""Chapter NUMBER: does the mean of what is drawn lie above zero?

- :mod:`~iclnb.ROOM.material`: what is drawn.
- :mod:`~iclnb.ROOM.estimates`: the evidence of each claim, and the answer.
- :mod:`~iclnb.ROOM.pictures`: the draws and their mean.
"""
'''

MATERIAL = '''"""What chapter NUMBER draws."""

import numpy as np
from jaxtyping import Float


def draws(count: int, mean: float, *, seed: int) -> Float[np.ndarray, " count"]:
    """Independent normal draws with standard deviation 1.

    Args:
        count: how many.
        mean: of their distribution.
        seed: of the draws.

    Returns:
        The draws, shape (count,).
    """
    return np.random.default_rng(seed).normal(mean, 1, count)
'''

ESTIMATES = '''"""What decides the claims of chapter NUMBER."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from iclnb import stats
from iclnb.claims import NOT_SUPPORTED, SUPPORTED, Claim, Evidence
from iclnb.display import cell


def mean(draws: Float[np.ndarray, " count"], *, seed: int) -> Evidence:
    """The mean of the draws, with an interval over draws; control: the same draws with random signs.

    Args:
        draws: shape (count,).
        seed: of the interval and of the signs.
    """
    signs = np.random.default_rng((seed, 1)).choice([-1, 1], len(draws))
    return Evidence(stats.interval(draws, seed=seed), float((signs * draws).mean()), "random signs")


def answer(claims: Sequence[Claim]) -> str:
    """The chapter's answer in Markdown, in words that follow from the verdicts."""
    (claim,) = claims
    verb = {SUPPORTED: "lies", NOT_SUPPORTED: "does *not* lie"}.get(claim.verdict, "may or may not lie")
    numbers = f"{cell(claim.estimate)}; random signs {cell(claim.control)}"
    return f"**Answer.** The mean {verb} above zero: {numbers}."
'''

PICTURES = '''"""Pictures of chapter NUMBER."""

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float

from iclnb import figures
from iclnb.claims import Evidence
from iclnb.display import cell
from iclnb.figures import Picture


@figures.picture
def drawn(draws: Float[np.ndarray, " count"], evidence: Evidence) -> Picture:
    """The draws in their order, with their mean, its interval and the control.

    Args:
        draws: shape (count,).
        evidence: of their mean.
    """
    figure, axes = plt.subplots()
    estimate, line = evidence.estimate, figures.SERIES[1]
    axes.plot(draws, color="0.6", marker="o", linestyle="", markersize=3, label="draws")
    axes.axhspan(float(estimate.low), float(estimate.high), color=line["color"], alpha=0.2)
    axes.axhline(float(estimate.value), color=line["color"], linestyle=line["linestyle"], label="mean")
    axes.axhline(evidence.control, label="random signs", **{**figures.CONTROL, "marker": ""})
    axes.set(xlabel="draw", ylabel="value")
    axes.legend()
    return Picture(figure, alt=f"{len(draws)} draws; their mean is {cell(estimate)}.")
'''

NOTEBOOK = """# %% [markdown]
# # Does the mean lie above zero?
#
# Replace this by your question, and say in a few sentences what it means and who claims what.

# %% tags=["parameters", "hide-input"]
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
count: int = by_profile(20, 200, 2000)  # draws
mean: float = 0.5  # of their distribution
data_seed: int = 0  # seeds the draws
sampling_seed: int = 1  # seeds the interval and the control

# %% tags=["hide-input"]
from IPython.display import Markdown

from iclnb import claims, settings
from iclnb.ROOM import estimates, material, pictures

run = settings.read(globals())
results = claims.Results("NAME", vars(run))

# %% [markdown]
# ## What is claimed, and what would refute it
#
# The mean of the draws lies above zero. *Refuted* if its whole interval lies at or below zero.

# %%
draws = material.draws(run.count, run.mean, seed=run.data_seed)
evidence = estimates.mean(draws, seed=run.sampling_seed)

# %%
results.claim(
    "mean-above-zero",
    "The mean of the draws lies above zero",
    claims.above(0),
    evidence,
)

# %% tags=["answer", "hide-input"]
Markdown(estimates.answer(results.claims))

# %% tags=["answer", "hide-input"]
pictures.drawn(draws, evidence)

# %% [markdown] tags=["answer"]
# **What would change this answer**
#
# - Another distribution.

# %% [markdown]
# ## Limits
#
# Say what was not tested.

# %% tags=["hide-input"]
saved = results.save()
"""

TEST = '''"""Evidence of chapter NUMBER against arithmetic by hand; its answer says what the data say."""

import math

import numpy as np
import pytest

from iclnb import claims
from iclnb.ROOM import estimates, material, pictures


def test_the_mean_and_its_interval_are_those_of_textbooks():
    evidence = estimates.mean(np.array([1.0, 2.0, 3.0, 6.0]), seed=0)
    half = 3.182446 * math.sqrt(14 / 3 / 4)  # Student's t, 3 degrees of freedom
    assert evidence.estimate.value == 3
    assert (evidence.estimate.low, evidence.estimate.high) == pytest.approx((3 - half, 3 + half), rel=1e-5)
    assert abs(evidence.control) <= 3 and evidence.control_is == "random signs"


@pytest.mark.parametrize(("mean", "verdict"), [(1.0, "supported"), (-1.0, "not supported")])
def test_a_planted_mean_is_found_and_its_absence_too(mean, verdict):
    draws = material.draws(200, mean, seed=0)
    results = claims.Results("NAME", {})
    claim = results.claim("mean", "s", claims.above(0), estimates.mean(draws, seed=1))
    assert claim.verdict == verdict
    assert ("*not*" in estimates.answer([claim])) == (mean < 0)
    assert "200 draws" in pictures.drawn(draws, estimates.mean(draws, seed=1)).alt
'''
