"""Which rows become demonstrations and queries, how conditions change them, and the prompts made of them."""

from itertools import permutations

import numpy as np
import pytest
import tiny
from archives import write_rows

from iclnb.errors import IclnbError
from iclnb.llm.data import tasks
from iclnb.llm.demonstrations import Demonstrations, alternating, draw, task_rows, write
from iclnb.llm.prompts import Wording

pytestmark = pytest.mark.tiny


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with a little of two tasks; mnli has no train split."""
    for name, split, rows in [
        ("sst2", "train", [{"sentence": f"train {i}", "label": i % 2} for i in range(30)]),
        ("sst2", "validation", [{"sentence": f"test {i}", "label": i % 2} for i in range(20)]),
        ("mnli", "validation", [{"premise": f"p {i}", "hypothesis": "h", "label": i % 3} for i in range(20)]),
    ]:
        write_rows(tmp_path, name, **{split: rows})
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))


def sentences(rows):
    return [row["sentence"] for row in rows]


def test_queries_come_from_validation_and_demonstrations_from_train(data):
    found = task_rows("sst2", 7, seed=0)
    assert {s.split()[0] for s in sentences(found.pool)} == {"train"} and len(found.pool) == 30
    assert {s.split()[0] for s in sentences(found.queries)} == {"test"}
    assert len(set(sentences(found.queries))) == 7
    assert found.labels.tolist() == [i % 2 for i in range(30)]
    assert found.truth.tolist() == [int(s.split()[1]) % 2 for s in sentences(found.queries)]
    assert sentences(found.queries) == sentences(task_rows("sst2", 7, seed=0).queries)
    assert sentences(found.queries) != sentences(task_rows("sst2", 7, seed=1).queries)
    assert sentences(found.first(3).queries) == sentences(found.queries)[:3]
    assert [origin["split"] for origin in found.origins] == ["train", "validation"]


def test_test_points_are_those_of_a_shuffled_dataset(data):
    rows = tasks.load("sst2", "validation").shuffle(seed=5)
    assert sentences(task_rows("sst2", 9, seed=5).queries) == rows["sentence"][:9]


def test_without_a_train_split_the_rest_of_validation_is_the_pool(data):
    found = task_rows("mnli", 8, seed=0)
    premises = [row["premise"] for row in (*found.pool, *found.queries)]
    assert sorted(premises) == sorted(f"p {i}" for i in range(20)) and len(found.queries) == 8


def test_too_many_test_points(data):
    with pytest.raises(IclnbError, match="20 validation rows, not 21"):
        task_rows("sst2", 21, seed=0)
    assert len(task_rows("sst2", 99, seed=0, at_most=True).queries) == 20


def test_draws_are_distinct_uniform_and_reproducible():
    labels = np.arange(10) % 3
    drawn = draw(labels, 4, 3000, seed=1)
    assert drawn.rows.shape == (3000, 4) and all(len(set(row)) == 4 for row in drawn.rows.tolist())
    np.testing.assert_array_equal(drawn.labels, drawn.rows % 3)
    counts = np.bincount(drawn.rows.ravel(), minlength=10)
    assert np.abs(counts - 1200).max() < 5 * np.sqrt(1200 * 0.6)  # hypergeometric spread
    assert (drawn.rows == draw(labels, 4, 3000, seed=1).rows).all()
    assert (drawn.rows == draw(labels, 4, (30, 100), seed=1).rows.reshape(3000, 4)).all()
    assert (drawn.rows != draw(labels, 4, 3000, seed=2).rows).any()
    assert (drawn.rows != draw(labels, 4, 3000, seed=(1, 1)).rows).any()
    with pytest.raises(IclnbError, match="smaller k"):
        draw(labels[:3], 4, 1, seed=0)


def test_conditions_transform_what_was_drawn():
    drawn = Demonstrations(np.array([[5, 7, 9], [2, 4, 6]]), np.array([[0, 1, 0], [1, 0, 1]]))
    every = drawn.for_every(4)
    assert every.rows.shape == every.labels.shape == (2, 4, 3) and every.k == 3
    assert (every.rows == drawn.rows[:, None]).all() and (every.labels == drawn.labels[:, None]).all()
    orders = np.array(list(permutations(range(3))))
    turned = Demonstrations(drawn.rows[:, None], drawn.labels[:, None]).reordered(orders)
    for s in range(2):
        for i, order in enumerate(orders.tolist()):
            assert turned.rows[s, i].tolist() == [drawn.rows[s][place] for place in order]
            assert turned.labels[s, i].tolist() == [drawn.labels[s][place] for place in order]
    flipped = drawn.relabelled(1 - drawn.labels)
    assert (flipped.rows == drawn.rows).all() and flipped.labels.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert drawn.take(1).rows.tolist() == [2, 4, 6]


def test_prompts_hold_the_rows_and_labels_of_the_table(data):
    found, task = task_rows("sst2", 5, seed=0), tasks.get("sst2")
    wording = Wording(task.format, task.label_words)
    shown = draw(found.labels, 3, (2, 5), seed=4)
    shown = shown.relabelled(1 - shown.labels)
    made = write(tiny.tokenizers()["gpt2"], wording, found.pool, shown, found.queries)
    assert made.shape == (2, 5)
    for place in np.ndindex(2, 5):
        *demonstrations, asked = made[place].text.split("\n\n")
        assert asked == f"Review: {found.queries[place[1]]['sentence']}\nSentiment:"
        for text, row in zip(demonstrations, shown.rows[place], strict=True):
            sentence, word = text.removeprefix("Review: ").split("\nSentiment: ")
            assert sentence == found.pool[row]["sentence"]
            assert word == task.label_words[1 - found.pool[row]["label"]]
    made = write(
        tiny.tokenizers()["gpt2"], wording, found.pool, draw(found.labels, 0, 5, seed=0), found.queries
    )
    assert [prompt.text for prompt in made] == [f"{text}\nSentiment:" for text in found.texts(found.queries)]
    with pytest.raises(ValueError, match="5 test points"):
        write(tiny.tokenizers()["gpt2"], wording, found.pool, shown, found.queries[:4])


def test_alternating_rows_are_balanced_in_every_first_part():
    labels = [1, 1, 0, 1, 0, 0, 1, 0]
    taken = alternating(labels, 6)
    assert [labels[i] for i in taken] == [0, 1] * 3 and len(set(taken)) == 6
    for name in (0, 1):
        of_class = [i for i in taken if labels[i] == name]
        assert of_class == sorted(of_class)
    with pytest.raises(IclnbError, match="5 rows of every class"):
        alternating(labels, 10)
