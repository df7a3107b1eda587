"""Scores read off the distribution over digits, digit by digit."""

import numpy as np
import pytest
from scipy.special import log_softmax

from iclnb.guess import score_answers


def test_expected_score_greedy_and_mass():
    logits = np.random.default_rng(0).standard_normal((3, 2, 9)) * 3
    log_probabilities, values = log_softmax(logits, axis=-1)[..., :6], np.arange(6.0) ** 2
    found = score_answers.read_off(log_probabilities, values)
    for s in range(3):
        for p in range(2):
            p_digit = np.exp(logits[s, p]) / np.exp(logits[s, p]).sum()
            mass = p_digit[:6].sum()
            assert found.mass[s, p] == pytest.approx(mass)
            assert found.expected[s, p] == pytest.approx(sum(p_digit[:6] * values) / mass)
            assert found.greedy[s, p] == values[max(range(6), key=lambda d, r=p_digit: r[d])]


def test_what_a_first_digit_stands_for():
    train = np.array([0.0, 0.96, 3.2, 3.8, 4.9, 1.96])
    assert score_answers.digit_values(train, 0).tolist() == [0, 1, 2, 3, 4, 5]
    # 0.96 is written 1.0, and 1.96 is written 2.0; no train score begins with 5
    np.testing.assert_allclose(score_answers.digit_values(train, 1), [0.0, 0.96, 1.96, 3.5, 4.9, 5.0])
    np.testing.assert_allclose(score_answers.digit_values(train[:1], 1), [0.0, 1.5, 2.5, 3.5, 4.5, 5.0])
