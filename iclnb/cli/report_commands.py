"""The command ``iclnb report``: every claim and its verdict on a terminal."""

import shutil
from collections.abc import Sequence
from itertools import groupby

import click

from iclnb import paths
from iclnb.errors import IclnbError

HELP = {"context_settings": {"help_option_names": ["-h", "--help"]}}


@click.command(**HELP)
@click.option("--check", is_flag=True, help="Exit with an error if a verdict differs from the record's.")
@click.option("--json", "form", flag_value="json", help="Print everything as JSON instead.")
@click.option("--csv", "form", flag_value="csv", help="Print everything as CSV instead.")
def report(check: bool, form: str | None) -> None:
    """Show every claim of the runs of this machine and of the records, with its verdict.

    --check holds each claim of this machine's runs against the record of the same model and task.
    """
    from iclnb.run import notebooks
    from iclnb.site.results import claim_rows as claims
    from iclnb.site.results import runs as all_runs

    project = paths.checkout()
    names = notebooks.names(project)
    titles = {name: notebooks.title(notebooks.read(notebooks.source(project, name))) for name in names}
    rows = claims.rows(all_runs.runs(project, names), titles)
    if form:
        click.echo(claims.as_json(rows) if form == "json" else claims.as_csv(rows), nl=False)
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        for line in lines(rows, width):
            click.echo(line)
    if check:
        _check(*claims.compared(rows))


def lines(rows: Sequence, width: int) -> list[str]:
    """The report as lines of at most ``width`` characters (40 at least), with colours.

    Args:
        rows: :class:`iclnb.site.results.claim_rows.Row` of all runs.
        width: of the terminal.
    """
    from iclnb import display
    from iclnb.site.summary import marks

    width, found = max(width, 40), []
    for _, of_run in groupby(rows, lambda row: (row.chapter, row.recorded, row.model, row.task)):
        listed = list(of_run)
        found += ["", click.style(_cut(_heading(listed[0]), width), bold=True)]
        for row in listed:
            verdict = click.style(f"{row.verdict:<14}", fg=marks.of(row.verdict).colour)
            low, high = display.number(row.low), display.number(row.high)
            value = f"{display.number(row.estimate)} [{low}, {high}]"
            if width < 80:
                found += [f"  {verdict}{_cut(value, width - 16)}", f"    {_cut(row.statement, width - 4)}"]
            else:
                value = f"{_cut(value, 30):<30}"
                found.append(f"  {verdict} {value} {_cut(row.statement, width - 48)}")
    return [*found, "", *_counts(rows)]


def _heading(row) -> str:
    whose = "record" if row.recorded else "this machine"
    facts = [row.model, row.task, f"profile {row.profile}" if row.profile else "", whose]
    return f"{row.chapter}: {', '.join(filter(None, facts))}{' (stale)' if row.stale else ''}"


def _counts(rows: Sequence) -> list[str]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.verdict] = counts.get(row.verdict, 0) + 1
    listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return [f"{len(rows)} verdicts: {listed}" if rows else "no results yet: say `iclnb book` or `iclnb run`"]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def _check(differences: Sequence, count: int) -> None:
    """Raise unless the verdicts of this machine are the records'."""
    if not count:
        raise IclnbError(
            "no run of this machine has a record of the same model and task, so nothing could be compared; "
            "give a run the record's parameters, such as `-p task sst2`"
        )
    if differences:
        listed = "\n".join(
            f"  {here.chapter}, {here.claim}: {here.verdict} here (profile {here.profile}), "
            f"{recorded.verdict} in the record ({recorded.model or recorded.profile})"
            for here, recorded in differences
        )
        raise IclnbError(f"{len(differences)} of {count} verdicts differ from the records:\n{listed}")
    click.echo(f"all {count} verdicts that can be compared are the records'")
