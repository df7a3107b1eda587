"""Publishing in one step: workflows, the dev container, what archives read, hosted notebooks."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from throwaway import NOTEBOOK, ROOT, checkout, git, set_address

from iclnb.llm.data import task_files
from iclnb.llm.loading import catalogue
from iclnb.run import notebooks
from iclnb.site import repository

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
URL = "https://github.com/owner/name"


def commands(workflow):
    """Every line that a workflow's steps run."""
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


def linted(*files):
    linter = Path(sys.executable).with_name("actionlint")
    return subprocess.run([linter, *files], cwd=ROOT, capture_output=True, text=True, check=False)


def test_workflows_have_no_fault_and_the_linter_sees_one(tmp_path):
    done = linted(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.yml"
    text = next(path for path in WORKFLOWS if path.stem == "test").read_text()
    wrong.write_text(text.replace("${{ github.workspace }}", "${{ github.workplace }}"))
    assert linted(wrong).returncode and wrong.read_text() != text


def test_what_workflows_run_is_there():
    every = " ".join(line for path in WORKFLOWS for line in commands(path))
    targets = set(re.findall(r"make (\w+)", every))
    assert targets and targets <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.M))
    for script in re.findall(r"\.ci/[\w.]+", every):
        assert (ROOT / script).is_file(), script
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    kept = [path.read_text() for path in WORKFLOWS if path.stem != "links"]
    assert all("path: _build/html" in text for text in kept)


def test_tests_run_on_the_oldest_and_the_newest_python_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert project["requires-python"] == f">={named[0]}"
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == [named[0], named[-1]]


def test_the_published_address_is_asked_for_once_it_is_another_repositorys(tmp_path):
    (step,) = [line for line in commands(ROOT / ".github/workflows/publish.yml") if "REPOSITORY" in line]
    config = tmp_path / "_config.yml"
    config.write_text((ROOT / "_config.yml").read_text())
    for url, warned in (("", True), (URL, False), ("https://github.com/else/name", True)):
        set_address(config, url)
        environment = {**os.environ, "GITHUB_REPOSITORY": "owner/name"}
        done = subprocess.run(
            ["bash", "-ec", step], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 and ("::warning" in done.stdout) == warned, url


def test_the_weekly_check_asks_the_papers_addresses():
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "links.py", "--list"], capture_output=True, text=True
    )
    listed = done.stdout.split()
    assert {"https://arxiv.org/abs/2305.12766", "https://arxiv.org/abs/2512.04268"} <= set(listed)
    assert not [link for link in listed if any(part in link for part in ("127.0.0.1", "owner/name", "$"))]


def test_archives_read_the_same_everywhere():
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert zenodo["title"] == citation["title"] and zenodo["upload_type"] == citation["type"]
    assert zenodo["version"] == citation["version"] == project["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", changes, flags=re.M)[1] == project["version"]
    assert zenodo["license"] == citation["license"] == project["license"]
    assert [each["name"] for each in zenodo["creators"]] == [each["name"] for each in citation["authors"]]
    papers = {each["url"].rpartition("/")[2] for each in citation["references"]}
    assert papers == {each["identifier"].removeprefix("arXiv:") for each in zenodo["related_identifiers"]}


def test_the_page_of_citing_has_this_version_and_a_licence_of_every_model_and_task():
    page = (ROOT / "book" / "citing.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"version = {{{project['version']}}}" in page
    for task in task_files.names(None):
        assert re.search(rf"^\|.*`{task}`.*\| .+ \| .+ \|$", page, flags=re.M), task
    for card in catalogue.CARDS:
        (licence,) = re.findall(rf"^\|.*`{card.name}`.*\| (\S+) \|$", page, flags=re.M)
        assert licence.lower() == card.licence


@pytest.fixture
def project(tmp_path):
    return checkout(tmp_path, {"00_mean": NOTEBOOK})


def test_in_colab_the_second_cell_installs_this_repositorys_package(project):
    source = project / "notebooks" / "00_mean.py"
    plain = notebooks.read(source)
    assert repository.for_colab(notebooks.read(source), repository.read(project)) == plain
    set_address(project / "_config.yml", f"{URL}/")
    made = repository.for_colab(notebooks.read(source), repository.read(project))
    nbformat.validate(made)
    cell = made.cells.pop(1)
    assert made == plain, "the pair in the repository has no such cell"
    code = TransformerManager().transform_cell(cell.source)
    asked = []
    shell = type("Shell", (), {"run_line_magic": lambda self, *words: asked.append(words)})()
    exec(code, {"get_ipython": lambda: shell})
    assert not asked, "outside Colab it does nothing"
    sys.modules["google.colab"] = sys
    try:
        exec(code, {"get_ipython": lambda: shell, "print": lambda text: None})
    finally:
        del sys.modules["google.colab"]
    assert asked == [("pip", f'install --quiet "iclnb @ git+{URL}@main"')]


def test_the_workflow_puts_the_notebooks_for_colab_on_the_branch_that_buttons_lead_to(tmp_path):
    workflow = yaml.safe_load((ROOT / ".github/workflows/publish.yml").read_text(encoding="utf-8"))
    steps = [step["run"] for step in workflow["jobs"]["colab"]["steps"] if "run" in step]
    remote, first = tmp_path / "remote", tmp_path / "first"
    for words in (("init", "-q", "--bare", remote), ("clone", "-q", remote, first)):
        git(tmp_path, *words)
    (first / "else").write_text("x")
    for words in (("add", "."), ("commit", "-qm", "first"), ("push", "-q", "origin", "HEAD")):
        git(first, *words)
    for text in ("one", "two"):
        clone = tmp_path / text
        git(tmp_path, "clone", "-q", remote, clone)
        environment = {**os.environ, "GITHUB_SHA": "abc"}
        for step in steps:
            subprocess.run(["bash", "-ec", step], cwd=clone, env=environment, check=True, capture_output=True)
            (clone / "notebooks").mkdir(exist_ok=True)  # where the artefact goes
            (clone / "notebooks" / "00_mean.ipynb").write_text(text)
        assert git(remote, "grep", "", repository.COLAB) == f"colab:notebooks/00_mean.ipynb:{text}"


def test_a_commit_is_checked_by_the_tools_of_the_environment_and_nothing_is_downloaded():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in config["repos"][0]["hooks"])
