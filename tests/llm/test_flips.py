"""Contexts that share their beginning against every prompt read from scratch."""

import numpy as np
import planted
import pytest
import tiny

from iclnb.errors import IclnbError
from iclnb.llm import flips
from iclnb.llm.data.definitions import Format
from iclnb.llm.demonstrations import Demonstrations, write
from iclnb.llm.prompts import Wording

pytestmark = pytest.mark.tiny

LABELS = np.array([0, 1, 1, 0, 1])
REVIEWS = Format(x="Review: {text}", cue="\nSentiment:", label_prefix=" ", separator="\n\n")
TEXTS = ["a fine film", "dull", "really good", "the end", "naïve café", "blank lines", "fine", "dull tabs"]


def flipped(classes):
    """Labels as drawn, each flipped in turn, and all of them."""
    k = len(LABELS)
    return (LABELS + np.vstack([np.zeros(k, int), np.eye(k, dtype=int), np.ones(k, int)])) % classes


def material(tokenizer, wording, texts):
    """All contexts, (contexts, points), whole; and what :func:`flips.contexts` is given."""
    rows = [{"text": text} for text in texts]
    shown, asked, labels = rows[: len(LABELS)], rows[len(LABELS) :], flipped(len(wording.words))
    order = np.tile(np.arange(len(LABELS)), (*labels.shape[:1], len(asked), 1))
    table = Demonstrations(order, np.broadcast_to(labels[:, None], order.shape))
    prompts = write(tokenizer, wording, shown, table, asked)
    return prompts, flips.contexts(tokenizer, prompts[0].tolist(), prompts[1:, 0].tolist(), wording)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gemma2"])
def test_every_context_is_read_as_if_from_scratch(architecture):
    tokenizer = planted.plant().loaded.tokenizer
    wording = Wording(planted.FORMAT, planted.LABEL_WORDS)
    prompts, read_in = material(tokenizer, wording, [f"w{i}" for i in range(9)])
    reader = tiny.reader(tokenizer, architecture)
    rows = list(flips.rows(reader.loaded.model, read_in, attention=True))
    expected = reader.answers(prompts, wording)
    np.testing.assert_allclose([read_in.answers(row) for row in rows], expected, atol=1e-4)
    assert np.ptp(expected, axis=0).min() > 1e-3, "labels matter"
    for prompt in prompts[0]:
        (reading,) = reader.read([prompt])
        place = read_in.prompts[prompts[0].tolist().index(prompt)]
        np.testing.assert_allclose(rows[0].attention(place).numpy(), reading.attention, atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "llama3", "llama2"])
@pytest.mark.parametrize("words", [("good", "bad"), ("really good", "really bad", "dull")])
def test_words_of_several_tokens_are_scored_whole(name, words):
    tokenizer = tiny.tokenizers()[name]
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(0)
    wording = Wording(REVIEWS, words)
    prompts, read_in = material(tokenizer, wording, TEXTS)
    reader = tiny.reader(tokenizer)
    found = [read_in.answers(row) for row in flips.rows(reader.loaded.model, read_in)]
    np.testing.assert_allclose(found, reader.answers(prompts, wording), atol=2e-4)


def test_nothing_is_read_twice():
    """Tokens that pass through the model: a context from its first flipped label on, and the queries."""
    tokenizer = planted.plant().loaded.tokenizer
    wording = Wording(planted.FORMAT, planted.LABEL_WORDS)
    _, read_in = material(tokenizer, wording, [f"w{i}" for i in range(9)])
    reader, seen = tiny.reader(tokenizer), []
    list(flips.rows(reader.loaded.model, read_in))  # the architecture is tried once
    embedding = reader.loaded.model.get_input_embeddings()
    handle = embedding.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numel()))
    list(flips.rows(reader.loaded.model, read_in))
    handle.remove()
    k, a_demonstration, a_query, queries = len(LABELS), 4, 2, 4
    whole, up_to_a_label = k * a_demonstration, 2
    from_label = [whole - (i * a_demonstration + up_to_a_label) for i in range(k)]
    expected = whole + sum(from_label) + from_label[0] + (k + 2) * queries * a_query
    assert sum(seen) == expected


def test_another_query_is_refused():
    tokenizer = planted.plant().loaded.tokenizer
    wording = Wording(planted.FORMAT, planted.LABEL_WORDS)
    prompts, _ = material(tokenizer, wording, [f"w{i}" for i in range(9)])
    with pytest.raises(IclnbError, match="other words"):
        flips.contexts(tokenizer, prompts[0].tolist(), [prompts[1, 1]], wording)
