"""The record of the benchmark: what all of it has in common, parts of it measured again, runs that go on."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import FULL

from iclnb import paths
from iclnb.provenance import provenance

DTYPES = {"cpu": "float32", "cuda": "bfloat16"}
"""In which one prompt is read: as models are loaded there, if nothing else is said."""


def set_up(name: str, device: str, rounds: int) -> dict[str, Any]:
    """What all experiments of a record have in common."""
    threads = os.environ.get("OMP_NUM_THREADS")
    about = {"model": name, "device": device, "processor": processor(device), "rounds": rounds}
    return about | {"threads": threads, "dtype": DTYPES[device]}


def recorded(output: Path, now: Mapping[str, Any]) -> dict[str, Any]:
    """The record of which a part is measured again.

    Raises:
        SystemExit: there is none, or it was not made on the same machine and in the same way.
    """
    if not output.is_file():
        raise SystemExit(f"no record at {output}: run `make bench` without ONLY")
    record = json.loads(output.read_text(encoding="utf-8"))
    for name, value in now.items():
        if record[name] != value:
            said = f"{name} of the record: {record[name]}, now: {value}"
            raise SystemExit(f"{said}; run `make bench` without ONLY, or measure as the record was")
    return record


def renewed(record: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier record, if any, in which the experiments of a new one take the place of theirs."""
    if record is None:
        return dict(new)
    runs = [
        run | {"experiments": [name for name in run["experiments"] if name not in new["fixed"]]}
        for run in record["runs"]
    ]
    rows = [row for row in record["measurements"] if row["experiment"] not in new["fixed"]]
    order = [each.name for each in FULL]
    rows = sorted([*rows, *new["measurements"]], key=lambda row: order.index(row["experiment"]))
    both = {name: record[name] | new[name] for name in ("versions", "fixed")}
    runs = [*(run for run in runs if run["experiments"]), *new["runs"]]
    return {**record, **both, "runs": runs, "measurements": rows}


def resumed(part: Path, now: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a killed run of the same revision had measured."""
    if not part.is_file():
        return None
    record = json.loads(part.read_text(encoding="utf-8"))
    same = all(record[name] == value for name, value in now.items())
    revisions = {run["provenance"]["revision"] for run in record["runs"]}
    return record if same and revisions == {provenance()["revision"]} else None


def write(file: Path, record: Mapping[str, Any]) -> None:
    """Whole, or not at all."""
    with paths.replacing(file) as place:
        place.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def processor(device: str) -> str:
    """The name of what computes."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()
