"""Evidence of chapter 00 against arithmetic by hand."""

import math

import numpy as np
import pytest

from iclnb import claims
from iclnb.cli.template.room import estimates, material, pictures
from iclnb.cli.template.room.findings import Draws


def test_the_mean_and_its_interval_are_those_of_textbooks():
    """Replace it by a check of your own estimates against another library, or by hand."""
    evidence = estimates.mean(Draws(value=np.array([1.0, 2.0, 3.0, 6.0])), seed=0)
    half = 3.182446 * math.sqrt(14 / 3 / 4)  # Student's t, 3 degrees of freedom
    assert evidence.estimate.value == 3
    assert (evidence.estimate.low, evidence.estimate.high) == pytest.approx((3 - half, 3 + half), rel=1e-5)
    assert abs(evidence.control) <= 3 and evidence.control_is == "random signs"


@pytest.mark.parametrize(("mean", "verdict"), [(1.0, "supported"), (-1.0, "not supported")])
def test_a_planted_mean_is_found_and_its_absence_too(mean, verdict):
    """Made-up findings in which the answer is known: the claim must hold there, and fail without the effect."""
    one = Draws(value=material.draws(200, mean, seed=0))
    estimate = estimates.mean(one, seed=1).estimate
    assert claims.above(0).verdict((estimate.low, estimate.high)) == verdict
    assert "mean: this run " in pictures.means({"this run": one}, seed=1).alt
