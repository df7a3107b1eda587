"""Correlations and squared error, against SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import mean_squared_error

from iclnb.guess import accuracy

RNG = np.random.default_rng(0)
TRUTH = RNG.uniform(0, 5, 40)
ANSWER = np.round(0.6 * TRUTH + RNG.standard_normal((3, 40)), 1)  # with ties
REPEATED = np.broadcast_to(TRUTH, ANSWER.shape)


def test_scores_are_means_over_sets_of_the_libraries():
    rows = list(ANSWER)
    assert accuracy.pearson(ANSWER, REPEATED) == pytest.approx(
        np.mean([scipy_stats.pearsonr(row, TRUTH).statistic for row in rows])
    )
    assert accuracy.spearman(ANSWER, REPEATED) == pytest.approx(
        np.mean([scipy_stats.spearmanr(row, TRUTH).statistic for row in rows])
    )
    assert accuracy.mse(ANSWER, REPEATED) == pytest.approx(
        np.mean([mean_squared_error(TRUTH, row) for row in rows])
    )


def test_a_constant_answer_has_no_correlation():
    assert np.isnan(accuracy.pearson(np.ones_like(ANSWER), REPEATED))
