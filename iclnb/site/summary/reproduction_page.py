"""The reproduction cards: for each paper its experiments, what it leaves open, our choice, what came out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from iclnb import display
from iclnb.site.results.claim_rows import Row
from iclnb.site.results.runs import HERE, Run
from iclnb.site.summary import marks, papers
from iclnb.site.summary.papers import Experiment

INTRODUCTION = """# Reproduction cards

One card for each paper: its experiments, what its text leaves open and how we chose, the verdicts that the
criteria compute, and what a run costs. A record speaks for its model; where there is none, the run that made
this copy of the book does. The minutes are those of the whole chapter that the experiment is part of."""


def page(
    project: Path, titles: Mapping[str, str], runs: Mapping[str, Sequence[Run]], rows: Sequence[Row]
) -> str:
    """The page in MyST Markdown.

    Args:
        project: the checkout.
        titles: of the book's notebooks.
        runs: of each notebook.
        rows: the claims of all runs.

    Raises:
        IclnbError: if ``book/papers.toml`` cannot be read.
    """
    known = papers.read(project)
    parts = [INTRODUCTION]
    for letter, name in known.names.items():
        listed = [each for each in known.experiments if each.paper == letter and each.chapter in titles]
        cards = [_card(each, titles[each.chapter], runs[each.chapter], rows) for each in listed]
        parts += [
            f"## Paper {letter}: {display.escape(name)}",
            *(cards or ["No chapter of this book tests it."]),
        ]
    return f"```{{raw}} html\n{marks.symbols()}\n```\n\n" + "\n\n".join(parts) + "\n"


def _card(experiment: Experiment, title: str, runs: Sequence[Run], rows: Sequence[Row]) -> str:
    """One experiment: a heading, then what was left open, what came out, what it cost."""
    shown = papers.shown([row for row in rows if row.chapter == experiment.chapter])
    speaking = [run for run in runs if (run.model, run.task, run.recorded) in shown]
    used = speaking[0].results["parameters"] if speaking else {}
    found = [line for listed in shown.values() for line in _found(experiment, listed)]
    facts = {
        "Chapter": [f"{{doc}}`{title} </notebooks/{experiment.chapter}>`"],
        "Left open": [
            f"*{display.escape(question)}*: {display.escape(filled(choice, used))}"
            for question, choice in experiment.open
        ],
        "Verdict": found or ["not run yet"],
        "Cost": [_cost(run) for run in speaking],
    }
    listed = "\n\n".join(
        f"{name}\n" + "\n".join(f": {x}" for x in each) for name, each in facts.items() if each
    )
    heading = f"### Section {experiment.section}: {display.escape(experiment.what)}"
    return f"{heading}\n\n:::::{{div}} iclnb-card\n{listed}\n:::::"


def filled(choice: str, used: Mapping[str, object]) -> str:
    """A choice with the settings of a run in the place of their names in braces, where the run has them."""
    return re.sub(r"\{(\w+)\}", lambda name: str(used.get(name[1], f"({name[1]})")), choice)


def _found(experiment: Experiment, rows: Sequence[Row]) -> Iterator[str]:
    """What one run says of the paper's own claims, and of their stricter readings."""
    mine = [row for row in rows if experiment.holds(row)]
    for said, strict in (("", False), (", stricter", True)):
        part = papers.ordered(row for row in mine if row.section.endswith(", stricter") == strict)
        if part:
            drawn = "".join(marks.glyph(row.verdict, f"{row.claim}: {row.verdict}") for row in part)
            badge = ' <span class="iclnb-badge">stale</span>' if part[0].stale else ""
            who = display.escape(_who(part[0].model, part[0].recorded))
            yield f"{drawn} **{papers.verdict(part)}** ({papers.tally(part)}); {who}{said}{badge}"


def _cost(run: Run) -> str:
    source = run.results["provenance"]
    seconds = source.get("seconds")
    took = "time not known" if seconds is None else f"{display.number(seconds / 60, 2)} min"
    device = (source.get("model") or {}).get("device")
    machine = ", ".join(filter(None, (str(source.get("machine") or ""), device)))
    return display.escape(f"{_who(run.model, run.recorded)}: {took} on {machine}")


def _who(model: str, recorded: bool) -> str:
    return ", ".join(filter(None, (model, "" if recorded else HERE))) or "record"
