"""The Makefile: the environment is made once, and an interrupted installation is not taken for one."""

import os
import re
import shutil
import subprocess

import pytest
from throwaway import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")

PYTHON = """#!/bin/sh
echo "$@" >> "$LOG"
case "$*" in
  *version_info*) exit ${TOO_OLD:-0} ;;
  "-m venv .venv") mkdir -p .venv/bin
    for name in python iclnb pre-commit; do cp "$0" .venv/bin/$name; done ;;
  *"-r requirements.txt") exit ${INTERRUPTED:-0} ;;
esac
"""


@pytest.fixture
def project(tmp_path):
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy2(ROOT / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path


def make(project, *words, **variables):
    """Run make with a Python that only notes what it is asked; returns the outcome and those notes."""
    log = project / "log"
    log.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment |= {"LOG": str(log), **variables}
    command = ["make", f"PYTHON={project / 'python'}", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env=environment, check=False)
    notes = log.read_text().splitlines() if log.exists() else []
    return done, [note for note in notes if "version_info" not in note]


def test_help_is_the_default_and_names_every_target(project):
    done, asked = make(project)
    assert done.returncode == 0 and not asked
    targets = set(re.search(r"\.PHONY: (.*)", (project / "Makefile").read_text())[1].split()) - {"help"}
    assert {"book", "test", "lock", "clean"} <= targets
    assert all(f"make {target}" in done.stdout for target in targets)


def test_book_installs_once(project):
    done, asked = make(project, "book", "PROFILE=smoke")
    assert done.returncode == 0, done.stderr
    assert [note.split()[0] for note in asked] == ["-m", "-m", "-m", "book"]
    assert asked[-1] == "book --fetch --profile smoke" and "--no-deps" in asked[2]
    done, asked = make(project, "book")
    assert asked == ["book --fetch --profile laptop"]
    done, asked = make(project, "test")
    assert len(asked) == 1 and asked[0].startswith("-m pytest -n auto")
    os.utime(project / "requirements.txt", (2**31, 2**31))
    assert any("-r requirements.txt" in note for note in make(project, "test")[1])


def test_hooks_are_offered_until_they_are_there(project):
    assert "make hooks" in make(project, ".venv/installed")[0].stdout
    assert make(project, "hooks")[1] == ["install"]
    (project / ".git" / "hooks").mkdir(parents=True)
    (project / ".git" / "hooks" / "pre-commit").touch()
    assert "make hooks" not in make(project, "-B", ".venv/installed")[0].stdout


def test_an_interrupted_installation_goes_on(project):
    done, asked = make(project, "book", INTERRUPTED="1")
    assert done.returncode != 0 and not any(note.startswith("book") for note in asked)
    done, asked = make(project, "book")
    assert done.returncode == 0
    assert any("-r requirements.txt" in note for note in asked) and asked[-1].startswith("book")


def test_an_old_python_is_refused_first(project):
    done, asked = make(project, "book", TOO_OLD="1")
    assert done.returncode != 0 and "Python 3.11 or newer is needed" in done.stderr
    assert not asked and not (project / ".venv").exists()
