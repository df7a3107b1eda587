"""The prompts of chapter 03 and what belongs to them, against loops over prompts."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny
from archives import reviews, write_rows

from iclnb.heads import material

pytestmark = pytest.mark.tiny


RUN = SimpleNamespace(
    task="sst2",
    source="auto",
    k=4,
    sets=3,
    points=50,
    fresh=5,
    probe_sets=6,
    data_seed=0,
    demonstration_seed=1,
)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A little task of movie reviews whose texts tell which row they are."""
    write_rows(tmp_path, "sst2", train=reviews("train", 30), validation=reviews("validation", 12))
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))


def drawn():
    return material.draw_material(tiny.tokenizers()["gpt2"], material.draw_rows(RUN), RUN)


def texts(found, rows):
    return found.rows.texts([found.rows.pool[row] for row in rows])


def test_the_rows_are_those_that_the_prompts_show(data):
    found = drawn()
    assert found.shared_prompts.shape == (3, 12) and found.fresh_prompts.shape == (5,)
    arms = [*zip(found.shared.rows, found.shared_prompts[:, 0], strict=True)]
    arms += zip(found.fresh.rows, found.fresh_prompts, strict=True)
    for rows, prompt in arms:
        shown = texts(found, rows)
        assert all(text in prompt.text for text in shown)
        assert [prompt.text.index(text) for text in shown] == sorted(prompt.text.index(t) for t in shown)
    queries = found.rows.texts(found.rows.queries)
    for text, label, prompt in zip(queries, found.rows.truth, found.shared_prompts[1], strict=True):
        assert prompt.text.endswith(f"{text}\nSentiment:") and int(text.split()[2]) % 2 == label


def test_relabelled_prompts_differ_in_labels_alone(data):
    found = drawn()
    changed = found.relabelled(tiny.tokenizers()["gpt2"], seed=0)
    mixed = 0
    for one, other in zip(found.shared_prompts.ravel(), changed.ravel(), strict=True):
        labels = np.array(one.labels), np.array(other.labels)
        mixed += len(set(one.labels)) == 2
        # two classes: every label is the other one, unless there is no other
        assert (labels[0] != labels[1]).all() == (len(set(one.labels)) == 2)
        bare = [p.text.replace("Sentiment: good", "").replace("Sentiment: bad", "") for p in (one, other)]
        assert bare[0] == bare[1]
    assert mixed


def test_probe_prompts_show_sets_of_their_own(data):
    found = drawn()
    rows, shown = material.probe_rows(RUN)
    prompts = material.probe_prompts(tiny.tokenizers()["gpt2"], rows, shown)
    assert prompts.shape == (6,) and shown.rows.shape == (6, 4)
    for prompt, numbers in zip(prompts, shown.rows, strict=True):
        assert all(text in prompt.text for text in texts(found, numbers))
    assert not {tuple(row) for row in found.shared.rows.tolist()} & {
        tuple(row) for row in shown.rows.tolist()
    }
