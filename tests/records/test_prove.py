"""Refactoring with proof, and measurements that travel, on a chapter of a few units of work."""

import hashlib
import importlib
import shutil
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from throwaway import NOTEBOOK, checkout, git

import iclnb as package
from iclnb import findings, store
from iclnb.errors import IclnbError
from iclnb.keys import measurement
from iclnb.keys.equivalence import Ledger
from iclnb.records import archives, prove, records
from iclnb.records.records import Cell

MEASURE = """
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from iclnb.findings import Findings, variable
from iclnb.store import Store

SCALE = 1.0


@dataclass(frozen=True, kw_only=True)
class Study(Findings):
    x: Float[np.ndarray, "unit draw"] = variable("draws", unit="1")


def measure(run):
    store = Store({"name": "m", "sha256": "5eed", "dtype": "float32", "device": "cpu"})
    kept = [
        store.kept("draws", [run.seed, unit], lambda unit=unit: drawn(run.seed, unit), modules=[__name__])
        for unit in range(run.units)
    ]
    return Study(x=np.stack([one["x"] for one in kept]), origins={"model": {"name": "m", "source": "hub"}})


def drawn(seed, unit):
    return {"x": SCALE * np.random.default_rng((seed, unit)).normal(size=4)}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A committed checkout with one record, measured by a room of its own."""
    notebook = NOTEBOOK.replace("\nseed:", "\nunits: int = by_profile(3, 30, 30)  # shards\nseed:")
    folder = checkout(tmp_path / "checkout", {"00_mean": notebook})
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder / "iclnb")])
    monkeypatch.setattr(measurement, "root", lambda: folder)
    edit(folder, MEASURE)
    git(folder, "init", "-q")
    commit(folder)
    records.make(folder, Cell("00_mean", {}))
    commit(folder)
    yield folder
    forget()


def forget():
    """As a new process: no room loaded, no code known."""
    for name in [name for name in sys.modules if name.startswith("iclnb.mean")]:
        del sys.modules[name]
    store._code.cache_clear()
    importlib.invalidate_caches()


def edit(project, text):
    (project / "iclnb" / "mean" / "measure.py").write_text(text)
    forget()


def commit(project):
    git(project, "add", "-A")
    git(project, "commit", "-qm", "x", "--allow-empty")


def stale(project):
    (record,) = records.all_records(project)
    return records.stale(project, record)


def test_better_code_that_measures_the_same_is_carried_by_a_proof(project):
    edit(project, MEASURE.replace("SCALE * np", "1.0 * SCALE * np"))
    assert list(stale(project)) == ["code changed: iclnb/mean/measure.py"]
    with pytest.raises(IclnbError, match="commit them first"):
        prove.prove(project, "HEAD")
    commit(project)
    with pytest.raises(IclnbError, match="not measured by the code of HEAD"):
        prove.prove(project, "HEAD")
    (entry,) = prove.prove(project, "HEAD~1")
    assert (
        entry.about["measured_with_both"] == ["00_mean / laptop"] and entry.about["largest_difference"] == 0
    )
    assert stale(project) == () and stale(project).carried
    with store.tally() as tally:  # shards serve too, none is measured again
        records.make(project, Cell("00_mean", {}), allow_changes=True)
    assert (tally.measured, tally.reused) == (0, 30)
    assert len(Ledger.of(project).entries) == 1
    with pytest.raises(IclnbError, match="nothing to prove"):
        prove.prove(project, "HEAD~1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("SCALE = 1.0", "SCALE = 1.001"), "measures something else"),
        (("size=4", "size=5"), "measures something else"),
        (("np.stack(", "1.1 * np.stack("), "measures something else"),
        (("run.units", "run.unit"), "cannot measure a small run: .* no attribute 'unit'"),
    ],
    ids=["a constant", "a shape", "what is made of shards", "an error"],
)
def test_code_that_measures_something_else_is_not_carried(project, change, message):
    edit(project, MEASURE.replace(*change))
    commit(project)
    with pytest.raises(IclnbError, match=message):
        prove.prove(project, "HEAD~1")
    assert Ledger.of(project).entries == [] and stale(project)


def test_a_record_that_one_proof_carries_is_carried_by_the_next(project):
    for factor in ("1.0 * ", "1.0 * 1.0 * "):
        edit(project, MEASURE.replace("SCALE * np", f"{factor}SCALE * np"))
        commit(project)
        prove.prove(project, "HEAD~1")
        commit(project)
        assert stale(project) == () and stale(project).carried
    assert len(Ledger.of(project).entries) == 2


@pytest.mark.parametrize("impossible", [(0,), range(prove.TRIES)], ids=["one draw", "every draw"])
def test_draws_that_the_code_before_refuses_are_drawn_again(project, monkeypatch, impossible):
    refusing = MEASURE.replace(
        "    store =", f"    if run.seed in {[*impossible]}:\n        raise ValueError('no')\n    store ="
    )
    edit(project, refusing)
    commit(project)
    prove.prove(project, "HEAD~1")
    edit(project, refusing.replace("SCALE * np", "1.0 * SCALE * np"))
    commit(project)
    monkeypatch.setattr(
        prove, "smaller", lambda project, record, draw: record.parameters | {"seed": int(draw[-1])}
    )
    with (
        nullcontext()
        if len(impossible) == 1
        else pytest.raises(IclnbError, match="small run: ValueError: no")
    ):
        assert len(prove.prove(project, "HEAD~1")) == 1


def test_a_record_of_a_gpu_is_not_proved_without_one(project):
    (record,) = records.all_records(project)
    attributes = findings.attributes(record.path)
    attributes["key"]["device"] = "cuda"
    kind = importlib.import_module("iclnb.mean.measure").Study
    kind.load(record.path).save(record.path, attributes)
    edit(project, MEASURE.replace("SCALE * np", "1.0 * SCALE * np"))
    commit(project)
    with pytest.raises(IclnbError, match="was measured on a GPU"):
        prove.prove(project, "HEAD~1")


def test_the_two_smallest_models_of_each_notebook_and_precision_run_on_the_task_of_the_figures():
    def record(model, dtype, task):
        path = Path("book/recorded/02") / model / f"{task}.nc"
        return records.Record(path, {"dtype": dtype}, {"model": {"name": model}}, {})

    rows = [
        ("big-7b", "a", "sst2"),
        ("mid-1b", "a", "mnli"),
        ("mid-1b", "a", "sst2"),
        ("small-9m", "a", "mnli"),
    ]
    made = [record(*row) for row in (*rows, ("big-7b", "b", "sst2"))]
    assert prove.of_each_kind(made) == [made[3], made[2], made[4]]


def test_rounding_of_another_machine_is_told_from_a_difference(project):
    edit(project, MEASURE.replace("SCALE = 1.0", "SCALE = 1.0 + 1e-7"))
    commit(project)
    (entry,) = prove.prove(project, "HEAD~1")
    assert 0 < entry.about["largest_difference"] < prove.TOLERANCE


def test_a_proof_counts_for_the_code_that_was_proved_alone(project):
    edit(project, MEASURE.replace("SCALE * np", "1.0 * SCALE * np"))
    commit(project)
    prove.prove(project, "HEAD~1")
    edit(project, MEASURE.replace("SCALE * np", "2.0 * SCALE * np"))
    assert list(stale(project)) == ["code changed: iclnb/mean/measure.py"]
    edit(project, MEASURE)
    assert stale(project) == () and not stale(project).carried


def test_a_small_run_has_the_sizes_of_the_smoke_profile_and_draws_that_the_commit_picks(project):
    (record,) = records.all_records(project)
    one, same, other = (prove.smaller(project, record, commit) for commit in "aab")
    assert one["units"] == 3 and record.parameters["units"] == 30
    assert one == same and one["seed"] != other["seed"] != record.parameters["seed"]


def test_measurements_travel_as_archives(project, tmp_path, monkeypatch):
    (archive,) = archives.write(project, tmp_path / "out")
    assert archive.name == "measurements-00_mean.tar"
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path / "elsewhere"))
    assert archives.read(archive) == 30
    with store.tally() as tally:
        records.make(project, Cell("00_mean", {}), allow_changes=True)
    assert (tally.measured, tally.reused) == (0, 30)
    shutil.rmtree(tmp_path / "elsewhere")
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(archive.with_name(f"{archive.name}.sha256"), "0/notes.txt")
    digest = hashlib.sha256((tmp_path / "other.tar").read_bytes()).hexdigest()
    (tmp_path / "other.tar.sha256").write_text(f"{digest}  other.tar\n")
    with pytest.raises(IclnbError, match=r"notes\.txt', which is no measurement"):
        archives.read(tmp_path / "other.tar")
    content = archive.read_bytes()
    archive.write_bytes(content[:-2000] + bytes([content[-2000] ^ 1]) + content[-1999:])
    with pytest.raises(IclnbError, match=r"not what .*sha256 says"):
        archives.read(archive)
    assert not [
        path for path in (tmp_path / "elsewhere").rglob("*") if path.suffix in {".safetensors", ".txt"}
    ]


def test_the_cost_of_a_record_is_that_of_all_its_legs(project):
    (record,) = records.all_records(project)
    cost = record.provenance["cost"]
    assert (cost["measured"], cost["reused"]) == (30, 0)
    records.make(project, Cell("00_mean", {}), allow_changes=True)
    (record,) = records.all_records(project)
    cost = record.provenance["cost"]
    assert (cost["measured"], cost["reused"]) == (0, 30) and cost["seconds"] >= cost["seconds of this run"]
