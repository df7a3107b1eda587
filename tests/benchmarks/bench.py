"""`make bench`: what this package does, beside its peers; the JSON is a record, and a page is made from it.

Every way runs in a process of its own that waits while the others work; rounds are interleaved, so that what
else the machine does falls on all alike. Peers have an environment of their own (:mod:`peers`). What is
predicted to take too long or too much memory is left out, and the record says so.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import peers
import psutil
from of_models import LARGER

from iclnb import paths
from iclnb.provenance import provenance

HERE = Path(__file__).parent
PEERS = (
    "transformers, eager", "nnsight", "TransformerLens", "one by one, eager",
    "posteriors, hmmlearn", "posteriors, dynamax", "sweep, PyTorch loop",
)  # fmt: skip
READ = {"sets": 1, "queries": 64, "shown": 16, "tokens": 37, "suffix": 27}
"""Prompts of 16 demonstrations of 37 tokens each, and queries of 27 on average."""


class Experiment(NamedTuple):
    """What is measured.

    Attributes:
        name: of the experiment.
        axis: which number of the size changes.
        sizes: its values.
        ways: that are timed in turn.
        fixed: the other numbers of the size.
        most: values up to which a way is measured.
    """

    name: str
    axis: str
    sizes: Sequence[int]
    ways: Sequence[str]
    fixed: Mapping[str, int] = {}
    most: Mapping[str, int] = {}


CAPTURE = ("no attention", "last_token_attention", "prefix of all but one")
SHARED = ("shared, float32", "shared, bfloat16")
POSTERIORS = ("posteriors, batched", "posteriors, hmmlearn", "posteriors, dynamax")
SWEEPS = ("sweep, sampled", "sweep, exact gradient", "sweep, PyTorch loop")

FULL = (
    Experiment("machine", "width", (2048,), ("product, float32", "product, bfloat16")),
    Experiment(
        "capture", "tokens", (250, 600, 1000, 2000, 4000, 8000),
        (*CAPTURE, "nnsight", "transformers, eager", "TransformerLens"),
    ),
    Experiment("layers", "layers", (5, 10, 20, 30), CAPTURE[:2], {"tokens": 600}),
    Experiment("queries", "queries", (16, 64, 256, 512), (*SHARED, "one by one, eager"), READ,
               {"one by one, eager": 16}),
    Experiment("models", "queries", (64,), (SHARED[1], *(f"larger, {name}" for name in LARGER)), READ),
    Experiment("demonstrations", "shown", (4, 8, 16, 32, 64), SHARED, READ),
    Experiment("sets", "sets", (1, 2, 4, 8), SHARED, READ),
    Experiment("prompts", "prompts", (125, 500, 2000), POSTERIORS, {"tasks": 8}),
    Experiment("tasks", "tasks", (2, 4, 8, 16), POSTERIORS, {"prompts": 500}),
    Experiment("sweep", "batch", (2048,), SWEEPS),
)  # fmt: skip

QUICK = (
    Experiment("machine", "width", (512,), ("product, float32", "product, bfloat16")),
    FULL[1]._replace(sizes=(60, 120, 240)),
    Experiment("queries", "queries", (8, 16), (*SHARED, "one by one, eager"), {**READ, "shown": 4},
               {"one by one, eager": 8}),
    Experiment("prompts", "prompts", (25, 50), POSTERIORS, {"tasks": 2}),
    Experiment("sweep", "batch", (64,), SWEEPS),
)  # fmt: skip


class Contender:
    """A way, and the process that works for it."""

    def __init__(self, python: Path, way: str, place: Mapping[str, Any], stack: ExitStack):
        command = [str(python), str(HERE / "contender.py"), way, json.dumps(place)]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "HF_HUB_OFFLINE": "1"}
        self.errors = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "errors"
        with self.errors.open("w") as errors:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
            self.process = subprocess.Popen(command, text=True, env=environment, **pipes)
        stack.callback(self._end)
        self.way, self.taken, self.versions, self.missing = way, [], {}, None

    def wait(self) -> None:
        """Until it is ready, or has said why it cannot be."""
        ready = self._reply()
        self.versions, self.missing = ready.get("versions", {}), ready.get("missing") or ready.get("failed")

    def work(self, size: Mapping[str, int]) -> dict[str, Any]:
        """One run of this size, as :func:`contender.measured` says, or ``failed`` with the reason."""
        self.process.stdin.write(json.dumps(size) + "\n")
        self.process.stdin.flush()
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        said = self.errors.read_text(errors="replace").strip().splitlines() or [
            "its process died, perhaps for lack of memory"
        ]
        return {"failed": said[-1][:200]}

    def _end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def contenders(ways: Sequence[str], pythons: Mapping[str, Path], place: Mapping[str, Any]) -> Iterator[list]:
    """A process for each way, all waiting."""
    with ExitStack() as stack:
        crew = [Contender(pythons["peer" if way in PEERS else "ours"], way, place, stack) for way in ways]
        for one in crew:
            one.wait()
        yield crew


def too_large(earlier: Mapping[str, Any] | None, ratio: float, limit: float) -> str | None:
    """Why the next size is left out, if it is: the last one grown by the square of the ratio of sizes."""
    if not earlier or not earlier["seconds"]:
        return (earlier or {}).get("left_out")
    seconds, memory = min(earlier["seconds"]) * ratio**2, (earlier["megabytes"] or 0) * ratio**2
    if seconds > limit:
        return f"about {seconds:.0f} s a run"
    free = psutil.virtual_memory().available / 2**20
    return f"about {memory / 1024:.0f} GB of memory" if memory > 0.9 * free else None


def measure(experiment: Experiment, crew: Sequence[Contender], rounds: int, limit: float) -> list[dict]:
    """All sizes of an experiment, each in rounds in which the ways take turns."""
    found, before = [], None
    for value in experiment.sizes:
        size = {**experiment.fixed, experiment.axis: value}
        rows = [_empty(experiment, one, value) for one in crew]
        for one, row in zip(crew, rows, strict=True):
            ratio = value / before if before else 1.0
            past = value > experiment.most.get(one.way, value)
            why = "not needed" if past else too_large(one.taken[-1] if one.taken else None, ratio, limit)
            row["left_out"] = one.missing or why
        for turn in range(-1, rounds):  # the first warms up
            for one, row in zip(crew, rows, strict=True):
                if not row["left_out"]:
                    _record(row, one.work(size), turn < 0)
        for one, row in zip(crew, rows, strict=True):
            one.taken.append(row)
        found += rows
        before = value
        print(f"{experiment.name}, {experiment.axis} = {value}: " + ", ".join(map(_told, rows)), flush=True)
    return found


def _empty(experiment: Experiment, one: Contender, value: int) -> dict[str, Any]:
    about = {"experiment": experiment.name, "way": one.way, "axis": experiment.axis, "size": value}
    return about | {"seconds": [], "megabytes": None, "left_out": None}


def _record(row: dict[str, Any], reply: Mapping[str, Any], warming: bool) -> None:
    if "failed" in reply:
        row["left_out"] = reply["failed"]
        return
    row |= {name: reply[name] for name in ("points", "gflop", "sample")}
    if not warming:  # libraries set themselves up in the first run
        row["seconds"].append(reply["seconds"])
        known = (each for each in (row["megabytes"], reply["megabytes"]) if each is not None)
        row["megabytes"] = max(known, default=None)


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['way']} {row['left_out'] or format(min(row['seconds']), '.3g') + ' s'}"


def agree(rows: Sequence[dict[str, Any]]) -> None:
    """Put in place of each sample its largest difference from that of the first way with one."""
    first: dict[tuple, list[float]] = {}
    for row in rows:
        if sample := row.pop("sample", None):
            shown = first.setdefault((row["experiment"], row["size"]), sample)
            row["difference"] = max(abs(a - b) for a, b in zip(sample, shown, strict=True))


def bench(
    experiments: Sequence[Experiment], model: Path, python: Path, *,
    name: str, rounds: int, limit: float, device: str = "cpu",
) -> dict[str, Any]:  # fmt: skip
    """The record: what was measured, and on what."""
    import of_theory

    loads, rows, versions = [list(os.getloadavg())], [], {}
    with tempfile.TemporaryDirectory() as scratch:
        place = {"model": str(model), "device": device, "scratch": scratch}
        for experiment in experiments:
            if "posteriors, batched" in experiment.ways:
                for value in experiment.sizes:
                    of_theory.write_prompts(scratch, **{**experiment.fixed, experiment.axis: value})
            with contenders(experiment.ways, {"ours": Path(sys.executable), "peer": python}, place) as crew:
                rows += measure(experiment, crew, rounds, limit)
                versions |= {one.way: one.versions for one in crew}
            loads.append(list(os.getloadavg()))
    agree(rows)
    fixed = {e.name: dict(e.fixed) for e in experiments}
    about = {"provenance": provenance() | {"processor": processor(device)}, "model": name, "device": device}
    return about | {
        "load": loads, "rounds": rounds, "threads": os.environ.get("OMP_NUM_THREADS"), "fixed": fixed,
        "versions": versions, "measurements": rows,
    }  # fmt: skip


def processor(device: str) -> str:
    """The name of what computes."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def main() -> None:
    from iclnb.llm.data import packaged
    from iclnb.llm.places import PACKAGED

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: two minutes")
    parser.add_argument("--output", type=Path, help="default: the record; build/bench.json with --quick")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--rounds", type=int, help="default: 3; 1 with --quick")
    parser.add_argument("--limit", type=float, default=60, help="seconds that a run may take")
    chosen = parser.parse_args()
    project = HERE.parents[1]
    python, failed = peers.install(project)
    sizes, rounds = (QUICK, 1) if chosen.quick else (FULL, 3)
    record = bench(
        sizes, packaged.folder(PACKAGED), python,
        name=PACKAGED, rounds=chosen.rounds or rounds, limit=chosen.limit, device=chosen.device,
    )  # fmt: skip
    name = "bench.json" if chosen.device == "cpu" else f"bench-{chosen.device}.json"
    output = chosen.output or project / ("build" if chosen.quick else "book/recorded") / name
    with paths.replacing(output) as file:
        file.write_text(json.dumps(record | {"not_installed": failed}, indent=1) + "\n", encoding="utf-8")
    print(output)


if __name__ == "__main__":
    main()
