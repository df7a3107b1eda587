"""What a chapter's page says of the run that made it: which run it was, and how its verdicts compare."""

from collections.abc import Mapping, Sequence
from typing import Any

from iclnb import claims, display
from iclnb.site.results.claim_rows import Row

AGREE, OPEN, OTHER, UNKNOWN = "as on record", "undecided here", "other than on record", "not on record"


def section(rows: Sequence[Row], results: Mapping[str, Any], state: str) -> str:
    """The section in MyST Markdown: a line, a small table, and the claims whose verdicts differ."""
    found: dict[str, list[Row]] = {kind: [] for kind in (AGREE, OPEN, OTHER, UNKNOWN)}
    for row in rows:
        if not row.recorded:
            found[_kind(row, recorded(row, rows))].append(row)
    table = display.table(list(found), [tuple(map(len, found.values()))]).data
    named = "; ".join(f"*{display.escape(row.statement)}* is {row.verdict} here" for row in found[OTHER])
    said = [f"{described(results, state)}. Its claims, counted by their verdicts:", table]
    return "\n\n".join(["## On this machine", *said, *([f"{named}."] if named else [])])


def recorded(row: Row, rows: Sequence[Row]) -> str:
    """The verdict of the records on a claim of this run; empty where they have none, or several.

    The record of the same model and task counts, else those of the same model, else all.
    """
    same = [other for other in rows if other.recorded and other.claim == row.claim]
    for narrow in (
        [other for other in same if (other.model, other.task) == (row.model, row.task)],
        [other for other in same if other.model == row.model],
        same,
    ):
        if narrow:
            verdicts = {other.verdict for other in narrow}
            return verdicts.pop() if len(verdicts) == 1 else ""
    return ""


def _kind(row: Row, verdict: str) -> str:
    if not verdict:
        return UNKNOWN
    if row.verdict == verdict:
        return AGREE
    return OPEN if row.verdict == claims.INCONCLUSIVE else OTHER


def described(results: Mapping[str, Any], state: str) -> str:
    """A run in one line of Markdown: model, data, parameters, revision, date, fresh or stale."""
    facts, parameters = results["provenance"], results["parameters"]
    origin, data = facts.get("model") or {}, facts.get("data", ())
    read = dict.fromkeys(f"{each['task']} ({each['source']})" for each in data)
    chosen = dict(results.get("key", {}).get("parameters", {}))
    profile = chosen.pop("profile", parameters.get("profile"))
    parts = [
        f"profile {profile}" if profile else "",
        " ".join(filter(None, (str(origin.get("name") or ""), origin.get("dtype") or ""))),
        ", ".join(read),
        ", ".join(f"{key} = {value}" for key, value in chosen.items() if key not in {"model", "task"}),
        f"revision {_short(facts.get('revision'))}",
        str(facts.get("time", ""))[:10],
    ]
    return f"*This run*: {display.escape(', '.join(filter(None, parts)))}, **{state}**"


def _short(revision: str | None) -> str:
    if not revision:
        return "not known"
    commit, plus, changes = revision.partition("+")
    return commit[:7] + plus + changes
