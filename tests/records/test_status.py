"""What an edit makes stale, in a copy of this very checkout with records of all that measure something."""

import ast
import hashlib
import re
import shutil
from dataclasses import dataclass

import numpy as np
import pytest
from jaxtyping import Float
from throwaway import ROOT

from iclnb.findings import Findings, variable
from iclnb.keys import measurement
from iclnb.keys.equivalence import Entry, Ledger, changed
from iclnb.records import records, status
from iclnb.run import notebooks

TASKS = ("sst2", "mnli")


@dataclass(frozen=True, kw_only=True)
class Anything(Findings):
    x: Float[np.ndarray, " draw"] = variable("draws", unit="1")


MEASURING = {
    name: records.measuring(notebooks.source(ROOT, name)).__module__ for name in notebooks.names(ROOT)
}
"""The module that measures, of every notebook."""


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory):
    """For each task a record of every notebook that measures, with its key as of now; none was run."""
    folder = tmp_path_factory.mktemp("as_it_is")
    for part in ("iclnb", "notebooks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    shutil.copyfile(ROOT / "_toc.yml", folder / "_toc.yml")
    for task in TASKS:
        rows = folder / "data" / task / "train.jsonl"
        rows.parent.mkdir(parents=True)
        rows.write_text('{"text": "one"}\n{"text": "two"}\n')
        digest = hashlib.sha256(rows.read_bytes()).hexdigest()
        data = [{"task": task, "source": "local", "file": f"{task}/train.jsonl", "sha256": digest}]
        facts = {"data": data, "cost": {"seconds": 60}}
        for name, module in MEASURING.items():
            run = {"profile": "paper", "task": task, "k": 16}
            attributes = {"parameters": run, "provenance": facts, "key": measurement.key(module, run, facts)}
            Anything(x=np.zeros(2)).save(folder / f"book/recorded/{name}/model/{task}.nc", attributes)
    return folder


@pytest.fixture
def project(as_it_is, monkeypatch):
    """A copy for one test, always at the same place: what was read of files that are the same is known."""
    place = as_it_is.with_name("checkout")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(as_it_is, place)
    monkeypatch.setenv("ICLNB_DATA", str(place / "data"))
    return place


def stale(project):
    """The notebooks of the records that are not fresh, and the states of all."""
    found = [each for each in status.everything(project) if " / " in each.name]
    assert len(found) == len(TASKS) * len(MEASURING) > 0
    return {each.name.split(" / ")[0] for each in found if each.state != status.FRESH}, found


def edit(path, old, new):
    text = path.read_text()
    assert re.search(old, text), old
    path.write_text(re.sub(old, new, text, count=1))


def needing(project, file):
    """The notebooks whose measurement imports a file, by Python's own account of what it loads."""
    return {
        name
        for name, module in MEASURING.items()
        if file in measurement.code(module, project=project, gpu=True)
    }


WORDS = (
    ("notebooks/02_attention_allocation.py", "label words draw more", "label words get more"),  # a claim
    ("notebooks/02_attention_allocation.py", r"claims\.above\(1\)", "claims.above(2)"),  # a criterion
    ("iclnb/allocation/estimates.py", r"\.mean\(1\)", ".max(1)"),
    ("iclnb/allocation/pictures.py", "relative depth", "depth"),
    ("iclnb/__init__.py", r"$", "\n__version__ = '9.9'\n"),
    ("iclnb/llm/limits.py", r"raise (\w+)\(\s*f?\"", r'raise \1(f"Sorry: '),  # an error message
    ("iclnb/llm/passes.py", 'desc="reading"', 'desc="looking"'),  # a progress label
    ("iclnb/llm/passes.py", "batch_size: int", "batch_size: object"),  # an annotation
    ("iclnb/claims/strips.py", r"def _(\w+)", r"def _other_\1"),  # a private name elsewhere
    ("iclnb/claims/claim.py", "SUPPORTED", "NOT_SUPPORTED"),  # what judges
)


def test_words_layout_criteria_estimators_and_figures_make_no_record_stale(project):
    for file, old, new in WORDS:
        edit(project / file, old, new)
    for path in (project / "iclnb" / "llm").rglob("*.py"):
        text = path.read_text()
        if first := ast.get_docstring(ast.parse(text)):
            text = text.replace(first.splitlines()[0], "Other words. " + first.splitlines()[0], 1)
        path.write_text(text + "\n\n# a comment\n")
    reader = project / "iclnb" / "llm" / "reader.py"
    reader.write_text(ast.unparse(ast.parse(reader.read_text())))
    assert stale(project)[0] == set()


NUMBERS = (
    ("iclnb/llm/attention/split_softmax.py", r"\n\n\ndef ", "\n\nEDITED = 1\n\n\ndef "),  # a constant
    ("iclnb/llm/prompts.py", r"\n\n\ndef build", '\n\nTEMPLATE = "x"\n\n\ndef build'),
    ("iclnb/llm/demonstrations.py", "replace=False", "replace=True"),  # a draw
    ("iclnb/allocation/measure.py", r"\.sum\(-1\)", ".max(-1)"),  # what is measured
)


def test_what_measures_makes_every_record_stale_that_depends_on_it(project):
    """All edits at once: each record names the files that it depends on, and no other."""
    for file, old, new in NUMBERS:
        edit(project / file, old, new)
    files = sorted(file for file, *_ in NUMBERS)
    needed = {file: needing(project, file) for file in files}
    assert all("02_attention_allocation" in names for names in needed.values())
    for each in stale(project)[1]:
        own = [file for file in files if each.name.split(" / ")[0] in needed[file]]
        assert each.reasons == ([f"code changed: {', '.join(own)}"] if own else []), each.name


def test_a_parameter_and_rows_count_for_the_runs_that_have_them(project):
    (project / "sweeps").mkdir()
    sweep = '[[sweep]]\nnotebooks = ["02_attention_allocation"]\nmodels = ["model"]\ntasks = ["sst2"]\n'
    (project / "sweeps" / "a.toml").write_text(sweep + "[sweep.parameters]\nk = 7\n")
    found = {each.name: each for each in stale(project)[1]}
    assert found["02_attention_allocation / model / sst2"].reasons == ["parameters differ: k"]
    assert found["02_attention_allocation / model / mnli"].state == status.FRESH
    (project / "data" / "mnli" / "train.jsonl").write_text('{"text": "other"}\n')
    found = {each.name: each for each in stale(project)[1]}
    assert found["02_attention_allocation / model / mnli"].reasons == ["changed: data mnli/train.jsonl"]
    (project / "sweeps" / "a.toml").rename(project / "sweeps" / "b.toml")
    for file, other in (("ladder", "larger"), ("papers", "largest")):
        (project / "sweeps" / f"{file}.toml").write_text(sweep.replace('"model"', f'"{other}"'))
    new = {each.name: each.state for each in status.everything(project) if each.name not in found}
    assert {name: state for name, state in new.items() if " / " in name} == {
        "02_attention_allocation / larger / sst2": status.NEVER
    }, "only the book's own are missed"


def test_a_proof_carries_records_over_and_status_says_so(project):
    file = "iclnb/llm/attention/split_softmax.py"
    before = measurement.code(MEASURING["02_attention_allocation"], project=project)
    edit(project / file, r"\n\n\ndef ", "\n\nEDITED = 1\n\n\ndef ")
    after = measurement.code(MEASURING["02_attention_allocation"], project=project)
    Ledger([Entry(*changed(before, after), {"revision": "r"})]).save(project)
    names, found = stale(project)
    assert names == set()
    assert {tuple(each.reasons) for each in found} >= {("carried by a proof",)}
    edit(project / file, "EDITED = 1", "EDITED = 2")
    assert stale(project)[0] == needing(project, file)
