"""The benchmark on a tiny model: what it compares agrees, what is missing is said, a page can show it."""

import gc
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import tiny

from iclnb.llm import models
from iclnb.site import bench as bench_page

HERE = Path(__file__).parent


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import bench

    gc.freeze()  # a collection before every run would go through all that the tests have loaded
    yield bench
    gc.unfreeze()


@pytest.fixture
def model(tmp_path):
    made = tiny.model("llama", implementation="sdpa")
    made.save_pretrained(tmp_path / "model")
    tiny.tokenizers()["llama3"].save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def here(bench, absent):
    """Contenders of this process, in the place of processes of their own."""
    import contender
    import of_models
    import of_theory

    class Here:
        def __init__(self, python, way, place, stack):
            self.way, self.taken, self.versions = way, [], {}
            self.missing = "not installed" if way in absent else None
            self.at = None if self.missing else (of_models.WAYS | of_theory.WAYS)[way](place)

        def wait(self):
            pass

        def work(self, size):
            size.pop("memory", None)
            return contender.measured(self.at(**size), "cpu")

    return Here


@pytest.mark.tiny
def test_ways_agree_and_what_is_missing_is_said(bench, model, tmp_path, monkeypatch):
    absent = {"nnsight", "TransformerLens", "posteriors, dynamax", "sweep, PyTorch loop", "sweep, sampled"}
    monkeypatch.setattr(bench, "Contender", here(bench, absent))
    settings = {"name": "tiny", "rounds": 1, "limit": 60}
    record = bench.bench(bench.QUICK, model, Path(sys.executable), **settings)
    rows = {(row["way"], row["size"]): row for row in record["measurements"]}
    assert {way for way, _ in rows} == {way for each in bench.QUICK for way in each.ways}
    for row in rows.values():
        skipped = row["way"] in absent or row["left_out"] == "not needed"
        assert bool(row["left_out"]) == skipped and len(row["seconds"]) == (not skipped), row
    for way in ("transformers, eager", "prefix of all but one"):
        assert rows[way, 240]["difference"] < 1e-5
    assert rows["one by one, eager", 8]["difference"] < 1e-5
    assert 0 < rows["posteriors, hmmlearn", 50]["difference"] < 1e-9
    place = bench_page.recorded(tmp_path)
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(record | {"not_installed": {}}))
    assert "not installed" in bench_page.page(tmp_path)


@pytest.mark.tiny
def test_a_gpu_has_experiments_of_its_own_with_a_model_of_ones_own(bench, model, monkeypatch):
    """Here on the processor, and small; a folder takes the place of a larger model of its name."""
    from of_models import LARGER

    monkeypatch.setattr(
        bench, "Contender", here(bench, {"nnsight", "TransformerLens", f"larger, {LARGER[1]}"})
    )
    plain = models.load
    monkeypatch.setattr(
        models, "load", lambda name, **how: plain(str(Path(name).resolve(strict=True)), **how)
    )
    larger = model.rename(model.parent / LARGER[0])
    fixed = {"sets": 1, "queries": 3, "shown": 1, "tokens": 5, "suffix": 3, "batch": 2}
    small = [
        e._replace(sizes=(8,), fixed={n: v for n, v in fixed.items() if n in e.fixed}) for e in bench.GPU
    ]
    record = bench.bench(small, larger, Path(sys.executable), name="m", rounds=1, limit=60, larger=[larger])
    left = {row["way"] for row in record["measurements"] if row["left_out"]}
    assert left == {"nnsight", "TransformerLens", f"larger, {LARGER[1]}"}
    assert {row["experiment"] for row in record["measurements"]} == {e.name for e in bench.GPU}


class Quick:
    """A contender that does nothing and says what it took."""

    def __init__(self, seconds):
        self.way, self.missing, self.taken, self.sizes, self.seconds = "w", None, [], [], seconds

    def work(self, size):
        self.sizes.append(size)
        taken = 1.0 if size.get("memory") else 2.0
        return {"seconds": self.seconds, "megabytes": taken, "points": 1, "gflop": None, "sample": []}


@pytest.mark.parametrize(("axis", "left_out"), [("tokens", "about 400 s a run"), ("batch", None)])
def test_more_in_a_pass_is_no_more_work(bench, axis, left_out):
    experiment = bench.Experiment("e", axis, (1, 10), ("w",))
    rows = bench.measure(experiment, [Quick(4.0)], 1, 60, "cpu")
    assert [row["left_out"] for row in rows] == [None, left_out]


def test_memory_is_that_of_a_last_run_of_its_own_except_on_a_gpu(bench, monkeypatch):
    import torch

    experiment, (ours, gpu) = bench.Experiment("e", "n", (1, 2), ("w",)), (Quick(0.1), Quick(0.1))
    assert [row["megabytes"] for row in bench.measure(experiment, [ours], 2, 60, "cpu")] == [1.0, 1.0]
    assert ours.sizes[-2:] == [{"n": 1, "memory": True}, {"n": 2, "memory": True}] and len(ours.sizes) == 8
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**30, 2**40))
    assert [row["megabytes"] for row in bench.measure(experiment, [gpu], 2, 60, "cuda")] == [2.0, 2.0]
    assert not any("memory" in size for size in gpu.sizes)
    earlier = {"seconds": [0.1], "megabytes": 1000.0}
    assert bench.too_large(earlier, 1, 60, "cuda") == "about 1 GB of memory"


def test_a_part_measured_again_takes_the_place_of_its_own(bench):
    import records

    def record(time, **experiments):
        run = {"experiments": list(experiments), "provenance": {"time": time}, "load": []}
        rows = [{"experiment": name, "size": n} for name, sizes in experiments.items() for n in sizes]
        fixed = {name: {"t": time} for name in experiments}
        return {"runs": [run], "measurements": rows, "versions": {}, "fixed": fixed, "model": "m"}

    first = record(1, machine=[1], capture=[1, 2], queries=[3])
    second = records.renewed(first, record(2, machine=[7], queries=[8, 9]))
    found = sorted((row["experiment"], row["size"]) for row in second["measurements"])
    assert found == [("capture", 1), ("capture", 2), ("machine", 7), ("queries", 8), ("queries", 9)]
    assert [run["experiments"] for run in second["runs"]] == [["capture"], ["machine", "queries"]]
    assert second["fixed"] == {"machine": {"t": 2}, "capture": {"t": 1}, "queries": {"t": 2}}
    third = records.renewed(second, record(3, machine=[1], capture=[1]))
    assert [run["experiments"] for run in third["runs"]] == [["queries"], ["machine", "capture"]]


def test_a_killed_run_goes_on_unless_something_changed(bench, tmp_path, monkeypatch):
    import records

    now, part = records.set_up("m", "cpu", 3), tmp_path / "part.json"
    monkeypatch.setattr(records, "provenance", lambda: {"revision": "a"})
    assert records.resumed(part, now) is None
    left = now | {"runs": [{"provenance": {"revision": "a"}}], "fixed": {"machine": {}}}
    part.write_text(json.dumps(left))
    assert records.resumed(part, now) == left
    assert records.resumed(part, now | {"rounds": 1}) is None
    monkeypatch.setattr(records, "provenance", lambda: {"revision": "b"})
    assert records.resumed(part, now) is None


def test_a_part_is_not_measured_on_another_machine(bench, tmp_path):
    import records

    now = records.set_up("m", "cpu", 3)
    with pytest.raises(SystemExit, match=r"no record at .*without ONLY"):
        records.recorded(tmp_path / "bench.json", now)
    (tmp_path / "bench.json").write_text(json.dumps(now | {"processor": "another"}))
    with pytest.raises(SystemExit, match="processor of the record: another"):
        records.recorded(tmp_path / "bench.json", now)


BLOCKS = """
import contender, numpy as np
from contender import Work

def run():
    np.ones(30 * 2**17)  # freed: glibc now keeps blocks up to this size
    block = None
    for megabytes in range(10, 26):
        block = np.ones(megabytes * 2**17)  # while the one before is there

for size in ({}, {"memory": True}):
    print(contender.answer(lambda: Work(run), size, "cpu")["megabytes"])
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").is_file(), reason="needs the peak of Linux's /proc")
def test_the_peak_of_a_run_for_memory_is_what_was_in_use_at_once():
    command = [sys.executable, "-c", BLOCKS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE, check=True)
    usual, exact = map(float, done.stdout.split())
    assert 48 < exact < 52 < usual, "24 and 25 MB at once"


def test_a_process_answers_fails_and_says_what_it_lacks(bench, tmp_path, monkeypatch):
    import of_theory
    from of_models import LARGER

    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path / "cache"))
    of_theory.write_prompts(tmp_path, 2, 10)
    place = {"model": "", "device": "cpu", "scratch": str(tmp_path)}
    with ExitStack() as stack:
        ways = ("posteriors, batched", "posteriors, dynamax", f"larger, {LARGER[0]}")
        crew = [bench.Contender(Path(sys.executable), way, place, stack) for way in ways]
        for one in crew:
            one.wait()
        assert crew[1].missing.startswith("ModuleNotFoundError")
        assert crew[2].missing == f"not fetched: iclnb fetch {LARGER[0]}"
        crew[0].work({"tasks": 2, "prompts": 10, "memory": True})
        reply = crew[0].work({"tasks": 2, "prompts": 10})
        assert reply["points"] == 10 and reply["seconds"] > 0 and reply["megabytes"] is not None
        assert "failed" in crew[0].work({"tasks": 3, "prompts": 10})
