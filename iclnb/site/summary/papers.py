"""What the papers say, and which claims of which chapter test it: ``book/papers.toml``."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iclnb import claims, display
from iclnb.errors import IclnbError
from iclnb.site.results import runs as all_runs
from iclnb.site.results.claim_rows import Row
from iclnb.site.summary import marks
from iclnb.stats import Estimate

FILE = Path("book") / "papers.toml"


class Question(NamedTuple):
    """A row of the front page.

    Attributes:
        chapter: name of the notebook that asks it.
        says: what the paper says.
        quote: words of the part of the chapter's answer that the front page quotes; empty for its first.
        claims: ids of the claims that answer it once several models have records.
    """

    chapter: str
    says: str
    quote: str = ""
    claims: Sequence[str] = ()


class Experiment(NamedTuple):
    """A line of a paper's reproduction card.

    Attributes:
        paper: "A" or "B".
        section: where it stands; claims of this section and of its stricter readings belong to it.
        chapter: name of the notebook that repeats it.
        what: is measured.
        open: settings that the paper leaves open, each with our choice; settings of the chapter in braces.
    """

    paper: str
    section: str
    chapter: str
    what: str
    open: Sequence[tuple[str, str]]

    def holds(self, row: Row) -> bool:
        """Whether a claim belongs to this experiment."""
        section = row.section.removesuffix(", stricter")
        return (row.chapter, row.paper, section) == (self.chapter, self.paper, self.section)


class Papers(NamedTuple):
    """The whole file.

    Attributes:
        names: of the papers, by letter.
        questions: of the front page, in order.
        experiments: of the reproduction cards, in order.
    """

    names: Mapping[str, str]
    questions: Sequence[Question]
    experiments: Sequence[Experiment]


def read(project: Path) -> Papers:
    """The file of a checkout.

    Raises:
        IclnbError: if it is not TOML, or an entry lacks something or has something unknown.
    """
    path = project / FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        questions = [Question(**entry) for entry in content.get("question", ())]
        experiments = [_experiment(entry) for entry in content.get("experiment", ())]
        return Papers(content["papers"], questions, experiments)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IclnbError(f"{path} cannot be read: {error}") from error


def _experiment(entry: Mapping[str, Any]) -> Experiment:
    opened = [tuple(pair) for pair in entry["open"]]
    if any(len(pair) != 2 for pair in opened):
        raise ValueError(f"'open' of section {entry['section']} must be pairs of a setting and our choice")
    return Experiment(**{**entry, "open": opened})


def shown(rows: Iterable[Row]) -> dict[tuple[str, str, bool], list[Row]]:
    """The claims of one chapter by model, task and whether they are recorded: the runs that speak for it.

    A record speaks for its model; this machine's run speaks only for a model of which there is no record.
    """
    runs: dict[tuple[str, str, bool], list[Row]] = {}
    for row in rows:
        runs.setdefault((row.model, row.task, row.recorded), []).append(row)
    recorded = {model for model, _, record in runs if record}
    return {key: listed for key, listed in runs.items() if key[2] or key[0] not in recorded}


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Claims by verdict: those that hold, those that do not, those undecided."""
    last = {claims.INCONCLUSIVE: 2, **dict.fromkeys(marks.AGAINST, 1)}
    return sorted(rows, key=lambda row: (last.get(row.verdict, 0), row.verdict))


def told(rows: Sequence[Row], ids: Iterable[str], *, numbers: bool) -> list[str]:
    """Some claims of one chapter, each with what the records of several models say; empty for fewer.

    Args:
        rows: of the chapter.
        ids: of the claims.
        numbers: whether estimates and intervals are given, too.
    """
    speaking = [row for listed in shown(rows).values() for row in listed if row.recorded and row.model]
    if len({row.model for row in speaking}) < 2:
        return []
    of = {id: [row for row in speaking if row.claim == id] for id in ids}
    return [_told(found, numbers) for found in of.values() if found]


def _told(rows: Sequence[Row], numbers: bool) -> str:
    """A claim, and its verdicts with the models' sizes, in Markdown."""
    found: dict[str, list[str]] = {}
    for row in rows:
        known = numbers and row.estimate is not None
        number = display.cell(Estimate(row.estimate, row.low, row.high)) if known else ""
        parts = (display.escape(size(row.model)), number and f"({number})", *all_runs.badges(row))
        found.setdefault(row.verdict, []).append(" ".join(filter(None, parts)))
    listed = "; ".join(f"*{verdict}* on {', '.join(models)}" for verdict, models in found.items())
    return f"{display.escape(rows[0].statement.removesuffix('.'))}: {listed}."


def size(model: str) -> str:
    """How large a model is, as its name tells ("135M"), else its name; empty without one."""
    found = re.search(r"(\d+(?:\.\d+)?)([mb])(?![a-z])", model.lower())
    return f"{found[1]}{found[2].upper()}" if found else model


def verdict(rows: Sequence[Row]) -> str:
    """What several verdicts say together, in words."""
    found = Counter(row.verdict for row in rows)
    undecided = found.pop(claims.INCONCLUSIVE, 0)
    against = sum(found.pop(verdict, 0) for verdict in marks.AGAINST)
    holds = sum(found.values())
    if not rows:
        return "not tested"
    if not holds and not against:
        return "undecided"
    if holds and against:
        return "holds in part"
    return ("holds" if holds else "does not hold") + (", as far as decided" if undecided else "")


def tally(rows: Sequence[Row]) -> str:
    """How many of some claims have which verdict, in words."""
    found = Counter(row.verdict for row in ordered(rows))
    return ", ".join(f"{count} {verdict}" for verdict, count in found.items())
