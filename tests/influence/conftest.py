"""Planted models measured as chapter 07 measures a model."""

from functools import cache
from types import SimpleNamespace

import planted
import pytest

from iclnb.influence import measure, rivals
from iclnb.llm.reader import Reader

PLANTED = {
    "kernel": planted.plant,
    "classes": planted.plant_classes,
    "recency": planted.plant_recency,
    "mapping": planted.plant_mapping,
    "inert": lambda: planted.plant_inert(reporters=3),
    "not inert": lambda: planted.plant_inert(reporters=0),
    "report": lambda: planted.plant_report(noise=0.005),
}


@pytest.fixture(scope="session")
def settings():
    """A function from changes to the settings of a run on a planted model."""
    sizes = {"k": 8, "sets": 6, "points": 4, "asked": 2, "heads": 1, "redraws": 4, "batch_size": 8}
    names = {"task": "planted", "source": "", "model": "planted", "words": ",".join(planted.LABEL_WORDS)}
    where = dict.fromkeys(("revision", "device_map", "dtype"))
    seeds = {"data_seed": 0, "demonstration_seed": 1, "sampling_seed": 3}
    return lambda **changes: SimpleNamespace(**sizes | names | where | seeds | changes)


@pytest.fixture(scope="session")
def measured(settings):
    """A function from the name of a planted model to its findings, measured once."""

    @cache
    def of(name):
        model = PLANTED[name]()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(measure, "task_rows", lambda *_, **__: model.rows())
            patch.setattr(measure, "load_reader", lambda *_, **__: Reader(model.loaded, batch_size=8))
            patch.setattr(rivals, "embed", lambda texts: model.places[[int(text[1:]) for text in texts]])
            return measure.measure(settings())

    return of
