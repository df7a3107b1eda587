"""Last-token attention against the library's own ``output_attentions=True`` under eager attention."""

import copy

import pytest
import tiny
import torch
from llm.attention.sweep import by_itself, padded
from transformers import AutoConfig, AutoModelForCausalLM

from iclnb.errors import IclnbError
from iclnb.llm.attention import CaptureError, architectures, last_token_attention

pytestmark = pytest.mark.tiny

LENGTHS = (40, 25, 31)
NO_SDPA = {"gptj", "gpt_neo", "gemma2", "bloom", "gpt_oss", "mpt", "codegen"}  # eager only in this library


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks for prompts of a few dozen tokens."""
    monkeypatch.setattr(architectures, "BLOCK", 16)


@pytest.mark.parametrize("padding", ["none", "right", "left"])
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_equals_eager_output_attentions(architecture, padding):
    ids, mask = padded(LENGTHS, padding, 0)
    want, _ = by_itself(tiny.model(architecture).eval(), ids, mask)
    assert want.amax() > 2 / max(LENGTHS)  # the model does prefer some tokens
    for implementation in {"eager"} | ({"sdpa"} if architecture not in NO_SDPA else set()):
        got = last_token_attention(tiny.model(architecture, implementation=implementation), ids, mask)
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("architecture", "padding", "fused"),
    [
        ("llama", "none", True), ("llama", "right", True), ("llama", "left", False), ("qwen3", "right", True),
        ("mistral", "right", False), ("gemma2", "none", False), ("gpt2", "none", False),
    ],
)  # fmt: skip
def test_fused_attention_runs_where_it_gives_the_same(architecture, padding, fused, monkeypatch):
    model, (ids, mask), queries = tiny.model(architecture), padded(LENGTHS, padding, 0), []
    run = torch.nn.functional.scaled_dot_product_attention

    def counted(query, *rest, **settings):
        queries.append(query.shape[2])
        return run(query, *rest, **settings)

    last_token_attention(model, ids, mask)  # the probe's own passes are over
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    last_token_attention(model, ids, mask)
    assert queries == ([ids.shape[1]] * model.config.num_hidden_layers if fused else [])


def test_without_mask_and_for_a_single_token():
    model = tiny.model("llama").eval()
    ids, mask = padded(LENGTHS, "none", 0)
    want = by_itself(model, ids, mask)[0]
    torch.testing.assert_close(last_token_attention(model, ids), want, atol=1e-5, rtol=0)
    assert last_token_attention(model, ids[:, :1]).shape == (3, 3, 4, 1)
    assert (last_token_attention(model, ids[:, :1]) == 1).all()


@pytest.mark.parametrize("architecture", ["llama", "gptj", "gemma2", "falcon"])
def test_model_is_unchanged(architecture):
    model = tiny.model(
        architecture, **({"attention_dropout": 0.5} if architecture == "llama" else {})
    ).train()
    model.get_input_embeddings().eval()  # modes that differ from module to module
    modes = [m.training for m in model.modules()]
    weights, settings = copy.deepcopy(model.state_dict()), model.config.to_dict()
    implementation = model.config._attn_implementation
    ids, mask = padded(LENGTHS, "right", 0)
    got = last_token_attention(model, ids, mask)
    assert [m.training for m in model.modules()] == modes
    assert model.config.to_dict() == settings and model.config._attn_implementation == implementation
    assert all(torch.equal(a, b) for a, b in zip(weights.values(), model.state_dict().values(), strict=True))
    want = by_itself(model.eval(), ids, mask)[0]
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)  # dropout was off


def test_settings_survive_a_failure(monkeypatch):
    model = tiny.model("llama", implementation="sdpa").train()
    last_token_attention(model, padded(LENGTHS, "none", 0)[0])
    monkeypatch.setattr(architectures, "eager_of", lambda module: 1 / 0)
    with pytest.raises(CaptureError, match="ZeroDivisionError"):
        last_token_attention(model, padded(LENGTHS, "none", 0)[0])
    assert model.config._attn_implementation == "sdpa" and model.training


@pytest.mark.parametrize("architecture", ["llama", "mistral", "gptj"])  # one of each way
@pytest.mark.parametrize("padding", ["none", "right"])
def test_memory_grows_with_tokens_not_their_square(architecture, padding):
    model = tiny.model(architecture)
    sizes = []
    for tokens in (512, 1024):
        with tiny.Largest() as largest:
            last_token_attention(model, *padded((tokens, tokens - 9), padding, 0))
        sizes.append(largest.numbers)
    assert sizes[1] < 2.1 * sizes[0]


UNCAPTURABLE = {
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2},  # no attention
    "jamba": {**tiny.ARCHITECTURES["llama"], "num_hidden_layers": 8},  # attention in some layers only
    "openai-gpt": {"n_embd": 32, "n_layer": 2, "n_head": 4},  # no cache of keys and values
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},  # two streams
}


@pytest.mark.parametrize("architecture", UNCAPTURABLE)
def test_refuses_by_name_what_it_cannot_capture(architecture):
    config = AutoConfig.for_model(architecture, vocab_size=tiny.VOCABULARY, **UNCAPTURABLE[architecture])
    model = AutoModelForCausalLM.from_config(config)
    with pytest.raises(CaptureError, match=type(model).__name__) as error:
        last_token_attention(model, *padded(LENGTHS, "right", 0))
    assert isinstance(error.value, IclnbError)


def test_refuses_length_dependent_positions_where_only_a_cache_would_do():
    model = tiny.model("falcon", rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0})
    with pytest.raises(CaptureError, match="rotary"):
        last_token_attention(model, padded(LENGTHS, "none", 0)[0])


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        (torch.ones(3, dtype=int), None, "batch, tokens"),
        (torch.ones(1, 0, dtype=int), None, "none zero"),
        (torch.ones(2, 3, dtype=int), torch.ones(2, 4), r"\(2, 3\), got \(2, 4\)"),
        (torch.ones(2, 3, dtype=int), torch.tensor([[1, 1, 1], [0, 0, 0]]), "without a real token"),
    ],
)
def test_wrong_shapes_are_named(ids, mask, message):
    with pytest.raises(ValueError, match=message):
        last_token_attention(tiny.model("llama"), ids, mask)
