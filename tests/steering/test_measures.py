"""Choices, calibration and recency, against scipy, scikit-learn and brute force."""

from itertools import permutations

import numpy as np
import pytest
from scipy import special
from sklearn.calibration import calibration_curve

from iclnb.steering import measures

RNG = np.random.default_rng(0)


def test_choices_come_from_whole_vocabularies():
    logits = RNG.normal(size=(3, 4, 20)) * 3
    words, truths = [5, 11], RNG.integers(2, size=(3, 4))
    found = measures.choices(special.log_softmax(logits, -1)[..., words], truths)
    np.testing.assert_allclose(found.probabilities, special.softmax(logits[..., words], -1))
    np.testing.assert_allclose(found.log_odds, logits[..., 11] - logits[..., 5])
    np.testing.assert_allclose(found.outside, np.delete(special.softmax(logits, -1), words, -1).sum(-1))
    right = np.where(truths == 1, found.log_odds > 0, found.log_odds <= 0)
    assert (found.correct == right).all() and 0 < found.correct.mean() < 1
    np.testing.assert_allclose(found.of_truth, special.expit(np.where(truths, 1, -1) * found.log_odds))


def test_improbable_label_words_still_have_odds():
    found = measures.choices(np.array([[-2000.0, -2001.0]]), np.array([0]))
    np.testing.assert_allclose(found.log_odds, -1)
    assert found.outside == 1


def test_the_median_threshold_takes_off_a_preference():
    odds = np.array([1.0, 2.0, 3.0, 5.0])
    logs = np.stack([np.zeros(4), odds], -1) - 9
    found = measures.choices(logs, np.array([0, 1, 1, 1]))
    assert found.correct.tolist() == [0, 1, 1, 1]  # always label 1
    assert found.centred_correct.tolist() == [1, 0, 1, 1]  # label 1 above 2.5


def test_calibration_error_is_the_gap_of_the_reliability_curve():
    confidence = RNG.random(500)
    correct = (RNG.random(500) < confidence**2).astype(float)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=8, strategy="uniform")
    sizes = np.histogram(confidence, bins=8, range=(0, 1))[0] / 500
    expected = (np.abs(accuracy - mean) * sizes[sizes > 0]).sum()
    np.testing.assert_allclose(measures.calibration_error(confidence, correct, bins=8), expected)
    assert measures.calibration_error(np.ones(4), np.array([1, 1, 1, 0])) == pytest.approx(0.25)


def test_recency_profile_by_hand():
    labels = np.array([[list(order) for order in permutations(row)] for row in ([0, 0, 1], [1, 0, 1])])
    log_odds = RNG.normal(size=(2, 4, 6))
    found = measures.recency_profile(log_odds, labels)
    for s in range(2):
        for p in range(4):
            for k in range(3):
                ones = [log_odds[s, p, o] for o in range(6) if labels[s, o, k] == 1]
                zeros = [log_odds[s, p, o] for o in range(6) if labels[s, o, k] == 0]
                np.testing.assert_allclose(found[s, p, k], np.mean(ones) - np.mean(zeros))


def test_recency_profile_finds_the_last_label_and_nothing_for_a_kernel():
    labels = np.array([[list(order) for order in permutations([0, 0, 1, 1])]])
    recent = np.where(labels[:, None, :, -1] == 1, 2.0, -1.0)
    np.testing.assert_allclose(measures.recency_profile(recent, labels)[0, 0, -1], 3)
    assert (measures.recency_profile(recent, labels)[0, 0, :-1] < 0).all()
    assert not measures.recency_profile(np.full((1, 1, 24), 0.7), labels).any()
    assert np.isnan(measures.recency_profile(np.ones((1, 1, 2)), np.ones((1, 2, 2), int))).all()
