"""Asking under several demonstration sets, moving prompts, and the pictures of what comes out."""

import numpy as np
import pytest
import tiny
import torch

from iclnb import figures
from iclnb.llm.data import tasks
from iclnb.guess import answers, asking, pairs, pictures
from iclnb.llm.models import LoadedModel
from iclnb.stats import Estimate

pytestmark = pytest.mark.tiny

FORMAT = tasks.get("stsb").format
ROWS = [{"sentence1": f"a man {i}", "sentence2": "a film" * i, "score": 0.7 * i + 1} for i in range(5)]
GUESS = np.array([1.2, 3.3, 2.0, 1.7, 3.9])


def some(*index):
    return pairs.Pairs([ROWS[i] for i in index], GUESS[list(index)])


def test_tables_are_answers_to_each_prompt_alone():
    """The right prompt in the right cell: each cell against the model run on a prompt written by hand."""
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.pad_token = "<s>"
    model = tiny.model("llama", vocab_size=len(tokenizer)).eval()
    shown, asked = [some(0, 1), some(2, 3)], [some(4), some(1, 2, 0)]
    values = np.arange(6.0)
    found = asking.ask(
        LoadedModel(model, tokenizer, {}), FORMAT, pairs.Style(), shown, asked, values=values, batch_size=2
    )
    assert [table.expected.shape for table in found] == [(2, 1), (2, 3)]

    def text(row, guess, end):
        head = f"Sentence 1: {row['sentence1']}\nSentence 2: {row['sentence2']}"
        return f"{head}\nInitial guess: {guess:.1f}\nSimilarity: ({end}"

    for s, demonstrations in enumerate(shown):
        head = "".join(
            text(row, guess, f"{row['score']:.1f})\n\n")
            for row, guess in zip(demonstrations.rows, demonstrations.guess, strict=True)
        )
        for queries, table in zip(asked, found, strict=True):
            for q, (row, guess) in enumerate(zip(queries.rows, queries.guess, strict=True)):
                ids = tokenizer(head + text(row, guess, ""), return_tensors="pt").input_ids
                with torch.no_grad():
                    said = model(ids).logits[0, -1].softmax(-1)
                digits = said[[tokenizer.convert_tokens_to_ids(d) for d in answers.DIGITS]].numpy()
                assert table.mass[s, q] == pytest.approx(digits.sum(), rel=1e-3)
                assert table.expected[s, q] == pytest.approx(digits @ values / digits.sum(), rel=1e-3)


def test_moving_leaves_the_original_alone():
    before = some(0, 1)
    after = asking.moved(before, guess=-0.5, score=1)
    assert after.guess.tolist() == (GUESS[:2] - 0.5).tolist()
    assert [row["score"] for row in after.rows] == [2.0, 2.7] and before.rows[0]["score"] == 1.0
    assert after.rows[0]["sentence1"] == "a man 0"


def linear(query, guesses, scores):
    """A model whose answer is known: a weighted sum of what it is told, another in every set."""

    def ask(shown, asked):
        def answer(demonstrations, queries, s):
            told = guesses * demonstrations.guess.mean()
            told += scores * np.mean([row["score"] for row in demonstrations.rows])
            return (s + 1) * (query * queries.guess + told)

        return [
            answers.Answers(np.stack([answer(d, queries, s) for s, d in enumerate(shown)]), None, None)
            for queries in asked
        ]

    return ask


def test_responses_are_the_derivatives():
    ask = linear(0.7, -0.3, 0.4)
    found = asking.responses(ask, [some(0, 1), some(2, 3)], some(4, 1, 2), 0.5)
    expected = {"query guess": 0.7, "shown guesses": -0.3, "all guesses": 0.4, "shown scores": 0.4}
    assert list(found) == list(asking.RESPONSES)
    for name, response in found.items():
        np.testing.assert_allclose(response, np.outer([1, 2], [expected[name]] * 3), err_msg=name)


def test_pictures_show_the_numbers():
    made = Estimate(0.5, 0.4, 0.6)
    grades = Estimate(np.array([0.1, 0.8]), np.array([0.0, 0.7]), np.array([0.3, 0.9]))
    with figures.style():
        one = pictures.beside_the_guess({"Pearson": ({"none": made, "model": made}, {"model": 0.7})})
        two = pictures.dose_response(
            np.array([0.0, 1.0]), {"r": (grades, np.array([0.0, 1.0]), made), "MSE": (grades, [2, 0], made)}
        )
        three = pictures.responses({"query guess": made}, {"copier": [1.0], "descent": [0.9]})
    lines = {line.get_label(): line for line in one.axes[0].lines}
    assert lines["guess alone"].get_xdata()[1] == 0.7 and np.isnan(lines["guess alone"].get_xdata()[0])
    assert list(lines["model's answer"].get_xdata()) == [0.5, 0.5]
    assert [label.get_text() for label in one.axes[0].get_yticklabels()] == ["none", "model"]
    lines = {line.get_label(): line for line in two.axes[0].lines}
    assert list(lines["model's answer"].get_ydata()) == [0.1, 0.8]
    assert list(lines["guess alone"].get_ydata()) == [0.0, 1.0]
    assert lines["answer without a guess"].get_ydata()[0] == 0.5
    lines = {line.get_label(): line for line in three.axes[0].lines}
    assert [lines[name].get_xdata()[0] for name in ("model", "copier", "descent")] == [0.5, 1.0, 0.9]
    for figure in (one, two, three):
        figures.show(figure, alt="drawn")
