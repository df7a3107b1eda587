"""What is drawn: balanced, disjoint, the same for the same seed; the bandwidth is for held-out rows alone."""

import json

import numpy as np
import pytest

from iclnb.errors import IclnbError
from iclnb.steering import material


@pytest.fixture
def local(tmp_path, monkeypatch):
    """Rows of sst2 in a folder: numbered texts, two thirds of them positive."""
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    for split, count in (("train", 40), ("validation", 30)):
        path = tmp_path / "sst2" / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        rows = [{"sentence": f"{split} {i} film", "label": int(i % 3 > 0)} for i in range(count)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def names(rows):
    return [row["sentence"] for row in rows]


def test_rows_are_balanced_and_disjoint(local):
    drawn = material.draw_rows("sst2", 6, 25, 10, seed=1, source="local")
    task_rows = drawn.task_rows
    assert task_rows.truth.tolist() == [0, 1] * 3
    assert len(task_rows.pool) == 25 and len(drawn.held_out) == 10
    every = names(task_rows.pool) + names(drawn.held_out)
    assert len(set(every)) == 35 and all(name.startswith("train") for name in every)
    again = material.draw_rows("sst2", 6, 25, 10, seed=1, source="local")
    assert names(again.held_out) == names(drawn.held_out)
    larger = material.draw_rows("sst2", 6, 30, 100, seed=1, source="local")
    assert names(larger.task_rows.pool)[:25] == names(task_rows.pool) and len(larger.held_out) == 10
    other = material.draw_rows("sst2", 6, 25, 10, seed=2, source="local")
    assert names(other.task_rows.pool) != names(task_rows.pool)


def test_the_bandwidth_is_chosen_on_held_out_rows(local, monkeypatch):
    """The first coordinate gives the class away, so that a narrow kernel has the least loss."""

    def embed(texts):
        number = np.array([int(text.split()[1]) for text in texts])
        return np.stack([0.5 * (number % 3 > 0), 1e-3 * number], axis=1)

    monkeypatch.setattr(material, "embed", embed)
    rows = material.draw_rows("sst2", 6, 25, 10, seed=1, source="local")
    study = material.prepare(None, rows, 8, seed=0)
    assert study.bandwidth.value in material.BANDWIDTHS and study.bandwidth.value < 0.2
    assert study.bandwidth.log_loss < 0.1 and study.points == 6
    assert (study.labels == [row["label"] for row in study.pool.rows]).all()
    with pytest.raises(IclnbError, match="none is left"):
        material.prepare(None, material.draw_rows("sst2", 6, 40, 10, seed=1, source="local"), 8, seed=0)


def test_other_tasks_and_numbers_are_refused():
    with pytest.raises(IclnbError, match="two classes; mnli has 3"):
        material.draw_rows("mnli", 4, 8, 8, seed=0)
    assert material.numbers("0.5,1") == (0.5, 1.0) and material.numbers("4", int) == (4,)
    with pytest.raises(IclnbError, match="write them like 1,4"):
        material.numbers("a few")
    assert material.parts("0.5") == (0.5, 1.0) == material.parts("1,0.5")
    with pytest.raises(IclnbError, match="up to 1"):
        material.parts("0.5,2")
