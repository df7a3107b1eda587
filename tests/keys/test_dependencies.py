"""What makes a notebook stale."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from throwaway import ROOT

from iclnb.keys import dependencies as keys
from iclnb.keys import imports, measurement
from iclnb.keys.equivalence import changed
from iclnb.keys.inputs import inputs
from iclnb.llm import models

FILES = {
    "iclnb/__init__.py": "__version__ = '0'\n",
    "iclnb/a.py": "X = 1\ndef f(r: float): ...\n",
    "iclnb/b.py": "import iclnb.a\n",
    "iclnb/late.py": "",
    "iclnb/unused.py": "",
    "iclnb/llm/__init__.py": "",
    "iclnb/llm/hashes.json": "{}",
    "iclnb/llm/x.py": "from ..b import anything\ndef f():\n    from iclnb import late\n",
    "iclnb/llm/y.py": "from . import x\n",
    "iclnb/llm/z.py": "import iclnb.unused\n",
    "iclnb/lsa/__init__.py": "",
    "requirements.txt": "numpy==1\n",
    "notebooks/01_n.py": "# %%\nimport json\nfrom iclnb.llm import y\n",
    "notebooks/02_m.py": "# %%\nimport iclnb.lsa as lsa\n",
}
NEEDED = {
    "iclnb/__init__.py", "iclnb/a.py", "iclnb/b.py", "iclnb/late.py", "iclnb/llm/__init__.py",
    "iclnb/llm/hashes.json", "iclnb/llm/x.py", "iclnb/llm/y.py",
}  # fmt: skip


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture(autouse=True)
def no_local_data(monkeypatch):
    monkeypatch.delenv("ICLNB_DATA", raising=False)


def key(project, **parameters):
    return keys.key(project, project / "notebooks" / "01_n.py", parameters)


@pytest.mark.parametrize(
    ("chosen", "stale"), [({}, "5"), ({"profile": "smoke"}, "4"), ({"profile": "paper"}, "6")]
)
def test_defaults_of_other_profiles_do_not_count(project, chosen, stale):
    source = project / "notebooks" / "01_n.py"
    cell = '# %% tags=["parameters"]\nprofile: str = "laptop"\nk: int = by_profile(4, 5, 6)  # draws\n'
    source.write_text(cell + FILES["notebooks/01_n.py"])
    before = key(project, **chosen)
    for default in "456":
        source.write_text((cell + FILES["notebooks/01_n.py"]).replace(default, "9"))
        assert bool(keys.stale(key(project, **chosen), before)) == (default == stale)


def reasons(project, before, **parameters):
    return keys.stale(key(project, **parameters), before)


@pytest.mark.parametrize("name", FILES)
def test_an_edit_makes_exactly_the_notebooks_stale_that_need_the_file(project, name):
    before = key(project)
    assert reasons(project, before) == []
    with (project / name).open("a") as file:
        file.write(" " if name.endswith(".json") else "edited = 1\n")
    needed = name in NEEDED | {"notebooks/01_n.py"}
    assert reasons(project, before) == ([f"code changed: {name}"] if needed else [])


GUARDED = """
def f(tensor):
    if tensor.is_cuda:
        from iclnb import unused
        return unused
{rest}
"""


@pytest.mark.parametrize("rest", ["", "    return 1", "    else:\n        return 1"])
def test_what_a_gpu_alone_runs_counts_only_for_what_a_gpu_measured(project, rest):
    module, unused = project / "iclnb" / "a.py", project / "iclnb" / "unused.py"

    def code(gpu):
        return measurement.code("iclnb.b", project=project, gpu=gpu)

    plain = rest.replace("    else:\n    ", "") or "    pass"
    module.write_text(f"def f(tensor):\n{plain}\n")
    before = code(False)
    module.write_text(GUARDED.format(rest=rest))
    of_gpu = code(True)
    assert code(False) == before and of_gpu.keys() == before.keys() | {"iclnb/unused.py"}
    unused.write_text("x = 1\n")
    assert code(False) == before and changed(of_gpu, code(True))[0].keys() == {"iclnb/unused.py"}
    of_gpu = code(True)
    module.write_text(module.read_text().replace("return unused", "return unused.x"))
    assert code(False) == before and changed(of_gpu, code(True))[0].keys() == {"iclnb/a.py"}
    module.write_text(module.read_text().replace("tensor.is_cuda", "tensor.is_cpu"))
    assert changed(before, code(False))[1].keys() == {"iclnb/a.py", "iclnb/unused.py"}


def test_cells_with_magics_count_as_they_are(project):
    notebook = project / "notebooks" / "01_n.py"
    notebook.write_text("# %%\n%matplotlib inline\nimport iclnb.lsa\n")
    before = key(project)
    assert "iclnb/lsa/__init__.py" in before["code"]
    notebook.write_text("# %%\n%matplotlib qt\nimport iclnb.lsa\n")
    assert reasons(project, before) == ["code changed: notebooks/01_n.py"]


def test_parameters_and_versions_are_named(project, monkeypatch):
    before = key(project, k=8)
    assert reasons(project, before, k=8) == []
    assert reasons(project, before, k="8") == reasons(project, before) == ["parameters differ: k"]
    monkeypatch.setattr(keys, "version", lambda name: "9" if name == "torch" else "1")
    assert any("torch" in reason and "jax" in reason for reason in reasons(project, before, k=8))


@pytest.fixture
def stored(project, monkeypatch):
    """A run that read one of two local data files, and a local model."""
    for split in ("train", "test"):
        path = project / "data" / "sst2" / f"{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")
    (project / "model").mkdir()
    (project / "model" / "config.json").write_text("{}")
    monkeypatch.setenv("ICLNB_DATA", str(project / "data"))
    digest = hashlib.sha256(b"{}\n").hexdigest()
    data = [{"task": "sst2", "source": "local", "file": "sst2/train.jsonl", "sha256": digest}]
    model = {"source": "local", "sha256": models.content_hash(project / "model")}
    parameters = {"model": str(project / "model")}
    return {**key(project, **parameters), "inputs": inputs({"data": data, "model": model})}, parameters


def test_content_of_data_and_models_counts_and_a_time_stamp_does_not(project, stored):
    before, parameters = stored
    train, test = (project / "data" / "sst2" / f"{split}.jsonl" for split in ("train", "test"))
    config = project / "model" / "config.json"
    for path in (train, test, config):
        os.utime(path, (1, 1))
    test.write_text("{}\n{}\n")
    assert reasons(project, before, **parameters) == []
    train.write_text('{"a": 1}\n')
    assert reasons(project, before, **parameters) == ["changed: data sst2/train.jsonl"]
    train.write_text("{}\n")
    config.write_text("{ }")
    assert reasons(project, before, **parameters) == ["changed: model"]


def test_what_is_not_at_hand_is_not_judged(project, stored, monkeypatch):
    before, parameters = stored
    monkeypatch.delenv("ICLNB_DATA")
    assert reasons(project, before, **parameters) == []


def test_local_data_that_takes_the_place_of_packaged_rows(project, stored):
    before, parameters = stored
    before = {**before, "inputs": {"source of sst2": "packaged", "source of stsb": "packaged"}}
    assert reasons(project, before, **parameters) == ["changed: source of sst2"]
    chosen = {**parameters, "source": "packaged"}
    assert reasons(project, {**before, "parameters": chosen}, **chosen) == []


@pytest.mark.parametrize(
    "statement",
    ["from iclnb import claims, figures", "import iclnb.site.book", "from iclnb import settings"],
)
def test_python_itself_loads_no_package_file_that_the_key_leaves_out(tmp_path, statement):
    listing = (
        f"import json, sys; sys.path.insert(0, {str(ROOT)!r}); {statement}; print(json.dumps("
        "[m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'iclnb']))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", listing], cwd=tmp_path))
    (tmp_path / "iclnb").symlink_to(ROOT / "iclnb")
    (tmp_path / "notebooks").mkdir()
    source = tmp_path / "notebooks" / "01_n.py"
    source.write_text(statement)
    found = {str(path.resolve()) for path in imports.package_files(tmp_path, source)}
    assert set(loaded) and set(loaded) <= found
