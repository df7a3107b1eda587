"""The statistics that decide chapter 03's claims, in float32 and in bfloat16, on the packaged model."""

from types import SimpleNamespace

import numpy as np
import pytest

from iclnb.heads import material
from iclnb.heads.estimates import over
from iclnb.heads.reconstruction import decide
from iclnb.llm import models
from iclnb.llm.demonstrations import task_rows
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.packaged


@pytest.fixture(scope="module")
def found():
    """Kernel weights of the same fresh prompts in both precisions."""
    weights = {}
    for dtype in ("float32", "bfloat16"):
        reader = Reader(models.load(dtype=dtype, device="cpu"))
        rows = task_rows("movie_snippets", 16, seed=0, source="packaged")
        run = SimpleNamespace(k=2, sets=1, points=16, fresh=16, data_seed=0, demonstration_seed=1)
        drawn = material.draw_material(reader.tokenizer, rows, run)
        weights[dtype] = reader.kernel_weights(drawn.fresh_prompts, drawn.wording, drawn.rows.truth)
    return weights


def test_statistics_agree_within_their_intervals(found):
    half = material.halves(16, seed=0)
    one, other = (decide(part, half) for part in found.values())
    for numbers in zip((one.hit, *one.right[:2]), (other.hit, *other.right[:2]), strict=True):
        estimates = [over(part.astype(float), range="rate", seed=0) for part in numbers]
        assert estimates[0].low <= estimates[1].value <= estimates[0].high, estimates
        assert estimates[1].low <= estimates[0].value <= estimates[1].high, estimates


def test_kernel_weights_and_answers_differ_by_rounding_alone(found):
    """A bfloat16 has 8 bits: an error of 1/256 a number, far below the differences between prompts."""
    one, other = found.values()
    spread = one.answers.std(axis=0).mean()
    assert 0 < np.abs(one.answers - other.answers).mean() < spread / 4
    shares = [
        part.weights["maximum"] / part.weights["maximum"].sum(-1, keepdims=True) for part in found.values()
    ]
    assert 0 < np.abs(shares[0] - shares[1]).mean() < 0.02
