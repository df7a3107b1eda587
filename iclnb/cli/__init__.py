"""The command line ``iclnb``: run a notebook, build the book, list what there is, fetch what is needed."""

import os
import sys
from pathlib import Path

import click

from iclnb import paths
from iclnb.cli import data_commands, new_chapter, record_commands, report_commands
from iclnb.errors import IclnbError
from iclnb.settings import PROFILES


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="iclnb", prog_name="iclnb")
def commands() -> None:
    """How in-context learning works, as a book that runs."""


@commands.command()
@click.argument("name")
@click.option(
    "-p", "--parameter", "given", nargs=2, multiple=True, metavar="KEY VALUE",
    help="Set a parameter of the notebook; may be given many times. `iclnb list` shows them.",
)  # fmt: skip
@click.option("--record", is_flag=True, help="Write the results to book/recorded/, which is versioned.")
@click.option("--allow-changes", is_flag=True, help="With --record: in spite of uncommitted changes.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Put the executed notebook and its results here instead of build/.",
)  # fmt: skip
@click.option("--time-limit", type=float, metavar="SECONDS", help="Stop a cell that takes longer.")
def run(
    name: str,
    given: tuple[tuple[str, str], ...],
    record: bool,
    allow_changes: bool,
    output: Path | None,
    time_limit: float | None,
) -> None:
    """Run the notebook NAME; old results stay whole unless every cell succeeds.

    With any parameter but the profile that is not the book's it is a run of your own: it is kept in a folder of its
    own, and gets a page that shows it beside the recorded models.
    """
    from iclnb.records import needs, own, records
    from iclnb.run import notebooks, run_one

    if record and output:
        raise click.UsageError("--record chooses the place of its results; leave out --output")
    project = paths.checkout()
    source = notebooks.source(project, name)
    known = notebooks.parameters(source)
    values = notebooks.check(source.stem, known, given)
    cell = records.Cell(source.stem, values)
    wrong = list(needs.tasks(project, [cell])) if {"task", "table"} & values.keys() else []
    if not wrong and notebooks.changed(known, values):
        wrong = list(needs.designs(project, [cell]))
    if wrong:
        raise IclnbError("\n".join(wrong))
    if record:
        path = records.make(project, cell, allow_changes=allow_changes)
    else:
        folder = None if output else own.folder(project, cell)
        to = run_one.outputs(project, source.stem, output)
        to = own.Own(source.stem, "", folder).outputs if folder else to
        path = run_one.run(project, source.stem, values, to=to, time_limit=time_limit)
    click.echo(path)
    if not record and folder:
        report_commands.show(project, own.latest(project, str(folder)), opened=False)


@commands.command()
@click.option("--profile", type=click.Choice(PROFILES), default="laptop")
@click.option("--force", is_flag=True, help="Run every notebook, changed or not.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Notebooks that run at a time (default: two, if cores and memory do).",
)
@click.option("--fetch", "first", is_flag=True, help="First fetch what `iclnb fetch` does.")
def book(profile: str, force: bool, jobs: int | None, first: bool) -> None:
    """Run the notebooks that changed and build the book."""
    from iclnb.site import book as builder

    if first:
        from iclnb.llm.data import packaged

        packaged.prefetch()
    index = builder.build(paths.checkout(), profile, force=force, jobs=jobs, report=click.echo)
    click.echo(f"the book: {index}")


@commands.command("list")
def list_() -> None:
    """Show the notebooks with their titles and parameters."""
    from iclnb.run import notebooks

    project = paths.checkout()
    for name in notebooks.names(project):
        source = notebooks.source(project, name)
        click.echo(f"{name}: {notebooks.title(notebooks.read(source))}")
        for parameter in notebooks.parameters(source).values():
            click.echo(f"    {parameter}")


@commands.command()
@click.argument("names", nargs=-1)
def pair(names: tuple[str, ...]) -> None:
    """Bring notebooks/NAME.py and NAME.ipynb to the content of the newer (default: of all notebooks).

    This is `jupytext --sync`; outputs are left out.
    """
    from iclnb.run import notebooks

    project = paths.checkout()
    for path in notebooks.pair(project, names or notebooks.names(project)):
        click.echo(path)


for command in (
    data_commands.fetch, data_commands.models, data_commands.tasks, new_chapter.new, record_commands.cache,
    record_commands.prove, record_commands.status, record_commands.sweep, report_commands.page,
    report_commands.report,
):  # fmt: skip
    commands.add_command(command)


def main() -> None:
    """Entry point: an error that a user can fix is shown as one message, without a traceback."""
    _take_any_text()
    try:
        status = commands(standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("iclnb: interrupted; earlier results are as they were", err=True)
        status = 130
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except IclnbError as error:
        click.echo(f"iclnb: {error}", err=True)
        status = 1
    sys.exit(status or 0)


def _take_any_text() -> None:
    """Where the locale is not UTF-8, paths are read as UTF-8; what cannot be shown is escaped."""
    if os.name == "posix" and sys.getfilesystemencoding() != "utf-8" and not sys.flags.ignore_environment:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONUTF8": "1"})
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
