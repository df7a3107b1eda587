"""What `make bench` measures: experiments with their sizes, at full length and in two minutes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from of_models import LARGER

PEERS = (
    "transformers, eager", "nnsight", "TransformerLens", "one by one, eager",
    "posteriors, hmmlearn", "posteriors, dynamax", "sweep, PyTorch loop",
)  # fmt: skip
READ = {"sets": 1, "queries": 64, "shown": 16, "tokens": 37, "suffix": 27, "batch": 64}
"""Prompts of 16 demonstrations of 37 tokens each, and queries of 27 on average, 64 in one pass."""


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
    Experiment("models", "queries", (256,), (SHARED[1], *(f"larger, {name}" for name in LARGER)), READ),
    Experiment("batch", "batch", (8, 16, 32, 64, 128), SHARED, {**READ, "queries": 256}),
    Experiment("demonstrations", "shown", (4, 8, 16, 32, 64), SHARED, READ),
    Experiment("sets", "sets", (1, 2, 4, 8), SHARED, READ),
    Experiment("prompts", "prompts", (125, 500, 2000), POSTERIORS, {"tasks": 8}),
    Experiment("tasks", "tasks", (2, 4, 8, 16), POSTERIORS, {"prompts": 500}),
    Experiment("sweep", "batch", (2048,), SWEEPS),
)  # fmt: skip

_MANY = {**READ, "batch": 512}
GPU = (
    FULL[0]._replace(sizes=(8192,)),
    FULL[1],
    Experiment("queries", "queries", (64, 512, 2048), (*SHARED, "one by one, eager"), _MANY,
               {"one by one, eager": 64}),
    FULL[4]._replace(sizes=(1024,), fixed=_MANY),
    Experiment("batch", "batch", (16, 64, 256, 1024), SHARED, {**READ, "queries": 1024}),
    Experiment("sets", "sets", (1, 2, 4, 8), SHARED, {**_MANY, "queries": 512}),
)  # fmt: skip
"""Of a GPU, which is busy only with many queries at once; theory is computed on the processor."""

QUICK = (
    Experiment("machine", "width", (512,), ("product, float32", "product, bfloat16")),
    FULL[1]._replace(sizes=(60, 120, 240)),
    Experiment("queries", "queries", (8, 16), (*SHARED, "one by one, eager"), {**READ, "shown": 4},
               {"one by one, eager": 8}),
    Experiment("prompts", "prompts", (25, 50), POSTERIORS, {"tasks": 2}),
    Experiment("sweep", "batch", (64,), SWEEPS),
)  # fmt: skip
