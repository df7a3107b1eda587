"""Planted mechanisms are told apart by the chapter's own functions; random weights give none."""

import numpy as np
import planted
import pytest
import torch

from iclnb.llm.data.definitions import Task
from iclnb.llm.demonstrations import TaskRows
from iclnb.llm.reader import Reader
from iclnb.mechanism import material, passes, verdict
from iclnb.mechanism.study import Measured, study

pytestmark = pytest.mark.tiny

CONDITIONS = ("own words", "arbitrary words")


def rows_of(model):
    """The planted words as a task: those of odd clusters are B."""
    rows = [{"text": f"w{i}", "label": int(c % 2)} for i, c in enumerate(model.clusters)]
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    task = Task("planted", ("text",), ("even", "odd"), planted.LABEL_WORDS, {"arrow": planted.FORMAT})
    return TaskRows(task, [rows[i] for i in order[40:]], [rows[i] for i in order[:40]], [])


def studied(model, *, sets=16, points=2, k=9):
    reader = Reader(model.loaded, batch_size=8)
    rows = rows_of(model)
    drawn = material.drawn(reader.tokenizer, rows, k, sets, points, seed=1, arbitrary=planted.LABEL_WORDS)
    runs = passes.run_sets(reader, drawn, depths=4)
    words = [
        np.array([p.text.split()[0] for p in table.ravel()]).reshape(table.shape)
        for table in (drawn.alone, drawn.shown)
    ]
    query, shown = (model.places[np.vectorize(lambda w: int(w[1:]))(table)] for table in words)
    like = {"places": np.einsum("spd,skd->spk", query, shown)}
    blank = np.zeros((2, *runs.arrays["copying"].shape[-2:]))
    found = Measured(runs, None, like, blank)
    return {name: study(found, drawn, name, draws=40, seed=0) for name in CONDITIONS}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_planted_kernel_head_is_a_kernel(condition):
    model = planted.plant(head=(2, 3), bandwidth=16)
    found = studied(model)[condition]
    assert found.verdict.name == verdict.KERNEL, found.verdict
    assert found.best[0] == (2, 3) and found.likeness[1].value > 0.5


def test_a_head_that_copies_labels_whatever_the_query_is_induction():
    found = studied(planted.plant(head=(2, 3), bandwidth=0))
    for one in found.values():
        assert one.verdict.name == verdict.INDUCTION, one.verdict
        assert one.verdict.decided.value < 0.1


def test_a_head_that_reports_a_decision_made_elsewhere_is_a_report():
    model = planted.plant_report()
    found = studied(model)
    for one in found.values():
        assert one.verdict.name == verdict.REPORT, one.verdict
        assert (3, 3) in one.best and one.agreement.value > 0.95


def test_random_weights_give_no_verdict():
    model = planted.plant()
    with torch.no_grad():
        for name, parameter in model.loaded.model.named_parameters():
            if "attn" in name and name.endswith("weight"):
                parameter.copy_(
                    torch.randn(parameter.shape, generator=torch.Generator().manual_seed(7)) * 0.02
                )
    for one in studied(model).values():
        assert one.verdict.name == verdict.NONE, one.verdict
