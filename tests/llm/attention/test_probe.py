"""Models that no list names: what they do decides whether their attention is captured or refused."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import tiny
import torch
from llm.attention import configurations, sweep

from iclnb.llm.attention import (
    CaptureError,
    attend,
    last_token_attention,
    prefix,
    prefix_pass,
    prepare,
    probe,
    shared_prefix_attention,
)
from iclnb.llm.attention.head_hooks import head_outputs

pytestmark = pytest.mark.tiny

PREFIX = list(range(10, 30))


def made(kind, implementation="eager", **settings):
    return configurations.model(configurations.configuration(kind, **settings), implementation)


@pytest.mark.parametrize("kind", ["llama", "bert", "gpt_neox", "megatron-bert"])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_a_model_that_is_not_causal_is_refused(kind, implementation):
    config = configurations.configuration(kind, causal=False)
    model = configurations.model(config, implementation if kind != "megatron-bert" else "eager")
    assert not sweep.is_causal(model)
    with pytest.raises(CaptureError, match="not causal"):
        last_token_attention(model, *sweep.padded((9, 5), "right", 0))
    with pytest.raises(CaptureError, match="not causal"):
        prepare(model, PREFIX)


def test_layers_that_are_not_causal_in_one_implementation():
    """StableLM's sdpa layers stay causal where a setting makes its eager ones bidirectional."""
    with pytest.raises(CaptureError, match="not causal"):
        last_token_attention(made("stablelm", "sdpa", causal=False), torch.tensor([[31, 32]]))
    model = made("llama", "sdpa")
    for layer in model.model.layers:
        layer.self_attn.is_causal = False  # heeded by sdpa, not by eager
    with pytest.raises(CaptureError, match="not causal"):
        prepare(model, PREFIX)


def test_rotary_embeddings_that_depend_on_the_length_in_layers_of_one_type():
    config = configurations.configuration("gemma3_text")
    config.rope_parameters["full_attention"] = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}
    with pytest.raises(CaptureError, match="rotary"):
        prepare(configurations.model(config, "eager"), PREFIX)


def test_a_change_of_settings_is_noticed():
    model = made("llama")
    ids, mask = sweep.padded((9, 5), "right", 0)
    last_token_attention(model, ids, mask)
    model.config.is_causal = False
    with pytest.raises(CaptureError, match="not causal"):
        last_token_attention(model, ids, mask)


def test_what_differs_from_the_models_own_attention_is_refused(monkeypatch):
    """Capture that gives every token the same weight."""

    def uniform(model, prefix, inputs, edit, wanted):
        row = torch.full((len(inputs["input_ids"]), 4, inputs["attention_mask"].shape[1]), 0.05)
        return [row for _ in wanted], model(inputs["input_ids"]).logits

    ways = {way: (prepared, uniform) for way, (prepared, _) in prefix._WAYS.items()}
    monkeypatch.setattr(prefix, "_WAYS", ways)
    with pytest.raises(CaptureError, match="differs from its own eager attention"):
        prepare(made("llama"), PREFIX)


def test_errors_inside_a_model_are_refusals_and_lack_of_memory_is_not(monkeypatch):
    model = made("llama")
    prepared = prepare(model, PREFIX)
    for error, expected in (
        (RuntimeError("shapes"), CaptureError),
        (IndexError("list"), CaptureError),
        (torch.OutOfMemoryError("full"), torch.OutOfMemoryError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ):

        def failing(*_, error=error, **__):
            raise error

        monkeypatch.setattr(prefix_pass, "merged_attention", failing)
        with pytest.raises(expected):
            attend(model, prepared, torch.tensor([[31, 32]]))


WINDOWS = ["mistral", "llama4_text", "gemma3_text"]  # of 24 tokens, and chunks: more than a probe reaches
CACHES = ["deepseek_v3", "longcat_flash", "jetmoe"]  # that hold something else than attention receives
POSITIONS = ["roberta", "opt", "xglm", "data2vec-text"]  # that do not start at zero


@pytest.mark.parametrize("kind", WINDOWS + CACHES + POSITIONS)
def test_architectures_that_are_not_as_most(kind):
    """Prefixes of 1, 20 and 45 tokens, suffixes of 12, 5 and 1 in one batch."""
    model = made(kind, window=24)
    assert list(sweep.shared_prefix_cases(model, model)) == []
    if kind in CACHES:
        assert prefix._way(model).through == "interface"
    if kind in POSITIONS:
        assert list(sweep.last_token_cases(model, model)) == []


def test_a_padding_token_inside_a_prompt_where_positions_are_counted_by_it():
    model = made("roberta")
    padding = model.config.pad_token_id
    with pytest.raises(CaptureError, match="padding token"):
        shared_prefix_attention(model, [*PREFIX, padding], torch.tensor([[31]]))
    with pytest.raises(CaptureError, match="padding token"):
        shared_prefix_attention(model, PREFIX, torch.tensor([[31, padding, 32]]))
    shared_prefix_attention(model, PREFIX, torch.tensor([[31, padding]]), torch.tensor([[1, 0]]))


def test_heads_that_do_not_fit_are_refused_before_a_kernel_runs():
    """The kernel would end the interpreter."""
    few, many = (tiny.model("llama", num_key_value_heads=heads) for heads in (2, 4))
    for model, other in ((few, many), (many, few)):
        with pytest.raises(CaptureError, match="4 heads attend to"):
            attend(model, prepare(other, [3, 4, 5]), torch.tensor([[6, 7]]))


def test_only_the_layers_asked_for():
    model = tiny.model("llama")
    ids, mask = sweep.padded((9, 5), "right", 0)
    every = last_token_attention(model, ids, mask)
    assert torch.equal(last_token_attention(model, ids, mask, layers=[2, 0]), every[[2, 0]])
    model = tiny.model("gptj")  # by its cache
    every = last_token_attention(model, ids, mask)
    assert torch.equal(last_token_attention(model, ids, mask, layers=[-1]), every[[2]])
    with pytest.raises(ValueError, match="0 to 2"):
        last_token_attention(model, ids, mask, layers=[3])


def test_a_second_thread_waits():
    """Twenty captures in each of three threads; an edit in one of them stays there."""
    model = tiny.model("llama", implementation="sdpa")
    ids, mask = sweep.padded((9, 5), "right", 0)
    want, prefix = last_token_attention(model, ids, mask), prepare(model, PREFIX)
    rows = attend(model, prefix, ids, mask)[0]

    def captures():
        for _ in range(20):
            assert torch.equal(last_token_attention(model, ids, mask), want)
            assert torch.equal(attend(model, prefix, ids, mask)[0], rows)

    def edits():
        for _ in range(20):
            attend(model, prefix, ids, mask, edit=lambda layer, z: z * 0)
            with head_outputs(model, lambda layer, z: z * 0), torch.no_grad():
                model(ids)

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(work) for work in (captures, captures, edits)]:
            done.result()
    assert model.config._attn_implementation == "sdpa"


def test_a_model_is_tried_once(monkeypatch):
    tries = []
    plain = probe._refuse_what_is_not_causal
    monkeypatch.setattr(probe, "_refuse_what_is_not_causal", lambda m: tries.append(1) or plain(m))
    model = made("llama")
    for _ in range(3):
        shared_prefix_attention(model, PREFIX, torch.tensor([[31, 32]]))
    assert len(tries) == 1
    refused = made("openai-gpt")
    for _ in range(3):
        with pytest.raises(CaptureError):
            last_token_attention(refused, torch.tensor([[31, 32]]))
    assert len(tries) == 2


def test_a_refused_model_is_not_kept_alive():
    model = made("openai-gpt")
    with pytest.raises(CaptureError):
        last_token_attention(model, torch.tensor([[31, 32]]))
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None
