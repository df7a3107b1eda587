"""A wheel, built and installed without a network, works without the checkout."""

import os
import shutil
import subprocess
import sys
import tomllib

import pytest
from throwaway import ROOT

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--quiet"]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Runs a command of the wheel, built from a copy (setuptools builds in place), in an empty folder."""
    source, target, empty = map(tmp_path_factory.mktemp, ("source", "target", "empty"))
    shutil.copytree(ROOT / "iclnb", source / "iclnb", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    words = ["install", "--no-deps", "--no-build-isolation", "--no-index", "--target", target, source]
    subprocess.run([*PIP, *words], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def run(*words):
        program = [] if words[0] == "-c" else [target / "bin" / words[0]]
        command = [sys.executable, *program, *words[len(program) :]]
        done = subprocess.run(
            command, cwd=empty, env=environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout.strip(), done.stderr

    run.target = target
    return run


def files(folder):
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"}


def test_every_file_of_the_package_is_installed(installed):
    assert files(installed.target / "iclnb") == files(ROOT / "iclnb")


def test_the_library_works_without_the_checkout(installed):
    code = (
        "import iclnb; from iclnb import api; print(iclnb.__version__, api.__file__, api.kernel_regression)"
    )
    status, shown, errors = installed("-c", code)
    assert status == 0, errors
    assert shown.startswith(f"{VERSION} {installed.target}")


def test_the_command_works_without_the_checkout(installed):
    assert installed("iclnb", "--version")[1] == f"iclnb, version {VERSION}"
    status, shown, errors = installed("iclnb", "models")
    assert status == 0 and "smollm2-135m-instruct" in shown, errors
    status, shown, errors = installed("iclnb", "list")
    assert status == 1 and "lies in no checkout" in errors and "Traceback" not in errors
