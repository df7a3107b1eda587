"""Reading many prompts against the model's own answer to each, one by one."""

import numpy as np
import pytest
import tiny
import torch

from iclnb.errors import IclnbError
from iclnb.llm import prompts, reading
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration

pytestmark = pytest.mark.tiny

FORMAT = Format(x="Review: {text}", cue="\nSentiment:")
WORDS = ("bad", "good")
TEXTS = ("fine film", "a really long text with many words, and dull", "good", "naïve 😀", "The end.")


def make(tokenizer, labels, query):
    shown = [Demonstration({"text": TEXTS[i]}, label) for i, label in enumerate(labels)]
    return prompts.build(tokenizer, FORMAT, WORDS, shown, {"text": TEXTS[query]})


@pytest.fixture(scope="module")
def loaded():
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.pad_token = "<s>"
    return LoadedModel(tiny.model("llama", vocab_size=len(tokenizer)), tokenizer, {})


@pytest.fixture(scope="module")
def made(loaded):
    """Two sets of demonstrations with four queries each, one with one query, and two zero-shot prompts."""
    sets = [[0, 1]] * 4 + [[1, 0, 1]] * 4 + [[1]] + [[]] * 2
    queries = [1, 2, 3, 4, 4, 3, 2, 1, 0, 1, 3]
    both = [make(loaded.tokenizer, *one) for one in zip(sets, queries, strict=True)]
    return [both[i] for i in np.random.default_rng(0).permutation(len(both))]


def one_by_one(model, prompt):
    with torch.no_grad():
        found = model.eval()(torch.tensor([prompt.input_ids]), output_attentions=True)
    return np.stack([a[0, :, -1].numpy() for a in found.attentions]), found.logits[0, -1].log_softmax(
        -1
    ).numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_every_prompt_is_read_once_as_if_alone(loaded, made, batch_size):
    seen = []
    for found in reading.read(loaded.model, made, pad_token_id=0, batch_size=batch_size):
        rows, said = one_by_one(loaded.model, made[found.index])
        np.testing.assert_allclose(found.attention, rows, atol=1e-5)
        np.testing.assert_allclose(found.log_probabilities, said, atol=1e-5)
        seen.append(found.index)
    assert sorted(seen) == list(range(len(made)))


def test_shared_demonstrations_are_read_once(loaded, made, monkeypatch):
    prefixes, original = [], reading.prepare
    monkeypatch.setattr(reading, "prepare", lambda model, ids: prefixes.append(ids) or original(model, ids))
    list(reading.read(loaded.model, made, pad_token_id=0))
    assert len(prefixes) == 4  # three sets of demonstrations, and none
    texts = sorted(loaded.tokenizer.decode(ids) for ids in prefixes)
    assert sum("Sentiment: bad\n\nReview" in text for text in texts) == 2


def test_kept_prefixes_are_read_once_and_kept_unaltered(loaded, made, monkeypatch):
    calls, original = [], reading.prepare
    monkeypatch.setattr(reading, "prepare", lambda model, ids: calls.append(ids) or original(model, ids))
    tokens, kept = reading.label_tokens(loaded.tokenizer, FORMAT, WORDS), {}

    def silent(prefix, prompt):
        return type(prefix)(prefix.input_ids, prefix.keys, tuple(0 * value for value in prefix.values))

    altered = reading.answers(loaded, made, tokens, alter=silent, prefixes=kept)
    shared = len(kept)
    assert shared == 3 and len(calls) == 4  # the prompt that shares nothing is not kept
    again = reading.answers(loaded, made, tokens, prefixes=kept)
    assert len(kept) == shared and len(calls) == 5
    np.testing.assert_allclose(again, reading.answers(loaded, made, tokens), atol=1e-6)
    assert np.abs(altered - again).max() > 1e-3


def test_answers_are_in_order_and_over_the_whole_vocabulary(loaded, made):
    tokens = reading.label_tokens(loaded.tokenizer, FORMAT, WORDS)
    found = reading.answers(loaded, made, tokens, batch_size=4)
    want = [one_by_one(loaded.model, prompt)[1][tokens] for prompt in made]
    np.testing.assert_allclose(found, want, atol=1e-5)


def test_alter_changes_what_is_remembered(loaded, made):
    """Values of zero in every layer: attention to the demonstrations then adds nothing."""

    def silent(prefix, prompt):
        assert prefix.input_ids == prompt.input_ids[: len(prefix.input_ids)]
        return type(prefix)(prefix.input_ids, prefix.keys, tuple(0 * value for value in prefix.values))

    calm = {r.index: r for r in reading.read(loaded.model, made, pad_token_id=0, alter=silent)}
    rows, _ = one_by_one(loaded.model, made[0])
    np.testing.assert_allclose(
        calm[0].attention[0], rows[0], atol=1e-5
    )  # the first layer's keys are the same
    assert np.abs(calm[0].attention[-1] - rows[-1]).max() > 1e-3


@pytest.mark.parametrize("name", ["gpt2", "llama3"])
def test_label_tokens_continue_the_prompt(name):
    tokenizer = tiny.tokenizers()[name]
    for word, token in zip(WORDS, reading.label_tokens(tokenizer, FORMAT, WORDS), strict=True):
        shorter, longer = (
            tokenizer(f"Review: a film\nSentiment:{end}")["input_ids"] for end in ("", f" {word}")
        )
        assert longer[: len(shorter)] == shorter and longer[len(shorter)] == token


def test_label_words_that_cannot_be_told_apart_are_refused():
    tokenizer = tiny.tokenizers()["gpt2"]
    with pytest.raises(IclnbError, match="first token"):
        reading.label_tokens(tokenizer, FORMAT, ("good", "good"))
    merging = Format(x="{text}", cue=" S", label_prefix="")
    assert len(tokenizer(" Sentiment")["input_ids"]) < len(tokenizer(" S")["input_ids"]) + 1
    with pytest.raises(IclnbError, match="merges"):
        reading.label_tokens(tokenizer, merging, ("entiment", "x"))
    with pytest.raises(IclnbError, match="merges"):  # this one learned "Sentiment: good" as one token
        reading.label_tokens(tiny.tokenizers()["llama2"], FORMAT, WORDS)
