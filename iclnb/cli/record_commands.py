"""Commands about records and measurements: ``iclnb status``, ``sweep``, ``prove`` and ``cache``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from iclnb import paths
from iclnb.errors import IclnbError


@click.command()
@click.option("--check", is_flag=True, help="Exit with an error unless everything is fresh.")
def status(check: bool) -> None:
    """Say of every notebook and every record whether it is fresh, or why it is not."""
    from iclnb.records import status as states

    found = list(states.everything(paths.checkout()))
    for each in found:
        click.echo(each)
    other = sum(each.state != states.FRESH for each in found)
    if check and other:
        raise IclnbError(f"{other} of {len(found)} are not fresh")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Say what would run, what it needs, and about how long.")
@click.option(
    "--executor", type=click.Choice(("here", "local", "slurm")), default="here",
    help="Run here one after another, in processes beside, or on a SLURM cluster.",
)  # fmt: skip
@click.option("--jobs", type=click.IntRange(1), default=1, help="Jobs at once.")
@click.option("--gpus", type=click.IntRange(0), default=0, help="GPUs of a job.")
@click.option("--cpus", type=click.IntRange(1), default=2, help="Cores of a job.")
@click.option("--minutes", type=click.IntRange(1), default=1440, help="Time limit of a job.")
@click.option("--partition", metavar="NAME", help="SLURM: where to run.")
@click.option(
    "--requeue", type=click.IntRange(0), default=3,
    help="SLURM: how often a job goes on that reached its time limit.",
)  # fmt: skip
@click.option("--allow-changes", is_flag=True, help="Record in spite of uncommitted changes.")
def sweep(file: Path, dry_run: bool, executor: str, allow_changes: bool, **resources: Any) -> None:
    """Run the table of notebooks, models, tasks and seeds in FILE; what is fresh is skipped.

    Everything is checked first: names, types, access to models, rows of tasks, and whether they allow the design.
    """
    from iclnb.records import executors, needs, records
    from iclnb.records import sweep as sweeps

    project = paths.checkout()
    cells = sweeps.read(project, file)
    planned = sweeps.plan(project, cells)
    for cell, reasons, seconds in planned:
        click.echo(f"{sweeps.describe(project, cell)}: {_took(seconds)} ({'; '.join(reasons)})")
    todo = [each.cell for each in planned]
    models = needs.models(project, todo)
    for model in models:
        click.echo(model)
    click.echo(f"{len(planned)} of {len(cells)} cells to run{_total(planned, needs.faster(project))}")
    wrong = [*filter(None, (model.problem for model in models)), *needs.tasks(project, todo)]
    if wrong := wrong or list(needs.designs(project, todo)):
        raise IclnbError("this cannot run:\n" + "\n".join(f"- {each}" for each in wrong))
    if dry_run or not planned:
        return
    if not allow_changes:
        records.check_committed(project)
    options = {"executor": executor, "allow_changes": allow_changes, "report": click.echo, **resources}
    failures = executors.run(project, todo, **options)
    if failures:
        listed = "\n\n".join(f"{sweeps.describe(project, cell)}: {message}" for cell, message in failures)
        raise IclnbError(f"{len(failures)} of {len(planned)} cells failed:\n\n{listed}")


@click.command()
@click.argument("before", metavar="COMMIT")
def prove(before: str) -> None:
    """Show that the present code measures what the code of COMMIT does; records of that code then are fresh.

    Both measure small runs of the stale records, which must agree.
    """
    from iclnb.keys.equivalence import PLACE
    from iclnb.records import prove as proofs

    made = proofs.prove(paths.checkout(), before, report=click.echo)
    about = made[0].about
    same = "bit for bit the same" if not about["largest_difference"] else "the same to 1e-5"
    click.echo(
        f"{len(about['measured_with_both'])} runs measured with both: {same}. Entered in {PLACE}; commit it"
    )


@click.command()
@click.option("--clear", is_flag=True, help="Remove all measurements; models and texts stay.")
@click.option(
    "--export", "folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Write the measurements of the book's records as archives, one for each model.",
)  # fmt: skip
@click.option(
    "--import", "archives", type=click.Path(path_type=Path, dir_okay=False), multiple=True, metavar="FILE",
    help="Take in the measurements of such an archive; may be given many times.",
)  # fmt: skip
def cache(clear: bool, folder: Path | None, archives: tuple[Path, ...]) -> None:
    """Show what the cache folder holds, or carry measurements to another machine."""
    from iclnb.records import archives as carried
    from iclnb.records import cache as kept

    if clear:
        click.echo(kept.clear())
    for archive in carried.write(paths.checkout(), folder, report=click.echo) if folder else ():
        click.echo(archive)
    for archive in archives:
        click.echo(f"{archive}: {carried.read(archive)} shards")
    if clear or folder or archives:
        return
    click.echo(paths.cache_dir())
    sizes: dict[str, int] = {}
    for one in kept.contents():
        click.echo(f"  {one}")
        sizes[one.kind] = sizes.get(one.kind, 0) + one.size
    click.echo(", ".join(f"{kind} {kept.megabytes(size)}" for kind, size in sizes.items()) or "empty")


def _took(seconds: float | None) -> str:
    return "not known how long" if seconds is None else f"about {seconds:.0f} s"


def _total(planned: Sequence[Any], gpu: tuple[str, float] | None) -> str:
    """The times of all cells together, where the records were made and on the benchmark's GPU."""
    known = [each.seconds for each in planned if each.seconds is not None]
    if not planned:
        return ""
    rest = f", and {len(planned) - len(known)} of which no time is known" if len(known) < len(planned) else ""
    if not known:
        return ": no times are known yet"
    there = f" (on {gpu[0]} about {_hours(sum(known) / gpu[1])}, by the recorded benchmarks)" if gpu else ""
    return f": about {_hours(sum(known))} on the machine of the records{there}{rest}"


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"
