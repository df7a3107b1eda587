"""The cache folder: what is in it, and how measurements leave it."""

import numpy as np
import pytest
from throwaway import ROOT, iclnb

from iclnb.errors import IclnbError
from iclnb.records import cache
from iclnb.store import Store


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model of 3 bytes, a text of 5, and two measurements of each of two models."""
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path))
    for name, size in {"a-1/model.safetensors": 3, "b-1/rows/train.jsonl": 5, "b-1.lock": 1}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    for model in ("m", "n"):
        store = Store({"name": model, "sha256": model})
        for number in range(2):
            store.kept("x", [number], lambda: {"x": np.zeros(10)}, modules=["iclnb.stats.limits"])
    return tmp_path


def test_the_command_shows_each_kind_and_clears_measurements_alone(folder):
    bytes_there = sum(path.stat().st_size for path in folder.rglob("*.safetensors")) - 3
    found = list(cache.contents())
    assert [(each.kind, each.name, each.files) for each in found] == [
        ("measurements", "m", 2), ("measurements", "n", 2), ("model", "a-1", 1), ("text", "b-1", 1),
    ]  # fmt: skip
    assert sum(each.size for each in found[:2]) == bytes_there
    assert [each.size for each in found[2:]] == [3, 5]
    done = iclnb(ROOT, "cache", "--clear")
    assert done.returncode == 0 and "removed 4 files of measurements" in done.stdout
    assert [each.kind for each in cache.contents()] == ["model", "text"]
    assert "no measurements" in iclnb(ROOT, "cache", "--clear").stdout
    shown = iclnb(ROOT, "cache").stdout
    assert "a-1" in shown and "b-1" in shown and "model 0.0 MB" in shown and ".lock" not in shown


def test_what_cannot_be_removed_is_an_error(folder, monkeypatch):
    monkeypatch.setattr(cache.store, "clear", lambda: None)
    with pytest.raises(IclnbError, match=r"4 files .* could not be removed"):
        cache.clear()
