"""The appendix: retrievers with kernels of their own, perturbed demonstrations, calibration, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from made_steering import POINTS
from made_steering import details as made
from sklearn.linear_model import LinearRegression

from iclnb.steering import estimates_details as details
from iclnb.steering.findings import (
    DETAILS,
    EMBEDDINGS,
    MEASURES,
    METHODS,
    PERTURBED,
    PREDICTIONS,
    RANDOM,
    WORDS,
)

ONE = made()


def right(condition):
    return np.exp(ONE.answers[DETAILS.index(condition)])[np.arange(POINTS), ONE.truth]


def test_gains_are_against_the_same_labels_and_embeddings():
    found = details.retrieval_helps(ONE, WORDS, seed=0)
    gain = {
        by: (right(f"nearest, {by}") - right(f"random, labels of the nearest, {by}")).mean()
        for by in MEASURES
    }
    assert found.estimate.value == pytest.approx(gain[WORDS]) and found.control == pytest.approx(
        gain[EMBEDDINGS]
    )
    found = details.demonstrations_count(ONE, PERTURBED[0], seed=0)
    assert found.estimate.value == pytest.approx((right(PERTURBED[0]) - right(RANDOM)).mean())


def test_a_kernel_tells_a_partial_correlation():
    odds = ONE.answers[0] @ [-1, 1]
    expected = {}
    for by, weights in zip(MEASURES, ONE.weights, strict=True):
        votes = [np.average(labels, weights=w) for labels, w in zip(ONE.labels, weights, strict=True)]
        design = np.stack([ONE.labels.mean(1), ONE.truth], 1)
        left = [
            part - LinearRegression().fit(design, part).predict(design) for part in (odds, np.array(votes))
        ]
        expected[by] = np.corrcoef(left)[0, 1]
        assert details.tells(ONE, by, seed=0).value == pytest.approx(expected[by], abs=1e-5)
    found = details.tells_more(ONE, PREDICTIONS, seed=0)
    assert found.estimate.value == pytest.approx(expected[PREDICTIONS] - expected[EMBEDDINGS], abs=1e-5)
    assert found.control == pytest.approx(expected[EMBEDDINGS], abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_calibration_fixes_a_planted_bias_and_other_prompts_priors_do_not(method):
    table = details.flips_after(ONE, None)
    for s, p in ((0, 0), (3, 7), (7, 11)):
        answers = ONE.ordered[s, :, p].argmax(-1)
        assert table[s, p] == pytest.approx(
            np.mean([answers[i] != answers[j] for i in range(4) for j in range(i)])
        )
    assert table.mean() > 0.3 and not details.flips_after(ONE, method).any()
    steadier = details.steadies(ONE, method, seed=0)
    assert steadier.estimate.high < 0 and steadier.estimate.value == pytest.approx(-steadier.control)
    same = replace(ONE, prior=np.broadcast_to(ONE.prior[:, :1], ONE.prior.shape))
    assert details.steadies(same, method, seed=0).estimate.value == 0
