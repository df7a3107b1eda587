"""What figures and tables of chapter 06 show is what was measured."""

import numpy as np

from iclnb.guess import estimates, estimates_use, pictures, tables
from iclnb.guess.accuracy import mse, pearson
from iclnb.guess.comparison import Comparison
from iclnb.guess.material import NONE, SMALL, Guess
from iclnb.guess.score_answers import ScoreAnswers
from iclnb.stats import Estimate

RNG = np.random.default_rng(0)
TRUTH = RNG.uniform(0, 5, 12)
NAMES = (SMALL, "word overlap", "random", "adversarial")
GUESSES = {name: Guess(TRUTH + RNG.standard_normal(12), None) for name in NAMES}
GUESSES["train mean"] = Guess(np.full(12, 2.5), None)
ANSWERS = {
    name: ScoreAnswers(*RNG.uniform(0, 5, (2, 3, 12)), np.full((3, 12), 0.87)) for name in (NONE, *GUESSES)
}
COMPARED = Comparison(ANSWERS, {NONE: None} | GUESSES, TRUTH, 4)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_accuracy_beside_the_guess():
    picture = pictures.accuracy(COMPARED)
    left, right = picture.figure.axes
    names = list(COMPARED.answers)
    assert [label.get_text() for label in left.get_yticklabels()] == names
    for axes, statistic in ((left, pearson), (right, mse)):
        shown = lines(axes)
        for i, name in enumerate(names):
            value = COMPARED.plain(statistic, COMPARED.answer(name))
            assert shown["model's answer"].get_xdata()[i] == value
            assert f"{name} {value:.3g}" in picture.alt
        assert np.isnan(shown["guess alone"].get_xdata()[0])
    assert lines(right)["guess alone"].get_xdata()[1] == COMPARED.plain(mse, COMPARED.guess(SMALL))
    assert "train mean" in picture.alt and "(alone n/a)" in picture.alt  # constant: no correlation


def test_dose_and_response():
    guesses = {"useless": Guess(RNG.uniform(0, 5, 12), None), "perfect": Guess(TRUTH, None)}
    answers = {name: ScoreAnswers(TRUTH[:6] + RNG.standard_normal((3, 6)), None, None) for name in guesses}
    graded = Comparison(answers, guesses, TRUTH, 4)
    picture = pictures.dose_response(COMPARED, graded)
    shown = lines(picture.figure.axes[1])
    expected = [np.mean((answer.expected - TRUTH[:6]) ** 2) for answer in answers.values()]
    np.testing.assert_allclose(shown["model's answer"].get_ydata(), expected)
    assert shown["guess alone"].get_ydata()[1] == 0 and shown["guess alone"].get_xdata()[1] == 1
    without = COMPARED.plain(mse, COMPARED.answer(NONE)[:, :6])
    assert shown["answer without a guess"].get_ydata()[0] == without
    assert f"1 gives {expected[1]:.3g}" in picture.alt and f"without a guess {without:.3g}" in picture.alt


def test_weights_by_grade_beside_what_they_should_be():
    guesses = {name: Guess(GUESSES[SMALL].test, None) for name in ("quality 0", "quality 1")}
    graded = Comparison(dict.fromkeys(guesses, COMPARED.answers[SMALL]), guesses, TRUTH, 4)
    found = {"quality 0": (Estimate(0.5, 0.4, 0.6), 0.1), "quality 1": (Estimate(0.7, 0.6, 0.8), 1.0)}
    picture = pictures.weights(graded, found)
    shown = lines(picture.figure.axes[0])
    assert list(shown["it deserves"].get_ydata()) == [0.1, 1.0]
    assert "given 0.5, deserved 0.1" in picture.alt and "given 0.7, deserved 1" in picture.alt


def test_the_set_up_stands_beside_the_papers():
    run = {
        "model": "a_b", "pairs": 24, "k": 10, "sets": 3, "folds": 5, "position": "after",
        "template": "Guess: {guess}", "decimals": 1, "answer_decimals": 0, "chat": True,
    }  # fmt: skip
    text = tables.set_up(run).data
    assert "| 10 at random for every prompt | 10, in 3 sets for all pairs |" in text
    assert "after the sentences, as “Guess: {guess}”" in text.replace("\\", "")
    assert "the model's own" in text and "none, plain text" in tables.set_up({**run, "chat": False}).data


def test_responses_beside_what_is_predicted():
    measured = {"query guess": Estimate(0.5, 0.4, 0.6)}
    predicted = {"copier": [1.0], "descent": [0.9]}
    picture = pictures.responses(measured, predicted)
    shown = lines(picture.figure.axes[0])
    assert [shown[name].get_xdata()[0] for name in ("model", "copier", "descent")] == [0.5, 1.0, 0.9]
    assert "query guess 0.5 (copier 1.00, descent 0.90)" in picture.alt


def test_tables_have_a_line_for_every_case():
    answer = COMPARED.answer(NONE)
    made = [
        (tables.accuracy(COMPARED, answer), 2 * len(GUESSES) + 2, 5),
        (tables.reading(COMPARED), len(GUESSES) + 1, 4),
        (tables.copying(COMPARED), 5, 4),
        (tables.gains(estimates.gains(COMPARED, 5), seed=0), 2, 5),
        (tables.use(COMPARED, estimates_use.held_out(COMPARED, 5)), 4, 4),
        (tables.by_style({"whole": COMPARED, "other": COMPARED}), 2 * len(GUESSES) + 2, 5),
    ]
    for table, count, columns in made:
        rows = table.data.split("\n")[2:]
        assert len(rows) == count and all(row.count(" | ") == columns - 1 for row in rows)
    assert f"{COMPARED.plain(mse, answer):.3g} [" in made[0][0].data.split("\n")[2]
    assert made[1][0].data.split("\n")[2].endswith("| 0.87 |")
