"""A wheel, built and installed without a network, works without the checkout."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from throwaway import ROOT

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--quiet"]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, since setuptools builds in place."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "iclnb", folder / "iclnb", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, folder / name)
    words = [
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        folder / "made",
        folder,
    ]
    subprocess.run([*PIP, *words], check=True)
    (made,) = (folder / "made").iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs a command of the installed wheel in an empty folder."""
    target, empty = tmp_path_factory.mktemp("target"), tmp_path_factory.mktemp("empty")
    words = ["install", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run([*PIP, *words], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def run(*words):
        words = (
            [sys.executable, *words]
            if words[0] == "-c"
            else [sys.executable, target / "bin" / words[0], *words[1:]]
        )
        done = subprocess.run(words, cwd=empty, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr

    run.target = target
    return run


def test_the_wheel_holds_every_file_of_the_package(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("iclnb/")}
    files = [path for path in (ROOT / "iclnb").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert held == {path.relative_to(ROOT).as_posix() for path in files}


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
