"""Planted models studied as the notebook studies a model."""

from typing import NamedTuple

import numpy as np
import planted
import pytest

from iclnb.llm.data.definitions import Task
from iclnb.llm.demonstrations import TaskRows
from iclnb.llm.reader import Reader
from iclnb.mechanism import material, passes
from iclnb.mechanism.ceiling import Texts
from iclnb.mechanism.study import Condition, Measured, study


class Studied(NamedTuple):
    """A planted model with everything that was found."""

    reader: Reader
    material: material.Material
    measured: Measured
    conditions: dict[str, Condition]


def rows_of(model):
    """The planted words as a task: those of odd clusters are B."""
    rows = [{"text": f"w{i}", "label": int(c % 2)} for i, c in enumerate(model.clusters)]
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    task = Task("planted", ("text",), ("even", "odd"), planted.LABEL_WORDS, {"arrow": planted.FORMAT})
    return TaskRows(task, [rows[i] for i in order[40:]], [rows[i] for i in order[:40]], [])


def studied(model, *, sets=16, points=2, k=9):
    """A planted model, with the likeness that its places on the sphere give."""
    reader = Reader(model.loaded, batch_size=8)
    drawn = material.drawn(
        reader.tokenizer, rows_of(model), k, sets, points, seed=1, arbitrary=planted.LABEL_WORDS
    )
    runs = passes.run_sets(reader, drawn, depths=4)
    tables = drawn.alone, drawn.shown
    words = [np.array([int(p.text.split()[0][1:]) for p in t.ravel()]).reshape(t.shape) for t in tables]
    like = {"places": np.einsum("spd,skd->spk", *(model.places[table] for table in words))}
    states = [passes.alone(reader, t.ravel().tolist())["states"] for t in tables]
    texts = Texts(*(s.reshape(*t.shape, *s.shape[1:]) for s, t in zip(states, tables, strict=True)))
    found = Measured(runs, texts, like, np.zeros((2, *runs.arrays["copying"].shape[-2:])))
    return Studied(
        reader,
        drawn,
        found,
        {name: study(found, drawn, name, draws=40, seed=0) for name in material.CONDITIONS},
    )


@pytest.fixture(scope="session")
def study_of():
    """The function :func:`studied`."""
    return studied


@pytest.fixture(scope="session")
def kernel():
    """A model with a planted kernel head, in layer 2."""
    return studied(planted.plant(head=(2, 3), bandwidth=16))


@pytest.fixture(scope="session")
def counting():
    """A model whose planted head, in layer 2, copies all labels alike, whatever the query."""
    return studied(planted.plant(head=(2, 3), bandwidth=0))


@pytest.fixture(scope="session")
def report():
    """A model that knows the answers, with a planted head in layer 3 that reports them."""
    return studied(planted.plant_report())
