"""Kept measurements: found again bit for bit, never wrongly, whatever happens to files and processes."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
from throwaway import ROOT

from iclnb.llm import passes, store
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration, Wording, build
from iclnb.llm.reader import Reader
from iclnb.llm.store import Store

pytestmark = pytest.mark.tiny

WORDING = Wording(Format(x="Review: {text}", cue="\nSentiment:"), ("bad", "good"))
TEXTS = ("fine film", "a really long text with many words, and dull", "good", "naïve 😀", "The end.")
ORIGIN = {"source": "local", "name": "tiny", "sha256": "5eed", "dtype": "float32", "device": "cpu"}


def make_prompts(tokenizer, sets=4, queries=5):
    table = np.empty((sets, queries), dtype=object)
    for s, q in np.ndindex(sets, queries):
        shown = [Demonstration({"text": TEXTS[(s + i) % 5]}, (s >> i) % 2) for i in range(3)]
        table[s, q] = build(tokenizer, *WORDING, shown, {"text": TEXTS[q]})
    return table


def make_reader(folder, origin=ORIGIN):
    tokenizer = tiny.tokenizers()["llama3"]
    tokenizer.pad_token = "<s>"
    loaded = LoadedModel(tiny.model("llama", vocab_size=len(tokenizer)), tokenizer, dict(origin))
    return Reader(loaded, batch_size=2, store=Store(loaded.origin, folder))


def measure(reader):
    """Everything a reader measures, as bytes."""
    table = make_prompts(reader.tokenizer)
    weights = reader.kernel_weights(table, WORDING, np.zeros((4, 5), int), variants=("maximum", "sum"))
    parts = [reader.answers(table, WORDING), weights.answers, *weights.weights.values()]
    return b"".join(part.tobytes() for part in [*parts, reader.mean_head_outputs(table)])


@pytest.fixture
def attended(monkeypatch):
    """The batches that the model really ran."""
    calls, original = [], passes.attend
    monkeypatch.setattr(passes, "attend", lambda *a, **k: calls.append(1) or original(*a, **k))
    return calls


def test_a_second_run_reads_nothing_and_finds_the_same_bytes(tmp_path, attended, monkeypatch):
    first = make_reader(tmp_path)
    found = measure(first)
    assert found == measure(Reader(first.loaded, batch_size=2))  # as without a store
    assert first.store.measured == 36 and first.store.reused == 0  # 3 measurements, 4 sets, 5 queries by twos
    attended.clear()
    monkeypatch.setattr(passes, "prepare", lambda *_: pytest.fail("demonstrations were read again"))
    second = make_reader(tmp_path)
    assert measure(second) == found
    assert not attended and second.store.measured == 0 and second.store.reused == 36


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "garbage"])
def test_a_damaged_shard_is_measured_again(tmp_path, damage, attended):
    found = measure(make_reader(tmp_path))
    shard = sorted(tmp_path.rglob("*.safetensors"))[7]
    whole = shard.read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    shard.write_bytes({"flip": flipped, "truncate": whole[:-9], "empty": b"", "garbage": b"x" * 999}[damage])
    attended.clear()
    assert measure(make_reader(tmp_path)) == found
    assert len(attended) == 1 and shard.read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [{"sha256": "0ther"}, {"dtype": "bfloat16"}, {"random_weights_seed": 2}, {"device": "cuda:0"}],
    ids=lambda change: next(iter(change)),
)
def test_other_weights_share_nothing(tmp_path, change):
    make_reader(tmp_path).answers(make_prompts(make_reader(tmp_path).tokenizer), WORDING)
    other = make_reader(tmp_path, ORIGIN | change)
    other.answers(make_prompts(other.tokenizer), WORDING)
    assert other.store.reused == 0


def test_a_name_alone_changes_nothing(tmp_path):
    measure(make_reader(tmp_path))
    renamed = make_reader(tmp_path, ORIGIN | {"name": "moved elsewhere"})
    measure(renamed)
    assert renamed.store.measured == 0


def test_other_prompts_words_variants_and_batches_share_nothing(tmp_path):
    measure(make_reader(tmp_path))
    table = make_prompts(make_reader(tmp_path).tokenizer)
    for ask in (
        lambda reader: reader.answers(table[:, ::-1][:, :3], WORDING),
        lambda reader: reader.answers(table, Wording(WORDING.format, ("bad", "dull"))),
        lambda reader: reader.kernel_weights(table, WORDING, 0, variants=("label",)),
        lambda reader: reader.answers(table, WORDING, alter=doubled),
    ):
        reader = make_reader(tmp_path)
        ask(reader)
        assert reader.store.measured > reader.store.reused


def doubled(prefix, prompt):
    return type(prefix)(prefix.input_ids, prefix.keys, tuple(2 * value for value in prefix.values))


doubled.key = "values doubled"


def test_edits_are_kept_by_their_key_or_not_at_all(tmp_path, attended):
    reader, table = make_reader(tmp_path), make_prompts(make_reader(tmp_path).tokenizer)
    found = reader.answers(table, WORDING, alter=doubled)
    attended.clear()
    np.testing.assert_array_equal(reader.answers(table, WORDING, alter=doubled), found)
    assert not attended
    reader.answers(table, WORDING, alter=lambda prefix, _: prefix)
    reader.answers(table, WORDING, alter=lambda prefix, _: prefix)
    assert len(attended) == 2 * 12  # who does not say what it does is asked each time


def test_code_that_measures_is_part_of_the_key(tmp_path, monkeypatch):
    measure(make_reader(tmp_path))
    monkeypatch.setattr(store, "_code", lambda: "another version")
    changed = make_reader(tmp_path)
    measure(changed)
    assert changed.store.reused == 0


def test_a_model_that_nothing_pins_has_no_store(tmp_path):
    reader = make_reader(tmp_path, {"name": "who knows"})
    measure(reader)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_store_that_cannot_be_written_costs_the_reuse_alone(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    reader = make_reader(blocked)
    with pytest.warns(UserWarning, match="goes on without") as warned:
        found = measure(reader)
    assert found == measure(make_reader(tmp_path / "fine")) and len(warned) == 1


RUN = """
import sys, test_store, pathlib
reader = test_store.make_reader(pathlib.Path(sys.argv[1]))
found = test_store.measure(reader)
pathlib.Path(sys.argv[2]).write_bytes(found)
print(reader.store.measured)
"""


def start(folder, output):
    places = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests/llm")))
    words = [sys.executable, "-c", RUN, str(folder), str(output)]
    return subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": places}, stdout=subprocess.PIPE, text=True
    )


def test_killed_runs_go_on_where_they_were(tmp_path):
    """SIGKILL as soon as some shards are there: none is measured twice, the end is bit for bit the same."""
    rng, shards, measured = random.Random(0), tmp_path / "store", 0
    for _ in range(2):
        process, wanted = start(shards, tmp_path / "out"), measured + rng.randint(1, 10)
        while process.poll() is None and measured < wanted:
            measured = len(list(shards.rglob("*.safetensors")))
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        measured = len(
            [path for path in shards.rglob("*.safetensors") if path.parent.parent.parent == shards]
        )
    assert 0 < measured < 36
    last = start(shards, tmp_path / "out")
    assert int(last.communicate()[0]) == 36 - measured
    assert (tmp_path / "out").read_bytes() == measure(make_reader(tmp_path / "undisturbed"))


def test_contents_and_clearing(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path))
    assert list(store.contents()) == []
    measure(make_reader(None))
    (found,) = store.contents()
    files = list((tmp_path / "measurements").rglob("*.safetensors"))
    assert found == ("tiny", len(files), sum(file.stat().st_size for file in files)) and len(files) == 36
    store.clear()
    assert list(store.contents()) == [] and not (tmp_path / "measurements").exists()
