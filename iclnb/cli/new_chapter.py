"""``iclnb new``: a new chapter, made from the files in ``template/``, which runs and passes the tests."""

import keyword
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import click

from iclnb import paths
from iclnb.cli.data_commands import new_task
from iclnb.errors import IclnbError
from iclnb.run import notebooks


@click.command()
@click.argument("name")
@click.option("--task", is_flag=True, help="Make a task of your own instead: NAME/task.toml in ICLNB_DATA.")
def new(name: str, task: bool) -> None:
    """Make the chapter NAME (such as 08_my_question): notebook and pair, folder in iclnb, test.

    It is entered in _toc.yml after the other questions, has one claim, and runs as it is.
    """
    if task:
        for line in new_task(name):
            click.echo(line)
        return
    for path in make(paths.checkout(), name):
        click.echo(path)
    click.echo(f"next: iclnb run {name} -p profile smoke; then replace the question by yours")


def make(project: Path, name: str) -> list[Path]:
    """Write a new chapter ``NN_words``, and name its files; else only the table of contents is changed.

    Raises IclnbError if the name is not of that form, the number or the folder is taken, or the table of
    contents has no part of questions.
    """
    number, room = _parts(project, name)
    stands_for = {
        "iclnb.cli.template.room": f"iclnb.{room}",
        "00_template": name,
        "apter 00": f"apter {number}",
    }
    words = re.compile("|".join(map(re.escape, stands_for)))
    template = resources.files("iclnb.cli") / "template"
    files = {f"iclnb/{room}/{each.name}": each for each in (template / "room").iterdir() if each.is_file()}
    files |= {
        f"notebooks/{name}.py": template / "notebook.py",
        f"tests/{room}/test_estimates.py": template / "test_estimates.py",
    }
    filled = {
        place: words.sub(lambda word: stands_for[word[0]], each.read_text(encoding="utf-8"))
        for place, each in sorted(files.items())
    }
    filled["_toc.yml"] = _entered((project / "_toc.yml").read_text(encoding="utf-8"), name)
    for place, text in filled.items():
        paths.write(project / place, text)
    python = [str(project / place) for place in files]
    ruff = [sys.executable, "-m", "ruff", "check", "--quiet", "--select", "I", "--fix", *python]
    subprocess.run(ruff, cwd=project, check=False)  # imports in the order that the new names ask for
    (pair,) = notebooks.pair(project, [name])
    return [*map(Path, filled), pair.relative_to(project)]


def _parts(project: Path, name: str) -> tuple[str, str]:
    """Number and folder of a chapter's name, both of which must be free."""
    form = re.fullmatch(r"(\d\d)_([a-z][a-z0-9]*(?:_[a-z0-9]+)*)", name)
    if not form or keyword.iskeyword(form[2]):
        raise IclnbError(
            f"{name!r} is no name for a chapter: it should be two digits and lower-case words, as "
            "08_my_question"
        )
    number, room = form.groups()
    if taken := sorted((project / "notebooks").glob(f"{number}_*.py")):
        raise IclnbError(f"number {number} is taken by {taken[0].name}; choose another")
    for place in (project / "iclnb" / room, project / "iclnb" / f"{room}.py", project / "tests" / room):
        if place.exists():
            raise IclnbError(f"{place.relative_to(project)} exists already; choose other words than {room!r}")
    return number, room


def _entered(toc: str, name: str) -> str:
    """The table of contents with the chapter after the last question; comments and layout stay."""
    found = re.search(r"- caption: Questions\n(?P<indent> *)chapters:\n(?P<files>(?: *- file: .*\n?)+)", toc)
    if not found:
        raise IclnbError("_toc.yml has no part 'Questions' with chapters; add the chapter by hand")
    indent = re.match(" *", found["files"])[0]
    files = found["files"].rstrip("\n")
    return toc[: found.start("files")] + f"{files}\n{indent}- file: notebooks/{name}\n" + toc[found.end() :]
