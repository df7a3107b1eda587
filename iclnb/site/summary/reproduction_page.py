"""The reproduction cards: for each paper its experiments, what it leaves open, our choice, what came out."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from iclnb import display
from iclnb.site import answers, marks
from iclnb.site.results.claim_rows import Row
from iclnb.site.results.runs import Run
from iclnb.site.summary import papers
from iclnb.site.summary.papers import Experiment

INTRODUCTION = """# Reproduction cards

One card for each experiment of the papers: what the paper did, what its text leaves open and how we chose, and
what came out. The marks are the verdicts on the claims of that section, by recorded run. The minutes are those of
the whole chapter."""


def page(
    project: Path, titles: Mapping[str, str], runs: Mapping[str, Sequence[Run]], rows: Sequence[Row]
) -> str:
    """The page in MyST Markdown.

    Raises IclnbError if ``book/papers.toml`` cannot be read, or a sentence does not hold on record.
    """
    known = papers.read(project)
    parts = [INTRODUCTION]
    for letter, name in known.names.items():
        listed = [each for each in known.experiments if each.paper == letter and each.chapter in titles]
        cards = [_card(each, titles, runs[each.chapter], rows) for each in listed]
        parts += [
            f"## Paper {letter}: {display.escape(name)}",
            *(cards or ["No chapter of this book tests it."]),
        ]
    return "\n\n".join(parts) + "\n"


def _card(experiment: Experiment, titles: Mapping[str, str], runs: Sequence[Run], rows: Sequence[Row]) -> str:
    """One experiment: a heading, what the paper did, what was left open, what came out, what it cost."""
    speaking = [run for run in runs if run.recorded] or list(runs)
    used = speaking[0].results["parameters"] if speaking else {}
    recorded = {run.name: run.results for run in runs if run.recorded}
    found = answers.resolve(experiment.found, recorded, experiment.chapter)
    mine = [row for row in rows if row.recorded and experiment.holds(row)]
    told = [_found(name, listed) for name, listed in papers.by_run(mine).items()]
    asking = [experiment.chapter, *(row.chapter for row in rows if experiment.is_of(row))]
    facts = {
        "The paper": [experiment.did],
        "This book": [f"{{doc}}`{titles[name]} </notebooks/{name}>`" for name in dict.fromkeys(asking)],
        "Left open": [
            f"*{display.escape(question)}*: {display.escape(filled(choice, used))}"
            for question, choice in experiment.open
        ],
        "Result": [found, *told] if told else ["Not on record yet."],
        "Cost": list(_costs(run for run in runs if run.recorded)),
    }
    listed = "\n\n".join(
        f"{name}\n" + "\n".join(f": {x}" for x in each if x) for name, each in facts.items() if any(each)
    )
    place = experiment.section[:1].upper() + experiment.section[1:]
    place = f"Section {place}" if place[:1].isdigit() else place
    heading = f"### {place}: {display.escape(experiment.what)}"
    return f"{heading}\n\n:::::{{div}} iclnb-card\n{listed}\n:::::"


def filled(choice: str, used: Mapping[str, object]) -> str:
    """A choice with the settings of a run in the place of their names in braces, where the run has them."""

    def value(name: re.Match[str]) -> str:
        return re.sub(r",(?=\S)", ", ", str(used.get(name[1], f"({name[1]})")))

    return re.sub(r"\{(\w+)\}", value, choice)


def _found(name: str, rows: Sequence[Row]) -> str:
    """What one run says of an experiment's claims."""
    drawn = "".join(marks.mark(row.verdict, f"{row.claim}: {row.verdict}") for row in papers.ordered(rows))
    stale = f" {marks.badge('stale')}" if any(row.stale for row in rows) else ""
    return f"{drawn} {display.escape(name)}: {papers.tally(rows)}{stale}"


def _costs(runs: Iterable[Run]) -> Iterator[str]:
    for run in runs:
        source = run.results["provenance"]
        took = "time not known" if run.seconds is None else f"{display.number(run.seconds / 60, 2)} min"
        device = (source.get("model") or {}).get("device")
        machine = ", ".join(filter(None, (str(source.get("machine") or ""), device)))
        yield display.escape(f"{run.name}: {took} on {machine}")
