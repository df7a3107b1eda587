"""The command ``iclnb report``: every claim and its verdict on a terminal."""

import shutil
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap

import click

from iclnb import paths
from iclnb.errors import IclnbError

HELP = {"context_settings": {"help_option_names": ["-h", "--help"]}}


@click.command(**HELP)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--check", is_flag=True, help="Exit with an error if a verdict differs from the record's.")
@click.option("--json", "form", flag_value="json", help="Print everything as JSON instead.")
@click.option("--csv", "form", flag_value="csv", help="Print everything as CSV instead.")
def report(names: tuple[str, ...], check: bool, form: str | None) -> None:
    """Show every claim of the runs of this machine and of the records, with its verdict.

    With NAME, those of these notebooks alone. --check holds each claim of this machine's runs against the
    record of the same model and task.
    """
    from iclnb.run import notebooks
    from iclnb.site.results import claim_rows as claims
    from iclnb.site.results import runs as all_runs

    project = paths.checkout()
    sources = [notebooks.source(project, name) for name in names or notebooks.names(project)]
    titles = {source.stem: notebooks.title(notebooks.read(source)) for source in sources}
    rows = claims.rows(all_runs.runs(project, list(titles)), titles)
    if form:
        click.echo(claims.as_json(rows) if form == "json" else claims.as_csv(rows), nl=False)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        for line in lines(rows, width):
            click.echo(line)
    if check:
        _check(claims.compared(rows))


def lines(rows: Sequence, width: int) -> list[str]:
    """The report as lines of at most ``width`` characters (40 at least), with colours.

    Args:
        rows: :class:`iclnb.site.results.claim_rows.Row` of all runs.
        width: of the terminal.
    """
    from iclnb.display import interval_text
    from iclnb.site import marks

    width, found = max(width, 40), []
    for _, of_run in groupby(rows, lambda row: (row.chapter, row.run)):
        listed = list(of_run)
        found += ["", *(click.style(line, bold=True) for line in wrap(_heading(listed[0]), width))]
        for row in listed:
            verdict = click.style(f"{row.verdict:<18}", fg=marks.COLOURS[marks.CLASSES[row.verdict]])
            numbers = (float("nan") if x is None else x for x in (row.estimate, row.low, row.high))
            found.append(f"  {verdict}{interval_text(*numbers)}")
            found += wrap(row.statement, width, initial_indent="    ", subsequent_indent="    ")
    return [*found, "", *_counts(rows)]


def _heading(row) -> str:
    facts = [row.run, row.model if not row.recorded else "", row.task]
    facts += [f"profile {row.profile}" if row.profile else "", "stale" if row.stale else ""]
    return f"{row.chapter}: {', '.join(filter(None, facts))}"


def _counts(rows: Sequence) -> list[str]:
    counts = Counter(row.verdict for row in rows)
    listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return [f"{len(rows)} verdicts: {listed}" if rows else "no results yet: say `iclnb book` or `iclnb run`"]


def _check(pairs: Sequence) -> None:
    """Raise unless the verdicts of this machine are the records'."""
    if not pairs:
        raise IclnbError(
            "no run of this machine has a record of the same model and task, so nothing could be compared; "
            "give a run the record's parameters, such as `-p task sst2`"
        )
    if differences := [pair for pair in pairs if pair.differs]:
        listed = "\n".join(
            f"  {here.chapter}, {here.claim}: {here.verdict} here (profile {here.profile}), "
            f"{recorded.verdict} in the record ({recorded.run})"
            for here, recorded in differences
        )
        raise IclnbError(f"{len(differences)} of {len(pairs)} verdicts differ from the records:\n{listed}")
    click.echo(f"all {len(pairs)} verdicts that can be compared are the records'")
