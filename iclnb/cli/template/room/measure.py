"""The findings of chapter 00: what is imported here, directly or not, makes a record stale when it changes."""

from types import SimpleNamespace

from iclnb.cli.template.room import material
from iclnb.cli.template.room.findings import Draws


def measure(run: SimpleNamespace) -> Draws:
    """The findings of one run, from its ``count``, ``mean`` and ``data_seed``."""
    return Draws(value=material.draws(run.count, run.mean, seed=run.data_seed))
