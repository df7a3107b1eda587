"""The findings of chapter 00: what is imported here, directly or not, makes a record stale when it changes."""

from types import SimpleNamespace

from iclnb.cli.template.room import material
from iclnb.cli.template.room.findings import Draws
from iclnb.errors import IclnbError


def measure(run: SimpleNamespace) -> Draws:
    """The findings of one run.

    Args:
        run: ``count``, ``mean``, ``data_seed``.

    Raises:
        IclnbError: for fewer than two draws, which have no interval.
    """
    if run.count < 2:
        raise IclnbError(f"an interval needs count >= 2, not {run.count}")
    return Draws(value=material.draws(run.count, run.mean, seed=run.data_seed))
