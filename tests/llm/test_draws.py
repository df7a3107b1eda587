"""Which rows become demonstrations and queries."""

import json

import pytest
import tiny
from datasets import Dataset

from iclnb.errors import IclnbError
from iclnb.llm import draws
from iclnb.llm.data import tasks

pytestmark = pytest.mark.tiny


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder with a little of two tasks; mnli has no train split."""
    for name, split, rows in [
        ("sst2", "train", [{"sentence": f"train {i}", "label": i % 2} for i in range(30)]),
        ("sst2", "validation", [{"sentence": f"test {i}", "label": i % 2} for i in range(20)]),
        ("mnli", "validation", [{"premise": f"p {i}", "hypothesis": "h", "label": i % 3} for i in range(20)]),
    ]:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))


def test_queries_come_from_validation_and_demonstrations_from_train(data):
    pool, queries = draws.pool_and_queries("sst2", 7, seed=0)
    assert {s.split()[0] for s in pool["sentence"]} == {"train"} and len(pool) == 30
    assert {s.split()[0] for s in queries["sentence"]} == {"test"} and len(set(queries["sentence"])) == 7
    assert queries["sentence"] == draws.pool_and_queries("sst2", 7, seed=0)[1]["sentence"]
    assert queries["sentence"] != draws.pool_and_queries("sst2", 7, seed=1)[1]["sentence"]


def test_without_a_train_split_the_rest_of_validation_is_the_pool(data):
    pool, queries = draws.pool_and_queries("mnli", 8, seed=0)
    assert sorted([*pool["premise"], *queries["premise"]]) == sorted(f"p {i}" for i in range(20))
    assert len(queries) == 8


def test_too_many_test_points(data):
    with pytest.raises(IclnbError, match="20 validation rows, not 21"):
        draws.pool_and_queries("sst2", 21, seed=0)


def test_fresh_prompts_hold_the_drawn_rows(data):
    pool, queries = draws.pool_and_queries("sst2", 5, seed=0)
    tokenizer, task = tiny.tokenizers()["gpt2"], tasks.get("sst2")
    made = draws.fresh_prompts(tokenizer, task, pool, queries, k=3, seed=4)
    rows = {row["sentence"]: row["label"] for row in pool}
    for prompt, query in zip(made, queries, strict=True):
        *shown, asked = prompt.text.split("\n\n")
        assert asked == f"Review: {query['sentence']}\nSentiment:"
        for text, label in zip(shown, prompt.labels, strict=True):
            sentence, word = text.removeprefix("Review: ").split("\nSentiment: ")
            assert rows[sentence] == label and task.label_words[label] == word
    assert len({prompt.text.split("\n\nReview: test")[0] for prompt in made}) == 5  # each its own
    with pytest.raises(IclnbError, match=r"known: .*sentiment"):
        draws.fresh_prompts(tokenizer, task, pool, queries, k=3, seed=4, format="haiku")


def test_rows_of_other_datasets_are_not_mistaken_for_a_task():
    with pytest.raises(ValueError, match=r"tasks\.load"):
        tasks.origin(Dataset.from_list([{"a": 1}]))


def test_alternating_rows_are_balanced_in_every_first_part():
    labels = [1, 1, 0, 1, 0, 0, 1, 0]
    taken = draws.alternating(labels, 6)
    assert [labels[i] for i in taken] == [0, 1] * 3 and len(set(taken)) == 6
    for name in (0, 1):
        of_class = [i for i in taken if labels[i] == name]
        assert of_class == sorted(of_class)
    with pytest.raises(IclnbError, match="5 rows of every class"):
        draws.alternating(labels, 10)


def test_as_many_test_points_as_there_are(data):
    pool, queries = draws.pool_and_queries("sst2", 99, seed=0, at_most=True)
    assert len(queries) == 20 and len(pool) == 30
