"""Models by name: packaged, local, hub; weights, placement, controls and messages."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
import tiny
import torch
from huggingface_hub import constants
from safetensors.torch import load_file

from iclnb.errors import IclnbError
from iclnb.keys.inputs import content_hash
from iclnb.llm.data import hub, packaged
from iclnb.llm.loading import models, places


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny Llama with a tokeniser that has no padding token, saved as a local folder."""
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.add_special_tokens({"eos_token": "</s>"})
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(folder)
    tiny.model("llama", vocab_size=len(tokenizer), initializer_range=0.25).save_pretrained(folder)
    return folder


@pytest.mark.tiny
def test_local_folder(folder):
    model, tokenizer, origin = vars(models.load(str(folder), device="cpu")).values()
    assert origin == {
        "source": "local", "name": "tiny-llama", "sha256": content_hash(folder), "dtype": "float32",
        "device": "cpu", "random_weights_seed": None,
    }  # fmt: skip
    weights = load_file(folder / "model.safetensors")
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in weights.items())
    assert not model.training
    assert (tokenizer.pad_token, tokenizer.padding_side) == ("</s>", "right")
    batch = tokenizer(["a fine film", "a"], padding=True, return_tensors="pt")
    assert batch.attention_mask[1].tolist() == sorted(batch.attention_mask[1].tolist(), reverse=True)


@pytest.mark.tiny
@pytest.mark.parametrize("place", [{"device": "cpu"}, {"device_map": {"": "cpu"}}])
@pytest.mark.parametrize("seed", [None, 0])
def test_dtype_and_placement(folder, place, seed):
    loaded = models.load(str(folder), dtype="bfloat16", random_weights_seed=seed, **place)
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.bfloat16}
    assert {parameter.device.type for parameter in loaded.model.parameters()} == {"cpu"}
    assert loaded.origin["dtype"] == "bfloat16"


def test_precision_by_device(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert models._dtype(None, cpu) == models._dtype(None, torch.device("mps")) == torch.float32
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert models._dtype(None, cuda) is torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert models._dtype(None, cuda) is torch.float16
    for has, fastest in [({"avx512_bf16": True}, torch.bfloat16), ({"avx512_bf16": False}, torch.float32)]:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=has: found)
        assert models._dtype(models.FASTEST, cpu) is fastest
        assert models._dtype(models.FASTEST, cpu, "float32") is torch.float32  # as a GGUF file has it
        assert models._dtype(models.FASTEST, cuda) is torch.float16
    for wrong in ("int8", "Tensor", "no such", torch.int64):
        with pytest.raises(ValueError, match="expected a floating-point dtype"):
            models._dtype(wrong, cpu)


def test_device_by_what_there_is(monkeypatch):
    for cuda, mps, expected in [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=cuda: there)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda there=mps: there)
        assert models.best_device().type == expected


@pytest.mark.tiny
def test_random_weights(folder):
    def weights(seed):
        return models.load(str(folder), device="cpu", random_weights_seed=seed).model.state_dict()

    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = weights(1), weights(1), weights(2)
    assert torch.equal(torch.get_rng_state(), before)
    drawn = [name for name in first if first[name].ndim == 2]
    trained = load_file(folder / "model.safetensors")
    for name in drawn:
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])
        assert first[name].shape == trained.get(name, first[name]).shape
        error = 0.25 / (2 * first[name].numel()) ** 0.5
        assert abs(first[name].std().item() - 0.25) < 5 * error


@pytest.mark.tiny
def test_damaged_local_folders(folder, tmp_path):
    pickled, cut = (shutil.copytree(folder, tmp_path / name) for name in ("pickled", "cut"))
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    (cut / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-8])
    for damaged in (pickled, cut):
        with pytest.raises(IclnbError, match=f"{damaged.name}: its weights must be whole safetensors"):
            models.load(str(damaged))


@pytest.mark.tiny
def test_code_of_a_model_is_never_run(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "homemade"
    config["auto_map"] = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text("raise SystemExit('the code of the model was run')")
    with pytest.raises(IclnbError, match="could not load"):
        models.load(str(tmp_path))


def test_unknown_names(tmp_path):
    for name in ("gpt-9", "some/model"):
        with pytest.raises(IclnbError) as error:
            models.load(name)
        for part in (repr(name), "packaged: smollm2-135m-instruct", "local: a folder", *places.PINNED):
            assert part in str(error.value)
        assert ("revision='<commit>'" in str(error.value)) == ("/" in name)
    with pytest.raises(IclnbError, match=r"expected a folder with config\.json"):
        models.load(str(tmp_path))
    with pytest.raises(IclnbError, match="has no revision"):
        models.load(str(tmp_path), revision="main")
    with pytest.raises(IclnbError, match="has no revision"):
        models.load(revision="main")
    with pytest.raises(ValueError, match="expected device or device_map, got both"):
        models.load(device="cpu", device_map="auto")


def test_a_proxy_that_lacks_its_package_is_named(monkeypatch):
    def session():
        raise ImportError("SOCKS is asked for, and socksio is not installed")

    monkeypatch.setattr(hub, "get_session", session)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with pytest.raises(IclnbError, match=r"SOCKS.*pip install socksio"):
        models.load("Qwen/Qwen2.5-0.5B")


@pytest.mark.tiny
def test_an_adapter_beside_the_weights_is_not_passed_over(folder, tmp_path):
    both = shutil.copytree(folder, tmp_path / "both")
    (both / "adapter_config.json").write_text("{}")
    with pytest.raises(IclnbError, match=r"both holds a LoRA adapter.*merge"):
        models.load(both)


@pytest.mark.packaged
def test_packaged_model_reads_english():
    model, tokenizer, origin = vars(models.load(device="cpu")).values()
    assert (origin["source"], origin["sha256"]) == ("packaged", packaged.of(places.PACKAGED).origin["sha256"])
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    with torch.no_grad():
        assert tokenizer.decode(model(**prompt).logits[0, -1].argmax()) == " Paris"
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n")


@pytest.mark.packaged
def test_nothing_asks_the_network_once_fetched():
    packaged.prefetch()
    program = textwrap.dedent("""
        import socket, subprocess
        tried = []
        def refuse(*arguments, **_):
            tried.append(arguments)
            raise OSError("network is off")
        socket.getaddrinfo = socket.socket.connect = refuse
        from iclnb.llm.loading import models
        from iclnb.llm.data import packaged, tasks
        import numpy as np
        packaged.download = refuse
        packaged.prefetch()
        models.load()
        models.load(random_weights_seed=0)
        encoder = models.load_encoder(device="cpu")
        encoded = encoder.encode(["A man is eating.", "Someone eats.", "Stocks fell."])
        alike, unlike = encoded[0] @ encoded[1], encoded[0] @ encoded[2]
        assert encoded.shape == (3, 384) and np.allclose(np.linalg.norm(encoded, axis=1), 1)
        assert alike > 0.5 > 0.2 > unlike, (alike, unlike)
        for name in ("movie_snippets", "amazon_snippets", "nyt_snippets", "tweet_snippets", "stsb"):
            assert len(tasks.load(name, "train", "packaged"))
        assert not tried, tried
    """)
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in offline}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
    assert "it/s" not in run.stderr
