"""What chapter 03 does, on tiny random models of other architectures with their tokeniser classes."""

import json

import numpy as np
import pytest
import tiny
from transformers import GemmaTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer

from iclnb.heads import causes, material, probes, reconstruction, table_2, token_view
from iclnb.llm.models import load
from iclnb.llm.reader import Reader
from iclnb.llm.similarity import bm25

pytestmark = pytest.mark.tiny

WORDS = ("plot", "cast", "score", "pace", "tone")


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
    (tmp_path / "sst2").mkdir()
    for split, size in (("train", 40), ("validation", 12)):
        rows = [{"sentence": f"{split} {i} {WORDS[i % 5]}", "label": i % 2} for i in range(size)]
        (tmp_path / "sst2" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    settings = {"k": 4, "sets": 3, "points": 12, "fresh": 12, "data_seed": 0, "demonstration_seed": 1}
    return material.draw_material(loaded.tokenizer, "sst2", **settings)


def test_every_step_runs_and_layers_keep_their_numbers(loaded, drawn):
    reader, config = Reader(loaded), loaded.model.config
    shape = config.num_hidden_layers, config.num_attention_heads
    weights = material.measure(reader, drawn)
    assert weights.shared.weights["label"].shape == (3, 12, *shape, 4)
    found = reconstruction.both_arms(weights, share=0.5, permutations=5, seed=0)
    assert all(arm.by_head().shape == shape for arm in found)
    rows = table_2.measure_tasks(
        reader, {}, ["sst2"], lambda name: drawn, {"words": bm25}, share=0.5, permutations=5, seed=0
    )
    assert [row.arm for row in rows] == ["shared", "fresh"]
    assert rows[0].estimates["agreement"].value == pytest.approx(found.shared.best.mean())

    intervened = causes.measure(
        reader, drawn.wording, drawn.shared_prompts, drawn.truth, found.fresh.selection,
        material.split(12, 0.5, seed=0), top=2, points=4,
        rewritten=drawn.relabelled(loaded.tokenizer, seed=0), seed=0,
    )  # fmt: skip
    whole = intervened.answers[causes.WHOLE]
    assert all(np.isfinite(each).all() and each.shape[1:] == whole.shape[1:] for each in
               intervened.answers.values())  # fmt: skip
    assert len(intervened.answers[causes.RANDOM]) == causes.DRAWS
    moved = {name for name, each in intervened.answers.items() if np.abs(each - whole).max() > 1e-6}
    some_layers = {causes.MIDDLE_VALUES, causes.OTHER_VALUES}  # where a window may hide the labels
    assert moved - some_layers == intervened.answers.keys() - some_layers - {causes.WHOLE}
    assert moved >= some_layers or config.model_type == "gemma2"

    prompts, texts = material.probe_prompts(loaded.tokenizer, drawn.rows, 4, 3, seed=1)
    both = probes.keys_and_values(reader, prompts, probes.predicted_tokens(reader, texts), seed=0)
    assert np.nanmax(both.values.accuracy[..., probes.OFFSETS.index(0)]) == 1.0  # the label's own token
    prompt, attention = next(reader.attention(drawn.fresh_prompts))
    head = intervened.heads[0]
    page = token_view.token_view(loaded.tokenizer, prompt, attention, head=head).data
    assert f"layer {head[0]}, head {head[1]}" in page
