"""`iclnb new`: the chapter that it makes runs, holds its claim, passes its own test and the house's rules."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from throwaway import ROOT, checkout, iclnb

from iclnb.cli import new_chapter
from iclnb.errors import IclnbError
from iclnb.run import notebooks
from iclnb.site import book


@pytest.fixture
def project(tmp_path):
    project = checkout(tmp_path, {})
    for part in ("tests", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        copy(ROOT / part, project / part)
    shutil.copyfile(ROOT / "notebooks" / "ruff.toml", project / "notebooks" / "ruff.toml")
    return project


def python(project, module, *words):
    environment = {**os.environ, "PYTHONPATH": str(project)}
    done = subprocess.run(
        [sys.executable, "-m", module, *words], cwd=project, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_a_new_chapter_runs_and_passes_the_houses_rules(project):
    before = yaml.safe_load((project / "_toc.yml").read_text())
    done = iclnb(project, "new", "99_is_it_so")
    assert done.returncode == 0 and "notebooks/99_is_it_so.ipynb" in done.stdout, done.stderr
    after = yaml.safe_load((project / "_toc.yml").read_text())
    assert after["parts"][0]["chapters"][-1] == {"file": "notebooks/99_is_it_so"}
    assert "99_is_it_so" in book.chapters(project)
    after["parts"][0]["chapters"].pop()
    assert after == before, "nothing else of the table of contents changed"
    for options in (("--record", "--allow-changes"), ("-p", "profile", "smoke")):
        code, said = python(project, "iclnb.cli", "run", "99_is_it_so", *options)
        assert code == 0, said
    results = json.loads((project / "build" / "results" / "99_is_it_so.json").read_text())
    assert [claim["id"] for claim in results["claims"]] == ["mean-above-zero"]
    assert [run["record"] for run in results["ladder"]] == ["book/recorded/99_is_it_so/laptop.nc"]
    code, said = python(
        project, "pytest", "-rA", "-p", "no:cacheprovider", "tests/is_it_so", "tests/test_structure.py", "-k",
        "is_it_so or two_modules",
    )  # fmt: skip
    assert code == 0 and "PASSED tests/is_it_so/" in said, said
    assert len(re.findall(r"^PASSED tests/test_structure.*is_it_so", said, flags=re.M)) >= 12, said
    places = ("iclnb/is_it_so", "tests/is_it_so", "notebooks/99_is_it_so.py")
    for words in (("check",), ("format", "--check")):
        code, said = python(project, "ruff", *words, "--no-cache", *places)
        assert code == 0, said


def test_a_name_that_does_not_do_is_refused_and_nothing_is_written(project):
    (project / "notebooks" / "01_first.py").write_text("# %% [markdown]\n# # First\n")
    before = sorted(path.relative_to(project) for path in project.rglob("*"))
    for name, why in {
        "seven": "no name for a chapter", "07_Why": "no name for a chapter", "07_../x": "no name for a chapter",
        "07_lambda": "no name for a chapter", "08_lsa": "exists already", "08_claims": "exists already",
        "01_other": "number 01 is taken",
    }.items():  # fmt: skip
        with pytest.raises(IclnbError, match=why):
            new_chapter.make(project, name)
    assert sorted(path.relative_to(project) for path in project.rglob("*")) == before


def test_a_table_of_contents_without_questions_is_refused(project):
    (project / "_toc.yml").write_text("format: jb-book\nroot: book/introduction\n")
    with pytest.raises(IclnbError, match="no part 'Questions'"):
        new_chapter.make(project, "99_is_it_so")
    assert not notebooks.names(project)
