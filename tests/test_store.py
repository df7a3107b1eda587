"""Kept measurements: found again bit for bit, never wrongly, whatever happens to files and processes."""

import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from safetensors import safe_open

from iclnb import store
from iclnb.keys.equivalence import Entry, Ledger
from iclnb.llm import limits, passes
from iclnb.llm.data.definitions import Format
from iclnb.llm.models import LoadedModel
from iclnb.llm.prompts import Demonstration, Wording, build
from iclnb.llm.reader import Reader
from iclnb.store import Store

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


SHARDS = 12
"""3 measurements of 4 sets: what is together depends on the prompts, not on the 2 queries of a pass."""


def test_a_second_run_reads_nothing_and_finds_the_same_bytes(tmp_path, attended, monkeypatch):
    with store.tally() as first:
        reader = make_reader(tmp_path)
        found = measure(reader)
    assert found == measure(Reader(reader.loaded, batch_size=2))  # as without a store
    assert (first.measured, first.reused) == (SHARDS, 0) and first.seconds > 0
    attended.clear()
    monkeypatch.setattr(passes, "prepare", lambda *_: pytest.fail("demonstrations were read again"))
    with store.tally() as second:
        assert measure(make_reader(tmp_path)) == found
    assert not attended and (second.measured, second.reused) == (0, SHARDS)
    assert second.seconds_reused == pytest.approx(first.seconds, abs=SHARDS * 1e-4)  # what it all cost


def test_memory_and_the_size_of_a_pass_decide_no_shard(tmp_path, monkeypatch):
    """Free memory for one query at a time, and passes of 1 or 16 queries: the same shards."""
    names = []
    for place, (size, free) in enumerate([(1, 2**40), (16, 2**40), (16, 1)]):
        monkeypatch.setattr(
            limits.psutil, "virtual_memory", lambda free=free: SimpleNamespace(available=free)
        )
        reader = make_reader(tmp_path / str(place))
        reader.batch_size = reader._passes.batch_size = size
        measure(reader)
        names.append({path.name for path in (tmp_path / str(place)).rglob("*.safetensors")})
    assert names[0] == names[1] == names[2] and len(names[0]) == SHARDS


def test_more_points_measure_only_what_is_new(tmp_path, monkeypatch):
    monkeypatch.setattr(passes, "TOGETHER", 2)
    reader = make_reader(tmp_path)
    table = make_prompts(reader.tokenizer)
    reader.answers(table[:, :4], WORDING)
    with store.tally() as tally:
        reader.answers(table, WORDING)
    assert (tally.measured, tally.reused) == (4, 8)


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "garbage"])
def test_a_damaged_shard_is_measured_again(tmp_path, damage):
    found = measure(make_reader(tmp_path))
    shard = sorted(tmp_path.rglob("*.safetensors"))[7]
    whole, content = shard.read_bytes(), arrays_of(shard)
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    shard.write_bytes({"flip": flipped, "truncate": whole[:-9], "empty": b"", "garbage": b"x" * 999}[damage])
    with store.tally() as tally:
        assert measure(make_reader(tmp_path)) == found
    assert tally.measured == 1 and arrays_of(shard) == content


@pytest.mark.parametrize(
    ("change", "shared"),
    [({"sha256": "0ther"}, 0), ({"dtype": "bfloat16"}, 0), ({"random_weights_seed": 2}, 0),
     ({"device": "cuda:0"}, 0), ({"name": "moved elsewhere"}, SHARDS)],
)  # fmt: skip
def test_other_weights_share_nothing_and_the_same_by_another_name_everything(tmp_path, change, shared):
    measure(make_reader(tmp_path))
    with store.tally() as tally:
        measure(make_reader(tmp_path, ORIGIN | change))
    assert (tally.measured, tally.reused) == (SHARDS - shared, shared)


def test_other_prompts_words_variants_and_batches_share_nothing(tmp_path):
    measure(make_reader(tmp_path))
    table = make_prompts(make_reader(tmp_path).tokenizer)
    for ask in (
        lambda reader: reader.answers(table[:, ::-1][:, :3], WORDING),
        lambda reader: reader.answers(table, Wording(WORDING.format, ("bad", "dull"))),
        lambda reader: reader.kernel_weights(table, WORDING, 0, variants=("label",)),
        lambda reader: reader.answers(table, WORDING, alter=doubled),
    ):
        with store.tally() as tally:
            ask(make_reader(tmp_path))
        assert tally.measured > tally.reused


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
    assert len(attended) == 2 * 12  # passes: who does not say what it does is asked each time


def test_code_that_measures_decides_whether_a_shard_serves(tmp_path, monkeypatch):
    """Other code finds no shard, until the ledger says that both measure the same; older shards stay."""
    found, then = measure(make_reader(tmp_path)), store._code
    changed = "iclnb/llm/attention/split_softmax.py"

    def now(modules, gpu):
        return {**then(modules, gpu), changed: "other"}

    monkeypatch.setattr(store, "_code", now)
    before = {changed: then(("iclnb.llm.reader",), False)[changed]}
    for proofs, measured in ([], SHARDS), ([Entry(before, {changed: "another"}, {})], 0), ([], 0):
        monkeypatch.setattr(store, "_ledger", lambda proofs=proofs: Ledger(proofs))
        if proofs:
            shutil.rmtree(tmp_path)
            monkeypatch.setattr(store, "_code", then)
            measure(make_reader(tmp_path))
            monkeypatch.setattr(store, "_code", lambda m, g: {**then(m, g), changed: "another"})
        elif measured == 0:
            monkeypatch.setattr(store, "_code", then)
        with store.tally() as tally:
            assert measure(make_reader(tmp_path)) == found
        assert tally.measured == measured
    assert len(list(tmp_path.rglob("*.safetensors"))) == SHARDS


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


def test_a_run_that_was_broken_off_goes_on_where_it_was(tmp_path, monkeypatch):
    replace, kept = os.replace, []

    def breaking(temporary, place):
        if str(place).endswith(".safetensors"):
            if len(kept) == 5:
                raise KeyboardInterrupt
            kept.append(place)
        replace(temporary, place)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", breaking)
        measure(make_reader(tmp_path / "store"))
    with store.tally() as tally:
        found = measure(make_reader(tmp_path / "store"))
    assert (tally.measured, tally.reused) == (SHARDS - 5, 5)
    assert found == measure(make_reader(tmp_path / "undisturbed"))


def test_shards_and_clearing(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path))
    assert list(store.shards()) == []
    measure(make_reader(None))
    kept = list(store.shards())
    assert len(kept) == SHARDS and {shard.about["model"] for shard in kept} == {"tiny"}
    assert {shard.about["what"] for shard in kept} == {"answers", "kernel weights", "mean head outputs"}
    store.clear()
    assert list(store.shards()) == []


def arrays_of(shard):
    with safe_open(shard, "numpy") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
