"""Models whose files are not whole: each is refused in one message that says what to do."""

import json
import shutil
from types import SimpleNamespace

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from iclnb.errors import IclnbError
from iclnb.llm.loading import models, weights

pytestmark = pytest.mark.tiny

NAN, LAYER = float("nan"), "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a tiny model of an architecture."""
    made = {}

    def make(architecture="llama", **changes):
        key = architecture + str(changes)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("models") / "tiny"
            tokenizer = tiny.tokenizers()["llama3"]
            tokenizer.save_pretrained(made[key])
            tiny.model(architecture, vocab_size=len(tokenizer), **changes).save_pretrained(made[key])
        return made[key]

    return make


def damaged(folder, target, *, weights=None, remove=(), config=None, files=None):
    """A copy with other weights, without those whose name holds a word, or with another configuration."""
    shutil.copytree(folder, target)
    kept = load_file(target / "model.safetensors") | (weights or {})
    kept = {key: value for key, value in kept.items() if not any(word in key for word in remove)}
    save_file(kept, target / "model.safetensors", metadata={"format": "pt"})
    settings = json.loads((target / "config.json").read_text()) | (config or {})
    (target / "config.json").write_text(json.dumps(settings))
    for name, text in (files or {}).items():
        file = target / f"{name}.json"
        file.unlink() if text is None else file.write_text(text)
    return str(target)


def refused(folder, **how):
    with pytest.raises(IclnbError) as error:
        models.load(folder, device="cpu", **how)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"remove": [".1."]}, f"lack model.layers.1.input_layernorm.weight, {LAYER[:18]}"),
        ({"remove": ["lm_head"]}, "lack lm_head.weight; save or download the whole model again"),
        ({"weights": {"model.layers.3.mlp.up_proj.weight": torch.ones(48, 32)}}, "have, unlike its config"),
        ({"weights": {"score.weight": torch.ones(2, 32)}}, "have, unlike its configuration, score.weight"),
        ({"config": {"num_hidden_layers": 2}}, "have, unlike its configuration, model.layers.2."),
        ({"config": {"num_hidden_layers": 4}}, "lack model.layers.3."),
        ({"weights": {LAYER: torch.ones(47, 32)}}, "has shape (47, 32) in the file and (48, 32) by the conf"),
        ({"config": {"intermediate_size": 50}}, "has shape (32, 48) in the file and (32, 50)"),
        ({"weights": {LAYER: torch.full((48, 32), NAN)}}, f"not finite: {LAYER}"),
    ],
)  # fmt: skip
def test_weights_that_are_not_all_there(whole, tmp_path, damage, words):
    assert words in refused(damaged(whole(), tmp_path / "copy", **damage))


def packed(kind):
    return {"weights": {LAYER: torch.ones(48, 32).to(kind)}}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"config": {"quantization_config": {"bits": 4, "quant_method": "gptq"}}}, "quantised (gptq)"),
        ({"config": {"quantization_config": {"bits": 4}}}, "quantised (method not named)"),
        ({"weights": {f"{LAYER[:-7]}.qweight": torch.ones(6, 32, dtype=torch.int32)}}, "quantised"),
        (packed(torch.int8), "quantised"), (packed(torch.float8_e4m3fn), "quantised"),
    ],
)  # fmt: skip
def test_quantised_weights(whole, tmp_path, damage, words):
    said = refused(damaged(whole(), tmp_path / "copy", **damage))
    assert words in said and "that it was made from" in said


@pytest.mark.parametrize("random_weights_seed", [None, 0])
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"hidden_size": "32"}, "hidden_size"),
        ({"hidden_size": 10**8}, "it asks for"),
        ({"num_key_value_heads": 3}, "4 attention heads cannot share 3 heads of keys and values"),
        ({"hidden_act": "no such"}, "no model can be built from it"),
        ({"rms_norm_eps": NAN}, "numbers that are not finite"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": -5.0}}, "inv_freq"),
        ({"rope_parameters": {"rope_type": "no such", "rope_theta": 1e4}}, "could not load|damaged"),
        ({"model_type": "t5"}, "no causal language model, but of type t5"),
    ],
)
def test_configurations_that_no_model_has(whole, tmp_path, config, words, random_weights_seed):
    folder = damaged(whole(), tmp_path / "copy", config=config)
    said = refused(folder, random_weights_seed=random_weights_seed)
    assert any(word in said for word in words.split("|")), said


@pytest.mark.parametrize(
    "files",
    [
        {"config": "[]"}, {"config": '{"a'}, {"tokenizer": "{}"}, {"tokenizer": ""}, {"tokenizer_config": "[1]"},
        {"tokenizer": None, "tokenizer_config": None},
        {"tokenizer": '{"model": {"type": "BPE", "vocab": {"a": "b"}, "merges": []}}'},
    ],
)  # fmt: skip
def test_unreadable_files(whole, tmp_path, files):
    said = refused(damaged(whole(), tmp_path / "copy", files=files))
    assert said.startswith("could not load") and "check that the folder is a whole saved model" in said
    assert ("tokenizer of" in said) == ("config" not in files)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gpt_oss", "mpt"])
@pytest.mark.parametrize("tied", [False, True])
def test_whole_models_load_with_the_weights_of_their_files(whole, architecture, tied):
    folder = whole(architecture, tie_word_embeddings=tied)
    state = models.load(str(folder), device="cpu").model.state_dict()
    stored = load_file(folder / "model.safetensors")
    assert stored and all(torch.equal(state[key], value) for key, value in stored.items())
    assert ("lm_head.weight" in stored) != tied


def test_buffers_that_older_versions_saved_do_no_harm(whole, tmp_path):
    old = {f"transformer.h.{i}.attn.masked_bias": torch.tensor(-1e9) for i in range(3)}
    old |= {f"transformer.h.{i}.attn.bias": torch.ones(1, 1, 8, 8) for i in range(3)}
    models.load(damaged(whole("gptj"), tmp_path / "gptj", weights=old), device="cpu")
    frequencies = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": torch.ones(4) for i in range(3)}
    models.load(damaged(whole(), tmp_path / "llama", weights=frequencies), device="cpu")


def test_a_model_too_large_for_the_machine_is_not_built(whole, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(weights.psutil, "virtual_memory", lambda: SimpleNamespace(total=100))
    assert "too many for this machine" in refused(str(whole()))
