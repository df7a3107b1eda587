"""The commands about tasks: list them, write the file of a new one."""

import re
from importlib.resources import files

import click

from iclnb import paths
from iclnb.errors import IclnbError


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
