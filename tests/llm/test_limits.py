"""What a model can read: contexts, padding, closing tokens, tokens that it lacks."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from tokenizers import processors
from transformers import AutoConfig, AutoModelForCausalLM

from iclnb.errors import IclnbError
from iclnb.llm import limits, passes, prompts
from iclnb.llm import reader as reader_module
from iclnb.llm.attention import attend, prepare
from iclnb.llm.data.definitions import Format
from iclnb.llm.prompts import Demonstration, Wording

pytestmark = pytest.mark.tiny

WORDING = Wording(Format(x="Review: {text}", cue="\nSentiment:"), ("bad", "good"))
TEXTS = ("fine film", "a really long text with many words, and dull", "good")


def tokenizer(*, closing=False):
    made = tiny.tokenizers()["llama3"]
    made.add_special_tokens({"eos_token": "</s>"})
    if closing:
        special = [(token, made.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
        made.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=special
        )
    return made


def prompts_of(tokenizer):
    shown = [Demonstration({"text": TEXTS[0]}, 1)]
    return [prompts.build(tokenizer, *WORDING, shown, {"text": text}) for text in TEXTS]


def alone(reader, ids):
    with torch.no_grad():
        return reader.loaded.model(torch.tensor([ids])).logits[0, -1].softmax(-1).numpy()


def check_answers(reader):
    """Each is the one that the model gives to the text by itself."""
    made, known = prompts_of(reader.tokenizer), reader.tokenizer
    words = tiny.first_tokens(known, made[0].text, [f" {word}" for word in WORDING.words])
    for prompt, row in zip(made, reader.answers(made, WORDING), strict=True):
        np.testing.assert_allclose(np.exp(row), alone(reader, prompt.input_ids)[words], atol=1e-5)


def test_every_path_drops_the_closing_token():
    made = tokenizer(closing=True)
    assert made("fine film").input_ids[-1] == made.eos_token_id
    reader = tiny.reader(made)
    expected = [alone(reader, made(text).input_ids[:-1]) for text in TEXTS]
    np.testing.assert_allclose(reader.next_token_probabilities(TEXTS), expected, atol=1e-5)
    for prompt in prompts_of(made):
        assert prompt.input_ids == tuple(made(prompt.text).input_ids[:-1])
    check_answers(reader)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "bloom", "phi", "mpt"])
@pytest.mark.parametrize("pad", [None, "beyond", "</s>"])
def test_any_padding_reads_the_same(architecture, pad):
    """Texts of different lengths in one batch; a token beyond the embedding, or none, cannot be looked up."""
    made = tokenizer()
    reader = tiny.reader(made, architecture)
    if pad == "beyond":
        made.add_special_tokens({"pad_token": "<pad>"})
        assert made.pad_token_id == reader.loaded.model.get_input_embeddings().weight.shape[0]
    elif pad is not None:
        made.pad_token = pad
    assert 0 <= limits.padding_id(reader.loaded.model, made) < len(made)
    expected = [alone(reader, made(text).input_ids) for text in TEXTS]
    np.testing.assert_allclose(reader.next_token_probabilities(TEXTS), expected, atol=1e-5)
    check_answers(reader)
    for prompt, attention in reader.attention(prompts_of(made)):
        np.testing.assert_allclose(attention.sum(-1), 1, atol=1e-4)
        assert attention.shape[-1] == len(prompt.input_ids)


LENGTH = {"gpt2": "n_positions", "gptj": "n_positions", "opt": "max_position_embeddings"}


@pytest.mark.parametrize("architecture", ["gpt2", "gptj", "opt", "llama"])
def test_a_prompt_beyond_the_context_is_refused_before_anything_is_computed(architecture, monkeypatch):
    made = tokenizer()
    longest = max(len(prompt.input_ids) for prompt in prompts_of(made))
    length = LENGTH.get(architecture, "max_position_embeddings")
    reader = tiny.reader(made, architecture, **{length: longest - 1})
    for module in (passes, reader_module):
        monkeypatch.setattr(module, "prepare", lambda *_: pytest.fail("a prefix was read"))
    monkeypatch.setattr(reader_module, "last_token_attention", lambda *_: pytest.fail("a batch was read"))
    reader.loaded.model.forward = lambda *_, **__: pytest.fail("a text was read")
    words = f"a prompt of {longest} tokens is longer than the {longest - 1} that"
    for ask in (
        lambda: reader.answers(prompts_of(made), WORDING),
        lambda: reader.kernel_weights(prompts_of(made), WORDING, np.zeros(3, int)),
        lambda: reader.mean_head_outputs(prompts_of(made)),
        lambda: list(reader.read(prompts_of(made))),
        lambda: list(reader.attention(prompts_of(made))),
        lambda: reader.remember(prompts_of(made)[1]),
        lambda: reader.next_token_probabilities([prompt.text for prompt in prompts_of(made)]),
    ):
        with pytest.raises(IclnbError, match=words):
            ask()


@pytest.mark.parametrize("architecture", ["gpt2", "gptj", "opt", "llama", "gpt_neo", "xlm-roberta"])
def test_a_text_as_long_as_the_context_is_read(architecture):
    """The stated limit is the model's own: at that length it answers, and learned positions end there."""
    length = LENGTH.get(architecture, "max_position_embeddings")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    settings = tiny.ARCHITECTURES.get(architecture, {**sizes, "is_decoder": True})
    config = AutoConfig.for_model(architecture, **{**settings, length: 24, "vocab_size": 97})
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    most = limits.context_length(config)
    with torch.no_grad():
        model(input_ids=torch.full((1, most), 5))
        if architecture in {"gpt2", "opt", "gpt_neo", "xlm-roberta"}:
            with pytest.raises((IndexError, RuntimeError)):
                model(input_ids=torch.full((1, most + 1), 5))


YARN = {"rope_type": "yarn", "factor": 4.0}


@pytest.mark.parametrize(
    ("architecture", "rope", "most"),
    [
        ("bloom", None, None), ("mpt", None, None), ("falcon alibi", None, None), ("llama", None, 4096),
        ("gpt2", None, 4096), ("llama dynamic rope", None, 64), ("phi3 longrope", None, 128),
        ("gemma3_text", None, 4096), ("llama", YARN | {"original_max_position_embeddings": 1000}, 4096),
        ("llama", YARN | {"original_max_position_embeddings": 4096}, 16384),
        ("llama", {"rope_type": "linear", "factor": 2.0}, 8192),
    ],
)  # fmt: skip
def test_contexts_of_architectures(architecture, rope, most):
    settings = dict(tiny.ARCHITECTURES[architecture])
    settings |= {"rope_parameters": rope | {"rope_theta": 1e4}} if rope else {}
    config = AutoConfig.for_model(architecture.split()[0], **settings)
    assert limits.context_length(config) == most


def test_tokens_that_the_model_lacks_are_refused():
    made = tokenizer()
    reader = tiny.reader(made, vocab_size=200)
    with pytest.raises(IclnbError, match="the model has embeddings for 200; take the tokenizer"):
        reader.answers(prompts_of(made), WORDING)


def at_once(monkeypatch, free, **sizes):
    monkeypatch.setattr(limits.psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    return limits.queries_at_once(tiny.model("llama"), **({"prefix": 40, "suffix": 8, "most": 16} | sizes))


def test_fewer_queries_where_memory_is_short(monkeypatch):
    one = limits.bytes_per_query(tiny.model("llama"), prefix=40, suffix=8)
    assert at_once(monkeypatch, 2 * 16 * one) == 16 and at_once(monkeypatch, 2 * 16 * one - 2) == 15
    assert at_once(monkeypatch, 2 * 3 * one, prefix=400) < 3
    assert at_once(monkeypatch, 0) == 1 and at_once(monkeypatch, 10**12, most=300) == 300


def test_no_tensor_of_a_pass_is_larger_than_the_estimate():
    model = tiny.model("llama", implementation="sdpa", vocab_size=5000)
    prefix, batch = prepare(model, torch.arange(3, 203)), torch.randint(3, 99, (12, 20))
    attend(model, prefix, batch)
    with tiny.Largest() as largest:
        attend(model, prefix, batch)
    estimate = 12 * limits.bytes_per_query(model, prefix=200, suffix=20)
    assert estimate / 20 < largest.bytes < estimate
