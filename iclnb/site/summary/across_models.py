"""What a chapter's records say across models: what holds at every size, what changes, what is open."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from iclnb import claims, display
from iclnb.site import picture_cache
from iclnb.site.results import claim_rows
from iclnb.site.results import runs as all_runs
from iclnb.site.results.runs import Run
from iclnb.site.summary import papers, pictures_across_models

EVERY, NONE, CHANGES, OPEN = (
    "supported at every size", "not supported at any size", "changing with size", "open at some size",
)  # fmt: skip
"""What may become of a claim that was tested on several models; one that changes is not called open."""

_YES, _NO = {claims.SUPPORTED, claims.PROVED}, {claims.NOT_SUPPORTED, claims.CONTRADICTED}


def summary(runs: Sequence[Run], ids: Sequence[str] = (), pictures: Path | None = None) -> str:
    """The paragraphs for a chapter's page, in MyST Markdown; empty unless two models share a claim.

    Args:
        runs: of the chapter. Records of the task that most models have are compared; a model with several
            records of it is represented by the first.
        ids: of the claims that answer the chapter's question; they come first.
        pictures: the folder where pictures are kept from build to build, if any.
    """
    compared = _compared(runs)
    if len(compared) < 2:
        return ""
    rows = {kind: [] for kind in (EVERY, NONE, CHANGES, OPEN)}
    for id in dict.fromkeys(claim["id"] for run in compared for claim in run.results["claims"]):
        verdicts = {run.model: claim["verdict"] for run in compared if (claim := _claim(run, id))}
        if len(verdicts) == len(compared):
            first = next(filter(None, (_claim(run, id) for run in compared)))
            rows[outcome(verdicts.values())].append((first, verdicts))
    if not any(rows.values()):
        return ""
    counted = ", ".join(f"{len(listed)} {kind}" for kind, listed in rows.items() if listed)
    total = sum(map(len, rows.values()))
    answers = [
        f"- {each}" for each in papers.told(claim_rows.rows({"": compared}, {"": ""}), ids, numbers=True)
    ]
    said = [f"**Across models** ({_names(compared)})"] + ["\n".join(answers)] * bool(answers)
    said += [f"Of the {total} claims tested on each: {counted}.{_picture(compared, pictures)}"]
    parts = [
        f"**{len(listed)} {kind}**\n\n"
        + "\n".join(_line(*row, changes=kind in (CHANGES, OPEN)) for row in listed)
        for kind, listed in rows.items()
        if listed
    ]
    folded = [":::::{dropdown} Claim by claim", *parts, ":::::"]
    return "\n\n".join(["::::::{container} iclnb-across", *said, *folded, "::::::"])


def outcome(verdicts: Iterable[str]) -> str:
    """What becomes of a claim with these verdicts, one for each model."""
    found = set(verdicts)
    if found & _YES and found & _NO:
        return CHANGES
    return EVERY if found <= _YES else NONE if found <= _NO else OPEN


def _compared(runs: Sequence[Run]) -> list[Run]:
    recorded = [run for run in runs if run.recorded and run.model]
    tasks = Counter(task for _, task in {(run.model, run.task) for run in recorded})
    if not tasks:
        return []
    task = tasks.most_common(1)[0][0]
    first: dict[str, Run] = {}
    for run in recorded:
        if run.task == task:
            first.setdefault(run.model, run)
    return sorted(first.values(), key=all_runs.order)


def _picture(runs: Sequence[Run], pictures: Path | None) -> str:
    """The runs whose values hold the shares of a verdict, in one picture."""
    told = [run for run in runs if "share_intervals" in run.results.get("values", {})]
    if len(told) < 2:
        return ""
    return f"\n\n```{{raw}} html\n{picture_cache.html(pictures_across_models.shares, told, pictures)}\n```"


def _claim(run: Run, id: str) -> Mapping[str, Any] | None:
    return next((claim for claim in run.results["claims"] if claim["id"] == id), None)


def _names(runs: Sequence[Run]) -> str:
    """The models with their marks, and the task that they share."""
    models = ", ".join(" ".join([all_runs.breakable(run.model), *all_runs.badges(run)]) for run in runs)
    return f"{models}; {display.escape(runs[0].task)}" if runs[0].task else models


def _line(claim: Mapping[str, Any], verdicts: Mapping[str, str], *, changes: bool) -> str:
    whose = "ours" if claim["paper"] == "ours" else f"paper {claim['paper']}"
    found = "; ".join(f"{all_runs.breakable(model)}: *{verdict}*" for model, verdict in verdicts.items())
    return f"- {display.escape(claim['statement'])} ({whose})" + (f" {found}." if changes else "")
