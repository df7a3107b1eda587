"""A reader of a model by name, and the models that a process keeps, where it runs many notebooks on them."""

import os
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from iclnb.llm.loaded import LoadedModel
from iclnb.llm.loading import models
from iclnb.llm.loading.places import PACKAGED
from iclnb.llm.reader import Reader
from iclnb.store import Store

_KEPT: OrderedDict[str, LoadedModel] = OrderedDict()


def load_reader(name: str = PACKAGED, *, batch_size: int = 16, **where: Any) -> Reader:
    """A reader of a model by name that keeps its measurements (:class:`iclnb.store.Store`).

    Further arguments and errors as :func:`iclnb.llm.models.load`; ``FASTEST`` is the default ``dtype``.
    """
    loaded = load(name, **where | {"dtype": where.get("dtype") or models.FASTEST})
    return Reader(loaded, batch_size=batch_size, store=Store(loaded.origin))


def load(name: str, **where: Any) -> LoadedModel:
    """A model as :func:`iclnb.llm.models.load` gives it, or the same one again.

    ``ICLNB_KEEP_MODELS`` says how many are kept, those that were asked for last; by default none is. A kept
    model of a local folder is the one that was loaded, and its origin says so, whatever the folder holds now.
    """
    room = int(os.environ.get("ICLNB_KEEP_MODELS") or 0)
    key = repr((name, sorted(where.items())))
    while len(_KEPT) > max(room - 1, 0) and key not in _KEPT:  # before loading: two large ones may not fit
        _KEPT.popitem(last=False)
    loaded = _KEPT.pop(key, None) or models.load(name, **where)
    if room:
        _KEPT[key] = loaded
    return replace(loaded, origin=dict(loaded.origin))
