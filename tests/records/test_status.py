"""What an edit makes stale, in a copy of this very checkout with records of all its notebooks."""

import ast
import hashlib
import json
import os
import shutil

import pytest
from throwaway import ROOT

from iclnb.publish import keys, records
from iclnb.records import status
from iclnb.run import notebooks

TASKS = ("sst2", "mnli")
SWEEP = """[[sweep]]
notebooks = ["02_attention_allocation"]
models = ["model"]
tasks = ["sst2", "mnli", "x"]
[sweep.parameters]
prompts = 7
"""


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory):
    """For each task a record of every notebook, with keys as of now; no notebook was run."""
    tmp_path = tmp_path_factory.mktemp("as_it_is")
    ignore = shutil.ignore_patterns("__pycache__", "*.ipynb")
    for part in ("iclnb", "notebooks"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignore)
    shutil.copyfile(ROOT / "_toc.yml", tmp_path / "_toc.yml")
    for task in TASKS:
        rows = tmp_path / "data" / task / "train.jsonl"
        rows.parent.mkdir(parents=True)
        rows.write_text('{"text": "one"}\n{"text": "two"}\n')
        digest = hashlib.sha256(rows.read_bytes()).hexdigest()
        data = [{"task": task, "source": "local", "file": f"{task}/train.jsonl", "sha256": digest}]
        for name in notebooks.names(tmp_path):
            key = keys.key(tmp_path, notebooks.source(tmp_path, name), {})
            record(tmp_path, name, task, {**key, "inputs": keys.inputs({"data": data})})
    return tmp_path


@pytest.fixture
def project(as_it_is, monkeypatch):
    """A copy for one test, always at the same place: what was read of files that are the same is known."""
    place = as_it_is.with_name("checkout")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(as_it_is, place)
    monkeypatch.setenv("ICLNB_DATA", str(place / "data"))
    return place


def record(project, notebook, task, key):
    content = {
        "notebook": notebook,
        "parameters": {},
        "claims": [],
        "provenance": {"seconds": 60},
        "key": key,
    }
    path = project / "book" / "recorded" / notebook / "model" / f"{task}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def stale(project):
    """The records that are not fresh, and the states of all."""
    found = [each for each in status.everything(project) if " / " in each.name]
    assert len(found) == len(TASKS) * len(notebooks.names(project))
    return {each.name for each in found if each.state != status.FRESH}, found


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_layout_leave_everything_fresh(project):
    for path in (project / "iclnb" / "llm").rglob("*.py"):
        tree = ast.parse(path.read_text())
        if first := ast.get_docstring(tree):
            edit(path, first.splitlines()[0], "Other words. " + first.splitlines()[0])
        path.write_text(path.read_text() + "\n\n# a comment\n")
    reader = project / "iclnb" / "llm" / "reader.py"
    reader.write_text(ast.unparse(ast.parse(reader.read_text())))
    assert stale(project)[0] == set()


def test_a_function_of_chapter_05_makes_those_stale_that_use_it(project):
    edit(project / "iclnb" / "lsa" / "study.py", "return ", "return 0 or ")
    names, found = stale(project)
    assert {name.split(" / ")[0] for name in names} == {"05_yq_lsa", "05b_lsa_beyond"}
    reasons = {tuple(each.reasons) for each in found if each.reasons}
    assert reasons == {("code changed: iclnb/lsa/study.py",)}


def test_a_function_that_chapter_06_borrows_makes_it_stale_too(project):
    edit(project / "iclnb" / "lsa" / "gd.py", "return ", "return 0 or ")
    assert {name.split(" / ")[0] for name in stale(project)[0]} == {
        "05_yq_lsa", "05a_lsa_proofs", "05b_lsa_beyond", "06_llm_initial_guess",
    }  # fmt: skip


def test_a_row_of_data_makes_the_cells_stale_that_read_it_and_a_time_stamp_none(project):
    rows = project / "data" / "sst2" / "train.jsonl"
    os.utime(rows, (1, 1))
    assert stale(project)[0] == set()
    edit(rows, "two", "too")
    expected = {f"{name} / model / sst2" for name in notebooks.names(project)}
    names, found = stale(project)
    assert names == expected
    assert {tuple(each.reasons) for each in found if each.reasons} == {("changed: data sst2/train.jsonl",)}


def test_pins_parameters_and_missing_cells_of_a_sweep_are_named(project, monkeypatch):
    (project / "sweeps").mkdir()
    (project / "sweeps" / "some.toml").write_text(SWEEP)
    found = {each.name: each for each in status.everything(project) if each.name.startswith("02")}
    missing = found["02_attention_allocation / model / x"]
    assert (missing.state, missing.seconds) == (status.NEVER, None)
    other = found["02_attention_allocation / model / mnli"]
    assert other.reasons == ["parameters differ: model, prompts, task"] and other.seconds == 60
    version = keys.importlib.metadata.version
    monkeypatch.setattr(
        keys.importlib.metadata, "version", lambda name: "0" if name == "torch" else version(name)
    )
    other = next(each for each in status.everything(project) if each.name == "05_yq_lsa / model / mnli")
    assert (other.state, other.reasons) == (status.STALE, ["versions differ: torch"])


def test_a_notebook_that_is_gone_makes_its_records_stale(project):
    (project / "notebooks" / "05a_lsa_proofs.py").unlink()
    found = [each for each in status.everything(project) if each.name == "05a_lsa_proofs / model / sst2"]
    assert [each.reasons for each in found] == [["there is no notebook 05a_lsa_proofs any more"]]
    assert list(records.all_records(project))
