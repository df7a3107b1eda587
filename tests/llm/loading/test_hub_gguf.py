"""Repositories of GGUF files, by the real client against a server on the loopback interface."""

import hashlib
import json
import os
import subprocess
import sys

import gguf_files
import pytest
import tiny
from hub_server import Hub, Repository, serve

pytestmark = pytest.mark.tiny

FIRST, SECOND = "a" * 40, "b" * 40
ASK = """
import json, sys
from iclnb.errors import IclnbError
from iclnb.llm.loading import models
for name, where in json.loads(sys.argv[1]):
    try:
        loaded = models.load(name, device="cpu", **where)
        answer = [loaded.origin, loaded.model.lm_head.weight.double().sum().item()]
    except IclnbError as error:
        answer = str(error)
    print("@" + json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two tiny models as files, and the sums of their output matrices."""
    folder = tmp_path_factory.mktemp("files")
    made = [gguf_files.write(folder / f"{seed}.gguf", seed=seed) for seed in (0, 1)]
    sums = [model.lm_head.weight.double().sum().item() for model in made]
    return [(folder / f"{seed}.gguf").read_bytes() for seed in (0, 1)], sums


@pytest.fixture(scope="module")
def hub(files, tmp_path_factory):
    (one, two), _ = files
    folder = tmp_path_factory.mktemp("saved")
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.save_pretrained(folder)
    tiny.model("llama", vocab_size=len(tokenizer)).save_pretrained(folder)
    saved = {path.name: path.read_bytes() for path in folder.iterdir()} | {"tiny.gguf": two}
    contents = {
        "only": {"README.md": b"a model", "m.gguf": one},
        "many": {"m-f16.gguf": two, "m-Q4_K_M.gguf": one},
        "unclear": {"m-f16.gguf": two, "m-q8_0.gguf": one},
        "both": saved,
        "corrupt": {"corrupt.gguf": one},
    }
    found = {
        f"models/owner/{name}": Repository({FIRST: held, SECOND: {**held, "m.gguf": two}}, {"main": FIRST})
        for name, held in contents.items()
    }
    with serve(Hub(found, corrupt={"corrupt.gguf"})) as hub:
        yield hub


@pytest.fixture
def ask(hub, tmp_path):
    """Questions to a process that has the server for its hub."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "ICLNB_"))}
    environment |= {"HF_HOME": str(tmp_path / "hub"), "ICLNB_CACHE": str(tmp_path / "cache")}

    def asked(*questions, **more):
        command = [sys.executable, "-c", ASK, json.dumps(questions)]
        run = subprocess.run(
            command, env=environment | {"HF_ENDPOINT": hub.url} | more, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        return [json.loads(line[1:]) for line in run.stdout.splitlines() if line.startswith("@")]

    return asked


def test_which_file_is_meant(ask, files):
    (one, _), (sum_one, sum_two) = files
    main = {"revision": "main"}
    only, many, chosen, unclear, other, both, explicit = ask(
        ["owner/only", main], ["owner/many", main], ["owner/many:m-f16.gguf", {"revision": FIRST}],
        ["owner/unclear", main], ["owner/many:none.gguf", main], ["owner/both", main],
        ["owner/both:tiny.gguf", main],
    )  # fmt: skip
    expected = {"source": "hub", "name": "owner/only", "revision": FIRST, "file": "m.gguf"}
    assert expected.items() <= only[0].items()
    assert only[0]["sha256"] == hashlib.sha256(one).hexdigest() and only[1] == sum_one
    assert (many[0]["file"], many[1]) == ("m-Q4_K_M.gguf", sum_one)
    assert (chosen[0]["file"], chosen[1]) == ("m-f16.gguf", sum_two)
    assert "choose one as owner/unclear:FILE, of m-f16.gguf, m-q8_0.gguf" in unclear
    assert "choose one as owner/many:FILE" in other
    assert "file" not in both[0] and both[1] != sum_two  # safetensors come first
    assert (explicit[0]["file"], explicit[1]) == ("tiny.gguf", sum_two)


def test_out_of_reach_the_cache_is_read(ask):
    (before,) = ask(["owner/only", {"revision": "main"}])
    names = ("owner/only", "owner/only:m.gguf")
    *after, gone = ask(
        *([name, {"revision": "main"}] for name in names),
        ["owner/many:m-f16.gguf", {"revision": FIRST}],
        HF_HUB_OFFLINE="1",
    )
    assert after == [[before[0] | {"name": name}, before[1]] for name in names]
    assert "could not load owner/many:m-f16.gguf: the hub is out of reach" in gone


def test_a_damaged_download_and_an_unpinned_one(ask, tmp_path):
    damaged, unpinned = ask(["owner/corrupt", {"revision": "main"}], ["owner/only", {}])
    assert "corrupt.gguf of owner/corrupt is damaged" in damaged
    assert "revision='<commit>'" in unpinned
    assert not list((tmp_path / "cache").glob("gguf-*"))
