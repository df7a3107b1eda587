"""A reader of a model by name."""

from typing import Any

from iclnb.llm.loading import model_cache, models
from iclnb.llm.loading.places import PACKAGED
from iclnb.llm.reader import Reader
from iclnb.store import Store


def load_reader(name: str = PACKAGED, *, batch_size: int = 16, **where: Any) -> Reader:
    """A reader of a model by name that keeps its measurements (:class:`iclnb.store.Store`).

    Further arguments and errors as :func:`iclnb.llm.models.load`; ``FASTEST`` is the default ``dtype``.
    """
    loaded = model_cache.load(name, **where | {"dtype": where.get("dtype") or models.FASTEST})
    return Reader(loaded, batch_size=batch_size, store=Store(loaded.origin))
