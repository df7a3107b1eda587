"""Runs that meet a full disk, folders that cannot be written, cells that never end, and each other."""

import json
import os
import subprocess
import time
from contextlib import contextmanager

import pytest
from throwaway import QUICK, checkout, command, iclnb, listed

from iclnb.errors import IclnbError
from iclnb.run import run_one

LARGE = QUICK.replace('"values": {"word": word}', '"values": {"word": word * 2_000_000}')
ENDLESS = QUICK.replace("if fail:", "if fail:\n    import time; time.sleep(300)\nif fail:")
WRITES = """Path("runs").mkdir(exist_ok=True)
mine = Path("runs") / str(os.getpid())
mine.touch()
import time; time.sleep(1)
assert len(list(Path("runs").iterdir())) == 1, "two runs at once"
mine.unlink()
if fail:
"""


@pytest.fixture
def project(tmp_path):
    together = QUICK.replace("if fail:\n", WRITES)
    return checkout(
        tmp_path, {"00_quick": QUICK, "01_large": LARGE, "02_endless": ENDLESS, "03_together": together}
    )


@contextmanager
def small_disk(folder, size):
    """A file system of a few bytes at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_in_one_message_and_old_results_stay(project):
    mine = project / "mine"
    with small_disk(mine, "1m"):
        assert iclnb(project, "run", "00_quick", "--output", "mine").returncode == 0
        (mine / "01_large.json").write_text("old")
        before = {name: (mine / name).read_bytes() for name in listed(mine)}
        done = iclnb(project, "run", "01_large", "--output", "mine")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "could not be written" in done.stderr and "free some space" in done.stderr
        assert {name: (mine / name).read_bytes() for name in listed(mine)} == before


def test_a_folder_that_cannot_be_written_ends_in_one_message(project):
    (project / "build").write_text("in the way")
    for words, message in {
        ("run", "00_quick"): "could not be written",
        ("book",): "cannot be written",
    }.items():
        done = iclnb(project, *words)
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_a_cell_that_never_ends_is_stopped_at_the_limit(project):
    assert iclnb(project, "run", "02_endless", "--output", "mine").returncode == 0
    before = (project / "mine" / "02_endless.json").read_bytes()
    start = time.monotonic()
    done = iclnb(project, "run", "02_endless", "--output", "mine", "-p", "fail", "true", "--time-limit", "2")
    assert done.returncode == 1 and "limit of 2 s" in done.stderr and time.monotonic() - start < 100
    assert (project / "mine" / "02_endless.json").read_bytes() == before
    assert (project / "mine" / "failed" / "02_endless.ipynb").is_file()
    assert iclnb(project, "run", "02_endless", "--output", "mine", "--time-limit", "60").returncode == 0
    assert not (project / "mine" / "failed" / "02_endless.ipynb").exists()


def test_two_runs_of_a_notebook_wait_for_each_other(project):
    words = command("run", "03_together")
    both = [subprocess.Popen(words, cwd=project, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert json.loads((project / "build" / "results" / "03_together.json").read_text())["values"]


def test_the_next_run_removes_what_a_killed_one_left(project):
    for folder in (
        "build/.00_quick-dead",
        "build/results/.00_quick.json-dead",
        "build/executed/.00_quick.ipynb-dead",
    ):
        (project / folder).mkdir(parents=True)
        (project / folder / "part").write_text("half")
    other = project / "build" / "results" / ".01_large.json-alive"
    other.mkdir()
    run_one.run(project, "00_quick", {})
    assert not list((project / "build").rglob(".00_quick*")) and other.is_dir()


def test_a_kernel_out_of_memory_is_reported(project):
    path = project / "notebooks" / "00_quick.py"
    kill = "if fail:\n    import signal; os.kill(os.getpid(), signal.SIGKILL)\nif fail:"
    path.write_text(path.read_text().replace("if fail:", kill))
    with pytest.raises(IclnbError, match="perhaps for lack of memory"):
        run_one.run(project, "00_quick", {"fail": True})
    assert not (project / "build" / "results").exists()


def test_a_long_name_of_the_folder_for_temporary_files_is_no_hindrance(project, monkeypatch):
    """As on macOS and clusters: the path of a socket has 103 bytes at most."""
    long = project / ("a" * 60) / ("b" * 40)
    long.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(long))
    done = iclnb(project, "run", "00_quick")
    assert done.returncode == 0, done.stderr


def test_any_text_is_shown_whatever_the_terminal_can_show(tmp_path):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    text = QUICK.replace("# # Quick", "# # Is ω > ü?").replace("fail: bool", 'word_2: str = "ŷ"\nfail: bool')
    project = checkout(tmp_path / "Größe ω", {"00_quick": text})

    def said(*words):
        options = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "check": False}
        return subprocess.run(command(*words), cwd=project, env={**os.environ, **plain}, **options)

    done = said("list")
    assert done.returncode == 0, done.stderr
    assert "Is \\u03c9 > " in done.stdout or "Is ω > ü?" in done.stdout
    done = said("run", "00_quick", "--output", "mine ω", "-p", "word", "ζ")
    assert done.returncode == 0, done.stderr
    found = json.loads((project / "mine ω" / "00_quick.json").read_text(encoding="utf-8"))
    assert found["values"] == {"word": "ζ"}
    done = said("run", "00_quick", "-p", "fail", "ω")
    assert (
        done.returncode == 1 and "is not a value for fail" in done.stderr and "Traceback" not in done.stderr
    )
