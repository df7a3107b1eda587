"""What the page on speed and memory says about the benchmark itself: the machine, what was left out."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iclnb import display
from iclnb.site.bench_record import Row, of, rate


def measured(record: Mapping[str, Any], found: Sequence[Row]) -> Iterator[str]:
    """When and on what machine, and what the numbers are."""
    runs = record["runs"]
    loads = [load[0] for run in runs for load in run["load"]]
    machine = runs[-1]["provenance"]["machine"]
    shared = f", threads a process: {record['threads']}" if record["threads"] else ""
    peaks = [
        f"{count(peak)} GFLOP/s in {row.way.removeprefix('product, ')}"
        for row in of(found, "machine")
        if (peak := rate(row))
    ]
    yield "## How it was measured"
    yield display.escape(
        f"{record['model']} on {record['processor']} ({machine}{shared}), {_made(runs)}. "
        f"Matrix products reach {' and '.join(peaks)}. Before and "
        f"between the experiments the machine's load was {display.number(min(loads), 2)} to "
        f"{display.number(max(loads), 2)} processes. Each way runs in a process of its own, all take turns, "
        f"and a time is the median, with the fastest and the slowest in brackets, of "
        f"{record['rounds']} round{'s' * (record['rounds'] > 1)}. " + _memory(record)
    )


def _memory(record: Mapping[str, Any]) -> str:
    """What the numbers of memory are, and which were measured in another way than the rest."""
    said = "Memory is what a run adds, at its peak, to the loaded model"
    if record["device"] != "cpu":
        return f"{said}, as PyTorch counts it."
    timed = [name for run in record["runs"] if not run.get("memory_apart") for name in run["experiments"]]
    said += ", in a run of its own, in which freed blocks go back to the system at once"
    return f"{said} (of {', '.join(timed)}: in the timed runs)." if timed else f"{said}."


def _made(runs: Sequence[Mapping[str, Any]]) -> str:
    """When, and of which revision; with several revisions also what was measured of each."""
    at: dict[str, list[str]] = {}
    for run in runs:
        made = run["provenance"]
        when = f"{made['time'][:10]}, revision {str(made['revision'])[:7]}"
        at.setdefault(when, []).extend(run["experiments"])
    return "; ".join(f"{when} ({', '.join(names)})" if len(at) > 1 else when for when, names in at.items())


def left_out(record: Mapping[str, Any], found: Sequence[Row], titles: Mapping[str, str]) -> Iterator[str]:
    """What was not measured, and why; ``titles`` are those of the ways."""
    reasons: dict[tuple[str, str], list[int]] = {}
    for row in found:
        if row.left_out and row.left_out != "not needed":
            reasons.setdefault((row.way, row.left_out), []).append(row.size)
    listed = [(display.Author(titles.get(way, way)), ", ".join(map(str, sizes)), why)
              for (way, why), sizes in reasons.items()]  # fmt: skip
    listed += [(line, "all", why) for line, why in record.get("not_installed", {}).items()]
    if listed:
        yield "## Not measured"
        yield display.table(("way", "sizes", "why"), listed).data


def count(value: float | None) -> str:
    """A number with at least its whole part."""
    return display.number(value) if value is None or value < 100 else f"{value:,.0f}"


def milliseconds(seconds: Sequence[float]) -> str:
    """Milliseconds: the median, and the fastest and slowest round."""
    low, middle, high = (count(1000 * f(seconds)) for f in (min, statistics.median, max))
    return f"{middle} [{low}, {high}]"


def ratio(row: Row, base: Row) -> str:
    """How many times the time of another way."""
    return count(row.median / base.median)
