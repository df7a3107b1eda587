"""Conditions put to a model, against one plain forward pass a prompt; calibration against its papers' formulae."""

import numpy as np
import pytest
import tiny
import torch
from scipy import special

from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Format, Task
from iclnb.llm.demonstrations import Demonstrations, write
from iclnb.llm.prompts import Wording
from iclnb.steering import calibration
from iclnb.steering.conditions import in_orders, stratified
from iclnb.steering.findings import BATCH, CONTEXTUAL, DOMAIN, METHODS
from iclnb.steering.study import Condition, Study, Texts

pytestmark = pytest.mark.tiny

FORMAT, WORDS = Format(x="Review: {text}", cue="\nSentiment:"), ("bad", "good")
TASK = Task("toy", ("text",), ("negative", "positive"), WORDS, {"Review": FORMAT})
ROWS = [{"text": text} for text in ("fine film", "dull", "a really fine film", "good", "naïve tabs")]
QUERIES = [{"text": text} for text in ("a dull end", "really good", "film")]
LABELS, TRUTH = np.array([1, 0, 1, 1, 0]), np.array([0, 1, 1])
RNG = np.random.default_rng(0)
POOL, ASKED = Texts(ROWS, RNG.normal(size=(5, 4))), Texts(QUERIES, RNG.normal(size=(3, 4)))

FRESH = Demonstrations(np.array([[0, 1], [2, 4], [3, 1]]), LABELS[[[0, 1], [2, 4], [3, 1]]])
SHARED = Demonstrations(np.array([[0, 1], [4, 2]]), np.array([[1, 1], [0, 1]])).for_every(3)
ORDERS = Demonstrations(np.array([[[0, 1], [1, 0]]]), np.array([[[1, 0], [0, 1]]])).for_every(3)
OTHERS = [{"text": f"{row['text']} end"} for row in ROWS], [{"text": "tabs"}] * 3


@pytest.fixture(scope="module")
def study():
    return Study(tiny.reader(), TASK, POOL, LABELS, ASKED, TRUTH, Bandwidth(0.8, 0.6))


def alone(study, text):
    """Probabilities of the next token, by one pass over one prompt."""
    ids = study.reader.tokenizer(text)["input_ids"]
    with torch.no_grad():
        return study.reader.loaded.model(torch.tensor([ids])).logits[0, -1].softmax(-1).numpy()


def written(condition, place, words, pool, queries):
    pairs = zip(condition.shown.rows[place], condition.shown.labels[place], strict=True)
    shown = [f"Review: {pool[i]['text']}\nSentiment: {words[y]}\n\n" for i, y in pairs]
    return "".join(shown) + f"Review: {queries[place[-1]]['text']}\nSentiment:"


@pytest.mark.parametrize(
    ("condition", "words", "pool", "queries"),
    [
        (Condition(FRESH), WORDS, ROWS, QUERIES),
        (Condition(SHARED), WORDS, ROWS, QUERIES),
        (Condition(ORDERS), WORDS, ROWS, QUERIES),
        (Condition(SHARED, Wording(FORMAT, ("film", "really"))), ("film", "really"), ROWS, QUERIES),
        (Condition(SHARED, pool=Texts(OTHERS[0], POOL.vectors)), WORDS, OTHERS[0], QUERIES),
        (Condition(FRESH, queries=Texts(OTHERS[1], ASKED.vectors)), WORDS, ROWS, OTHERS[1]),
    ],
    ids=["fresh", "shared", "orders", "words", "other pool", "other queries"],
)
def test_answers_are_those_of_single_prompts(study, condition, words, pool, queries):
    found = study.answers(condition)
    tokenizer = study.reader.tokenizer
    before = len(tokenizer("\nSentiment:")["input_ids"])
    first, second = (tokenizer(f"\nSentiment: {word}")["input_ids"][before] for word in words)
    for place in np.ndindex(condition.shown.rows.shape[:-1]):
        p = alone(study, written(condition, place, words, pool, queries))
        expected = p[[first, second]] / (p[first] + p[second])
        np.testing.assert_allclose(found[place], np.log(expected), atol=1e-4)


def test_the_kernel_reads_the_texts_of_the_condition(study):
    moved = Texts(ROWS, POOL.vectors + 1), Texts(QUERIES, ASKED.vectors - 2)
    plain = study.distances(Condition(FRESH))
    for point in range(3):
        apart = POOL.vectors[FRESH.rows[point]] - ASKED.vectors[point]
        np.testing.assert_allclose(plain[point], np.sqrt((apart**2).sum(1)))
        apart = apart + 3
        np.testing.assert_allclose(
            study.distances(Condition(FRESH, None, *moved))[point], np.sqrt((apart**2).sum(1))
        )


def distributions(*shape):
    return special.softmax(2 * RNG.normal(size=(*shape, 3)), axis=-1)


def test_the_answer_is_that_of_each_papers_formula():
    probabilities, prior = distributions(50), distributions()
    found = calibration.calibrate(np.log(probabilities), prior)
    weights = np.linalg.inv(np.diag(prior))
    for p, ours in zip(probabilities, found, strict=True):
        contextual = special.softmax(weights @ p)  # Zhao et al.: softmax(W p + b), b = 0
        batch = np.log(p) - np.log(prior)  # Zhou et al.: log p - log of the batch's mean
        domain = [p[y] / prior[y] for y in range(3)]  # Fei et al.
        assert ours.argmax() == contextual.argmax() == batch.argmax() == np.argmax(domain)
        np.testing.assert_allclose(special.softmax(ours), np.array(domain) / sum(domain))


def test_priors_are_means_over_their_inputs(study):
    shown = in_orders(stratified(LABELS, 2, 3, seed=0), 2, seed=1)
    domain = [{"text": "film fine"}, {"text": "dull dull"}]
    answers, priors = calibration.measure(study, shown, domain)
    np.testing.assert_allclose(answers, study.answers(Condition(shown.for_every(3))), atol=1e-5)
    few, _ = calibration.measure(calibration.first(study, 2), shown, domain)
    np.testing.assert_allclose(few, answers[..., :2, :], atol=1e-5)
    inputs = {CONTEXTUAL: ["N/A", "[MASK]", ""], DOMAIN: ["film fine", "dull dull"]}
    inputs[BATCH] = [row["text"] for row in QUERIES]
    for place in np.ndindex(3, 2):
        one = Demonstrations(shown.rows[place][None], shown.labels[place][None])
        for method, asked in inputs.items():
            each = []
            for text in asked:
                prompts = write(study.reader.tokenizer, study.wording, ROWS, one, [{"text": text}])
                each.append(special.softmax(study.reader.answers(prompts, study.wording)[0]))
            np.testing.assert_allclose(priors[METHODS.index(method)][place], np.mean(each, axis=0), atol=1e-5)


def test_random_words_are_the_tasks_and_as_many_as_usual():
    rows = [{"text": "one two three four"}, {"text": "five six"}]
    made = calibration.domain_rows(TASK, rows, 400, seed=0)
    drawn = [row["text"].split() for row in made]
    assert {len(words) for words in drawn} == {3}
    every = np.unique([word for words in drawn for word in words], return_counts=True)
    assert set(every[0]) == {"one", "two", "three", "four", "five", "six"}
    assert np.abs(every[1] - 200).max() < 4 * (1200 / 6) ** 0.5
    assert made != calibration.domain_rows(TASK, rows, 400, seed=1)
