"""Notebooks, their parameters and their pairs."""

import json
import os
import re
from pathlib import Path

import nbformat
import papermill.cli
import pytest
from throwaway import NOTEBOOK, QUICK, ROOT, checkout, iclnb

from iclnb.errors import IclnbError
from iclnb.run import notebooks
from iclnb.settings import ByProfile, Parameter, parse, read


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("checkout"), {"00_mean": NOTEBOOK, "01_quick": QUICK})


def source(folder, *lines):
    """A notebook's source, its parameters cell made of ``lines`` (from line 5 on)."""
    path = folder / "00_it.py"
    cell = "\n".join(lines)
    path.write_text(f'# %% [markdown]\n# # Title\n\n# %% tags=["parameters"]\n{cell}\n', encoding="utf-8")
    return path


def test_optional_and_quoted_strings_are_read(tmp_path):
    lines = ("n: Optional[int] = None", 'name: str | None = "a # b"  # why', "bare = 3")
    known = notebooks.parameters(source(tmp_path, *lines))
    assert (known["name"].default, known["name"].help) == ("a # b", "why")
    given = [("n", "none"), ("name", "None"), ("bare", "4")]
    assert notebooks.check("x", known, given) == {"n": None, "name": None, "bare": 4}
    assert notebooks.check("x", known, [("name", "12")]) == {"name": "12"}


def test_defaults_of_every_profile_are_read_however_they_are_written(tmp_path):
    known = notebooks.parameters(
        source(
            tmp_path,
            "%load_ext autoreload",
            "from iclnb import settings",
            "from iclnb.settings import by_profile",
            "a: int = by_profile(",
            "    1, 2_000, -3",
            ")  # help below",
            "b: str = settings.by_profile(paper='p', smoke='s', laptop='l')",
        )
    )
    assert known["a"].default == ByProfile(1, 2000, -3) and known["a"].help == "help below"
    assert str(known["a"]) == "a: int = 1 (smoke), 2000 (laptop), -3 (paper)  # help below"
    assert [known["b"].under(profile) for profile in ("smoke", "laptop", "paper")] == ["s", "l", "p"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("k: int = 2 * 4", "k must be a literal"),
        ("k: int = by_profile(1, 2)", "by_profile"),
        ("k: int = by_profile(1, 2, size)", "k must be a literal"),
        ("k: int = len('abc')", "k must be a literal"),
        ("k: int = = 3", "invalid syntax"),
    ],
)
def test_what_cannot_be_known_without_running_is_refused_with_file_and_line(tmp_path, line, problem):
    path = source(tmp_path, "profile: str = 'smoke'", "", line)
    with pytest.raises(IclnbError, match=rf"{re.escape(str(path))}, line 7: .*{problem}"):
        notebooks.parameters(path)


TEXTS = [
    "8", "-1", "8.5", "1e3", "1_000", " 8 ", "inf", "nan", "true", "True", "FALSE", "None", "none", "", "x",
    "12", "0x1",
]  # fmt: skip
KINDS = ("int", "float", "bool", "str", "Optional[int]", "Optional[float]", "Optional[str]", "int | str")


@pytest.mark.parametrize("annotation", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_papermill_gives_the_same_value_or_is_refused(annotation, text):
    """`papermill -p` guesses a type before the notebook sees the value."""
    guessed = papermill.cli._resolve_type(text)
    cell = f'profile: str = "smoke"\nx: {annotation} = None'
    try:
        by_papermill = read({"In": [cell], "profile": "smoke", "x": guessed}).x
    except IclnbError:
        return
    if not isinstance(by_papermill, str) or isinstance(guessed, str) or str(guessed) == text:
        assert repr(by_papermill) == repr(parse("x", Parameter("x", annotation, None, "").kinds, text))
    else:  # of " 8 " and 1_000 it leaves the number alone
        assert by_papermill == str(guessed) and int(text) == guessed


def test_the_command_refuses_an_unknown_parameter_and_runs_nothing(project):
    done = iclnb(project, "run", "00_mean", "-p", "kk", "8")
    assert done.returncode != 0 and "did you mean 'k'?" in done.stderr
    for listed in (
        "profile: str",
        "k: int = 10 (smoke), 100 (laptop), 1000 (paper)  # draws",
        "seeds the draws",
    ):
        assert listed in done.stderr
    assert "Traceback" not in done.stderr and not (project / "build").exists()


def test_the_command_refuses_unknown_names_and_profiles(project):
    done = iclnb(project, "run", "00_meen")
    assert done.returncode != 0 and "did you mean '00_mean'?" in done.stderr and "01_quick" in done.stderr
    done = iclnb(project, "run", "00_mean", "-p", "profile", "huge")
    assert done.returncode != 0 and "laptop, paper, smoke" in done.stderr
    done = iclnb(project.parent, "list")
    assert done.returncode != 0 and "checkout" in done.stderr


def test_list_shows_titles_and_parameters(project):
    done = iclnb(project / "book", "list")  # from anywhere in the checkout
    assert done.returncode == 0
    assert "00_mean: Does a mean converge?" in done.stdout and "01_quick: Quick" in done.stdout
    assert "seed: int = 0  # seeds the draws" in done.stdout


@pytest.mark.parametrize("page", ["README.md", "book/how_to_run.md"])
def test_the_commands_that_pages_show_name_notebooks_and_parameters_that_there_are(page):
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"(?:iclnb run|papermill) (?:notebooks/)?(0\w+)(?:\.ipynb)?([^\n`#]*)", text)
    assert commands
    for name, options in commands:
        known = notebooks.parameters(notebooks.source(ROOT, name))
        notebooks.check(name, known, re.findall(r"-p (\S+) (\S+)", options))


def later(path, text):
    """Write a file so that it is newer than its pair."""
    path.write_text(text, encoding="utf-8")
    newest = max(other.stat().st_mtime_ns for other in path.parent.glob(f"{path.stem}.*"))
    os.utime(path, ns=(newest + 10**9, newest + 10**9))


def test_an_edit_of_either_file_reaches_the_other_and_is_never_passed_over(project):
    source = project / "notebooks" / "00_mean.py"
    (pair,) = notebooks.pair(project, ["00_mean"])
    nbformat.validate(nbformat.read(pair, as_version=4))
    ids = [cell.id for cell in nbformat.read(pair, as_version=4).cells]
    later(source, source.read_text().replace("The running mean.", "A running mean."))
    assert notebooks.edited_pair(source) == [] and not notebooks.same_cells(source, pair)
    notebooks.pair(project, ["00_mean"])
    assert "A running mean." in pair.read_text()

    edited = nbformat.read(pair, as_version=4)
    edited.cells[-1].update(execution_count=3, outputs=[nbformat.v4.new_output("stream", text="x")])
    later(pair, nbformat.writes(edited).replace("A running mean.", "Running means."))
    for words in (("run", "00_mean", "-p", "profile", "smoke"), ("status", "--check")):
        done = iclnb(project, *words)
        assert done.returncode == 1
        assert "00_mean.ipynb was edited after 00_mean.py and differs from it" in done.stdout + done.stderr
    assert iclnb(project, "pair", "00_mean").stdout == f"{pair}\n"
    assert "Running means." in source.read_text() and notebooks.edited_pair(source) == []
    paired = nbformat.read(pair, as_version=4)
    assert [cell.id for cell in paired.cells] == ids and not paired.cells[-1].outputs
    later(pair, pair.read_text())
    assert notebooks.edited_pair(source) == [], "a later time alone is no edit"


@pytest.mark.parametrize("name", notebooks.names(ROOT))
def test_every_notebook_is_paired_and_has_no_outputs(name):
    source, pair = (ROOT / "notebooks" / f"{name}{ending}" for ending in (".py", ".ipynb"))
    assert pair.is_file(), f"`iclnb pair {name}` makes it"
    newer = max(source, pair, key=lambda path: path.stat().st_mtime_ns).name
    assert notebooks.same_cells(source, pair), f"they differ; {newer} is newer, `iclnb pair {name}` takes it"
    notebook = json.loads(pair.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"])


@pytest.mark.parametrize("name", notebooks.names(ROOT))
def test_every_notebook_checks_the_types_that_papermill_gives(name):
    """Right below its parameters cell, before anything uses them."""
    cells = notebooks.read(ROOT / "notebooks" / f"{name}.py").cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    place = next(i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", ()))
    design = ", design" if re.search(r"import (\w+ as )?design\b", code[place + 1].source) else ""
    assert f"run = settings.read(globals(){design})\n" in code[place + 1].source + "\n"


def test_a_models_folder_is_looked_for_where_the_command_was_typed(project, monkeypatch, tmp_path):
    """As under papermill, whose notebooks run there; they themselves run at the root of the checkout."""
    known = notebooks.parameters(
        source(tmp_path, 'profile: str = "smoke"', 'model: str = "tiny"', 'task: str = "t"')
    )

    def given(folder, text):
        monkeypatch.chdir(folder)
        return notebooks.check("x", known, [("model", text), ("task", text)])

    for name in ("a", "a/checkpoint-500", "checkpoint-500"):
        (project / name).mkdir(exist_ok=True)
    for text in ("checkpoint-500", "./checkpoint-500", "../a/checkpoint-500"):
        found = given(project / "a", text)
        assert (project / found["model"]).samefile(project / "a" / "checkpoint-500") and found["task"] == text
        assert not Path(found["model"]).is_absolute()
    assert given(project / "a", "./missing")["model"] == "a/missing"
    for text in ("tiny", "owner/name", str(project / "a"), ""):
        assert given(project / "a", text)["model"] == text
    assert given(project, "./checkpoint-500")["model"] == "./checkpoint-500"
    assert given(tmp_path, "./m")["model"] == "./m"  # outside any checkout
