"""Calibration against the formulae of the three papers, written out in loops over single prompts."""

import numpy as np
import pytest
import tiny
from scipy import special

from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Format, Task
from iclnb.llm.demonstrations import Demonstrations, write
from iclnb.steering import calibration
from iclnb.steering.conditions import in_orders, stratified
from iclnb.steering.findings import BATCH, CONTEXTUAL, DOMAIN, METHODS
from iclnb.steering.study import Condition, Study, Texts

RNG = np.random.default_rng(0)


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


FORMAT, WORDS = Format(x="Review: {text}", cue="\nSentiment:"), ("bad", "good")
TASK = Task("toy", ("text",), ("negative", "positive"), WORDS, {"Review": FORMAT})
ROWS = [{"text": text} for text in ("fine film", "dull", "a really fine film", "good", "naïve tabs", "film")]
QUERIES = [{"text": text} for text in ("a dull end", "really good", "film")]
LABELS, TRUTH = np.array([1, 0, 1, 1, 0, 0]), np.array([0, 1, 1])
DOMAIN_ROWS = [{"text": "film fine"}, {"text": "dull dull"}]


@pytest.mark.tiny
def test_priors_are_means_over_their_inputs():
    reader = tiny.reader()
    texts = Texts(ROWS, RNG.normal(size=(6, 2))), Texts(QUERIES, RNG.normal(size=(3, 2)))
    study = Study(reader, TASK, texts[0], LABELS, texts[1], TRUTH, Bandwidth(0.8, 0.6))
    shown = in_orders(stratified(LABELS, 2, 3, seed=0), 2, seed=1)
    answers, priors = calibration.measure(study, shown, DOMAIN_ROWS)
    np.testing.assert_allclose(answers, study.answers(Condition(shown.for_every(3))), atol=1e-5)
    few, _ = calibration.measure(calibration.first(study, 2), shown, DOMAIN_ROWS)
    np.testing.assert_allclose(few, answers[..., :2, :], atol=1e-5)
    inputs = {CONTEXTUAL: ["N/A", "[MASK]", ""], DOMAIN: ["film fine", "dull dull"]}
    inputs[BATCH] = [row["text"] for row in QUERIES]
    for place in np.ndindex(3, 2):
        one = Demonstrations(shown.rows[place][None], shown.labels[place][None])
        for method, asked in inputs.items():
            each = []
            for text in asked:
                prompts = write(reader.tokenizer, study.wording, ROWS, one, [{"text": text}])
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
    assert (
        made
        == calibration.domain_rows(TASK, rows, 400, seed=0)
        != calibration.domain_rows(TASK, rows, 400, seed=1)
    )
