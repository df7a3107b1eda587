"""Runs of one's own: where they are kept, what lists them, and the page that shows one beside the records."""

import json
import os
import shutil

import pytest
from runs_by_hand import YES, claim, results
from throwaway import NOTEBOOK, ROOT, checkout, iclnb

from iclnb.errors import IclnbError
from iclnb.ladders import HERE
from iclnb.records import own
from iclnb.records.records import Cell
from iclnb.site.results import runs as all_runs

ASKING = NOTEBOOK.replace(
    'profile: str = "laptop"  # smoke, laptop or paper\n',
    'profile: str = "laptop"  # smoke, laptop or paper\nmodel: str = "small"  # name\ntask: str = "sst2"  # name\n',
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = checkout(tmp_path, {"00_mean": ASKING})
    for name in ("first", "second"):
        model = folder / name / "checkpoint-500"
        model.mkdir(parents=True)
        (model / "config.json").write_text("{}")
        (model / "model.safetensors").write_text(name)
    shutil.copytree(ROOT / "iclnb" / "llm" / "data" / "example", folder / "data" / "tickets")
    monkeypatch.setenv("ICLNB_DATA", str(folder / "data"))
    monkeypatch.chdir(folder)
    return folder


def keep(project, place, *claims, task="tickets"):
    """The files of a run of one's own."""
    folder = project / own.FOLDER / "00_mean" / place
    folder.mkdir(parents=True)
    found = results(HERE, list(claims), notebook="00_mean", model="checkpoint-500", task=task)
    (folder / "00_mean.json").write_text(json.dumps({**found, "ladder": [], "key": {"parameters": {}}}))
    (folder / "00_mean.ipynb").write_text("{}")
    return folder


def test_another_model_or_task_has_a_folder_of_its_own_and_the_books_run_has_none(project):
    def place(**given):
        return own.folder(project, Cell("00_mean", given))

    assert place() is place(profile="smoke") is place(model="small", task="sst2") is None
    assert place(k=10, profile="smoke") is None, "the profile's own value"
    others = [
        place(k=3), place(k=3, profile="smoke"), place(k=10), place(seed=2), place(k=3, scale=2.0),
        place(task="tickets"), place(task="tickets", profile="smoke"), place(task="tickets", seed=2),
        place(model="./first/checkpoint-500"), place(model="./second/checkpoint-500"), place(model="owner/name"),
    ]  # fmt: skip
    assert len({*others}) == len(others)
    assert all(other.is_relative_to(project / "build" / "runs" / "00_mean") for other in others)
    assert others[-3].parts[-2].startswith("checkpoint-500-") and others[-1].parts[-2] == "owner--name"
    assert others[0].name == "sst2,k=3" and others[3].name == "sst2@seed=2"
    assert others[4].name == "sst2,k=3,scale=2.0"


def test_parameters_of_any_length_and_letters_make_folders_that_differ(project):
    text = NOTEBOOK.replace("loud: bool = False  # say more", 'loud: str = "no"  # say more')
    (project / "notebooks" / "00_mean.py").write_text(text)
    given = ["a/b", "a b", "../up", "x" * 500, "x" * 501, "Größe", ".", "a--b"]
    found = [own.folder(project, Cell("00_mean", {"loud": each})) for each in given]
    assert len({*found}) == len(found) and all(place.parent == found[0].parent for place in found)
    assert max(len(place.name.encode()) for place in found) < 255


def test_the_last_run_is_found_by_nothing_its_notebook_or_its_folder(project):
    with pytest.raises(IclnbError, match="no run of your own of any chapter"):
        own.latest(project)
    old, new = keep(project, "a-1/tickets"), keep(project, "b-2/tickets")
    (old / "page" / "_downloads" / "1f").mkdir(parents=True)
    (old / "page" / "_downloads" / "1f" / "00_mean.json").write_text("{}")  # of its page
    os.utime(new / "00_mean.json", (1, 1))
    assert [each.label for each in own.all_runs(project)] == [
        "00_mean / a-1 / tickets",
        "00_mean / b-2 / tickets",
    ]
    assert own.latest(project).folder == own.latest(project, "00").folder == old
    assert own.latest(project, "build/runs/00_mean/b-2/tickets").folder == new
    with pytest.raises(IclnbError, match=r"(?s)no run of your own of book.*00_mean/a-1/tickets"):
        own.latest(project, "book")


def test_runs_of_ones_own_follow_the_books_or_stand_in_its_place(project):
    keep(project, "a-1/tickets", claim("up", YES))
    (one,) = own.all_runs(project)
    (run,) = all_runs.runs(project, ["00_mean"], also=[one])["00_mean"]
    assert run.name == f"{HERE}: a-1 / tickets" and not run.recorded and run.task == "tickets"
    (run,) = all_runs.runs(project, ["00_mean"], instead=one)["00_mean"]
    assert run.name == HERE and run.results["claims"][0]["id"] == "up"
    assert all_runs.runs(project, ["00_mean"]) == {"00_mean": []}


def test_a_task_that_there_is_not_is_refused_before_anything_runs(project):
    (project / "data" / "tickets" / "train.csv").write_text("message,department\na,parcels\n")
    for task, message in (("nothing", "unknown task 'nothing'"), ("tickets", "train.csv, line 2, column")):
        done = iclnb(project, "run", "00", "-p", "task", task)
        assert done.returncode == 1 and message in done.stderr and not (project / "build").exists()


@pytest.mark.book
def test_a_run_of_ones_own_ends_with_its_page_and_leaves_the_book_as_it_is(project):
    words = ("run", "00", "-p", "profile", "smoke")
    assert iclnb(project, *words).returncode == 0
    before = {path: path.read_bytes() for path in (project / "build").rglob("*.json")}
    done = iclnb(project, *words, "-p", "task", "tickets", "-p", "model", "./first/checkpoint-500")
    assert done.returncode == 0 and "its page, beside the recorded models: " in done.stdout, done.stderr
    assert before and all(path.read_bytes() == text for path, text in before.items())
    page = project / done.stdout.strip().splitlines()[-1].partition(": ")[2]
    assert page.is_file() and "the norm" in page.read_text() and "On this machine" in page.read_text()
    assert [one.folder.name for one in own.all_runs(project)] == ["tickets,smoke"]
    assert not (project / "_build").exists()
    page.unlink()
    assert iclnb(project, "page", "00").returncode == 0 and page.is_file()
    said = iclnb(project, "status").stdout
    assert said.count("tickets,smoke (your own)") == 1
    said = iclnb(project, "report", "--model", "checkpoint").stdout
    assert said.count("this run: checkpoint-500-") == 1 and "1 of a smoke run" in said
