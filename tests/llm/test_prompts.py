"""Prompts: spans decode back to their text, whatever the tokeniser and the text."""

from functools import cache
from itertools import pairwise

import pytest
import tiny
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from iclnb.errors import IclnbError
from iclnb.llm import prompts
from iclnb.llm.data.definitions import Format
from iclnb.llm.prompts import Demonstration

pytestmark = pytest.mark.tiny

FORMATS = (
    Format(x="Review: {text}", cue="\nSentiment:"),
    Format(x="{text}", cue="\n", label_prefix="", separator="\n\n\n"),
    Format(x="{text}", cue=" ->", separator="\n"),
    Format(x="«{text}»", cue=" 答え：", label_prefix="", separator=" ; "),
)
WORDS = ("bad", "good", "sehr schön")
TEXTS = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=25),
    st.sampled_from(
        ["", " ", "\n", "\n\n", "a film.", "fine!\n\nReally", "  two  spaces ", "naïve 😀 東京", "good"]
    ),
)


@pytest.fixture(scope="module")
def tokenizers():
    return tiny.tokenizers()


@cache
def packaged_tokenizer():
    """SmolLM2's, trained on real text: merges that a few sentences do not give."""
    from transformers import AutoTokenizer

    from iclnb.llm.data import packaged

    return AutoTokenizer.from_pretrained(packaged.folder("smollm2-135m-instruct"), local_files_only=True)


def written(format, text):
    return format.x.format(text=text)


def check(tokenizer, prompt, span, piece):
    """The span's tokens hold the piece, and neither the first nor the last of them could be left out."""

    def decoded(start, stop):
        return tokenizer.decode(prompt.input_ids[start:stop])

    inner = piece.strip()  # decoders may drop white space at the ends
    assert inner in decoded(*span)
    start, stop = span
    while start < stop and not decoded(start, start + 1).strip():
        start += 1
    if piece and inner[:1] == piece[0]:
        assert inner not in decoded(start + 1, stop)
    if piece and inner[-1:] == piece[-1]:
        assert inner not in decoded(start, stop - 1)


@pytest.mark.parametrize(
    "name", ["gpt2", "llama3", "llama2", pytest.param("smollm2", marks=pytest.mark.packaged)]
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    labels=st.lists(st.integers(0, 2), min_size=3, max_size=3),
    format=st.sampled_from(FORMATS),
)
@example(texts=["", "", ""], labels=[0, 1, 2], format=FORMATS[1])
@example(texts=["fine.", "\n\n", "dull."], labels=[1, 0, 0], format=FORMATS[1])
def test_spans_decode_back_to_their_text(tokenizers, name, texts, labels, format):
    tokenizer = tokenizers[name] if name in tokenizers else packaged_tokenizer()
    *shown, asked = texts
    demonstrations = [Demonstration({"text": t}, y) for t, y in zip(shown, labels, strict=False)]
    prompt = prompts.build(tokenizer, format, WORDS, demonstrations, {"text": asked})
    assert prompt.input_ids == tuple(tokenizer(prompt.text)["input_ids"])
    assert len(prompt.x) == len(prompt.y) == len(prompt.cues) - 1 == len(shown)
    for i, (text, label) in enumerate(zip(shown, labels, strict=False)):
        check(tokenizer, prompt, prompt.x[i], written(format, text))
        check(tokenizer, prompt, prompt.cues[i], format.cue)
        check(tokenizer, prompt, prompt.y[i], WORDS[label])
    check(tokenizer, prompt, prompt.query, written(format, asked))
    check(tokenizer, prompt, prompt.cues[-1], format.cue)
    order = [edge for parts in zip(prompt.x, prompt.cues, prompt.y, strict=False) for edge in parts]
    assert all(a.start <= b.start and a.stop <= b.stop for a, b in pairwise(order))


def test_the_prompt_reads_as_written(tokenizers):
    shown = [Demonstration({"text": "fine"}, 1), Demonstration({"text": ""}, 0)]
    prompt = prompts.build(tokenizers["llama3"], FORMATS[0], WORDS, shown, {"text": "dull"})
    reviews = "Review: fine\nSentiment: good\n\nReview: \nSentiment: bad\n\nReview: dull\nSentiment:"
    assert prompt.text == reviews
    assert prompt.labels == (1, 0)
    assert prompt.x[0].start == 1  # behind the opening token
    assert list(prompt.query.tokens) == list(range(*prompt.query))


def test_an_empty_text_has_an_empty_span(tokenizers):
    for tokenizer in tokenizers.values():
        prompt = prompts.build(tokenizer, FORMATS[2], WORDS, [Demonstration({"text": ""}, 0)], {"text": "x"})
        assert prompt.x[0].start == prompt.x[0].stop == prompt.cues[0].start


@pytest.mark.wrong_arguments
def test_a_tokeniser_without_offsets_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(IclnbError, match="offsets"):
        prompts.build(Slow(), FORMATS[0], WORDS, [], {"text": "x"})
