"""A condition put to a model, against one plain forward pass a prompt, and to kernel regression."""

import numpy as np
import pytest
import tiny
import torch
from sklearn.neighbors import KNeighborsClassifier

from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.steering import measures, trial

pytestmark = pytest.mark.tiny

FORMAT, WORDS = Format(x="Review: {text}", cue="\nSentiment:"), ("bad", "good")
ROWS = [{"text": text} for text in ("fine film", "dull", "a really fine film", "good", "naïve tabs")]
QUERIES = [{"text": text} for text in ("a dull end", "really good", "film")]
LABELS, TRUTHS = np.array([1, 0, 1, 1, 0]), np.array([0, 1, 1])
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def loaded():
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.pad_token = tokenizer.eos_token = "<s>"
    return LoadedModel(tiny.model("llama", vocab_size=len(tokenizer)).eval(), tokenizer, {})


def alone(loaded, text):
    """Attention of the last token and probabilities of the next one, by one eager pass over one prompt."""
    ids = loaded.tokenizer(text)["input_ids"]
    with torch.no_grad():
        said = loaded.model(torch.tensor([ids]), output_attentions=True)
    rows = np.stack([layer[0, :, -1].numpy() for layer in said.attentions])
    return rows, said.logits[0, -1].softmax(-1).numpy()


def written(chosen, labels, query):
    shown = [
        f"Review: {ROWS[i]['text']}\nSentiment: {WORDS[y]}\n\n" for i, y in zip(chosen, labels, strict=True)
    ]
    return "".join(shown) + f"Review: {query['text']}\nSentiment:"


def word_ids(loaded):
    return [loaded.tokenizer(f"\nSentiment: {word}")["input_ids"] for word in WORDS]


@pytest.mark.parametrize("kind", ["own", "shared", "orders"])
def test_answers_are_those_of_single_prompts(loaded, kind):
    tables = {
        "own": trial.own(np.array([[0, 1], [2, 4], [3, 1]]), LABELS),
        "shared": trial.shared(np.array([[0, 1], [4, 2]]), np.array([[1, 1], [0, 1]]), 3),
        "orders": trial.shared(np.array([[[0, 1], [1, 0]]]), np.array([[[1, 0], [0, 1]]]), 3),
    }
    table = tables[kind]
    found = trial.ask(loaded, FORMAT, WORDS, table, ROWS, QUERIES, TRUTHS)
    assert found.probabilities.shape[:-1] == table.labels.shape[:-1]
    before = len(loaded.tokenizer("\nSentiment:")["input_ids"])
    bad, good = (ids[before] for ids in word_ids(loaded))
    for place in np.ndindex(found.truths.shape):
        text = written(table.chosen[place], table.labels[place], QUERIES[place[-1]])
        _, p = alone(loaded, text)
        np.testing.assert_allclose(found.log_odds[place], np.log(p[good] / p[bad]), atol=1e-4)
        np.testing.assert_allclose(found.outside[place], 1 - p[good] - p[bad], atol=1e-5)
        assert found.truths[place] == TRUTHS[place[-1]]


def test_zero_shot_answers_for_all_wordings_come_from_one_reading(loaded, monkeypatch):
    read = []
    answers = trial.reading.answers
    monkeypatch.setattr(
        trial.reading,
        "answers",
        lambda model, made, *rest, **named: read.extend(made) or answers(model, made, *rest, **named),
    )
    wordings = {"own": WORDS, "swapped": WORDS[::-1], "other": ("film", "really")}
    found = trial.ask_without(loaded, FORMAT, wordings, QUERIES, TRUTHS)
    assert len(read) == 3
    before = len(loaded.tokenizer("\nSentiment:")["input_ids"])
    for name, words in wordings.items():
        first = [loaded.tokenizer(f"\nSentiment: {word}")["input_ids"][before] for word in words]
        for point, query in enumerate(QUERIES):
            _, p = alone(loaded, written((), (), query))
            np.testing.assert_allclose(
                found[name].log_odds[point], np.log(p[first[1]] / p[first[0]]), atol=1e-4
            )
            np.testing.assert_allclose(found[name].outside[point], 1 - p[first].sum(), atol=1e-5)
    assert found["own"].truths.tolist() == TRUTHS.tolist()


def test_weights_are_the_largest_attention_inside_each_demonstration(loaded):
    table = trial.own(np.array([[0, 1], [2, 4], [3, 1]]), LABELS)
    found = trial.look(loaded, FORMAT, WORDS, table, ROWS, QUERIES, TRUTHS)
    said, weights = measures.answers_of(found.said, TRUTHS), found.weights["maximum"]
    asked = trial.ask(loaded, FORMAT, WORDS, table, ROWS, QUERIES, TRUTHS)
    np.testing.assert_allclose(said.log_odds, asked.log_odds, atol=1e-4)
    assert weights.shape == (3, 3, 4, 2)
    for point in range(3):
        text = written(table.chosen[point], table.labels[point], QUERIES[point])
        rows, _ = alone(loaded, text)
        offsets = loaded.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        end = text.index("\n\n")
        first = [t for t, (a, b) in enumerate(offsets) if t > 0 and a < end]
        np.testing.assert_allclose(weights[point, :, :, 0], rows[:, :, first].max(-1), atol=1e-5)


def test_kernel_regression_sees_the_same_demonstrations():
    rows, queries = RNG.normal(size=(5, 4)), RNG.normal(size=(3, 4))
    table = trial.shared(np.array([[0, 1, 3], [4, 2, 1]]), np.array([[1, 0, 0], [0, 1, 1]]), 3)
    found = trial.regressed(table, rows, queries, TRUTHS, bandwidth=0.8, classes=2)
    for s in range(2):
        chosen, labels = table.chosen[s, 0], table.labels[s, 0]
        oracle = KNeighborsClassifier(3, weights=lambda d: np.exp(-(d**2) / (2 * 0.8**2)))
        expected = oracle.fit(rows[chosen], labels).predict_proba(queries)
        np.testing.assert_allclose(found.probabilities[s], expected)
    assert not found.outside.any() and found.truths.tolist() == [TRUTHS.tolist()] * 2
