"""The statistics that decide chapter 03's claims, in float32 and in bfloat16, on the packaged model."""

import numpy as np
import pytest

from iclnb.heads import material
from iclnb.heads.reconstruction import agree, over
from iclnb.llm import models
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.packaged


@pytest.fixture(scope="module")
def found():
    """Kernel weights of the same fresh prompts in both precisions."""
    weights = {}
    for dtype in ("float32", "bfloat16"):
        reader = Reader(models.load(dtype=dtype, device="cpu"))
        settings = {"k": 2, "sets": 1, "points": 16, "fresh": 16, "data_seed": 0, "demonstration_seed": 1}
        drawn = material.draw_material(reader.tokenizer, "movie_snippets", source="packaged", **settings)
        weights[dtype] = reader.kernel_weights(drawn.fresh_prompts, drawn.wording, drawn.truth)
    return weights


def test_statistics_agree_within_their_intervals(found):
    selecting = material.split(16, 0.5, seed=0)
    one, other = (agree(part, selecting, permutations=5, seed=0) for part in found.values())
    for statistic in ("accuracy", "best", "performance"):
        estimates = [over(getattr(part, statistic), seed=0) for part in (one, other)]
        assert estimates[0].low <= estimates[1].value <= estimates[0].high, (statistic, estimates)
        assert estimates[1].low <= estimates[0].value <= estimates[1].high, (statistic, estimates)


def test_kernel_weights_and_answers_differ_by_rounding_alone(found):
    """A bfloat16 has 8 bits: an error of 1/256 a number, far below the differences between prompts."""
    one, other = found.values()
    spread = one.answers.std(axis=0).mean()
    assert 0 < np.abs(one.answers - other.answers).mean() < spread / 4
    shares = [
        part.weights["maximum"] / part.weights["maximum"].sum(-1, keepdims=True) for part in found.values()
    ]
    assert 0 < np.abs(shares[0] - shares[1]).mean() < 0.02
