"""Settings under which chapter 03 or an appendix measures nothing are refused before a model is loaded."""

from types import SimpleNamespace

import numpy as np
import pytest

from iclnb.errors import IclnbError
from iclnb.heads import causes, explorer, measure, probes, table_2

RUN = {
    "model": "none", "task": "movie_snippets", "table": "movie_snippets", "source": "packaged",
    "k": 4, "sets": 2, "points": 8, "fresh": 8, "cause_points": 4, "top": 2, "redraws": 2, "permutations": 2,
    "second_encoder": None, "probe_sets": 4, "prompts": 8, "shown": 2, "model_seed": 2,
}  # fmt: skip


class Reached(Exception):
    """A model would have been loaded."""


@pytest.fixture(autouse=True)
def no_model(monkeypatch):
    def load(*_, **__):
        raise Reached

    for module in (explorer, measure, probes, table_2):
        monkeypatch.setattr(module, "load_reader", load)
    monkeypatch.setattr(table_2, "_encoders", lambda second: ([None, None], ""))


@pytest.mark.parametrize(("module", "changes"), [
    (measure, {"sets": 1}), (measure, {"k": 1}), (measure, {"points": 7}), (measure, {"fresh": 7}),
    (measure, {"cause_points": 1}), (measure, {"top": 0}), (measure, {"redraws": 0}),
    (measure, {"permutations": 0}),
    (table_2, {"sets": 1}), (table_2, {"points": 7}), (table_2, {"k": 1}), (table_2, {"permutations": 0}),
    (table_2, {"table": "sst2,sst2"}), (table_2, {"table": ""}),
    (probes, {"probe_sets": 3}), (probes, {"k": 0}),
    (explorer, {"prompts": 7}), (explorer, {"k": 2}), (explorer, {"shown": 9}), (explorer, {"shown": 0}),
])  # fmt: skip
def test_what_measures_nothing_is_refused(module, changes):
    with pytest.raises(Reached):
        module.measure(SimpleNamespace(**RUN))
    with pytest.raises(IclnbError):
        module.measure(SimpleNamespace(**RUN | changes))


def test_ablations_need_as_many_heads_elsewhere():
    hits = np.ones((8, 2, 4), dtype=bool)
    with pytest.raises(IclnbError, match="ablate fewer"):
        causes._draw(hits, np.arange(8), 3, np.random.default_rng(0))  # two of each layer: none is left


@pytest.mark.wrong_arguments  # labels alone, no prompts
def test_swaps_need_several_labels():
    alike = SimpleNamespace(shared=SimpleNamespace(labels=np.array([[0, 0], [1, 1], [0, 1]])))
    with pytest.raises(IclnbError, match="1 demonstration sets"):
        causes.mixed_sets(alike)
