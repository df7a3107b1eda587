"""Whole label words in their context, against the model's own probability of the whole text."""

import numpy as np
import pytest
import tiny
import torch
from transformers import GemmaTokenizer

from iclnb.errors import IclnbError
from iclnb.llm import label_words, prompts
from iclnb.llm.data.definitions import Format
from iclnb.llm.prompts import Demonstration, Wording

pytestmark = pytest.mark.tiny

SENTIMENT = Format(x="Review: {text}", cue="\nSentiment:")
MERGING = Format(x="{text}", cue=" S", label_prefix="")
TEXTS = ("fine film", "dull", "a really long text", "good")
WORDINGS = {
    "single words": Wording(SENTIMENT, ("bad", "good")),
    "several tokens": Wording(SENTIMENT, ("entailment", "neutral", "contradiction")),
    "same first token": Wording(SENTIMENT, ("no", "nothing", "not a film")),
    "digits": Wording(SENTIMENT, ("1", "10", "2")),
    "merging with the cue": Wording(MERGING, ("entiment", "x", "entiment: good")),
}


def tokenizers():
    return tiny.tokenizers() | {
        "gemma": GemmaTokenizer(tokenizer_object=tiny.gemma_like()),
        "unigram": tiny.unigram(),
    }


def written(tokenizer, wording):
    """Two sets of demonstrations with two queries each."""
    made = np.empty((2, 2), dtype=object)
    for i, labels in enumerate(([0, 1], [1, 1, 0])):
        shown = [Demonstration({"text": TEXTS[j]}, label) for j, label in enumerate(labels)]
        for j in range(2):
            made[i, j] = prompts.build(tokenizer, *wording, shown, {"text": TEXTS[2 + j]})
    return made


def by_hand(model, tokenizer, prompt, wording):
    """log P of each whole text less that of what all of them, and the prompt, begin with."""
    wholes = [
        tokenizer(prompt.text + wording.format.label_prefix + word)["input_ids"] for word in wording.words
    ]
    columns = zip(*(whole[:-1] for whole in [*wholes, [*prompt.input_ids, None]]), strict=False)
    kept = 0
    for column in columns:
        if len(set(column)) > 1:
            break
        kept += 1
    scores = []
    for whole in wholes:
        with torch.no_grad():
            logs = model(torch.tensor([whole])).logits[0].log_softmax(-1)
        scores.append(sum(float(logs[i - 1, whole[i]]) for i in range(kept, len(whole))))
    return scores


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("name", ["gpt2", "llama3", "llama2", "gemma", "unigram"])
def test_whole_words_are_scored_as_the_model_continues(name, wording):
    tokenizer, wording = tokenizers()[name], WORDINGS[wording]
    made, reader = written(tokenizer, wording), tiny.reader(tokenizer, batch_size=3)
    model = reader.loaded.model
    want = np.array([by_hand(model, tokenizer, prompt, wording) for prompt in made.ravel()])
    np.testing.assert_allclose(reader.answers(made, wording), want.reshape(2, 2, -1), atol=2e-4)
    found = reader.kernel_weights(made[1], wording, np.zeros(2, dtype=int))
    np.testing.assert_allclose(found.answers, want[2:], atol=2e-4)


def test_single_tokens_take_one_pass_a_prompt():
    tokenizer, wording = tiny.tokenizers()["gpt2"], WORDINGS["single words"]
    made = list(written(tokenizer, wording).ravel())
    found = label_words.continuations(tokenizer, made, wording)
    assert all(context is prompt for context, prompt in zip(found.contexts, made, strict=True))
    several = label_words.continuations(tokenizer, made, WORDINGS["same first token"])
    assert len({context.input_ids for context in several.contexts}) == len(several.contexts) > len(made)


def test_words_that_are_the_same_are_refused():
    tokenizer = tiny.tokenizers()["gpt2"]
    made = written(tokenizer, WORDINGS["single words"]).ravel()
    with pytest.raises(IclnbError, match="same tokens"):
        label_words.continuations(tokenizer, made, Wording(SENTIMENT, ("good", "good")))
