"""What comes from the hub, by the real client against a server on the loopback interface."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import textwrap
from contextlib import suppress
from types import SimpleNamespace

import gguf_files
import pytest
import tiny
from hub_server import Hub, Repository, serve
from safetensors.torch import load as read_weights
from throwaway import ROOT

from iclnb.llm.data import tasks
from iclnb.llm.loading import places

pytestmark = pytest.mark.tiny

FIRST, SECOND = "a" * 40, "b" * 40
PINNED = "EleutherAI/gpt-j-6b"
SST2, STSB = tasks.get("sst2").hub, tasks.get("stsb").hub
ASK = """
import hashlib, json, sys
from iclnb.errors import IclnbError
from iclnb.llm.loading import models
from iclnb.llm.data import tasks

def model(name, **where):
    loaded = models.load(name, device="cpu", **where)
    state = loaded.model.state_dict()
    return loaded.origin, {k: hashlib.sha256(v.numpy().tobytes()).hexdigest() for k, v in state.items()}

def rows(name, split, **where):
    found = tasks.load(name, split, "hub", **where)
    return tasks.origin(found), found.to_list()

for line in sys.stdin:
    kind, words, where = json.loads(line)
    try:
        answer = {"found": {"model": model, "rows": rows}[kind](*words, **where)}
    except IclnbError as error:
        answer = {"refused": str(error)}
    except Exception as error:
        answer = {"raw": repr(error)}
    print("@" + json.dumps(answer), flush=True)
"""


def sentences(count, word="text"):
    rows = ({"sentence": f"{word} {i}", "label": i % 2} for i in range(count))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    """Two tiny models as GGUF files, and the hashes of their output matrices."""
    path, made = tmp_path_factory.mktemp("gguf") / "tiny.gguf", []
    for seed in (0, 1):
        head = gguf_files.write(path, seed=seed).lm_head.weight.detach().numpy()
        made.append(SimpleNamespace(file=path.read_bytes(), head=hashlib.sha256(head.tobytes()).hexdigest()))
    return made


@pytest.fixture(scope="module")
def hub(gguf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.save_pretrained(folder)

    def commit(seed):
        tiny.model("llama", seed=seed, vocab_size=len(tokenizer)).save_pretrained(folder)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    commits = {FIRST: commit(0), SECOND: commit(1)}
    found = {}
    for name in ("tiny", "cut", "corrupt", "gated", "adapter"):
        own = {commit: dict(files) for commit, files in commits.items()}
        found[f"models/owner/{name}"] = Repository(own, {"main": FIRST})
    found["models/owner/gated"].gated = True
    found["models/owner/adapter"].commits[FIRST]["adapter_config.json"] = b"{}"
    found[f"models/{PINNED}"] = Repository({places.PINNED[PINNED]: commits[FIRST]}, {"main": SECOND})
    data = {"train.jsonl": sentences(30), "validation.jsonl": sentences(9)}
    moved = {"train.jsonl": sentences(30, "other"), "validation.jsonl": sentences(9)}
    found[f"datasets/{SST2.repository}"] = Repository({SST2.revision: data, SECOND: moved}, {"main": SECOND})
    found[f"datasets/{STSB.repository}"] = Repository({STSB.revision: {}}, {}, gated=True)
    for name, held in {
        "only": {"README.md": b"a model", "m.gguf": gguf[0].file},
        "many": {"m-f16.gguf": gguf[1].file, "m-Q4_K_M.gguf": gguf[0].file},
        "unclear": {"m-f16.gguf": gguf[1].file, "m-q8_0.gguf": gguf[0].file},
        "both": commits[FIRST] | {"tiny.gguf": gguf[1].file},
        "broken": {"broken.gguf": gguf[0].file},
    }.items():
        found[f"models/owner/{name}"] = Repository({FIRST: held}, {"main": FIRST})
    with serve(Hub(found, corrupt={"broken.gguf"})) as hub:
        yield hub


@pytest.fixture(scope="module")
def ask(hub, tmp_path_factory):
    """Questions to one process that has the server for its hub."""
    home = tmp_path_factory.mktemp("home")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "ICLNB_"))
    }
    environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hub"), "ICLNB_CACHE": str(home / "cache")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", ASK], cwd=ROOT, env=environment, text=True, **pipes)

    def asked(kind, *words, **where):
        process.stdin.write(json.dumps([kind, words, where]) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        raise AssertionError("the process died")

    asked.environment = environment
    yield asked
    process.stdin.close()
    process.wait()


def weights(hub, name, commit):
    """The hashes of a commit's tensors, from the bytes that the server holds."""
    stored = read_weights(hub.repositories[f"models/owner/{name}"].commits[commit]["model.safetensors"])
    return {key: hashlib.sha256(value.numpy().tobytes()).hexdigest() for key, value in stored.items()}


def test_a_branch_is_the_commit_of_the_moment(hub, ask):
    origin, found = ask("model", "owner/tiny", revision="main")["found"]
    assert origin["revision"] == FIRST and weights(hub, "tiny", FIRST).items() <= found.items()
    hub.repositories["models/owner/tiny"].branches["main"] = SECOND
    origin, found = ask("model", "owner/tiny", revision="main")["found"]
    assert origin["revision"] == SECOND and weights(hub, "tiny", SECOND).items() <= found.items()
    origin, found = ask("model", "owner/tiny", revision=FIRST)["found"]
    assert origin["revision"] == FIRST and weights(hub, "tiny", FIRST).items() <= found.items()


def test_an_interrupted_download_goes_on(hub, ask):
    size = len(hub.repositories["models/owner/cut"].commits[FIRST]["model.safetensors"])
    hub.cut["model.safetensors"] = size // 2
    _, found = ask("model", "owner/cut", revision=FIRST)["found"]
    assert weights(hub, "cut", FIRST).items() <= found.items() and not hub.cut


def test_a_wrong_hash_is_refused_and_not_kept(hub, ask):
    hub.corrupt.add("model.safetensors")
    refused = ask("model", "owner/corrupt", revision=FIRST)["refused"]
    assert "damaged" in refused and "run again" in refused
    hub.corrupt.remove("model.safetensors")
    _, found = ask("model", "owner/corrupt", revision=FIRST)["found"]
    assert weights(hub, "corrupt", FIRST).items() <= found.items()


def test_which_gguf_file_is_meant(ask, gguf):
    one, two = gguf

    def model(name, revision="main"):
        return ask("model", name, revision=revision)["found"]

    origin, found = model("owner/only")
    expected = {"source": "hub", "name": "owner/only", "revision": FIRST, "file": "m.gguf"}
    assert expected.items() <= origin.items() and origin["sha256"] == hashlib.sha256(one.file).hexdigest()
    assert found["lm_head.weight"] == one.head
    for name, file, head in (
        ("owner/many", "m-Q4_K_M.gguf", one.head), ("owner/many:m-f16.gguf", "m-f16.gguf", two.head),
        ("owner/both:tiny.gguf", "tiny.gguf", two.head),
    ):  # fmt: skip
        origin, found = model(name, FIRST)
        assert (origin["file"], found["lm_head.weight"]) == (file, head)
    origin, found = model("owner/both")
    assert "file" not in origin and found["lm_head.weight"] != two.head, "safetensors come first"


@pytest.mark.parametrize(
    ("kind", "names", "revision", "words"),
    [
        ("model", ["owner/gated"], FIRST, "grant you access"),
        ("model", ["owner/nobody"], FIRST, "check the network, the id and the revision"),
        ("model", ["owner/tiny"], "no-such-branch", "check the network, the id and the revision"),
        ("model", ["owner/adapter"], "main", "holds a LoRA adapter"),
        ("model", ["owner/unclear"], "main", "choose one as owner/unclear:FILE, of m-f16.gguf, m-q8_0.gguf"),
        ("model", ["owner/many:none.gguf"], "main", "choose one as owner/many:FILE"),
        ("model", ["owner/broken"], "main", "broken.gguf of owner/broken is damaged"),
        ("model", ["owner/only"], None, "revision='<commit>'"),
        ("rows", ["stsb", "train"], None, "could not read"),
        ("rows", ["mnli", "validation"], None, "could not read"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_refused_with_what_to_do(ask, kind, names, revision, words):
    assert words in ask(kind, *names, revision=revision)["refused"]


def test_rows_are_those_of_the_pinned_commit_or_of_the_named_one(ask):
    origin, rows = ask("rows", "sst2", "train")["found"]
    assert origin["revision"] == SST2.revision and rows[1]["sentence"] == "text 1"
    assert len(rows) == 30 and rows[3]["label"] == 1
    origin, rows = ask("rows", "sst2", "train", revision="main")["found"]
    assert origin["revision"] == SECOND and rows[0]["sentence"] == "other 0"


def test_what_was_fetched_ahead_is_read_without_the_hub(hub, ask, tmp_path):
    environment = ask.environment | {"HF_HOME": str(tmp_path)}

    def run(program, *words, **changes):
        command = [sys.executable, "-c", program, *words]
        done = subprocess.run(command, env=environment | changes, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    cli = "from iclnb.cli import main; main()"
    commit = hub.repositories["models/owner/cut"].branches["main"]
    assert commit in run(cli, "fetch", "owner/cut", "owner/only", "sst2", "--revision", "main")
    hub.requests.clear()
    loaded = """
from iclnb.llm.data import tasks
from iclnb.llm.loading import models
print(len(tasks.load("sst2", "train")))
for name in ("owner/cut", "owner/only", "owner/only:m.gguf"):
    print(models.load(name, revision="main", device="cpu").origin["revision"])
"""
    assert run(loaded, HF_HUB_OFFLINE="1").split() == ["30", commit, FIRST, FIRST] and not hub.requests


def test_a_hub_that_never_answers_is_asked_once_and_said_to_be_out_of_reach(ask):
    """What was loaded before comes from the cache; everything else is refused without retries."""
    program = """
        from iclnb.errors import IclnbError
        from iclnb.llm.loading import models
        from iclnb.llm.data import hub, tasks
        hub.SECONDS /= 100  # a server that never answers is waited for, each time
        for ask in (
            lambda: models.load("owner/tiny", revision="a" * 40, device="cpu"),
            lambda: tasks.load("sst2", "train", "hub"),
            lambda: models.load("owner/tiny", revision="new", device="cpu"),
            lambda: models.load("Qwen/Qwen2.5-0.5B", device="cpu"),
            lambda: tasks.load("mnli", "validation"),
        ):
            try:
                ask()
                print("loaded")
            except IclnbError as error:
                print(error)
    """
    ask("model", "owner/tiny", revision=FIRST), ask("rows", "sst2", "train")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(99)
        environment = ask.environment | {"HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        words = [sys.executable, "-c", textwrap.dedent(program)]
        run = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert asked(silent) <= 5 and "Retry" not in run.stderr
    *loaded, one, two, three = run.stdout.strip().split("\n")
    assert loaded == ["loaded"] * 2, run.stderr
    for line in (one, two, three):
        assert line.startswith("could not") and "the hub is out of reach" in line


def asked(silent):
    """How often somebody connected to a socket that accepted nobody."""
    silent.setblocking(False)
    count = 0
    with suppress(BlockingIOError):
        while silent.accept():
            count += 1
    return count
