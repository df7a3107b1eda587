"""Running notebooks: the right interpreter, and old results whole whatever happens."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest
from throwaway import NOTEBOOK, QUICK, checkout, iclnb, listed, outputs

from iclnb.errors import IclnbError
from iclnb.run import notebooks, run_one
from iclnb.site import book


@pytest.fixture
def project(tmp_path):
    return checkout(tmp_path, {"00_quick": QUICK, "01_second": QUICK})


def word(path):
    return json.loads(path.read_text(encoding="utf-8"))["values"]["word"]


def test_runs_this_interpreter_whatever_kernels_are_installed(project, monkeypatch):
    kernel = project / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    broken = {"argv": ["/bin/false"], "display_name": "another Python", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(broken))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(project / "jupyter"))  # looked up before all others
    monkeypatch.setenv("PATH", "/nowhere")
    executed = run_one.run(project, "00_quick", {"word": "given"})
    assert outputs(executed).splitlines()[:2] == [sys.executable, str(project)]
    assert word(project / "build" / "results" / "00_quick.json") == "given"
    assert str(project / "build") not in executed.read_text()


def test_plain_papermill_runs_the_pair(project):
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        if client.connect_ex(server.getsockname()):
            pytest.skip("papermill's own kernels need a loopback network")
    path = project / "notebooks" / "02_mean.py"
    path.write_text(NOTEBOOK.replace("00_mean", "02_mean"))
    (pair,) = notebooks.pair(project, ["02_mean"])
    given = ["-p", "k", "7", "-p", "profile", "smoke"]
    words = [sys.executable, "-m", "papermill", str(pair), "out.ipynb", *given]
    environment = {name: value for name, value in os.environ.items() if name != "ICLNB_RESULTS"}
    environment["PYTHONPATH"] = str(project)
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (project / "build" / "results").exists(), "the book's own results are not touched"
    found = json.loads((project / "build" / "by_hand" / "02_mean.json").read_text())
    assert found["parameters"] == {"profile": "smoke", "k": 7, "scale": 1.0, "loud": False, "seed": 0}
    shown = (project / "out.ipynb").read_text()
    assert "The running mean of 7 draws" in shown
    assert f"Results: `{project / 'build' / 'by_hand' / '02_mean.json'}`" in shown
    words = [*words, "-p", "kk", "3"]
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "unknown parameter 'kk' (did you mean 'k'?)" in done.stderr
    assert "k: int = 10 (smoke), 100 (laptop), 1000 (paper)  # draws" in done.stderr


def test_output_chooses_another_place(project):
    assert iclnb(project / "book", "run", "00_quick", "--output", "mine").returncode == 0
    assert listed(project / "book" / "mine") == {"00_quick.ipynb", "00_quick.json"}
    assert not (project / "build").exists(), "the checkout may be one that cannot be written"
    assert iclnb(project, "run", "00_quick", "--output", "mine", "-p", "fail", "true").returncode == 1
    assert "RuntimeError" in (project / "mine" / "failed" / "00_quick.ipynb").read_text()
    assert not (project / "build").exists()


def test_results_under_another_name_are_refused(project):
    path = project / "notebooks" / "00_quick.py"
    path.write_text(path.read_text().replace('"00_quick.json"', '"02_other.json"'))
    with pytest.raises(IclnbError, match=r"saved 02_other\.json instead of 00_quick\.json"):
        run_one.run(project, "00_quick", {})
    assert not (project / "build" / "results").exists()


def test_the_book_runs_only_what_changed_and_goes_on_where_it_stopped(project, monkeypatch):
    """The HTML is left out here; `tests/site/test_book.py` builds it."""
    monkeypatch.setattr(book, "_html", lambda pages, output, target: target)
    toc = {"00_quick": False, "01_second": False}
    (project / "_toc.yml").write_text(
        "format: jb-book\nroot: book/introduction\nchapters:\n"
        + "".join(f"- file: notebooks/{name}\n" for name in toc)
    )
    second = project / "notebooks" / "01_second.py"
    good = second.read_text()
    second.write_text(good.replace("if fail:", 'raise KeyError("broken")\nif fail:', 1))

    def build(**options):
        lines = []
        book.build(project, "smoke", report=lines.append, **options)
        begun = (line for line in lines if re.search(": (running|up to date)", line))
        return sorted(re.sub("[,(].*", "", line) for line in begun)

    with pytest.raises(IclnbError, match="broken"):
        build()
    second.write_text(good)
    assert build() == ["00_quick: up to date", "01_second: running"]
    assert build() == ["00_quick: up to date", "01_second: up to date"]
    (project / "build" / "results" / "00_quick.json").write_text("{}")
    assert build() == ["00_quick: running", "01_second: up to date"]
    assert build(force=True) == ["00_quick: running", "01_second: running"]
    with pytest.raises(IclnbError, match="smoke"):
        book.build(project, "smok", report=print)
