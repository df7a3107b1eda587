"""What the papers did and what was found, in a person's words, bound to claims: ``book/papers.toml``."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iclnb import claims
from iclnb.errors import IclnbError
from iclnb.site import marks
from iclnb.site.results.claim_rows import Row

FILE = Path("book") / "papers.toml"

HOLDS = {claims.SUPPORTED, claims.PROVED}
FAILS = {claims.NOT_SUPPORTED, claims.CONTRADICTED}


class Question(NamedTuple):
    """A row of the front page."""

    chapter: str  # name of the notebook that asks it
    # one sentence of Markdown, bound to claims of the chapter (`iclnb.site.answers`); empty while its
    # records are missing
    answer: str = ""


class Experiment(NamedTuple):
    """A line of a paper's reproduction card."""

    paper: str  # "A" or "B"
    section: str  # where it stands; claims of this section and of its stricter readings belong to it
    chapter: str  # name of the notebook that repeats it
    what: str  # is measured
    # settings that the paper leaves open, each with our choice; settings of the chapter in braces
    open: Sequence[tuple[str, str]]
    did: str = ""  # what the paper did and says, in a sentence or two
    found: str = ""  # what came out, in Markdown that is bound to claims of the chapter; may be empty

    def holds(self, row: Row) -> bool:
        """Whether a claim belongs to this experiment: of this section, or read strictly or carried over."""
        return row.chapter == self.chapter and self.is_of(row)

    def is_of(self, row: Row) -> bool:
        """Whether a claim of any chapter is about this part of the paper."""
        section = row.section.partition(", ")[0] if ", " not in self.section else row.section
        return (row.paper, section) == (self.paper, self.section)


class Papers(NamedTuple):
    """The whole file."""

    names: Mapping[str, str]  # of the papers, by letter
    questions: Sequence[Question]  # of the front page, in order
    experiments: Sequence[Experiment]  # of the reproduction cards, in order


def read(project: Path) -> Papers:
    """The file of a checkout. Raises IclnbError if it is not TOML, or an entry lacks or has something unknown."""
    path = project / FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        questions = [
            Question(entry["chapter"], " ".join(entry.get("answer", "").split()))
            for entry in content.get("question", ())
        ]
        experiments = [_experiment(entry) for entry in content.get("experiment", ())]
        return Papers(content["papers"], questions, experiments)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IclnbError(f"{path} cannot be read: {error}") from error


def _experiment(entry: Mapping[str, Any]) -> Experiment:
    opened = [tuple(pair) for pair in entry["open"]]
    if any(len(pair) != 2 for pair in opened):
        raise ValueError(f"'open' of section {entry['section']} must be pairs of a setting and our choice")
    found = " ".join(entry.get("found", "").split())
    return Experiment(**{**entry, "open": opened, "found": found})


def by_run(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The claims of one chapter by the recorded run that judged them; where there is none, by this run."""
    rows = list(rows)
    recorded = [row for row in rows if row.recorded] or rows
    return {
        name: [row for row in recorded if row.run == name] for name in dict.fromkeys(r.run for r in recorded)
    }


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Claims by verdict, in the order of :data:`iclnb.site.marks.CLASSES`."""
    order = list(marks.CLASSES)
    return sorted(rows, key=lambda row: order.index(row.verdict))


def tally(rows: Iterable[Row]) -> str:
    """How many of some claims have which verdict, in words; those of smoke runs and at chance are not counted."""
    listed = ordered(rows)
    found = Counter(row.verdict for row in listed if row.counts)
    left = len(listed) - found.total()
    said = [f"{count} {verdict}" for verdict, count in found.items()]
    return ", ".join([*said, *([f"{left} of a smoke run or at chance, not counted"] if left else [])])


def sides(rows: Iterable[Row]) -> Counter[str]:
    """How many verdicts speak ``for`` a paper, ``against`` it, or leave it ``open``.

    Those of smoke runs and of models at chance are not counted.
    A claim that speaks for the paper speaks against it where it fails, and the other way round.
    """
    found: Counter[str] = Counter()
    for row in rows:
        if row.counts and row.speaks in {"for", "against"}:
            agrees = (row.speaks == "for") == (row.verdict in HOLDS)
            found["open" if row.verdict not in HOLDS | FAILS else "for" if agrees else "against"] += 1
    return found
