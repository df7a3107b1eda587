"""Notebooks, their parameters and their pairs."""

import json

import jupytext
import nbformat
import pytest
from throwaway import NOTEBOOK, QUICK, ROOT, checkout, iclnb

from iclnb.errors import IclnbError
from iclnb.publish import notebooks


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("checkout"), {"00_mean": NOTEBOOK, "01_quick": QUICK})


@pytest.fixture(scope="module")
def known(project):
    return notebooks.parameters(notebooks.read(project / "notebooks" / "00_mean.py"))


def test_parameters_are_those_of_the_tagged_cell(known):
    found = [(p.name, p.annotation, p.default, p.help) for p in known.values()]
    assert found == [
        ("profile", "str", "'laptop'", "smoke, laptop or paper"),
        ("k", "int | None", "None", "draws; None: the profile's"),
        ("scale", "float", "1.0", "standard deviation of a draw"),
        ("loud", "bool", "False", "say more"),
        ("seed", "int", "0", "seeds the draws"),
    ]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("k", "8", 8), ("k", "None", None), ("k", "-1", -1), ("scale", "2", 2.0), ("scale", "1e-3", 0.001),
        ("loud", "true", True), ("loud", "False", False), ("profile", "smoke", "smoke"), ("seed", "0", 0),
    ],
)  # fmt: skip
def test_values_take_the_annotated_type(known, key, text, value):
    found = notebooks.check("00_mean", known, [(key, text)])
    assert found == {key: value} and type(found[key]) is type(value)


@pytest.mark.parametrize(
    ("key", "text"), [("k", "eight"), ("k", "8.5"), ("seed", "None"), ("loud", "1"), ("scale", "wide")]
)
def test_a_value_of_another_type_is_refused_with_the_parameters_help(known, key, text):
    with pytest.raises(IclnbError, match=f"'{text}'") as refusal:
        notebooks.check("00_mean", known, [(key, text)])
    assert known[key].help in str(refusal.value)


def test_optional_and_quoted_strings_are_read():
    cell = nbformat.v4.new_code_cell('n: Optional[int] = None\nname: str | None = "a # b"  # why\nbare = 3')
    cell.metadata["tags"] = ["parameters"]
    known = notebooks.parameters(nbformat.v4.new_notebook(cells=[cell]))
    assert (known["name"].default, known["name"].help) == ("'a # b'", "why")
    given = [("n", "none"), ("name", "None"), ("bare", "4")]
    assert notebooks.check("x", known, given) == {"n": None, "name": None, "bare": 4}
    assert notebooks.check("x", known, [("name", "12")]) == {"name": "12"}


def test_a_type_that_no_command_line_can_give_is_refused():
    cell = nbformat.v4.new_code_cell("sizes: list[int] = [1, 2]")
    cell.metadata["tags"] = ["parameters"]
    known = notebooks.parameters(nbformat.v4.new_notebook(cells=[cell]))
    with pytest.raises(IclnbError, match=r"list\[int\]"):
        notebooks.check("x", known, [("sizes", "[3]")])


def test_the_command_refuses_an_unknown_parameter_and_runs_nothing(project):
    done = iclnb(project, "run", "00_mean", "-p", "kk", "8")
    assert done.returncode != 0 and "did you mean 'k'?" in done.stderr
    for listed in ("profile: str", "k: int | None", "draws; None: the profile's", "seeds the draws"):
        assert listed in done.stderr
    assert "Traceback" not in done.stderr and not (project / "build").exists()


def test_the_command_refuses_unknown_names_and_profiles(project):
    done = iclnb(project, "run", "00_meen")
    assert done.returncode != 0 and "did you mean '00_mean'?" in done.stderr and "01_quick" in done.stderr
    done = iclnb(project, "run", "00_mean", "-p", "profile", "huge")
    assert done.returncode != 0 and "smoke, laptop, paper" in done.stderr
    done = iclnb(project.parent, "list")
    assert done.returncode != 0 and "checkout" in done.stderr


def test_list_shows_titles_and_parameters(project):
    done = iclnb(project / "book", "list")  # from anywhere in the checkout
    assert done.returncode == 0
    assert "00_mean: Does a mean converge?" in done.stdout and "01_quick: Quick" in done.stdout
    assert "seed: int = 0  # seeds the draws" in done.stdout


def test_pair_is_jupytexts_conversion_and_is_written_once(project):
    path = notebooks.write_pair(project, "00_mean")
    assert contents(path) == contents(project / "notebooks" / "00_mean.py")
    nbformat.validate(nbformat.read(path, as_version=4))
    before = path.stat().st_mtime_ns
    assert notebooks.write_pair(project, "00_mean").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", notebooks.names(ROOT))
def test_every_notebook_is_paired_and_has_no_outputs(name):
    source, pair = (ROOT / "notebooks" / f"{name}{ending}" for ending in (".py", ".ipynb"))
    assert pair.is_file(), f"`iclnb pair {name}` makes it"
    assert contents(pair) == contents(source), f"{name} was edited; `iclnb pair {name}` makes the pair"
    notebook = json.loads(pair.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook["cells"])


def test_no_pair_is_left_without_its_source():
    pairs = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert pairs == set(notebooks.names(ROOT))


def contents(path):
    """Type, text and tags of every cell, by jupytext itself; ids do not count."""
    cells = jupytext.read(path).cells
    return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in cells]
