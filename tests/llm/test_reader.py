"""Reading many prompts against the model's own answer to each, one by one."""

import numpy as np
import pytest
import tiny
import torch

from iclnb.llm import passes, prompts
from iclnb.llm.data.definitions import Format
from iclnb.llm.kernel_weights import VARIANTS, kernel_weights
from iclnb.llm.prompts import Demonstration, Wording
from iclnb.llm.reader import Reader

pytestmark = pytest.mark.tiny

FORMAT = Format(x="Review: {text}", cue="\nSentiment:")
WORDS = ("bad", "good")
WORDING = Wording(FORMAT, WORDS)
TEXTS = ("fine film", "a really long text with many words, and dull", "good", "naïve 😀", "The end.")


def make(tokenizer, labels, query):
    shown = [Demonstration({"text": TEXTS[i]}, label) for i, label in enumerate(labels)]
    return prompts.build(tokenizer, FORMAT, WORDS, shown, {"text": TEXTS[query]})


@pytest.fixture(scope="module")
def loaded():
    return tiny.reader().loaded


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
    rows = np.stack([a[0, :, -1].numpy() for a in found.attentions])
    return rows, found.logits[0, -1].log_softmax(-1).numpy()


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_every_prompt_is_read_once_as_if_alone(loaded, made, batch_size):
    seen = []
    for found in Reader(loaded, batch_size=batch_size).read(made):
        rows, said = one_by_one(loaded.model, made[found.index])
        np.testing.assert_allclose(found.attention, rows, atol=1e-5)
        np.testing.assert_allclose(found.log_probabilities, said, atol=1e-5)
        seen.append(found.index)
    assert sorted(seen) == list(range(len(made)))


def test_shared_demonstrations_are_read_once(loaded, made, monkeypatch):
    prefixes, original = [], passes.prepare
    monkeypatch.setattr(passes, "prepare", lambda model, ids: prefixes.append(ids) or original(model, ids))
    list(Reader(loaded).read(made))
    assert len(prefixes) == 4  # three sets of demonstrations, and none
    texts = sorted(loaded.tokenizer.decode(ids) for ids in prefixes)
    assert sum("Sentiment: bad\n\nReview" in text for text in texts) == 2


def without_values(prefix, prompt):
    assert prefix.input_ids == prompt.input_ids[: len(prefix.input_ids)]
    return type(prefix)(prefix.input_ids, prefix.keys, tuple(0 * value for value in prefix.values))


def test_demonstrations_are_remembered_unaltered(loaded, made, monkeypatch):
    calls, original = [], passes.prepare
    monkeypatch.setattr(passes, "prepare", lambda model, ids: calls.append(ids) or original(model, ids))
    kept = Reader(loaded)
    altered = kept.answers(made, WORDING, alter=without_values)
    assert len(calls) == 4
    again = kept.answers(made, WORDING)
    assert len(calls) == 5  # the prompt that shares nothing is read again
    np.testing.assert_allclose(again, Reader(loaded).answers(made, WORDING), atol=1e-6)
    assert np.abs(altered - again).max() > 1e-3


def test_what_is_remembered_is_bounded(loaded, made, monkeypatch):
    monkeypatch.setattr(passes, "_REMEMBERED", 2)
    few = Reader(loaded)
    np.testing.assert_allclose(few.answers(made, WORDING), Reader(loaded).answers(made, WORDING), atol=1e-6)
    assert len(few._passes._remembered) == 2


def test_kernel_weights_are_read_off_the_attention(loaded):
    made = [make(loaded.tokenizer, labels, query) for labels in ([0, 1], [1, 1]) for query in (1, 2, 4)]
    table = np.empty((2, 3), dtype=object)
    table.flat = made
    found = Reader(loaded).kernel_weights(table, WORDING, np.array([1, 0, 1]), variants=VARIANTS)
    tokens = tiny.first_tokens(loaded.tokenizer, made[0].text, (" bad", " good"))
    for i, prompt in enumerate(made):
        rows, logs = one_by_one(loaded.model, prompt)
        place = divmod(i, 3)
        np.testing.assert_allclose(found.answers[place], logs[tokens], atol=1e-5)
        assert found.labels[place].tolist() == list(prompt.labels) and found.truth[place] == (1, 0, 1)[i % 3]
        for variant in VARIANTS:
            want = kernel_weights(rows, prompt, variant)
            np.testing.assert_allclose(found.weights[variant][place], want, atol=1e-5)
    part = found.take(np.array([True, False, True]))
    np.testing.assert_array_equal(part.weights["sum"], found.weights["sum"][:, [0, 2]])
    np.testing.assert_array_equal(part.truth, [[1, 1], [1, 1]])


def test_mean_head_outputs_are_attention_times_values(loaded, made):
    """By the definition, in the first layer: the mean over prompts of Σ_t a_t v_t."""
    model, sums = loaded.model.eval(), 0
    config = model.config
    for prompt in made:
        rows, _ = one_by_one(model, prompt)
        with torch.no_grad():
            hidden = model.model.embed_tokens(torch.tensor(prompt.input_ids))
            layer = model.model.layers[0]
            values = layer.self_attn.v_proj(layer.input_layernorm(hidden)).numpy()
        values = values.reshape(len(values), config.num_key_value_heads, -1)
        group = config.num_attention_heads // config.num_key_value_heads
        sums = sums + np.einsum("ht,thd->hd", rows[0], values.repeat(group, axis=1))
    found = Reader(loaded, batch_size=3).mean_head_outputs(made)
    np.testing.assert_allclose(found[0], sums / len(made), atol=1e-5)
    with pytest.raises(ValueError, match="at least one prompt"):
        Reader(loaded).mean_head_outputs([])
