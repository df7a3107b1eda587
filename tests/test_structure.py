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

GROUND = {"errors", "paths", "settings", "keys"}
BASE = GROUND | {
    "provenance", "store", "findings", "ladders", "stats", "display", "criteria", "claims", "figures",
    "kernel_regression",
}  # fmt: skip
ROOMS = {
    "bayes": "01",
    "allocation": "02",
    "heads": "03",
    "steering": "04",
    "lsa": "05",
    "guess": "06",
    "influence": "07",
}
"""The rooms of the house, one for each chapter, and the chapter's number."""

MAY_IMPORT = {
    "errors": set(),
    "paths": {"errors"},
    "settings": {"errors"},
    "keys": {"errors", "paths", "settings"},
    "provenance": GROUND,
    "store": GROUND,
    "findings": GROUND,
    "ladders": GROUND | {"provenance", "store", "findings"},
    "stats": GROUND,
    "display": GROUND | {"stats"},
    "criteria": GROUND | {"stats"},
    "claims": GROUND | {"provenance", "stats", "display", "criteria", "figures", "ladders"},
    "figures": GROUND | {"stats", "display"},
    "kernel_regression": GROUND,
    "llm": BASE,
    "bayes": BASE,
    "allocation": BASE | {"llm"},
    "heads": BASE | {"llm"},
    "steering": BASE | {"llm", "heads"},
    "lsa": BASE,
    "guess": BASE | {"llm", "lsa"},
    "influence": BASE | {"llm"},
    "api": BASE | {"llm"},
    "run": BASE,
    "records": BASE | {"run", "llm"},
    "site": BASE | {"run", "records"},
    "cli": BASE | {"run", "records", "site", "llm"},  # fetches what language models need
}
"""What each part of the package may import from the others; mechanism below, rooms above."""

NEW_ROOM = BASE | {"llm"}
"""What a room may import that `iclnb new` made, and that has no line above."""

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "iclnb").rglob("*.py"))
    if "template" not in path.parts  # the files of a new chapter, checked when one is made
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
    allowed = MAY_IMPORT.get(part(module), NEW_ROOM) | {part(module), None}
    foreign = {name for name in imports(module) if part(name) not in allowed}
    assert not foreign, f"{module} may not import {foreign}"
    assert part(module) == "cli" or "cli" not in map(part, imports(module)), "nothing imports it"


def test_data_stands_below_the_rest_of_llm():
    above = {name for name in MODULES if name.startswith("iclnb.llm.") and ".data" not in name}
    for module in MODULES:
        if module.startswith("iclnb.llm.data"):
            assert not above & set(imports(module)), module


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_the_same_anatomy(room):
    files = {path.stem for path in (ROOT / "iclnb" / room).glob("*.py")}
    assert {"__init__", "material", "pictures"} <= files
    assert any(name.startswith("estimates") for name in files), "what decides claims stands in estimates"


NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("[0-9]*.py"))]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebooks_hold_choices_and_interpretation(name):
    """No function, no figure drawn by hand, and no more visible code than a reader takes in."""
    text = (ROOT / "notebooks" / f"{name}.py").read_text("utf-8")
    cells = re.split(r"^# %%", text, flags=re.M)[1:]
    code = [cell for cell in cells if not cell.startswith(" [markdown]")]
    assert not re.search(r"^\s*(def|class) |fmt: (skip|off)|pyplot", text, flags=re.M)
    shown = [cell for cell in code if "hide-input" not in cell.split("\n")[0]]
    lines = [sum(bool(line.strip()) for line in cell.split("\n")[1:]) for cell in shown]
    assert max(lines, default=0) <= 10 and sum(lines) <= 160, "fold what does not teach (hide-input)"
    assert len(text.splitlines()) <= 520


@pytest.mark.parametrize("module", MODULES)
def test_files_and_functions_can_be_read_in_one_sitting(module):
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= 350
    functions = [n for n in ast.walk(TREES[module]) if isinstance(n, ast.FunctionDef)]
    long = {
        n.name: n.end_lineno - n.body[bool(ast.get_docstring(n))].lineno + 1 for n in functions if n.body[1:]
    }
    assert not {name: lines for name, lines in long.items() if lines > 60}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_needs_what_only_some_systems_have(module):
    """Windows has no ``os.sysconf``, and macOS not all of its names; psutil asks each system in its own way."""
    used = {ast.unparse(node) for node in ast.walk(TREES[module]) if isinstance(node, ast.Attribute)}
    assert not used & {"os.sysconf", "os.getuid", "os.geteuid", "os.uname"}
    alone = {"fcntl", "grp", "pwd", "resource", "termios"}
    named = [n for n in ast.walk(TREES[module]) if isinstance(n, ast.Import)]
    assert not {alias.name for n in named for alias in n.names} & alone


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
