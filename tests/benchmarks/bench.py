"""`make bench`: what this package does, beside its peers; the JSON is a record, and a page is made from it.

Every way runs in a process of its own that waits while the others work; rounds are interleaved, so that what
else the machine does falls on all alike. Peers have an environment of their own (:mod:`peers`). What is
predicted to take too long or too much memory is left out, and the record says so.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import peers
import psutil
import records
from experiments import FULL, GPU, PEERS, QUICK, Experiment

from iclnb.provenance import provenance

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]


class Contender:
    """A way, and the process that works for it."""

    def __init__(self, python: Path, way: str, place: Mapping[str, Any], stack: ExitStack):
        command = [str(python), str(HERE / "contender.py"), way, json.dumps(place)]
        known = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": known, "HF_HUB_OFFLINE": "1"}
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


def too_large(earlier: Mapping[str, Any] | None, ratio: float, limit: float, device: str) -> str | None:
    """Why the next size is left out, if it is: the last one grown by the square of the ratio of sizes."""
    if not earlier or not earlier["seconds"]:
        return (earlier or {}).get("left_out")
    seconds, memory = min(earlier["seconds"]) * ratio**2, (earlier["megabytes"] or 0) * ratio**2
    if seconds > limit:
        return f"about {seconds:.0f} s a run"
    free = _free(device) / 2**20
    return f"about {memory / 1024:.0f} GB of memory" if memory > 0.9 * free else None


def _free(device: str) -> int:
    """Bytes of memory that nobody uses."""
    if device == "cpu":
        return psutil.virtual_memory().available
    import torch

    return torch.cuda.mem_get_info()[0]


def measure(
    experiment: Experiment, crew: Sequence[Contender], rounds: int, limit: float, device: str
) -> list[dict]:
    """All sizes of an experiment, each in rounds in which the ways take turns; memory in runs of its own."""
    found, before = [], None
    for value in experiment.sizes:
        size = {**experiment.fixed, experiment.axis: value}
        rows = [_empty(experiment, one, value) for one in crew]
        for one, row in zip(crew, rows, strict=True):
            ratio = value / before if before and experiment.axis != "batch" else 1.0  # there, less work
            past = value > experiment.most.get(one.way, value)
            earlier = one.taken[-1] if one.taken else None
            why = "not needed" if past else too_large(earlier, ratio, limit, device)
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
    if device == "cpu":
        _measure_memory(experiment, crew)
    return found


def _measure_memory(experiment: Experiment, crew: Sequence[Contender]) -> None:
    """The memory of every size that was timed, once more: it slows what is timed."""
    for one in crew:
        for row in one.taken:
            if row["seconds"]:
                size = {**experiment.fixed, experiment.axis: row["size"], "memory": True}
                row["megabytes"] = one.work(size).get("megabytes")


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
    """Put in place of each sample its largest difference from that of the first way with one.

    Other models have other numbers: they are not compared.
    """
    first: dict[tuple, list[float]] = {}
    for row in rows:
        sample = row.pop("sample", None)
        if sample and not row["way"].startswith("larger, "):
            shown = first.setdefault((row["experiment"], row["size"]), sample)
            row["difference"] = max(abs(a - b) for a, b in zip(sample, shown, strict=True))


def bench(
    experiments: Sequence[Experiment], model: Path, python: Path, *,
    name: str, rounds: int, limit: float, device: str = "cpu", larger: Sequence[Path] = (),
) -> dict[str, Any]:  # fmt: skip
    """The record: what was measured, and on what."""
    import of_theory

    loads, rows, versions = [list(os.getloadavg())], [], {}
    with tempfile.TemporaryDirectory() as scratch:
        place = {"model": str(model), "device": device, "dtype": records.DTYPES[device], "scratch": scratch}
        place["larger"] = [str(folder) for folder in larger]
        for experiment in experiments:
            if "posteriors, batched" in experiment.ways:
                for value in experiment.sizes:
                    of_theory.write_prompts(scratch, **{**experiment.fixed, experiment.axis: value})
            with contenders(experiment.ways, {"ours": Path(sys.executable), "peer": python}, place) as crew:
                rows += measure(experiment, crew, rounds, limit, device)
                versions |= {one.way: one.versions for one in crew}
            loads.append(list(os.getloadavg()))
    agree(rows)
    run = {"experiments": [e.name for e in experiments], "provenance": provenance(), "load": loads}
    run["memory_apart"] = device == "cpu"  # the peaks of a GPU are exact in the timed runs
    return records.set_up(name, device, rounds) | {
        "runs": [run], "versions": versions, "measurements": rows,
        "fixed": {e.name: dict(e.fixed) for e in experiments},
    }  # fmt: skip


def main() -> None:
    from iclnb.llm.data import packaged
    from iclnb.llm.loading.places import PACKAGED

    chosen = _arguments()
    name = "bench.json" if chosen.device == "cpu" else f"bench-{chosen.device}.json"
    output = chosen.output or PROJECT / ("build" if chosen.quick else "book/recorded") / name
    sizes, rounds = (QUICK, 1) if chosen.quick else (FULL if chosen.device == "cpu" else GPU, 3)
    model = chosen.model or packaged.folder(PACKAGED)
    about = {
        "name": chosen.model.name if chosen.model else PACKAGED,
        "rounds": chosen.rounds or rounds,
        "device": chosen.device,
    }
    earlier = records.recorded(output, records.set_up(**about)) if chosen.only else None
    python, failed = (chosen.python, {}) if chosen.python else peers.install(PROJECT)
    part = PROJECT / "build" / f"part-of-{'quick-' * chosen.quick}{name}"
    found = records.resumed(part, records.set_up(**about))
    for experiment in sizes:
        wanted = not chosen.only or experiment.name in ("machine", *chosen.only)
        if wanted and not (found and experiment.name in found["fixed"]):
            new = bench([experiment], model, python, limit=chosen.limit, larger=chosen.larger, **about)
            found = records.renewed(found, new)
            records.write(part, found)
    records.write(output, records.renewed(earlier, found) | {"not_installed": failed})
    part.unlink(missing_ok=True)
    print(output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: two minutes")
    parser.add_argument("--only", nargs="+", choices=[e.name for e in FULL], metavar="EXPERIMENT",
                        help="measure these (and the machine) again, keep the rest")  # fmt: skip
    parser.add_argument("--output", type=Path, help="default: the record; build/bench.json with --quick")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--model", type=Path, metavar="FOLDER",
                        help="a model with its tokeniser; default: the packaged one")  # fmt: skip
    parser.add_argument("--larger", type=Path, nargs="+", default=[], metavar="FOLDER",
                        help="models in place of packaged ones of the same names")  # fmt: skip
    parser.add_argument("--python", type=Path, help="of the peers; default: .venv-bench, made if missing")
    parser.add_argument("--rounds", type=int, help="default: 3; 1 with --quick")
    parser.add_argument("--limit", type=float, default=60, help="seconds that a run may take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
