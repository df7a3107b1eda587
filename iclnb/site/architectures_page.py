"""The book's page on architectures: which ones attention can be captured of, as the sweep recorded it."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from iclnb import display

HEADER = ("architecture", "last-token attention", "shared prefix", "why not")
OUTCOMES = ("exact", "refused", "not built", "wrong", "crash")

_INTRODUCTION = """# Architectures

For every causal architecture of transformers {version}, a tiny random model was built and the attention
that this package captures was compared with the model's own (eager, `output_attentions`): under both
attention implementations, with windows, chunks and padding, for prompts with and without a shared prefix.
*Exact* is within 1e-5 in float32. *Refused* ends in a `CaptureError` that says why. *Not built* could not be
made so small, or needs a library that is not installed.

In half precision eager attention rounds its scores, much where they are large. Fused attention, used in its
place in architectures whose eager attention is the common one, keeps scores in float32, and so does capture;
there it is compared with eager attention in float32, layer by layer."""


def page(project: Path) -> str:
    """The page in MyST Markdown."""
    record = json.loads(recorded(project).read_text(encoding="utf-8"))
    outcomes = record["architectures"]
    found = counts(outcomes)
    total = ", ".join(f"{found[kind]} {kind}" for kind in OUTCOMES)
    introduction = _INTRODUCTION.format(version=display.escape(record["transformers"]))
    exact = ", ".join(display.escape(o["architecture"]) for o in outcomes if o["status"] == "exact")
    rows = [
        (o["architecture"], o["last_token"], o["shared_prefix"], _breakable(o["reason"]))
        for o in outcomes
        if o["status"] != "exact"
    ]
    table = display.table(HEADER, rows).data
    return f"{introduction}\n\nOf {len(outcomes)}: {total}.\n\n{table}\n\nExact for both: {exact}.\n"


def _breakable(text: str) -> str:
    """Text whose long names may be broken after a dot, an underscore or a bracket (zero-width spaces)."""
    return re.sub(r"(?<=[._)\[])(?=\S)", "\u200b", text)


def recorded(project: Path) -> Path:
    """The file that ``tests/llm/attention/sweep.py --record`` writes."""
    return project / "book" / "recorded" / "architectures.json"


def counts(outcomes: Sequence[Mapping[str, str]]) -> Counter[str]:
    """How many architectures are exact, refused, not built, wrong (0) and crash (0)."""
    return Counter(outcome["status"] for outcome in outcomes)
