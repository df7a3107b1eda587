"""Tasks and their rows: types, sources, origin and messages."""

import hashlib
from collections import Counter

import datasets
import pytest
from archives import write_rows

from iclnb.errors import IclnbError
from iclnb.llm.data import packaged, task_files, tasks
from iclnb.llm.data.definitions import Format

TASKS = sorted(task_files.names(None))
PACKAGED = [name for name in TASKS if tasks.get(name).packaged]


@pytest.fixture(autouse=True)
def no_local_data(monkeypatch):
    monkeypatch.delenv("ICLNB_DATA", raising=False)


@pytest.fixture
def local(tmp_path, monkeypatch):
    """Writes the rows of a split into the folder that ICLNB_DATA names."""
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    return lambda name, split, *rows: write_rows(tmp_path, name, **{split: rows})


def test_local_rows_are_typed(local, tmp_path):
    local("sst2", "train", {"sentence": "café", "label": 1, "idx": 7}, {"label": 0, "sentence": "b\u2028"})
    rows = tasks.load("sst2", "train")
    assert rows.to_list() == [{"sentence": "café", "label": 1}, {"sentence": "b\u2028", "label": 0}]
    assert rows.features == {
        "sentence": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["negative", "positive"]),
    }
    file = tmp_path / "sst2" / "train.jsonl"
    assert tasks.origin(rows) == {
        "task": "sst2", "definition": tasks.get("sst2").digest, "split": "train", "source": "local",
        "file": "sst2/train.jsonl", "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "rows": 2, "left_out": 0, "repeated": 0,
    }  # fmt: skip


def test_origin_survives_what_experiments_do(local):
    local("rotten_tomatoes", "train", *({"text": f"text {i}", "label": i % 2} for i in range(8)))
    rows = tasks.load("rotten_tomatoes", "train")
    for derived in (rows.shuffle(seed=1).select(range(4)), rows.filter(lambda row: row["label"] == 1)):
        assert tasks.origin(derived) == tasks.origin(rows)
    with pytest.raises(ValueError, match="made by iclnb"):
        tasks.origin(datasets.Dataset.from_list([{"a": 1}]))


def test_scores_of_other_copies(local):
    pairs = [{"sentence1": "a", "sentence2": f"{i}"} for i in range(21)]
    local("stsb", "train", *({**pair, "score": i / 20} for i, pair in enumerate(pairs)))
    rows = tasks.load("stsb", "train", "local")
    assert rows["score"] == pytest.approx([i / 4 for i in range(21)])
    assert tasks.origin(rows)["score_scale"] == 5
    local("stsb", "test", *({**pair, "similarity_score": i / 20} for i, pair in enumerate(pairs[:5])))
    rows = tasks.load("stsb", "test", "local")
    assert rows["score"] == pytest.approx([i / 20 for i in range(5)])
    local("stsb", "validation", {**pairs[0], "label": 5.01})
    with pytest.raises(IclnbError, match=r"line 1, column 'label': .* 0 to 5 as 'score', got 5\.01"):
        tasks.load("stsb", "validation", "local")


def test_auto_never_mixes_sources(local, monkeypatch):
    monkeypatch.setattr(packaged, "folder", lambda name: pytest.fail("the packaged copy was taken"))
    local("stsb", "train", {"sentence1": "a", "sentence2": "b", "score": 1})
    assert len(tasks.load("stsb", "train")) == 1
    with pytest.raises(IclnbError, match=r"no test split .*: train\.jsonl\. Ways to get it: packaged"):
        tasks.load("stsb", "test")


def test_messages_name_what_is_known(local, tmp_path, monkeypatch):
    with pytest.raises(IclnbError, match=r"unknown task 'sst'; known: .*sst2.*tweet_eval_hate"):
        tasks.load("sst", "train")
    with pytest.raises(IclnbError, match="unknown split of sst2 'test'; known: train, validation"):
        tasks.load("sst2", "test")
    with pytest.raises(IclnbError, match="unknown source 'web'; known: auto, hub, local, packaged"):
        tasks.load("sst2", "train", "web")
    with pytest.raises(IclnbError, match=r"sst2 is not packaged.*set ICLNB_DATA to .* sst2.*`iclnb tasks`"):
        tasks.load("sst2", "train", "packaged")
    with pytest.raises(IclnbError, match=r"movie_snippets is not on the hub.*packaged: run `iclnb fetch`"):
        tasks.load("movie_snippets", "train", "hub")
    with pytest.raises(IclnbError, match="there is no folder"):
        tasks.load("sst2", "train", "local")
    (tmp_path / "rotten_tomatoes").mkdir()
    with pytest.raises(IclnbError, match="rotten_tomatoes holds no rows, which are files"):
        tasks.load("rotten_tomatoes", "train")
    with pytest.raises(IclnbError, match="a revision belongs to the hub"):
        tasks.load("sst2", "train", "local", revision="main")
    monkeypatch.delenv("ICLNB_DATA")
    with pytest.raises(IclnbError, match="ICLNB_DATA is not set"):
        tasks.load("sst2", "train", "local")
    monkeypatch.setenv("ICLNB_DATA", "/no/such/folder")
    with pytest.raises(IclnbError, match="ICLNB_DATA names /no/such/folder, which is no folder"):
        tasks.load("movie_snippets", "train")


@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_whole(name):
    task = tasks.get(name)
    assert task.packaged or task.hub
    assert task.hub is None or (len(task.hub.revision) == 40 and int(task.hub.revision, 16))
    for words in (task.label_words, *task.other_label_words.values()):
        assert len(set(words)) == len(words) == (len(task.classes) or 6)
    for chosen in task.formats.values():
        assert chosen.columns == task.inputs
        assert "braces {x}" in chosen.x.format(**dict.fromkeys(task.inputs, "braces {x}"))
    assert task.format == next(iter(task.formats.values()))
    hash(task)


def test_label_words_of_rows():
    stsb, mnli = tasks.get("stsb"), tasks.get("mnli")
    scores = {0: 0, 0.49: 0, 0.5: 1, 2.5: 3, 4.49: 4, 5: 5}
    assert {score: stsb.label({"score": score}) for score in scores} == scores
    assert mnli.label_words[mnli.label({"label": 2})] == "no"


@pytest.mark.parametrize("part", ["cue", "separator"])
def test_formats_refuse_empty_parts(part):
    with pytest.raises(ValueError, match=f"empty {part}"):
        Format(**{"x": "{text}", "cue": ":", part: ""})


@pytest.mark.packaged
@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_tasks(name):
    splits = {split: tasks.load(name, split, "packaged") for split in ("train", "validation", "test")}
    task = tasks.get(name)
    for split, rows in splits.items():
        origin = tasks.origin(rows)
        file = packaged.folder(task.packaged) / name / f"{split}.jsonl"
        assert origin["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert origin["rows"] == len(rows) == file.read_text().count("\n")
        assert origin["from"] == packaged.of(task.packaged).origin
    if task.classes:
        for rows in splits.values():
            assert [int(valence > 0) for valence in rows["valence"]] == rows["label"]
        texts = Counter(text.lower() for rows in splits.values() for text in rows["text"])
        assert max(texts.values()) == 1
