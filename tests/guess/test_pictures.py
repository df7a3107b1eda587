"""Pictures show the numbers of all runs, and say them."""

import numpy as np
import pytest
from drawn import rows, shows
from made_guess import guesses, styles

from iclnb.guess import estimates, pictures
from iclnb.guess.findings import MOVED, OTHERS, SHIFTED, STYLES
from iclnb.guess.regression import mse, pearson

LADDER = {"small 1M": guesses(1), "this run": guesses(2)}
STYLED = {"small 1M": styles(1, chat=False), "this run": styles(2)}


def test_accuracy_beside_the_guess():
    picture = pictures.accuracies(LADDER, seed=0)
    left, right = picture.figure.axes
    assert rows(left) == ["no guess", "small model", *OTHERS]
    for axes, statistic in ((left, pearson), (right, mse)):
        for one in LADDER.values():
            shown = [one.answers[0], one.answers[1], one.other_answers[2], one.guess, one.other_guesses[0]]
            assert shows(axes, *(estimates.plain(one, statistic, each) for each in shown))
    assert all(name in picture.alt for name in LADDER)


def test_lessons_and_responses_beside_what_is_predicted():
    (axes,) = pictures.lessons(LADDER, seed=0).figure.axes
    assert rows(axes) == ["guess = score", "guess = score + 1", "useless", "guess = 5 - score"]
    assert shows(axes, *(estimates.trust(one, SHIFTED, seed=0).value for one in LADDER.values()), -1.0)
    picture = pictures.responses(LADDER, seed=0)
    (axes,) = picture.figure.axes
    assert rows(axes) == list(MOVED) and "shown guesses: small 1M" in picture.alt
    assert shows(axes, LADDER["small 1M"].responses[1].mean(), -0.9, 0.1)


def test_doses_go_from_useless_to_perfect():
    picture = pictures.doses(LADDER, seed=0)
    left, right = picture.figure.axes
    for name, one in LADDER.items():
        line = next(line for line in left.lines if line.get_label() == name)
        expected = [estimates.plain(one, pearson, each) for each in one.graded_answers]
        np.testing.assert_allclose(line.get_ydata(), expected)
        assert line.get_xdata()[-1] == pytest.approx(1)
        deserved = [best for _, best in estimates.grade_weights(one, seed=0)]
        assert any(
            np.allclose(line.get_ydata(), deserved) for line in right.lines if len(line.get_ydata()) == 2
        )
    assert "from" in picture.alt and "this run" in picture.alt


def test_a_run_without_a_chat_template_has_no_mark_in_its_row():
    picture = pictures.styles(STYLED, seed=0)
    left, _ = picture.figure.axes
    assert rows(left) == list(STYLES)
    assert "chat template: this run" in picture.alt and "plain text: small 1M" in picture.alt
    one = STYLED["this run"]
    expected = estimates.over(pearson, one.answers[1, 1], one.truth, seed=0).value
    assert shows(left, expected)
