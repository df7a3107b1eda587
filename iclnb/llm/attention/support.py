"""Which architectures attention can be captured of, as the sweep over all of them recorded it."""

import json
from pathlib import Path

from iclnb.paths import project_dir

HEADER = ("architecture", "last-token attention", "shared prefix", "why not")


def recorded() -> Path:
    """The file that ``tests/llm/attention/sweep.py --record`` writes."""
    return project_dir() / "book" / "recorded" / "architectures.json"


def table(file: Path | None = None) -> list[tuple[str, str, str, str]]:
    """The rows of the book's table, one for each architecture; columns are :data:`HEADER`.

    Args:
        file: JSON with a list ``architectures`` of what became of each; :func:`recorded` for ``None``.
    """
    return [
        (o["architecture"], o["last_token"], o["shared_prefix"], o["reason"])
        for o in _outcomes(file or recorded())
    ]


def counts(file: Path | None = None) -> dict[str, int]:
    """How many architectures are exact, refused, not built, wrong (0) and crash (0)."""
    outcomes = _outcomes(file or recorded())
    kinds = ("exact", "refused", "not built", "wrong", "crash")
    return {kind: sum(o["status"] == kind for o in outcomes) for kind in kinds}


def _outcomes(file: Path) -> list[dict]:
    return json.loads(file.read_text("utf-8"))["architectures"]
