"""Proofs that better code measures the same: records are carried over, and nobody has to take it on trust.

The code that made the records, taken from git, and the present code measure the same small runs: for each notebook
and precision one by each of its two smallest models, with the record's settings and the sizes of the smoke profile.
Their findings must agree. The seeds come from a hash of the commit, so that no author picks the draws.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import xarray

from iclnb import findings
from iclnb.errors import IclnbError
from iclnb.keys import measurement
from iclnb.keys.equivalence import Entry, Ledger, changed
from iclnb.ladders import SHOWN, model_name, size
from iclnb.provenance import git, provenance
from iclnb.records import records
from iclnb.records.records import Record
from iclnb.run import notebooks
from iclnb.run.run_many import at_a_time, cores
from iclnb.settings import ByProfile

TOLERANCE = 1e-5  # The largest relative difference that another machine or number of threads explains

TRIES = 5  # Draws to try: few demonstrations may all have one label, which no chapter can use

_MEASURE = """
import importlib, json, pathlib, sys, types
module, settings, place = sys.argv[1:]
run = types.SimpleNamespace(**json.loads(settings))
importlib.import_module(module).measure(run).save(pathlib.Path(place))
"""


def prove(project: Path, before: str, *, report: Callable[[str], None] = lambda line: None) -> list[Entry]:
    """Show that the present code measures what the code of the commit ``before`` does; gives the new entries.

    Raises IclnbError if nothing is stale by its code alone, if other code than that commit's made a record, if one
    needs a GPU and there is none, if a run ends in an error, or if the present code measures something else; then
    nothing is entered.
    """
    records.check_committed(project)
    waiting = [record for record in records.all_records(project) if _by_code_alone(project, record)]
    if not waiting:
        raise IclnbError("no record is stale by its code alone, so there is nothing to prove")
    commit = str(provenance()["revision"])
    draws = [f"{commit} {number}" for number in range(TRIES)]
    with tempfile.TemporaryDirectory() as folder:
        then = _checkout(project, before, Path(folder))
        for record in waiting:
            _refuse_others(project, then, record, before)
        states = _states(project, then, waiting)
        runs = [(one, [smaller(project, one, draw) for draw in draws]) for one in of_each_kind(waiting)]

        def compare(run: tuple[Record, list[dict[str, Any]]]) -> tuple[str, float]:
            record, tries = run
            name = records.label(project, record.path)
            report(f"{name}: measuring a small run with both")
            settings, measured = _first_possible(then, record, tries)
            return name, findings.same(measured, _measured(project, record, settings))

        with ThreadPoolExecutor(at_a_time()) as pool:
            differences = dict(pool.map(compare, runs))
    wrong = [f"{name} (by up to {d:.2g})" for name, d in differences.items() if not d <= TOLERANCE]
    if wrong:
        raise IclnbError(
            f"the present code measures something else: {', '.join(wrong)}; measure the records again "
            "(`iclnb sweep`)"
        )
    records.check_committed(project)  # what was measured is what is entered
    about = {
        "revision": commit,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "largest_difference": max(differences.values()),
        "measured_with_both": list(differences),
        "records": [records.label(project, record.path) for record in waiting],
    }
    made = [Entry(*changed(*both), about) for both in states]
    ledger = Ledger.of(project)
    Ledger([*ledger.entries, *made]).save(project)
    return made


def smaller(project: Path, record: Record, draw: str) -> dict[str, Any]:
    """The settings of a record with the sizes of the smoke profile, and seeds from the hash of a text."""
    declared = notebooks.parameters(notebooks.source(project, record.notebook))
    small = dict(record.parameters)
    for name, one in declared.items():
        if name.endswith("seed"):
            small[name] = int(hashlib.sha256(f"{draw} {name}".encode()).hexdigest()[:6], 16)
        elif isinstance(one.default, ByProfile) and not isinstance(one.default.smoke, str):
            small[name] = one.default.smoke
    return small


def _states(
    project: Path, then: Path, waiting: Sequence[Record]
) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The files of all measurements, before and now, for each device: what only a GPU runs counts there."""
    found: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    for record in waiting:
        before, now = found.setdefault(record.key["device"], ({}, {}))
        before |= _code(then, record)
        now |= _code(project, record)
    return list(found.values())


def _code(folder: Path, record: Record) -> dict[str, str]:
    return measurement.code(record.key["module"], project=folder, gpu=_on_gpu(record))


def _by_code_alone(project: Path, record: Record) -> bool:
    reasons = records.stale(project, record)
    return bool(reasons) and all(reason.startswith("code changed") for reason in reasons)


def of_each_kind(waiting: Sequence[Record]) -> list[Record]:
    """A record of each notebook and precision by each of the two smallest models; all run the same code."""
    kinds: dict[tuple[str, Any], dict[str, Record]] = {}
    sizes = [size(model_name(one.provenance)) for one in waiting]
    ordered = sorted(zip(sizes, waiting, strict=True), key=lambda one: (one[0], one[1].path.stem != SHOWN))
    for _, record in ordered:
        models = kinds.setdefault((record.notebook, record.parameters.get("dtype")), {})
        models.setdefault(model_name(record.provenance), record)
    return [record for models in kinds.values() for record in list(models.values())[:2]]


def _checkout(project: Path, before: str, folder: Path) -> Path:
    """The files of a commit, in a folder."""
    packed, place = folder / "then.tar", folder / "then"
    git(project, "archive", "--output", str(packed), before)
    with tarfile.open(packed) as files:
        files.extractall(place, filter="data")
    return place


def _refuse_others(project: Path, then: Path, record: Record, before: str) -> None:
    """Refuse a record that other code made, or that needs a GPU which is not here."""
    label = records.label(project, record.path)
    there = then.joinpath(*record.key["module"].split(".")).with_suffix(".py").is_file()
    if not there or Ledger.of(project).carry(record.key["code"], _code(then, record)) is None:
        raise IclnbError(
            f"{label}: not measured by the code of {before}; name a commit at which it was fresh"
        )
    if _on_gpu(record) and not torch.cuda.is_available():
        raise IclnbError(f"{label} was measured on a GPU; prove it where there is one")


def _on_gpu(record: Record) -> bool:
    return record.key["device"] == "cuda"


def _first_possible(
    code: Path, record: Record, tries: Sequence[dict[str, Any]]
) -> tuple[dict[str, Any], xarray.Dataset]:
    """The first settings that the code before can measure, and its findings."""
    for settings in tries[:-1]:
        with suppress(IclnbError):
            return settings, _measured(code, record, settings)
    return tries[-1], _measured(code, record, tries[-1])


def _measured(code: Path, record: Record, settings: Mapping[str, Any]) -> xarray.Dataset:
    """What the code of a folder finds; a GPU is hidden from what was recorded without one."""
    module, hidden = record.key["module"], {} if _on_gpu(record) else {"CUDA_VISIBLE_DEVICES": ""}
    environment = {"OMP_NUM_THREADS": str(cores() // at_a_time())} | os.environ | {"PYTHONPATH": str(code)}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "findings.nc"
        done = subprocess.run(
            [sys.executable, "-c", _MEASURE, module, json.dumps(settings), str(place)],
            cwd=code, env=environment | hidden, capture_output=True, encoding="utf-8",
        )  # fmt: skip
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:]
            raise IclnbError(f"{module} cannot measure a small run: {' '.join(said)}")
        return xarray.load_dataset(place, engine="h5netcdf")
