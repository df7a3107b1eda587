"""GGUF files: read as the model that they were written from, converted once, and refused with a reason."""

import hashlib
import os
import shutil

import gguf as reference
import gguf_files
import numpy as np
import pytest
import torch

from iclnb.errors import IclnbError
from iclnb.llm.data import gguf
from iclnb.llm.loading import models, places

pytestmark = pytest.mark.tiny

IDS = [5, 17, 300, 42, 8, 8, 250]
TEXT = "A fine film, and a dull one."


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def converted(cache):
    """The folders of converted models, and temporary ones that should not be there."""
    return [path for path in cache.glob("*gguf-*") if path.is_dir()]


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_the_model_that_the_file_was_written_from(tmp_path, architecture):
    file = tmp_path / "tiny.gguf"
    oracle = gguf_files.write(file, architecture)
    model, tokenizer, origin = vars(models.load(str(file), device="cpu")).values()
    assert torch.equal(gguf_files.logits(model, IDS), gguf_files.logits(oracle, IDS))
    assert tokenizer(TEXT).input_ids == gguf_files.model()[1](TEXT).input_ids
    assert origin == {
        "source": "local", "name": "tiny", "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "dtype": "float32", "device": "cpu", "random_weights_seed": None,
    }  # fmt: skip
    assert not model.training


@pytest.mark.parametrize(
    ("kind", "own"),
    [(gguf_files.F16, "float32"), (gguf_files.BF16, "bfloat16"), (gguf_files.Q8_0, "bfloat16")],
)
def test_weights_are_those_of_the_file_in_its_own_precision(tmp_path, cache, kind, own):
    file = tmp_path / "tiny.gguf"
    gguf_files.write(file, "qwen2", kind=kind)
    loaded = models.load(str(file), device="cpu")
    assert loaded.origin["dtype"] == own  # half precision is computed in fp32 on a CPU
    kept = torch.float16 if kind == gguf_files.F16 else torch.bfloat16
    state, there = loaded.model.state_dict(), {t.name: t for t in reference.GGUFReader(file).tensors}
    for name, key in (
        ("token_embd.weight", "model.embed_tokens.weight"),
        ("blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight"),
        ("blk.2.ffn_down.weight", "model.layers.2.mlp.down_proj.weight"),
        ("blk.0.attn_k.bias", "model.layers.0.self_attn.k_proj.bias"),
    ):
        raw = np.array(reference.dequantize(there[name].data, there[name].tensor_type), dtype=np.float32)
        expected = torch.from_numpy(raw).to(kept)
        assert torch.equal(state[key].to(kept), expected.reshape(state[key].shape)), name
    assert models.load(str(file), device="cpu", dtype="float32").model.dtype == torch.float32
    assert len(converted(cache)) == 1


def test_converted_once_and_known_by_its_content(tmp_path, cache, monkeypatch):
    file = tmp_path / "tiny.gguf"
    gguf_files.write(file)
    first = models.load(str(file), device="cpu").origin
    other = tmp_path / "other.gguf"
    gguf_files.write(other, seed=1)
    second = models.load(str(other), device="cpu").origin
    assert first["sha256"] != second["sha256"] and len(converted(cache)) == 2
    monkeypatch.setattr(gguf, "convert", lambda *_: pytest.fail("converted again"))
    os.utime(file, (1, 1))  # touched: read again, found to be the same
    assert models.load(str(file), device="cpu").origin == first
    copy = shutil.copy(file, tmp_path / "sha256-abc")  # as Ollama names them
    assert models.load(copy, device="cpu").origin == first | {"name": "sha256-abc"}
    shutil.copy(other, file)
    assert models.load(str(file), device="cpu").origin["sha256"] == second["sha256"]
    assert places.content_hash(file) == second["sha256"]


SPLIT = {"split.count": 3}
SCALED = {"llama.rope.scaling.type": "yarn"}
UNKNOWN = {"general.architecture": "rwkv7"}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"values": UNKNOWN}, r"architecture 'rwkv7'.*cannot read from GGUF; it reads bloom,.*qwen2"),
        ({"values": SPLIT}, r"one of 3 files .*llama-gguf-split --merge"),
        ({"values": SCALED}, r"scales its rotary positions"),
        ({"extra": ["rope_freqs.weight"]}, r"scales its rotary positions"),
        ({"without": ["blk.1.ffn_up.weight"]}, r"no whole GGUF file.*missing weights: .*up_proj"),
        ({"without": ["token_embd.weight"]}, r"no whole GGUF file"),
    ],
    ids=["unknown", "split", "scaled", "frequencies", "a weight missing", "no embedding"],
)
def test_what_cannot_be_read_is_said_and_not_kept(tmp_path, cache, how, message):
    file = tmp_path / "tiny.gguf"
    gguf_files.write(file, **how)
    with pytest.raises(IclnbError, match=f"(?s)tiny.gguf.*{message}"):
        models.load(str(file), device="cpu")
    assert not converted(cache)


@pytest.mark.parametrize("part", [0.0, 0.0001, 0.1, 0.999])
def test_a_cut_file(tmp_path, cache, part):
    file = tmp_path / "tiny.gguf"
    gguf_files.write(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(IclnbError, match=r"tiny.gguf is no whole GGUF file.*download it again") as error:
        models.load(str(file), device="cpu")
    assert "\n" not in str(error.value)
    assert not converted(cache)


def test_no_gguf_file(tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(IclnbError, match=r"notes.txt is no whole GGUF file.*letters GGUF"):
        models.load(str(tmp_path / "notes.txt"))
    with pytest.raises(IclnbError, match=r"gone\.gguf is no model: expected .*or a GGUF file"):
        models.load(str(tmp_path / "gone.gguf"))
