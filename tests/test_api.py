"""The page "In your own script", run word for word on models of three families, against attention in full."""

import re

import numpy as np
import pytest
import tiny
import torch
from throwaway import ROOT
from transformers import AutoModelForCausalLM, AutoTokenizer

import iclnb.api

pytestmark = pytest.mark.tiny

PAGE = (ROOT / "book" / "in_your_own_script.md").read_text(encoding="utf-8")
FIRST, SECOND = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.M | re.S)
FAMILIES = {"llama": "llama2", "gpt2": "gpt2", "qwen2": "llama3", "qwen3": "gpt2"}


@pytest.fixture(scope="module", params=FAMILIES)
def ran(request, tmp_path_factory):
    """The variables of the page's two examples, after they ran."""
    folder, tokenizer = tmp_path_factory.mktemp("model"), tiny.tokenizers()[FAMILIES[request.param]]
    tokenizer.save_pretrained(folder)
    tiny.model(request.param, vocab_size=len(tokenizer)).save_pretrained(folder)
    named, variables = re.sub(r'^name = ".*?"', f"name = {str(folder)!r}", FIRST, flags=re.M), {}
    assert named != FIRST
    exec(named + SECOND, variables)
    return variables | {"folder": folder}


def in_full(ran):
    """Eager attention of every token, and the log-probabilities of the next one, prompt by prompt."""
    model = AutoModelForCausalLM.from_pretrained(ran["folder"], attn_implementation="eager").eval()
    for prompt in ran["prompts"]:
        with torch.no_grad():
            out = model(torch.tensor([prompt.input_ids]), output_attentions=True)
        yield (
            prompt,
            torch.stack(out.attentions)[:, 0, :, -1].numpy(),
            out.logits[0, -1].log_softmax(-1).numpy(),
        )


def test_weights_are_the_largest_attention_inside_a_demonstration_and_votes_their_shares(ran):
    tokenizer = AutoTokenizer.from_pretrained(ran["folder"])
    for i, (prompt, attention, _) in enumerate(in_full(ran)):
        encoding = tokenizer(prompt.text, return_offsets_mapping=True)
        assert list(prompt.input_ids) == encoding["input_ids"]
        ends = np.maximum.accumulate([stop for _, stop in encoding["offset_mapping"]])
        want, start = [], 0
        for text, label in ran["shown"]:
            shown = f"Review: {text}\nSentiment: {('bad', 'good')[label]}"
            start = prompt.text.index(shown, start)
            inside = [t for t in range(1, len(ends)) if ends[t - 1] < start + len(shown) and ends[t] > start]
            want.append(attention[..., inside].max(-1))
        want = np.stack(want, -1)
        np.testing.assert_allclose(ran["found"].weights["maximum"][i], want, atol=2e-5)
        good = want[..., [0, 2]].sum(-1) / want.sum(-1)
        np.testing.assert_allclose(ran["predicted"][i], np.stack([1 - good, good], -1), atol=1e-4)
    np.testing.assert_allclose(ran["weights"][-1], want, atol=2e-5)


def test_a_reader_has_the_models_own_answers(ran):
    tokenizer = AutoTokenizer.from_pretrained(ran["folder"])
    for i, (prompt, _, logs) in enumerate(in_full(ran)):
        for label, word in enumerate(("bad", "good")):
            whole = tokenizer(f"{prompt.text} {word}")["input_ids"]
            if whole[:-1] == list(prompt.input_ids):  # one token of its own
                assert ran["found"].answers[i, label] == pytest.approx(logs[whole[-1]], abs=1e-4)


def test_the_api_page_documents_every_public_name():
    page = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto\w+:: iclnb\.api\.(\w+)$", page, flags=re.M)
    assert sorted(named) == iclnb.api.__all__ == sorted(iclnb.api.__all__)
    for name in named:
        assert getattr(iclnb.api, name).__doc__
    for name in set(re.findall(r"\bapi\.(\w+)", FIRST + SECOND)):
        assert name in named


def prompt():
    tokenizer = tiny.tokenizers()["gpt2"]
    wording = iclnb.api.Wording(iclnb.api.Format(x="{text}", cue="\nIs:"), ("bad", "good"))
    return iclnb.api.build(
        tokenizer, *wording, [iclnb.api.Demonstration({"text": "fine"}, 1)], {"text": "dull"}
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda a: (torch.tensor(a), "sum"), TypeError, "numpy array, got a Tensor; tensor.cpu"),
        (lambda a: (a[:, None], "sum"), ValueError, r"expected \(layers, heads, \d+\)"),
        (lambda a: (a[..., :-1], "sum"), ValueError, r"expected \(layers, heads, \d+\)"),
        (lambda a: (a, "mean"), ValueError, "unknown variant 'mean'; known: maximum, sum, label"),
    ],
)
@pytest.mark.wrong_arguments
def test_kernel_weights_of_the_wrong_type_shape_or_name_are_refused(change, error, message):
    made = prompt()
    attention, variant = change(np.full((2, 3, len(made.input_ids)), 0.1))
    with pytest.raises(error, match=message):
        iclnb.api.kernel_weights(attention, made, variant)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (
            {"input_ids": [[1, 2]]},
            TypeError,
            r"input_ids must be a tensor of shape \(batch, tokens\), got a list",
        ),
        ({"input_ids": {"input_ids": 1}}, TypeError, r"got a dict; .* pass \['input_ids'\]"),
        ({"attention_mask": [[1, 1]]}, TypeError, "attention_mask must be a tensor"),
        ({"input_ids": torch.tensor([1, 2])}, ValueError, r"shape \(batch, tokens\)"),
        ({"model": "gpt2"}, TypeError, "got a str; AutoModelForCausalLM"),
    ],
)
@pytest.mark.wrong_arguments
def test_attention_of_what_is_no_batch_of_tokens_is_refused(words, error, message):
    given = {"model": tiny.model("llama"), "input_ids": torch.tensor([[1, 2]])} | words
    with pytest.raises(error, match=message):
        iclnb.api.last_token_attention(**given)
    if "attention_mask" not in words:
        ids = given.pop("input_ids")
        with pytest.raises(error, match=message):
            iclnb.api.shared_prefix_attention(**given, prefix_ids=[1], suffix_ids=ids)


@pytest.mark.wrong_arguments
def test_a_prefix_of_two_rows_is_refused():
    with pytest.raises(
        ValueError, match=r"one row of at least one token, of shape \(tokens,\); got \(2, 2\)"
    ):
        rows = torch.tensor([[1, 2], [3, 4]])
        iclnb.api.shared_prefix_attention(tiny.model("llama"), rows, torch.tensor([[1]]))
