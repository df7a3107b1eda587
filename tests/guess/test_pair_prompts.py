"""Prompts with guesses: what they say, that spans decode back, and chats against transformers' own."""

import numpy as np
import pytest
import tiny

from iclnb.errors import IclnbError
from iclnb.guess.findings import STYLES
from iclnb.guess.pair_prompts import Pairs, Style, in_chat, styles, write_pairs
from iclnb.llm import prompts
from iclnb.llm.data import tasks

pytestmark = pytest.mark.tiny

FORMAT = tasks.get("stsb").format
ROWS = [
    {"sentence1": "A {brace}.", "sentence2": "It's  two", "score": 3.8},
    {"sentence1": "a b", "sentence2": "«ünïcödé» 東京", "score": 0.5},
    {"sentence1": "same", "sentence2": "same", "score": 5.0},
]
GUESS = np.array([3.26, -0.04, 4.96])
SCORES = np.array([row["score"] for row in ROWS])
TEMPLATE = (
    "{% for message in messages %}{% if loop.first %}<s>[system] Be brief.[end]\n{% endif %}"
    "[{{ message['role'] }}]\n{{ message['content'] | trim }}[end]\n{% endfor %}"
)


@pytest.fixture(scope="module")
def tokenizers():
    return tiny.tokenizers()


def made(tokenizer, style, *, guess=True):
    pool = Pairs(ROWS[::-1], SCORES[::-1], GUESS[::-1] if guess else None)
    asked = Pairs(ROWS[2:], SCORES[2:], GUESS[2:] if guess else None)
    return write_pairs(tokenizer, FORMAT, style, pool, np.array([[2, 1]]), asked)[0][0, 0]


def chatty(tokenizer):
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def test_a_prompt_reads_as_written(tokenizers):
    prompt = made(tokenizers["llama3"], Style())
    assert prompt.text == (
        "Sentence 1: A {brace}.\nSentence 2: It's  two\nInitial guess: 3.3\nSimilarity: (3.8)\n\n"
        "Sentence 1: a b\nSentence 2: «ünïcödé» 東京\nInitial guess: 0.0\nSimilarity: (0.5)\n\n"
        "Sentence 1: same\nSentence 2: same\nInitial guess: 5.0\nSimilarity: ("
    )


def test_position_precision_template_and_whole_answers(tokenizers):
    style = Style("Perhaps {guess}?", "before", 2, 0)
    prompt = made(tokenizers["gpt2"], style)
    assert prompt.text.startswith("Perhaps 3.26?\nSentence 1: A {brace}.\nSentence 2: It's  two\nSim")
    assert "Similarity: (4)\n\nPerhaps -0.04?" in prompt.text and "Similarity: (1)\n\n" in prompt.text
    assert prompt.labels == (4, 1)
    between = made(tokenizers["gpt2"], Style(position="between", decimals=0)).text
    assert between.startswith("Sentence 1: A {brace}.\nInitial guess: 3\nSentence 2: It's")
    assert "\nInitial guess: 0\n" in between


def test_without_a_guess_nothing_is_added(tokenizers):
    plain = made(tokenizers["gpt2"], Style(position="before"), guess=False)
    shown = [prompts.Demonstration(ROWS[0], 0), prompts.Demonstration(ROWS[1], 1)]
    expected = prompts.build(tokenizers["gpt2"], FORMAT, ("3.8", "0.5"), shown, ROWS[2])
    assert plain.text == expected.text and plain.input_ids == expected.input_ids


def messages():
    turns = []
    for row, guess, score in zip(ROWS, ("3.3", "0.0", "5.0"), ("3.8", "0.5", None), strict=True):
        asked = f"Sentence 1: {row['sentence1']}\nSentence 2: {row['sentence2']}\nInitial guess: {guess}"
        answer = "Similarity: (" + (f"{score})" if score else "")
        turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return turns


def test_a_chat_is_what_transformers_writes(tokenizers):
    """And its opening token is there once, though the tokeniser sets one on plain texts."""
    tokenizer = chatty(tokenizers["llama3"])
    prompt = made(tokenizer, Style(chat=True))
    expected = tokenizer.apply_chat_template(messages(), tokenize=False, continue_final_message=True)
    assert prompt.text == expected
    ids = tokenizer.apply_chat_template(messages(), continue_final_message=True, return_dict=False)
    assert list(prompt.input_ids) == ids
    assert prompt.input_ids.count(tokenizer.convert_tokens_to_ids("<s>")) == 1
    assert made(tokenizer, Style()).input_ids.count(tokenizer.convert_tokens_to_ids("<s>")) == 1


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("name", ["gpt2", "llama3", "llama2"])
def test_spans_decode_back(tokenizers, name, chat):
    tokenizer = chatty(tokenizers[name])
    prompt = made(tokenizer, Style(chat=chat))
    for row, guess, score, x, y in zip(ROWS, GUESS, ("3.8", "0.5"), prompt.x, prompt.y, strict=False):
        said = tokenizer.decode(prompt.input_ids[slice(*x)])
        assert row["sentence2"] in said and said.rstrip("\n[").endswith(f"{guess:z.1f}"), said
        assert score in tokenizer.decode(prompt.input_ids[slice(*y)])
    assert "same" in tokenizer.decode(prompt.input_ids[slice(*prompt.query)])


def test_styles_of_the_appendix_differ_in_what_they_say(tokenizers):
    style = Style(decimals=2)
    ways = styles(style, chatty(tokenizers["llama3"]))
    assert list(ways) == list(STYLES) and ways["plain text"] == style
    assert ways["chat template"] == Style(decimals=2, chat=True)
    assert ways["both whole"] == Style(decimals=0, answer_decimals=0)
    assert ways["guess between the sentences"] == Style(position="between", decimals=2)
    plain = tiny.tokenizers()["gpt2"]
    assert "chat template" not in styles(style, plain)
    chats = [in_chat(None, plain), in_chat(None, tokenizers["llama3"]), in_chat(False, tokenizers["llama3"])]
    assert chats == [False, True, False]


def test_what_cannot_be_written_is_refused(tokenizers):
    tokenizer = tiny.tokenizers()["gpt2"]
    with pytest.raises(IclnbError, match="no chat template"):
        made(tokenizer, Style(chat=True))
    odd = "{{% for message in messages %}}{{{{ loop.index if message['role'] == '{}' }}}}{}{{% endfor %}}"
    for template in (
        odd.format("user", "{{ message['content'] }}"),  # numbers what follows an answer
        odd.format("assistant", "{{ message['content'] }}"),  # numbers what precedes an answer
        "{{ messages[-1]['content'] }}",  # forgets all turns but the last
    ):
        tokenizer.chat_template = template
        with pytest.raises(IclnbError, match="every turn alike"):
            made(tokenizer, Style(chat=True))
    for wrong in (
        {"position": "beside"}, {"template": "Guess"}, {"template": "{guess} {other}"},
        {"template": "a\n{guess}"},
    ):  # fmt: skip
        with pytest.raises(IclnbError):
            Style(**wrong)
