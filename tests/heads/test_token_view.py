"""The token view read back by an HTML parser: the text is whole and harmless, the numbers are those given."""

import json

import numpy as np
import pytest
import tiny
from bs4 import BeautifulSoup

from iclnb.heads import token_view
from iclnb.llm import prompts
from iclnb.llm.data.definitions import Format
from iclnb.llm.prompts import Demonstration

pytestmark = pytest.mark.tiny

FORMAT = Format(x="Review: {text}", cue="\nSentiment:")
NASTY = '</script><script>alert(1)</script> <b title="x">&amp; </p> $x$ \\u2028 naïve 😀 東京'


def attention(prompt, layers=3, heads=2, seed=0):
    rows = np.random.default_rng(seed).dirichlet(np.full(len(prompt.input_ids), 0.1), size=(layers, heads))
    return rows.astype(np.float32)


@pytest.fixture(params=["gpt2", "llama3", "llama2"])
def made(request):
    tokenizer = tiny.tokenizers()[request.param]
    shown = [Demonstration({"text": NASTY}, 1), Demonstration({"text": "dull"}, 0)]
    return tokenizer, prompts.build(tokenizer, FORMAT, ("bad", "good"), shown, {"text": "a <i>fine</i> film"})


def parsed(view):
    return BeautifulSoup(view.data, "html.parser")


def test_every_token_is_there_as_text_and_nothing_else(made):
    tokenizer, prompt = made
    page = parsed(token_view.token_view(tokenizer, prompt, attention(prompt), head=(1, 0)))
    spans = page.select(".text > span")
    assert len(spans) == len(prompt.input_ids)
    assert not page.select(".text span *"), "a token was read as markup"
    assert [script.get("type") for script in page.find_all("script")] == ["application/json", None]
    assert not page.find_all(["b", "i", "link", "img", "iframe"])
    assert "src=" not in str(page) and "http" not in str(page)
    written = "".join(span.get_text() for span in spans).replace("↵", "").replace("·", "")
    opening = "<s>" if len(spans[0].get_text()) == 3 and spans[0].get_text() == "<s>" else ""
    assert written == opening + prompt.text


def test_weights_in_the_page_are_those_given(made):
    tokenizer, prompt = made
    given = attention(prompt)
    page = parsed(token_view.token_view(tokenizer, prompt, given, head=(2, 1)))
    data = json.loads(page.find("script", type="application/json").string)
    assert data["layers"] == [0, 1, 2]
    np.testing.assert_allclose(np.array(data["weights"]) / data["scale"], given, atol=0.51e-4)
    titles = [span["title"] for span in page.select(".text > span")]
    assert [title.split(":")[0] for title in titles] == [f"token {i}" for i in range(len(titles))]
    np.testing.assert_allclose([float(title.split()[-1]) for title in titles], given[2, 1], atol=0.51e-4)
    chosen = [select.find("option", selected=True).string for select in page.find_all("select")]
    assert chosen == ["2", "1"]
    assert [label.get_text(" ", strip=True).split()[0] for label in page.find_all("label")] == [
        "Layer",
        "Head",
    ]


def test_labels_and_only_labels_are_outlined(made):
    tokenizer, prompt = made
    page = parsed(token_view.token_view(tokenizer, prompt, attention(prompt), head=(0, 0)))
    outlined = [i for i, span in enumerate(page.select(".text > span")) if "label" in span["class"]]
    assert outlined == [token for y in prompt.y for token in range(*y)]
    for y, word in zip(prompt.y, ("good", "bad"), strict=True):
        assert word in "".join(page.select(".text > span")[i].get_text() for i in y.tokens)


def test_the_static_picture_is_darkest_where_attention_is_largest(made):
    tokenizer, prompt = made
    given = attention(prompt)
    given[0, 0, 0] = 5 * given[0, 0, 1:].max()  # a sink
    page = parsed(token_view.token_view(tokenizer, prompt, given, head=(0, 0)))
    dark = np.array([float(span["style"].removeprefix("--a:")) for span in page.select(".text > span")])
    assert dark[0] == 1
    expected = np.sqrt(given[0, 0, 1:] / given[0, 0, 1:].max())
    np.testing.assert_allclose(dark[1:], expected, atol=0.03)
    largest = np.argsort(-given[0, 0])[:5]
    named = page.select_one(".most").get_text()
    assert [f"({i})" in named for i in largest] == [True] * 5
    strong = ["strong" in span["class"] for span in page.select(".text > span")]
    np.testing.assert_array_equal(strong, dark >= 0.6)


def test_nothing_but_zero_and_uniform_rows():
    assert token_view.shades(np.array([9, 0, 0])).tolist() == [1, 0, 0]
    assert token_view.shades(np.array([7, 7, 7])).tolist() == [1, 1, 1]
    assert token_view.shades(np.array([4])).tolist() == [1]


def test_a_large_model_stays_small_and_keeps_the_head_asked_for(made):
    tokenizer, prompt = made
    shape = (24, 1000 // len(prompt.input_ids) * 8, len(prompt.input_ids))
    given = np.random.default_rng(0).dirichlet(np.ones(shape[2]), size=shape[:2])
    view = token_view.token_view(tokenizer, prompt, given.repeat(2, axis=0), head=(7, 1))
    page = parsed(view)
    data = json.loads(page.find("script", type="application/json").string)
    assert len(view.data) < 1_000_000
    assert 7 in data["layers"] and 1 < len(data["layers"]) < 48
    for layer, rows in zip(data["layers"], data["weights"], strict=True):
        np.testing.assert_allclose(np.array(rows) / data["scale"], given[layer // 2], atol=0.51e-4)
    assert [option.string for option in page.select("select")[0].find_all("option")] == [
        str(layer) for layer in data["layers"]
    ]


def test_what_does_not_fit_is_refused(made):
    tokenizer, prompt = made
    with pytest.raises(ValueError, match="does not fit"):
        token_view.token_view(tokenizer, prompt, attention(prompt)[:, :, 1:], head=(0, 0))
    with pytest.raises(ValueError, match="does not fit"):
        token_view.token_view(tokenizer, prompt, attention(prompt), head=(0, 2))
