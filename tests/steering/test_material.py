"""What is drawn: balanced, disjoint, the same for the same seed; designs that cannot be had are refused at once."""

from types import SimpleNamespace

import numpy as np
import pytest
from archives import write_rows

from iclnb.errors import IclnbError
from iclnb.steering import material

RUN = {
    "task": "sst2", "source": "local", "points": 6, "pool": 25, "held_out": 10, "k": 4, "most": 3, "data_seed": 1
}  # fmt: skip


@pytest.fixture
def local(tmp_path, monkeypatch):
    """Rows of two tasks in a folder: numbered texts, two thirds of sst2 positive, mnli with three classes."""
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    for split, count in (("train", 40), ("validation", 30)):
        numbers = range(count)
        rows = {
            "sst2": [{"sentence": f"{split} {i} film", "label": int(i % 3 > 0)} for i in numbers],
            "mnli": [{"premise": f"{split} {i}", "hypothesis": "so", "label": i % 3} for i in numbers],
        }
        for task, made in rows.items():
            write_rows(tmp_path, task, **{split: made})


def drawn(**changes):
    return material.draw_rows(SimpleNamespace(**RUN | changes))


def names(rows):
    return [row["sentence"] for row in rows]


def test_rows_are_balanced_and_disjoint(local):
    rows = drawn()
    assert rows.task_rows.truth.tolist() == [0, 1] * 3
    assert len(rows.task_rows.pool) == 25 and len(rows.held_out) == 10
    every = names(rows.task_rows.pool) + names(rows.held_out)
    assert len(set(every)) == 35 and all(name.startswith("train") for name in every)
    assert names(drawn().held_out) == names(rows.held_out)
    larger = drawn(pool=30, held_out=100)
    assert names(larger.task_rows.pool)[:25] == names(rows.task_rows.pool) and len(larger.held_out) == 10
    assert names(drawn(data_seed=2).task_rows.pool) != names(rows.task_rows.pool)
    assert drawn(task="mnli", points=9).task_rows.truth.tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "stsb"}, "stsb has 0 classes; this chapter needs 2 to 10"),
        ({"k": 12, "most": 9}, "rows of negative, and a prompt may show k = 12 of one class; raise `pool`"),
        ({"points": 20, "most": 3}, "take 27 rows; the pool has 25: raise `pool`"),
        ({"pool": 40}, "none is left for the kernel's bandwidth; lower `pool`"),
    ],
)
def test_what_a_task_cannot_have_is_refused(local, changes, words):
    with pytest.raises(IclnbError, match=words):
        drawn(**changes)


@pytest.mark.wrong_arguments  # no reader: the bandwidth is chosen without any
def test_the_bandwidth_is_chosen_on_held_out_rows(local, monkeypatch):
    """The first coordinate gives the class away, so that a narrow kernel has the least loss."""

    def embed(texts):
        number = np.array([int(text.split()[1]) for text in texts])
        return np.stack([0.5 * (number % 3 > 0), 1e-3 * number], axis=1)

    monkeypatch.setattr(material, "embed", embed)
    study = material.prepare(None, drawn(k=8), 8, seed=0)
    assert study.bandwidth.value in material.BANDWIDTHS and study.bandwidth.value < 0.2
    assert study.bandwidth.log_loss < 0.1 and study.points == 6
    assert (study.labels == [row["label"] for row in study.pool.rows]).all()
