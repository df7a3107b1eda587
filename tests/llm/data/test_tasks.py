"""Tasks and their rows: types, sources, origin and messages."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path

import datasets
import huggingface_hub
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from iclnb.errors import IclnbError
from iclnb.llm.data import packaged, tasks
from iclnb.llm.data.definitions import Format

REAL = os.environ.get("ICLNB_DATA")
TASKS = (
    "movie_snippets", "amazon_snippets", "nyt_snippets", "tweet_snippets", "stsb", "sst2", "rotten_tomatoes",
    "tweet_eval_hate", "tweet_eval_irony", "tweet_eval_offensive", "mnli",
)  # fmt: skip
PACKAGED = ("movie_snippets", "amazon_snippets", "nyt_snippets", "tweet_snippets", "stsb")


@pytest.fixture(autouse=True)
def no_local_data(monkeypatch):
    monkeypatch.delenv("ICLNB_DATA", raising=False)


@pytest.fixture
def local(tmp_path, monkeypatch):
    """Writes ``<name>/<split>.jsonl`` into the folder that ICLNB_DATA names."""
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))

    def write(name, split, *rows):
        path = tmp_path / name / f"{split}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(
            b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)
        )
        return path

    return write


def test_local_rows_are_typed(local):
    path = local(
        "sst2",
        "train",
        {"sentence": "café", "label": 1, "idx": 7},
        b"\n",
        {"label": 0, "sentence": "b\u2028"},
    )
    rows = tasks.load("sst2", "train")
    assert rows.to_list() == [{"sentence": "café", "label": 1}, {"sentence": "b\u2028", "label": 0}]
    assert rows.features == {
        "sentence": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["negative", "positive"]),
    }
    assert tasks.origin(rows) == {
        "task": "sst2",
        "definition": tasks.get("sst2").digest,
        "split": "train",
        "source": "local",
        "file": "sst2/train.jsonl",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rows": 2,
        "left_out": 0,
        "repeated": 0,
    }


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


def test_messages_name_what_is_known(local, monkeypatch):
    with pytest.raises(IclnbError, match=r"unknown task 'sst'; known: .*sst2.*tweet_eval_hate"):
        tasks.load("sst", "train")
    with pytest.raises(IclnbError, match="unknown split of sst2 'test'; known: train, validation"):
        tasks.load("sst2", "test")
    with pytest.raises(IclnbError, match="unknown source 'web'; known: auto, hub, local, packaged"):
        tasks.load("sst2", "train", "web")
    with pytest.raises(
        IclnbError, match=r"sst2 is not packaged.*set ICLNB_DATA to a folder that holds sst2.*`iclnb tasks`"
    ):
        tasks.load("sst2", "train", "packaged")
    with pytest.raises(IclnbError, match=r"movie_snippets is not on the hub.*packaged: run `iclnb fetch`"):
        tasks.load("movie_snippets", "train", "hub")
    with pytest.raises(IclnbError, match="there is no folder"):
        tasks.load("sst2", "train", "local")
    local("rotten_tomatoes", "train").unlink()
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


@pytest.fixture
def hub(monkeypatch):
    """The hub's two calls, recorded, with a table of our own behind them."""
    calls = []

    def load_dataset(*args, **options):
        calls.append((*args, options))
        return datasets.Dataset.from_list(
            [
                {"premise": "a", "hypothesis": "b", "label": 1, "idx": 0},
                {"premise": "a", "hypothesis": "b", "label": -1, "idx": 1},
            ]
        )

    class Api:
        def dataset_info(self, repository, revision):
            return huggingface_hub.DatasetInfo(id=repository, sha="f" * 40)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return calls


def test_the_hub_is_pinned(hub):
    rows = tasks.load("mnli", "validation")
    pinned = tasks.get("mnli").hub.revision
    assert hub == [("nyu-mll/glue", "mnli", {"split": "validation_matched", "revision": pinned})]
    assert rows.to_list() == [{"premise": "a", "hypothesis": "b", "label": 1}]
    origin = tasks.origin(rows)
    assert (origin["source"], origin["revision"], origin["left_out"]) == ("hub", pinned, 1)


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


@given(st.text())
def test_formats_refuse_templates_without_columns(text):
    with pytest.raises(ValueError, match="named columns"):
        Format(x=text.replace("{", "").replace("}", "") + "{}", cue=":")
    with pytest.raises(ValueError, match="named columns"):
        Format(x=text.replace("{", "").replace("}", ""), cue=":")


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
        assert origin["from"] == packaged.revision(task.packaged)
    if task.classes:
        valence = {
            (label, sign > 0)
            for rows in splits.values()
            for label, sign in zip(rows["label"], rows["valence"], strict=True)
        }
        assert valence == {(0, False), (1, True)}
        texts = Counter(text.lower() for rows in splits.values() for text in rows["text"])
        assert max(texts.values()) == 1


@pytest.mark.packaged
def test_default_label_words_are_single_distinct_tokens():
    tokenizer = AutoTokenizer.from_pretrained(packaged.folder("smollm2-135m-instruct"))
    for task in map(tasks.get, TASKS):
        head = task.format.cue + task.format.label_prefix
        before = tokenizer(task.format.cue).input_ids
        tokens = [tokenizer(head + word).input_ids for word in task.label_words]
        assert all(ids[:-1] == before for ids in tokens)
        assert len({ids[-1] for ids in tokens}) == len(tokens)


@pytest.mark.skipif(not REAL, reason="needs the real datasets: ICLNB_DATA names their folder")
def test_real_local_data(monkeypatch):
    """Row by row as the standard library reads the files."""
    monkeypatch.setenv("ICLNB_DATA", REAL)
    seen = 0
    for name in TASKS:
        task = tasks.get(name)
        for split in task.splits:
            path = Path(REAL) / name / f"{split}.jsonl"
            if path.is_file():
                seen += 1
                expected = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
                assert tasks.load(name, split).to_list() == expected
    assert seen


@pytest.mark.packaged
@pytest.mark.skipif(not REAL, reason="needs the real datasets: ICLNB_DATA names their folder")
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_packaged_stsb_is_the_published_one(split, monkeypatch):
    """The local copy comes from another publisher; its test split holds 1079 of the 1379 pairs."""
    ours = tasks.load("stsb", split, "packaged").to_list()
    monkeypatch.setenv("ICLNB_DATA", REAL)
    theirs = tasks.load("stsb", split, "local").to_list()
    if split == "test":
        known = {tuple(row.values()) for row in ours}
        assert sum(tuple(row.values()) in known for row in theirs) >= 0.99 * len(theirs)
    else:
        assert ours == theirs
