"""The book's pages on speed and memory: what the recorded benchmarks measured, and how cost grows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from iclnb import display
from iclnb.site import bench_about, bench_capture, picture_cache
from iclnb.site.bench_about import count, milliseconds, ratio
from iclnb.site.bench_record import (
    LARGER,
    NAMES,
    ONE_BY_ONE,
    SHARED,
    Row,
    exponent,
    of,
    rate,
    recorded,
    rows,
)

STEPS = 5000
"""Of the sweep of paper B."""

TITLES = {"cpu": "# Speed and memory", "cuda": "# Speed and memory on a GPU"}
COMMANDS = {"cpu": "make bench", "cuda": "make bench DEVICE=cuda"}


def page(project: Path, device: str = "cpu") -> str:
    """The page of a device in MyST Markdown; without a record one sentence."""
    place = recorded(project, device)
    if not place.is_file():
        said = f"No benchmark is recorded in this checkout; `{COMMANDS[device]}` makes one."
        return f"{TITLES[device]}\n\n{said}\n"
    record = json.loads(place.read_text(encoding="utf-8"))
    found = rows(record)
    parts = [
        TITLES[device],
        _answer(record, found),
        *bench_capture.tables(record, found, picture_cache.folder(project)),
    ]
    parts += [*_shared(record, found), *_theory(record, found), *_growth(found)]
    parts += [*bench_about.left_out(record, found, NAMES), *bench_about.measured(record, found)]
    return "\n\n".join(parts) + "\n"


def _answer(record: Mapping[str, Any], found: Sequence[Row]) -> str:
    """What the tables come to, as a list."""
    said = [bench_capture.answer(found)]
    reads = {row.way: row for row in of(found, "queries")}  # of each way the largest size
    fastest = min((row for row in reads.values() if row.way != ONE_BY_ONE), key=lambda row: row.median)
    if ONE_BY_ONE in reads:
        times = f"{reads[ONE_BY_ONE].median / fastest.median:.3g}"
        said.append(
            f"Queries on shared demonstrations: {times} times the throughput of eager attention, prompt by "
            f"prompt ({_in(fastest.way.removeprefix('shared, '), record['dtype'])})."
        )
    size = max((row.size for row in of(found, "prompts")), default=None)
    theory = ("Posteriors of HMMs", of(found, "prompts", size)), ("The sweep of paper B", of(found, "sweep"))
    for what, (ours, *others) in filter(lambda each: each[1], theory):
        others = [row for row in others if not NAMES[row.way].startswith("ours")]
        told = [f"{NAMES[row.way]}, takes {ratio(row, ours)} times as long as ours" for row in others]
        said += [f"{what}: {'; '.join(told)}."] if told else []
    said = "\n".join(f"- {each}" for each in said)
    return f"On {display.escape(record['processor'])}, with {display.escape(record['model'])}:\n\n{said}"


def _in(ours: str, other: str) -> str:
    return f"both in {ours}" if ours == other else f"ours in {ours}, the other in {other}"


def _shared(record: Mapping[str, Any], found: Sequence[Row]) -> Iterator[str]:
    yield "## Many questions on the same demonstrations"
    eager = of(found, "queries")
    base = next((row for row in eager if row.way == ONE_BY_ONE), None)
    size = max(row.size for row in eager)
    peaks = {row.way.removeprefix("product, "): rate(row) for row in of(found, "machine")}
    ours = [row for row in of(found, "queries", size) if row.way in SHARED]
    about = record["fixed"]["queries"]
    yield (
        f"{about['shown']} demonstrations of {about['tokens']} tokens, {size} queries of "
        f"{about['suffix']} on average, {about['batch']} in one pass; their demonstrations are read once, "
        "and that is counted in."
    )
    listed = []
    for row in ([base] if base else []) + ours:
        peak = peaks.get(row.way.removeprefix("shared, "))
        listed.append(
            (
                display.Author(NAMES[row.way]),
                display.Author(milliseconds(row.seconds)),
                f"{base.median / row.median:.3g}" if base else "n/a",
                f"{100 * rate(row) / peak:.0f} %" if peak and rate(row) else "",
                count(row.megabytes),
            )
        )
    yield display.table(
        ("way", "a query, ms", "times the throughput", "of the machine's rate", "MB"), listed
    ).data
    yield from _batches(record, found)
    yield from _larger(record, found, peaks)


def _batches(record: Mapping[str, Any], found: Sequence[Row]) -> Iterator[str]:
    """Time by the number of queries in one pass."""
    measured = of(found, "batch")
    if not measured:
        return
    ways = list(dict.fromkeys(row.way for row in measured))
    at = {(row.way, row.size): display.Author(milliseconds(row.seconds)) for row in measured}
    yield f"How many queries share a pass, for {record['fixed']['batch']['queries']} queries (ms a query):"
    listed = [
        (size, *(at.get((way, size), "") for way in ways)) for size in dict.fromkeys(r.size for r in measured)
    ]
    yield display.table(("queries in one pass", *(NAMES[way] for way in ways)), listed).data


def _larger(
    record: Mapping[str, Any], found: Sequence[Row], peaks: Mapping[str, float | None]
) -> Iterator[str]:
    """The same with larger models, where these had been fetched."""
    measured = of(found, "models")
    if len(measured) < 2:
        return
    yield (
        f"The same with larger models, {measured[0].size} queries in bfloat16, "
        f"{record['fixed']['models']['batch']} in one pass. The smaller a model, the more of its time goes "
        "to what is not a matrix product."
    )
    listed = [
        (
            display.Author(f"`{row.way.removeprefix(LARGER) if row.way not in SHARED else record['model']}`"),
            display.Author(milliseconds(row.seconds)),
            count(rate(row)),
            f"{100 * rate(row) / peaks['bfloat16']:.0f} %" if peaks.get("bfloat16") else "",
            count(row.megabytes),
        )
        for row in measured
    ]
    yield display.table(("model", "a query, ms", "GFLOP/s", "of the machine's rate", "MB"), listed).data


def _theory(record: Mapping[str, Any], found: Sequence[Row]) -> Iterator[str]:
    posteriors, sweeps = of(found, "prompts"), of(found, "sweep")
    if not posteriors:  # computed on the processor alone
        return
    yield "## Theory"
    size = max(row.size for row in posteriors)
    at = [row for row in posteriors if row.size == size]
    yield f"Exact posteriors of {size} prompts under {record['fixed']['prompts']['tasks']} tasks:"
    yield _compared(at, "a prompt, ms", 1)
    yield f"The sweep of paper B, {STEPS} steps of all its models, from the time of a step:"
    yield _compared(sweeps, "the sweep, s", STEPS / 1000)


def _compared(listed: Sequence[Row], unit: str, times: float) -> str:
    """A table of ways with their times against the first."""
    cells = [
        (
            display.Author(NAMES[row.way]),
            display.Author(milliseconds([times * taken for taken in row.seconds])),
            ratio(row, listed[0]),
        )
        for row in listed
    ]
    return display.table(("way", unit, "times ours"), cells).data


def _growth(found: Sequence[Row]) -> Iterator[str]:
    yield "## How cost grows"
    yield (
        "The power p of time and of memory in c · sizeᵖ, by least squares on logarithms of the medians, with "
        "95 % intervals of how well a power law fits. Time is that of all test points together."
    )
    listed = []
    for experiment, way in dict.fromkeys((row.experiment, row.way) for row in found):
        each = [row for row in of(found, experiment) if row.way == way]
        if len(each) < 3 or experiment == "batch":  # the work is the same
            continue
        sizes = [row.size for row in each]
        counted = [row.median * (row.size if experiment in PER_POINT else 1) for row in each]
        memory = [row.megabytes for row in each]
        grows = exponent(sizes, memory) if all(m and m > 0 for m in memory) else None
        listed.append((each[0].axis, display.Author(NAMES[way]), f"{sizes[0]} to {sizes[-1]}",
                       exponent(sizes, counted), grows))  # fmt: skip
    yield display.table(("size", "way", "from, to", "time", "memory"), listed).data


PER_POINT = ("queries", "sets", "prompts")
"""Experiments whose size is a number of test points, or goes with it."""
