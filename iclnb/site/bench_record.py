"""The recorded benchmark: its ways, its measurements for one test point, rates and powers."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import linregress
from scipy.stats import t as student

from iclnb.stats import Estimate

OURS, PASS, EAGER = "last_token_attention", "no attention", "transformers, eager"
SHARED, ONE_BY_ONE = ("shared, float32", "shared, bfloat16"), "one by one, eager"

NAMES = {
    PASS: "the pass alone, no attention",
    OURS: "ours: `last_token_attention`",
    "prefix of all but one": "ours: all but one token shared",
    "nnsight": "nnsight, last rows saved",
    EAGER: "transformers, eager",
    "TransformerLens": "TransformerLens, patterns cached",
    SHARED[0]: "ours, float32",
    SHARED[1]: "ours, bfloat16",
    ONE_BY_ONE: "transformers, eager, one by one",
    "posteriors, batched": "ours, all prompts at once",
    "posteriors, hmmlearn": "hmmlearn, prompt by prompt",
    "posteriors, dynamax": "dynamax, prompt by prompt",
    "sweep, sampled": "ours, sampled prompts",
    "sweep, exact gradient": "ours, exact gradient",
    "sweep, PyTorch loop": "PyTorch, a loop over models and heads",
}
LARGER = "larger, "


class Row(NamedTuple):
    """One way at one size, as :mod:`tests.benchmarks` recorded it.

    Attributes:
        seconds: of each round, for one test point.
        megabytes: at the peak, on top of what the process held before.
        gflop: that one test point needs; ``None`` where it is not counted.
        difference: of its numbers from those of the first way, at most; ``None`` where there are none.
        left_out: why it was not measured; ``None`` where it was.
    """

    experiment: str
    way: str
    axis: str
    size: int
    seconds: tuple[float, ...]
    megabytes: float | None
    gflop: float | None
    difference: float | None
    left_out: str | None

    @property
    def median(self) -> float:
        """Seconds for one test point."""
        return statistics.median(self.seconds)


def recorded(project: Path, device: str = "cpu") -> Path:
    """The file that ``make bench`` writes."""
    return project / "book" / "recorded" / ("bench.json" if device == "cpu" else f"bench-{device}.json")


def rows(record: Mapping[str, Any]) -> list[Row]:
    """All measurements."""
    found = []
    for each in record["measurements"]:
        seconds = tuple(taken / each.get("points", 1) for taken in each["seconds"])
        values = {name: each.get(name) for name in Row._fields}
        found.append(Row(**{**values, "seconds": seconds}))
    return found


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> Estimate:
    """The power p of cost = c sizeᵖ: least squares on logarithms, with Student's 95 % interval.

    The interval says how far the points lie from a power law; two points have none (it is infinite).
    """
    fit, free = linregress(np.log(sizes), np.log(costs)), len(sizes) - 2
    half = student.ppf(0.975, free) * fit.stderr if free else np.inf
    return Estimate(fit.slope, fit.slope - half, fit.slope + half)


def rate(row: Row) -> float | None:
    """GFLOP/s of the fastest round."""
    return row.gflop / min(row.seconds) if row.gflop and row.seconds else None


def of(found: Sequence[Row], experiment: str, size: int | None = None) -> list[Row]:
    """The measured rows of an experiment, or those of one size."""
    return [r for r in found if r.experiment == experiment and r.seconds and size in (None, r.size)]
