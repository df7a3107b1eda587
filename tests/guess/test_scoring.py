"""Scores of pairs under several demonstration sets, and their responses, against prompts run one by one."""

from dataclasses import dataclass

import numpy as np
import pytest
import tiny
import torch

from iclnb.guess import scoring
from iclnb.guess.findings import MOVED
from iclnb.guess.material import Condition, Guess, PairRows
from iclnb.guess.pair_prompts import DIGITS, Style
from iclnb.guess.scoring import ScoreAnswers, digit_values

pytestmark = pytest.mark.tiny

ROWS = [{"sentence1": f"a man {i}", "sentence2": "a film" * i, "score": 0.7 * i + 1} for i in range(5)]
PAIRS = PairRows(ROWS, ROWS[::-1])
GUESS = Guess(np.array([3.9, 1.7, 2.0, 3.3, 1.2]), np.array([1.2, 3.3, 2.0, 1.7, 3.9]))
WITHOUT = Condition(np.array([[0, 1], [3, 2]]), PAIRS.train_scores)
WITH = Condition(WITHOUT.shown, WITHOUT.scores, GUESS)


@pytest.fixture(scope="module")
def reader():
    return tiny.reader(batch_size=2)


def digits(reader, ids):
    """Probabilities of the six digits after a whole prompt, run alone."""
    with torch.no_grad():
        found = reader.loaded.model(torch.tensor([ids])).logits[0, -1].softmax(-1)
    return found[[reader.tokenizer.convert_tokens_to_ids(digit) for digit in DIGITS]].numpy()


def written(row, guess, end):
    line = "" if guess is None else f"\nInitial guess: {guess:.1f}"
    return f"Sentence 1: {row['sentence1']}\nSentence 2: {row['sentence2']}{line}\nSimilarity: ({end}"


@pytest.mark.parametrize("condition", [WITHOUT, WITH])
def test_answers_are_those_to_each_prompt_alone(reader, condition):
    """The right prompt in the right cell: each against the model run on a prompt written by hand."""
    points = np.array([4, 1, 2])
    found = scoring.Scorer(reader, PAIRS, Style()).answers(condition, points)
    values = digit_values(PAIRS.train_scores, 1)
    guess = (None, None) if condition.guess is None else condition.guess
    for s, rows in enumerate(condition.shown):
        head = "".join(
            written(ROWS[i], guess[1] if guess[1] is None else guess[1][i], f"{ROWS[i]['score']:.1f})\n\n")
            for i in rows
        )
        for place, q in enumerate(points):
            text = head + written(PAIRS.test[q], guess[0] if guess[0] is None else guess[0][q], "")
            p = digits(reader, reader.tokenizer(text).input_ids)
            assert found.mass[s, place] == pytest.approx(p.sum(), rel=1e-3)
            assert found.expected[s, place] == pytest.approx(p @ values / p.sum(), rel=1e-3)
            assert found.greedy[s, place] == values[p.argmax()]


@dataclass
class Linear:
    """A model whose answer is known: a weighted sum of what it reads, another in every set."""

    query: float
    shown: float
    scores: float

    def answers(self, condition, points):
        points = np.arange(points) if isinstance(points, int) else points
        read = [
            self.shown * condition.guess.train[rows].mean() + self.scores * condition.scores[rows].mean()
            for rows in condition.shown
        ]
        answer = np.add.outer(read, self.query * condition.guess.test[points])
        return ScoreAnswers(answer * np.arange(1, len(read) + 1)[:, None], None, None)


@pytest.mark.wrong_arguments  # a formula in the place of a model
def test_responses_are_the_derivatives():
    found = scoring.responses(Linear(0.7, -0.3, 0.4), WITH, np.array([4, 1, 2]), 0.5)
    expected = {"query guess": 0.7, "shown guesses": -0.3, "all guesses": 0.4, "shown scores": 0.4}
    assert list(expected) == list(MOVED)
    for name, response in zip(MOVED, found, strict=True):
        np.testing.assert_allclose(response, np.outer([1, 2], [expected[name]] * 3), err_msg=name)


def test_what_a_first_digit_stands_for():
    train = np.array([0.0, 0.96, 3.2, 3.8, 4.9, 1.96])
    assert scoring.digit_values(train, 0).tolist() == [0, 1, 2, 3, 4, 5]
    # 0.96 is written 1.0, and 1.96 is written 2.0; no train score begins with 5
    np.testing.assert_allclose(scoring.digit_values(train, 1), [0.0, 0.96, 1.96, 3.5, 4.9, 5.0])
    np.testing.assert_allclose(scoring.digit_values(train[:1], 1), [0.0, 1.5, 2.5, 3.5, 4.5, 5.0])
