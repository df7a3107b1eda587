"""What chapter 03 does, on tiny random models of other architectures with their tokeniser classes."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from archives import reviews, write_rows
from transformers import GemmaTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

from iclnb.heads import causes, material, measure, probes
from iclnb.llm.models import load
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import bm25

pytestmark = pytest.mark.tiny


def tokenizer(architecture):
    plain = tiny.tokenizers()
    if architecture == "gemma2":
        return GemmaTokenizer(tokenizer_object=tiny.gemma_like())
    kinds = {"gptj": (GPT2Tokenizer, "gpt2"), "qwen2": (Qwen2Tokenizer, "gpt2"),
             "llama": (PreTrainedTokenizerFast, "llama3")}  # fmt: skip
    cls, source = kinds[architecture]
    return cls(tokenizer_object=plain[source].backend_tokenizer, eos_token="<s>")


@pytest.fixture(params=["gptj", "llama", "qwen2", "gemma2"])
def loaded(request, tmp_path):
    """The model as a user has it: a folder that is loaded by name."""
    words = tokenizer(request.param)
    rope = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0}
    rope |= {"high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    changes = {"rope_parameters": rope} if request.param == "llama" else {}
    model = tiny.model(request.param, vocab_size=len(words), **changes)
    model.save_pretrained(tmp_path / "model")
    words.save_pretrained(tmp_path / "model")
    return load(str(tmp_path / "model"), device="cpu")


@pytest.fixture
def drawn(loaded, tmp_path, monkeypatch):
    write_rows(tmp_path, "sst2", train=reviews("train", 40), validation=reviews("validation", 12))
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    settings = {"k": 4, "sets": 3, "points": 12, "fresh": 12, "data_seed": 0, "demonstration_seed": 1}
    return material.draw_material(loaded.tokenizer, "sst2", **settings)


def test_every_step_runs_and_layers_keep_their_numbers(loaded, drawn, monkeypatch):
    reader, config = Reader(loaded), loaded.model.config
    shape = config.num_hidden_layers, config.num_attention_heads
    monkeypatch.setattr(measure, "embedding_similarity", lambda: bm25)
    run = SimpleNamespace(top=2, cause_points=4, redraws=4, permutations=3, sampling_seed=0)
    found = measure.heads_of(reader, reader, drawn, run)
    assert found.agreement.shape == shape == found.correlation.shape[2:]
    np.testing.assert_array_equal(found.fresh[0], found.fresh[-1])  # the control is the model itself here
    moved = {name: np.abs(found.cost[i, 0]).max() > 1e-6 for i, name in enumerate(causes.ABLATIONS)}
    assert all(moved.values()) and found.chosen_share.sum() == pytest.approx(2, abs=1e-3)
    swapped = {name: np.abs(found.swap_cost[i]).max() > 1e-6 for i, name in enumerate(causes.SWAPS)}
    assert swapped[causes.REWRITTEN]
    assert all(swapped.values()) or config.model_type == "gemma2"  # where a window may hide the labels
    assert bool(found.unsplit) == (config.model_type == "gemma2")

    prompts, texts = material.probe_prompts(loaded.tokenizer, drawn.rows, 4, 3, seed=1)
    features = probes.cut((reader.remember(prompt), prompt) for prompt in prompts)
    values = probes.probe(features.values, features.labels, features, seed=0)
    assert np.nanmax(values.accuracy[..., probes.OFFSETS.index(0)]) == 1.0  # the label's own token
    keys = probes.probe(features.keys, probes.predicted_tokens(reader, texts), features, seed=0)
    assert keys.accuracy.shape == values.accuracy.shape
