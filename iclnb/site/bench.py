"""The book's pages on speed and memory: of a recorded benchmark one figure and one table."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Num
from scipy.stats import linregress
from scipy.stats import t as student

from iclnb import display, figures
from iclnb.figures import Picture
from iclnb.stats import Estimate

TITLES = {"cpu": "# Speed and memory", "cuda": "# Speed and memory on a GPU"}
COMMANDS = {"cpu": "make bench", "cuda": "make bench DEVICE=cuda"}
EXPERIMENTS = {
    "capture": "last token's attention of one prompt, {size} tokens",
    "queries": "a query on shared demonstrations, {size} queries",
    "models": "the same with larger models, {size} queries",
    "prompts": "posterior of a prompt under HMMs, {size} prompts",
    "sweep": "a step of the sweep of paper B, {size} prompts",
}
"""The rows of the table, each at the largest size that a way was timed at."""

PER_POINT = ("queries", "prompts")  # Those whose size is the number of test points

NAMES = {
    "no attention": "the pass alone, no attention",
    "last_token_attention": "ours: `last_token_attention`",
    "prefix of all but one": "ours: all but one token shared",
    "nnsight": "nnsight, last rows saved",
    "transformers, eager": "transformers, eager",
    "TransformerLens": "TransformerLens, patterns cached",
    "shared, float32": "ours, float32",
    "shared, bfloat16": "ours, bfloat16",
    "one by one, eager": "transformers, eager, one by one",
    "posteriors, batched": "ours, all prompts at once",
    "posteriors, hmmlearn": "hmmlearn, prompt by prompt",
    "posteriors, dynamax": "dynamax, prompt by prompt",
    "sweep, sampled": "ours, sampled prompts",
    "sweep, exact gradient": "ours, exact gradient",
    "sweep, PyTorch loop": "PyTorch, a loop over models and heads",
}
READ = """A time is the median of {rounds} rounds, with the fastest and the slowest; each way runs in a
process of its own, and all take turns. *Times*: how many times as long as the first way of its group.
*Power*: p where the time of all test points together grows as sizeᵖ, by least squares on logarithms, with how
well a power law fits (95 %). Memory is what a run adds at its peak to the loaded model."""


def recorded(project: Path, device: str = "cpu") -> Path:
    """The file that ``make bench`` writes."""
    return project / "book" / "recorded" / ("bench.json" if device == "cpu" else f"bench-{device}.json")


def page(project: Path, device: str = "cpu") -> str:
    """The page of a device in MyST Markdown; without a record one sentence."""
    place = recorded(project, device)
    if not place.is_file():
        return f"{TITLES[device]}\n\nNo benchmark is recorded here; `{COMMANDS[device]}` makes one.\n"
    record = json.loads(place.read_text(encoding="utf-8"))
    measured = [row for row in record["measurements"] if row["seconds"]]
    capture = [row for row in measured if row["experiment"] == "capture"]
    series = {_name(way): [(r["size"], _median(r)) for r in listed] for way, listed in _by_way(capture)}
    picture = growth(series)._repr_html_()
    rows = [row for name in EXPERIMENTS for row in _rows(name, measured, record["model"])]
    header = ("what", "way", "ms a test point", "times", "MB", "power")
    left_out = {f"{_name(r['way'])} at {r['size']} ({r['left_out']})" for r in record["measurements"]
                if r["left_out"] not in (None, "not needed")}  # fmt: skip
    left_out |= {f"{line} ({why})" for line, why in record.get("not_installed", {}).items()}
    parts = [TITLES[device], _made(record), f"```{{raw}} html\n{picture}\n```"]
    parts += [display.table(header, rows).data, READ.format(rounds=record["rounds"])]
    parts += [f"Not measured: {display.escape('; '.join(sorted(left_out)))}."] if left_out else []
    return "\n\n".join(parts) + "\n"


def _rows(experiment: str, measured: Sequence[Mapping[str, Any]], model: str) -> list[tuple[object, ...]]:
    """The lines of one experiment, a way each."""
    ways = _by_way([row for row in measured if row["experiment"] == experiment])
    first = {row["size"]: _median(row) for row in ways[0][1]} if ways else {}
    rows = []
    for way, listed in ways:
        row = max((r for r in listed if r["size"] in first), key=lambda r: r["size"], default=listed[-1])
        seconds = [1000 * taken / row["points"] for taken in row["seconds"]]
        middle, low, high = (_count(f(seconds)) for f in (statistics.median, min, max))
        name = f"`{model}`" if experiment == "models" and way.startswith("shared") else _name(way)
        base = first.get(row["size"])
        sizes = [r["size"] for r in listed]
        totals = [_median(r) * (r["size"] if experiment in PER_POINT else 1) for r in listed]
        what = EXPERIMENTS[experiment].format(size=row["size"])
        rows.append((
            "" if rows and what in [row[0] for row in rows] else what, display.Author(name),
            display.Author(f"{middle} [{low}, {high}]"), _count(_median(row) / base) if base else "",
            _count(row["megabytes"]), exponent(sizes, totals) if len(listed) > 2 else "",
        ))  # fmt: skip
    return rows


def _made(record: Mapping[str, Any]) -> str:
    """When, on what machine and of which revision."""
    runs = record["runs"]
    made = dict.fromkeys(
        f"{run['provenance']['time'][:10]} (revision {str(run['provenance']['revision'])[:7]})"
        for run in runs
    )
    loads = [load[0] for run in runs for load in run["load"]]
    return display.escape(
        f"{record['model']} in {record['dtype']} on {record['processor']} "
        f"({runs[-1]['provenance']['machine']}), {', '.join(made)}, while the machine's load was "
        f"{display.number(min(loads), 2)} to {display.number(max(loads), 2)} processes."
    )


def exponent(
    sizes: Sequence[float] | Num[np.ndarray, " sizes"], costs: Sequence[float] | Num[np.ndarray, " sizes"]
) -> Estimate:
    """The power p of cost = c sizeᵖ: least squares on logarithms, with Student's 95 % interval.

    The interval says how far the points lie from a power law; two points have none (it is infinite).
    """
    fit, free = linregress(np.log(sizes), np.log(costs)), len(sizes) - 2
    half = student.ppf(0.975, free) * fit.stderr if free else np.inf
    return Estimate(fit.slope, fit.slope - half, fit.slope + half)


def _by_way(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    return [(way, [r for r in rows if r["way"] == way]) for way in dict.fromkeys(r["way"] for r in rows)]


def _median(row: Mapping[str, Any]) -> float:
    """Seconds for one test point."""
    return statistics.median(row["seconds"]) / row["points"]


def _name(way: str) -> str:
    return NAMES.get(way) or f"`{way.removeprefix('larger, ')}`"


def _count(value: float | None) -> str:
    """A number with at least its whole part."""
    return display.number(value) if value is None or value < 100 else f"{value:,.0f}"


@figures.picture
def growth(series: Mapping[str, Sequence[tuple[float, float]]]) -> Picture:
    """Seconds against tokens, both in logarithms, a line for each way."""
    figure, axes = plt.subplots(figsize=(7.0, 4.2))
    plain = {name.replace("`", ""): points for name, points in series.items()}
    for line, (name, points) in zip(figures.SERIES, plain.items(), strict=False):
        axes.plot(*zip(*points, strict=True), label=name, **line)
    axes.set(xscale="log", yscale="log", xlabel="tokens of the prompt", ylabel="seconds")
    axes.set_xticks(sorted({size for points in plain.values() for size, _ in points}), minor=False)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    figure.legend(loc="outside lower center", ncols=2)
    common = max(set.intersection(*(set(dict(points)) for points in plain.values())))
    taken = {name: dict(points)[common] for name, points in plain.items()}
    ends = ", ".join(f"{name} {seconds:.3g}" for name, seconds in taken.items())
    return Picture(figure, alt=f"Seconds for one prompt of {common} tokens: {ends}")
