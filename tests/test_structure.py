"""The architecture, checked: imports run one way, importing is quiet, what is pinned is what is asked for."""

import ast
import graphlib
import json
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from throwaway import ROOT

GROUND = {"errors", "paths", "profiles"}
BASE = GROUND | {"provenance", "stats", "claims", "figures"}
MAY_IMPORT = {
    "errors": set(),
    "paths": {"errors"},
    "profiles": {"errors"},
    "provenance": GROUND,
    "stats": GROUND,
    "claims": GROUND | {"provenance", "stats"},
    "figures": GROUND | {"stats"},
    "bayes": BASE,
    "llm": BASE,
    "lsa": BASE,
    "publish": BASE | {"llm"},  # the command line fetches what language models need
}
"""What each part of the package may import from the others; ``bayes``, ``llm`` and ``lsa`` stand apart."""

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "iclnb").rglob("*.py"))
}


TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def imports(module):
    """The modules of the package that ``module`` imports, at its top or inside functions."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively; say from where"
            names = [
                full if (full := f"{node.module}.{alias.name}") in MODULES else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "iclnb")


def part(module):
    return module.split(".")[1] if "." in module else None


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    if part(module) is None:
        assert not list(imports(module)), "the package itself imports nothing"
        return
    allowed = MAY_IMPORT[part(module)] | {part(module), None}
    foreign = {name for name in imports(module) if part(name) not in allowed}
    assert not foreign, f"{module} may not import {foreign}"
    assert "iclnb.publish.cli" not in imports(module), "nothing imports the command line"


def test_data_stands_below_the_rest_of_llm():
    above = {name for name in MODULES if name.startswith("iclnb.llm.") and ".data" not in name}
    for module in MODULES:
        if module.startswith("iclnb.llm.data"):
            assert not above & set(imports(module)), module


LLM_STUDIES = {"heads": set(), "phenomena": {"heads"}, "guess": set()}
"""The folders of ``iclnb.llm`` that belong to one notebook, and which others they may import."""


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("iclnb.llm.")])
def test_studies_stand_above_what_they_share(module):
    folder = module.split(".")[2]
    allowed = LLM_STUDIES.get(folder, set()) | {folder}
    used = {name.split(".")[2] for name in imports(module) if name.startswith("iclnb.llm.")}
    assert not (used & LLM_STUDIES.keys()) - allowed, module


def test_no_two_modules_import_each_other():
    graphlib.TopologicalSorter({module: set(imports(module)) for module in MODULES}).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_the_package_never_prints(module):
    calls = [node.func for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if ast.unparse(call) in {"print", "sys.stdout.write"}]


def test_importing_the_package_loads_no_framework():
    listing = "import json, sys, iclnb; print(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", listing], cwd=ROOT)))
    assert "iclnb" in loaded
    assert not loaded & {"torch", "jax", "transformers", "sentence_transformers", "numpy", "matplotlib"}


IMPORT_ALL = """
import importlib, json, socket, sys
def refuse(*words): raise OSError("an import asked for the network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
import matplotlib.pyplot as plt
assert not plt.get_fignums(), "an import drew a figure"
assert "sentence_transformers" not in sys.modules, "takes long to import"
"""


def test_no_import_prints_draws_or_asks_for_the_network(tmp_path):
    words = [sys.executable, "-c", IMPORT_ALL, json.dumps(list(MODULES))]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_style():
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache", "iclnb", "tests", "notebooks"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_requirements_are_pinned_and_fit_the_project():
    text = (ROOT / "requirements.txt").read_text()
    pins = {}
    for line in re.findall(r"^[^#\s].*", text, flags=re.M):
        requirement = Requirement(line.split(" #")[0])
        assert re.fullmatch(r"==[\w.!]+", str(requirement.specifier)), f"{line} pins no public version"
        pins[canonical(requirement.name)] = str(requirement.specifier)
    assert "make lock" in text and not re.search(r"://|--\w+-url|--find-links|--trusted-host", text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        wanted = Requirement(line)
        assert pins.get(canonical(wanted.name)) == str(wanted.specifier), f"{line}: say `make lock`"
    assert pins["torch"] == "==2.13.0"


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()
