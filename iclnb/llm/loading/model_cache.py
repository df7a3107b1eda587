"""Loaded models that a process keeps, where it runs many notebooks on the same ones."""

import os
from collections import OrderedDict
from dataclasses import replace
from typing import Any

from iclnb.llm.loaded import LoadedModel
from iclnb.llm.loading import models

_KEPT: OrderedDict[str, LoadedModel] = OrderedDict()


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
