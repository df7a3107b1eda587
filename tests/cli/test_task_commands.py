"""The commands about tasks: what is listed, and that a new one is whole and can be read."""

import re

import pytest
from click.testing import CliRunner

from iclnb.cli import commands
from iclnb.errors import IclnbError
from iclnb.llm.data import tasks


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    return tmp_path


def run(*words):
    done = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_a_new_task_is_listed_checked_and_has_rows(data):
    assert run("new", "--task", "tickets").splitlines()[0] == str(data / "tickets" / "task.toml")
    listed = run("tasks")
    assert [line.split(":")[0] for line in listed.splitlines() if line[0] != " "] == tasks.names()
    own = re.search(r"^tickets: Messages to a support team \(local: .*\n(?:    .*\n)+", listed, flags=re.M)[0]
    task = tasks.get("tickets")
    for words in (task.inputs, task.classes, task.label_words, task.formats, [task.licence, task.source]):
        assert all(word in own for word in words)
    assert run("tasks", "tickets") == own
    assert {row["label"] for row in tasks.load("tickets", "validation")} == {0, 1, 2, 3}
    (data / "tickets" / "train.csv").write_text("message,department\na,parcels\n")
    assert "tickets" in run("tasks")  # listing reads no rows
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
