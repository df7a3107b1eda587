"""What makes a notebook stale."""

import json
import subprocess
import sys

import pytest
from throwaway import ROOT

from iclnb.publish import keys

FILES = {
    "iclnb/__init__.py": "__version__ = '0'\n",
    "iclnb/a.py": "def f(): ...\n",
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


def test_the_imported_files_are_found_through_every_kind_of_import(project):
    found = keys.package_files(project, project / "notebooks" / "01_n.py")
    assert {path.relative_to(project).as_posix() for path in found} == NEEDED
    found = keys.package_files(project, project / "notebooks" / "02_m.py")
    assert {path.relative_to(project).as_posix() for path in found} == {
        "iclnb/__init__.py",
        "iclnb/lsa/__init__.py",
    }


@pytest.mark.parametrize("name", FILES)
def test_an_edit_changes_the_key_of_exactly_the_notebooks_that_need_the_file(project, name):
    before = key(project)
    assert key(project) == before
    with (project / name).open("a") as file:
        file.write(" " if name.endswith(".json") else "# edited\n")
    needed = name in NEEDED | {"requirements.txt", "notebooks/01_n.py"}
    assert (key(project) != before) == needed


def test_parameters_and_local_data_change_the_key(project, monkeypatch):
    seen = {key(project), key(project, k=8), key(project, k=9), key(project, k="8")}
    assert len(seen) == 4
    data = project / "data" / "sst2"
    data.mkdir(parents=True)
    (data / "test.jsonl").write_text("{}\n")
    monkeypatch.setenv("ICLNB_DATA", str(project / "data"))
    seen.add(local := key(project))
    assert key(project) == local
    (data / "test.jsonl").write_text("{}\n{}\n")
    seen.add(key(project))
    (data / "train.jsonl").write_text("{}\n")
    seen.add(key(project))
    assert len(seen) == 7


@pytest.mark.parametrize(
    "imports",
    ["from iclnb import claims, figures", "import iclnb.publish.book", "from iclnb import profiles"],
)
def test_python_itself_loads_no_package_file_that_the_key_leaves_out(tmp_path, imports):
    listing = (
        f"import json, sys; sys.path.insert(0, {str(ROOT)!r}); {imports}; print(json.dumps("
        "[m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'iclnb']))"
    )
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", listing], cwd=tmp_path))
    (tmp_path / "iclnb").symlink_to(ROOT / "iclnb")
    (tmp_path / "notebooks").mkdir()
    source = tmp_path / "notebooks" / "01_n.py"
    source.write_text(imports)
    found = {str(path.resolve()) for path in keys.package_files(tmp_path, source)}
    assert set(loaded) and set(loaded) <= found
