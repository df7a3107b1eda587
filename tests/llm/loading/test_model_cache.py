"""Models that a process keeps from one notebook to the next."""

import numpy as np
import pytest

from iclnb.llm.loaded import LoadedModel
from iclnb.llm.loading import models, readers

pytestmark = pytest.mark.wrong_arguments  # a model and a tokenizer that are none


@pytest.fixture
def loads(monkeypatch):
    """What was loaded, in order, by a loader of our own."""
    calls = []

    def load(name, **where):
        calls.append((name, where))
        return LoadedModel(object(), None, {"name": name, **where})

    monkeypatch.setattr(models, "load", load)
    monkeypatch.setattr(readers, "_KEPT", type(readers._KEPT)())
    return calls


def test_the_same_arguments_give_the_same_model_and_others_another(loads, monkeypatch):
    monkeypatch.setenv("ICLNB_KEEP_MODELS", "2")
    first = readers.load("a", dtype="bfloat16", device_map=None)
    first.origin["changed"] = "by a notebook"
    again = readers.load("a", device_map=None, dtype="bfloat16")
    assert again.model is first.model and "changed" not in again.origin
    control = readers.load("a", dtype="bfloat16", device_map=None, random_weights_seed=2)
    assert control.model is not first.model and len(loads) == 2


def test_those_asked_for_last_are_kept(loads, monkeypatch):
    monkeypatch.setenv("ICLNB_KEEP_MODELS", "2")
    order = np.random.default_rng(0).choice(list("abc"), 40)
    held = []
    for number, name in enumerate(order):
        before = len(loads)
        readers.load(str(name))
        assert (len(loads) == before) == (name in held), number
        held = [*(other for other in held if other != name), name][-2:]
