"""Regressions of answers and truth, against scikit-learn."""

import numpy as np

from iclnb.guess import regression

RNG = np.random.default_rng(0)
SETS, POINTS = 3, 40
TRUTH = RNG.uniform(0, 5, POINTS)
GUESS = TRUTH + RNG.standard_normal(POINTS)
ANSWER = np.round(0.6 * GUESS + 0.3 * TRUTH + 0.4 * RNG.standard_normal((SETS, POINTS)), 1)  # with ties
REPEATED = np.broadcast_to(TRUTH, ANSWER.shape)


def test_slopes_of_collinear_predictors_are_not_numbers():
    assert np.isnan(regression.slopes(ANSWER, 2 * REPEATED + 1, REPEATED)).all()


def test_answers_are_permuted_among_similar_guesses_only():
    shuffled = regression.permuted_among_similar(
        np.stack([GUESS, TRUTH]), GUESS, block=5, rng=np.random.default_rng(0)
    )
    rank = {value: i // 5 for i, value in enumerate(sorted(GUESS))}
    assert [rank[value] for value in shuffled[0]] == [rank[value] for value in GUESS]
    assert (shuffled[0] != GUESS).mean() > 0.5
    assert sorted(shuffled[0]) == sorted(GUESS)
    partner = dict(zip(GUESS, TRUTH, strict=True))
    assert [partner[value] for value in shuffled[0]] == shuffled[1].tolist()  # the same way in every set
