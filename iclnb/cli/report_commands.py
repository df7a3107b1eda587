"""The commands ``iclnb report``, every claim and its verdict on a terminal, and ``iclnb page``, a run's page."""

import shutil
import webbrowser
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from iclnb import paths
from iclnb.errors import IclnbError

if TYPE_CHECKING:
    from iclnb.records.own import Own

VERDICTS = ("supported", "not supported", "inconclusive", "proved and checked", "contradicted")


@click.command()
@click.argument("name", default="")
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
def page(name: str, opened: bool) -> None:
    """Make the page of a run of your own: the chapter with this run beside the recorded models.

    NAME is a notebook, for its last such run, or the folder of a run; without it, the last run counts. The book
    and its own run stay as they are.
    """
    from iclnb.records import own

    project = paths.checkout()
    show(project, own.latest(project, name), opened=opened)


def show(project: Path, one: "Own", *, opened: bool) -> None:
    """Make the page of a run of one's own, and say where it is."""
    from iclnb.site import book

    made = book.own_page(project, one)
    click.echo(f"its page, beside the recorded models: {made}")
    if opened:
        webbrowser.open(made.as_uri())


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--chapter", "chapters", multiple=True, metavar="NAME", help="The same as NAME.")
@click.option("--model", "models", multiple=True, metavar="PART", help="Models with this in their name.")
@click.option("--verdict", "verdicts", multiple=True, type=click.Choice(VERDICTS), help="These verdicts.")
@click.option(
    "--paper", "papers", multiple=True, type=click.Choice(("A", "B", "ours")), help="Who claims it."
)
@click.option("--check", is_flag=True, help="Exit with an error if a verdict differs from the record's.")
@click.option("--json", "form", flag_value="json", help="Print everything as JSON instead.")
@click.option("--csv", "form", flag_value="csv", help="Print everything as CSV instead.")
def report(
    names: tuple[str, ...],
    chapters: tuple[str, ...],
    models: tuple[str, ...],
    verdicts: tuple[str, ...],
    papers: tuple[str, ...],
    check: bool,
    form: str | None,
) -> None:
    """Show every claim of the runs of this machine, your own among them, and of the records, with its verdict.

    With NAME (02 will do), those of these notebooks alone. Options may be given many times. --check holds each
    claim of this machine's runs against the record of the same model and task.
    """
    from iclnb.records import own
    from iclnb.run import notebooks
    from iclnb.site.results import claim_rows as claims
    from iclnb.site.results import runs as all_runs

    project = paths.checkout()
    wanted = names + chapters or notebooks.names(project)
    sources = [notebooks.source(project, name) for name in wanted]
    titles = {source.stem: notebooks.title(notebooks.read(source)) for source in sources}
    rows = [
        row
        for row in claims.rows(all_runs.runs(project, list(titles), also=own.all_runs(project)), titles)
        if (not verdicts or row.verdict in verdicts)
        and (not papers or row.paper in papers)
        and (not models or any(part.lower() in f"{row.run} {row.model}".lower() for part in models))
    ]
    if form:
        click.echo(claims.as_json(rows) if form == "json" else claims.as_csv(rows), nl=False)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        for line in lines(rows, width):
            click.echo(line)
    if check:
        _check(claims.compared(rows))


def lines(rows: Sequence, width: int) -> list[str]:
    """The report as lines of at most ``width`` characters (40 at least), with colours."""
    from iclnb.display import interval_text
    from iclnb.site import marks
    from iclnb.site.summary import papers

    width, found = max(width, 40), []
    for _, of_run in groupby(rows, lambda row: (row.chapter, row.run)):
        listed = list(of_run)
        found += ["", *(click.style(line, bold=True) for line in wrap(_heading(listed[0]), width))]
        for row in listed:
            verdict = click.style(f"{row.verdict:<18}", fg=marks.COLOURS[marks.CLASSES[row.verdict]])
            found.append(f"  {verdict}{interval_text(row.estimate, row.low, row.high, row.region.bounds)}")
            found += wrap(row.statement, width, initial_indent="    ", subsequent_indent="    ")
    return [*found, "", papers.tally(rows) or "no such results: `iclnb book` and `iclnb run` make some"]


def _heading(row) -> str:
    facts = [row.run, row.model if not row.recorded else "", row.task]
    facts += [f"profile {row.profile}" if row.profile else "", "stale" if row.stale else ""]
    return f"{row.chapter}: {', '.join(filter(None, facts))}"


def _check(pairs: Sequence) -> None:
    """Raise unless the verdicts of this machine are the records'."""
    if not pairs:
        raise IclnbError(
            "no run of this machine has a record of the same model and task, so nothing could be compared; "
            "give a run the record's parameters, such as `-p task sst2`"
        )
    if differences := [(here, recorded) for here, recorded in pairs if here.verdict != recorded.verdict]:
        listed = "\n".join(
            f"  {here.chapter}, {here.claim}: {here.verdict} here (profile {here.profile}), "
            f"{recorded.verdict} in the record ({recorded.run})"
            for here, recorded in differences
        )
        raise IclnbError(f"{len(differences)} of {len(pairs)} verdicts differ from the records:\n{listed}")
    click.echo(f"all {len(pairs)} verdicts that can be compared are the records'")
