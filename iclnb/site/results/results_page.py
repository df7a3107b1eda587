"""The book's results page: every claim of every chapter, model by model."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from iclnb import claims, display
from iclnb.site.results import claim_rows, forest, margins, multiplicity
from iclnb.site.results import runs as all_runs
from iclnb.site.results.runs import HERE, Run

STALE = "of them stale"
INTRODUCTION = """# Results

Every claim of every chapter, model by model: the verdict that the criterion computes, the number that decides
it with its 95 % interval, and what a blind method (or no effect) would have given. A column is one run of the
chapter. *This machine* is the run that made this copy of the book; the others are recorded: runs too long for
a laptop, kept in the repository with the revision, the model and the data that made them.

*Stale* marks a record made by code, versions or data that have changed since; the list below its table says
which. *Model at chance* marks a model that, on this task, answers no better than always naming the most
frequent label: what a claim says of its answers then means little, whatever the verdict. *2 × the data would
decide* means that, were the estimate right, an interval over twice as many units would decide an inconclusive
claim; *at the margin itself*, that no reasonable number would. *Proved and checked* is no finding but a
theorem, with the place of its proof and the largest deviation that a check by computer found; *contradicted*
would mean that the check fails."""


def page(project: Path, titles: Mapping[str, str]) -> str:
    """The results page in MyST Markdown.

    Args:
        project: the checkout, with ``build/results`` and ``book/recorded``.
        titles: the title of each notebook of the book, in its order.

    Raises:
        IclnbError: if a results file is not readable.
    """
    runs = all_runs.runs(project, list(titles))
    listed = [run for chapter in runs.values() for run in chapter]
    known = margins.read(project)
    chapters = [_chapter(name, title, runs[name], known) for name, title in titles.items()]
    by_notebook = {name: [c for run in runs[name] for c in run.results["claims"]] for name in titles}
    before = (
        INTRODUCTION,
        _count(runs),
        multiplicity.section(listed),
        margins.section(known, by_notebook),
        _card(runs, titles),
    )
    return "\n\n".join([*before, *chapters, _times(titles, runs)]) + "\n"


def _card(runs: Mapping[str, Sequence[Run]], titles: Mapping[str, str]) -> str:
    """Every claim drawn, and all of them to download."""
    rows = claim_rows.rows(runs, titles)
    links = "{download}`JSON <../downloads/claims.json>` and {download}`CSV <../downloads/claims.csv>`"
    drawn = f"```{{raw}} html\n{forest.card(rows)}\n```"
    return f"## Every claim in one picture\n\nThe numbers as {links}.\n\n{drawn}"


def _count(runs: Mapping[str, Sequence[Run]]) -> str:
    counts: dict[str, Counter[str]] = {HERE: Counter()}
    for run in sorted((run for listed in runs.values() for run in listed), key=all_runs.order):
        count = counts.setdefault(_whose(run), Counter())
        count.update(claim["verdict"] for claim in run.results["claims"])
        count["claims"] += len(run.results["claims"])
        count[STALE] += len(run.results["claims"]) if run.stale else 0
    rare = (claims.CONTRADICTED, STALE)  # a column only where there is something to see
    shown = [each for each in (*claims.VERDICTS, "claims", STALE)
             if each not in rare or any(count[each] for count in counts.values())]  # fmt: skip
    rows = [
        (display.Author(all_runs.breakable(name)), *(count[each] for each in shown))
        for name, count in counts.items()
    ]
    return f"## Verdicts\n\n{display.table(('runs', *shown), rows).data}"


def _whose(run: Run) -> str:
    return (run.model or "without a model") if run.recorded else HERE


def _chapter(name: str, title: str, listed: Sequence[Run], known: Sequence[margins.Margin]) -> str:
    parts = [f"## {title}", f"Chapter: {{doc}}`/notebooks/{name}`", *all_runs.tables(listed, known)]
    if listed:
        made = "\n".join(f"- {_made(run)}" for run in listed)
        parts.append(f":::::{{dropdown}} The runs of this table\n\n{made}\n\n:::::")
    return "\n\n".join(parts)


def _made(run: Run) -> str:
    """One line: which run this was, and why it is stale."""
    source, parameters = run.results["provenance"], run.results["parameters"]
    facts = {
        **{key: parameters.get(key) for key in ("profile", "dtype", "prompts", "points", "pairs", "seeds")},
        "machine": source["machine"],
        "date": source["time"][:10], "revision": source["revision"],
    }  # fmt: skip
    listed = "; ".join(f"{key} {display.escape(value)}" for key, value in facts.items() if value is not None)
    name = display.escape(run.title or "without a model")
    reasons = "".join(f" Stale: {display.escape(reason)}." for reason in run.stale)
    return f"*{name}*: {listed}.{reasons}"


def _times(titles: Mapping[str, str], runs: Mapping[str, Sequence[Run]]) -> str:
    header = ("chapter", "run", "profile", "machine", "seconds")
    return f"## Execution times\n\n{display.table(header, list(_rows(titles, runs))).data}"


def _rows(titles: Mapping[str, str], runs: Mapping[str, Sequence[Run]]) -> Iterator[tuple[object, ...]]:
    for name, title in titles.items():
        for run in runs[name]:
            source, profile = run.results["provenance"], run.results["parameters"].get("profile", "")
            seconds = source.get("seconds")
            took = None if seconds is None else round(seconds)
            name = display.Author(all_runs.breakable(run.title or "recorded"))
            yield display.Author(title), name, profile, source["machine"], took
