"""Settings of a run: declared in one cell's text, defaults by profile, values of the annotated type."""

import ast
import subprocess
import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell

from iclnb.errors import IclnbError
from iclnb.settings import Parameter, by_profile, declared, parse, read

CELL = """
from typing import Optional
from iclnb.settings import by_profile

profile: str = "laptop"  # smoke, laptop or paper
k: int = by_profile(4, 16, 32)
rate: float = by_profile(0.5, 1, 2.0)
revision: Optional[str] = None
sizes: tuple = by_profile((1, 2), (3,), ())
"""


def notebook(*cells):
    """A notebook's variables when its cells have run as IPython runs them in Python 3.14.

    Every statement is compiled alone and no ``__annotations__`` are kept.
    """
    variables = {"In": ["", *cells], "unrelated": object(), "__annotations__": {"data_dir": str}}
    for cell in cells:
        for statement in ast.parse(cell).body:
            exec(compile(ast.Module([statement], []), "<cell>", "exec"), variables)
            variables.pop("__annotations__", None)
    return variables


def one(annotation, value):
    """The setting ``x`` of this type, where this value took the place of the default."""
    variables = notebook(f'from typing import *\nprofile: str = "smoke"\nx: {annotation} = None')
    return read(variables | {"x": value}).x


@pytest.mark.parametrize(
    ("profile", "chosen"),
    [("smoke", (4, 0.5, (1, 2))), ("laptop", (16, 1.0, (3,))), ("paper", (32, 2.0, ()))],
)
def test_every_profile_has_its_defaults_in_the_order_of_the_cell(profile, chosen):
    settings = read(notebook(CELL, f"# Parameters\nprofile = {profile!r}\n"))
    assert (settings.k, settings.rate, settings.sizes) == chosen and type(settings.rate) is float
    assert list(vars(settings)) == ["profile", "k", "rate", "revision", "sizes"]


def test_an_unknown_profile_is_refused_with_those_there_are():
    with pytest.raises(IclnbError, match="unknown profile 'huge'; known: laptop, paper, smoke"):
        read(notebook(CELL, 'profile = "huge"'))


def test_an_unknown_parameter_is_refused_with_those_there_are():
    with pytest.raises(
        IclnbError, match=r"'kk' \(did you mean 'k'\?\)(.|\n)*k: int = 4 \(smoke\), 16 (.|\n)*sizes"
    ):
        read(notebook(CELL, "# Parameters\nrate = 2.0\nkk = 3\n"))
    assert (
        read(notebook(CELL, "kk = 3\nother: int = 4")).k == 16
    )  # a reader's own cell is none of papermill's


def test_the_cell_that_was_run_last_declares_the_settings():
    assert read(notebook(CELL, "# Parameters\nk = 3", CELL.replace("rate", "pace"))).pace == 1


def test_ipython_keeps_the_cells_and_its_startup_files_declare_nothing(tmp_path):
    startup = tmp_path / "00-mine.py"
    startup.write_text('data_dir: str = "/secret"\n')
    shell = InteractiveShell()
    shell.safe_execfile(str(startup), shell.user_ns)
    for cell in ("%matplotlib --list\n" + CELL, "# Parameters\nk = 3\n"):
        shell.run_cell(cell, store_history=True).raise_error()
    assert shell.user_ns["data_dir"] == "/secret" and read(shell.user_ns).k == 3
    assert "data_dir" not in vars(read(shell.user_ns))
    shell.reset()  # as between two notebooks of one process
    with pytest.raises(IclnbError, match="run the parameters cell first"):
        read(shell.user_ns)


def test_a_script_made_of_a_notebook_reads_its_own_file(tmp_path):
    script = tmp_path / "it.py"
    read_it = "from iclnb import settings\nprint(vars(settings.read(globals())))"
    script.write_text(f'# %% [markdown]\n# %magic\n\n# %% tags=["parameters"]\n{CELL}\n# %%\n{read_it}\n')
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout)["k"] == 16


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("int", True, "x is True, a value of type bool; expected int"),
        ("int", 2.0, "type float; expected int"),
        ("int", None, "type None; expected int"),
        ("float", True, "type bool"),
        ("str", 1.5, "type float; expected str; papermill .* -r"),
        ("str", None, "x is None"),
        ("Optional[int]", 0.5, "expected None or int"),
        ("int", "eight", "'eight' is not a value for x; expected int"),
        ("bool", "1", "'1' is not a value for x; expected bool"),
        ("float", 10**400, "too large"),
        ("list", "[1]", "list, which a command line cannot give"),
        ("int", by_profile("a", "b", "c"), "'a' is not a value for x"),
    ],
)
def test_a_value_of_another_type_is_refused(kind, value, message):
    with pytest.raises(IclnbError, match=message.replace("[", r"\[")):
        one(kind, value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "-3", -3), ("float", "1e-3", 0.001), ("float", "2", 2.0), ("bool", "true", True),
        ("Optional[int]", "none", None), ("Optional[int]", "4", 4),
        ("int | str", "4", 4), ("int | str", "x", "x"), ("bool", "FALSE", False),
        ("Union[float, None]", "None", None), ("bool | int", "1", 1),
    ],
)  # fmt: skip
def test_text_means_the_same_wherever_it_is_typed(kind, text, value):
    for got in (parse("x", Parameter("x", kind, None, "").kinds, text), one(kind, text)):
        assert got == value and type(got) is type(value)


def test_text_stays_text_and_what_papermill_took_for_a_number_becomes_text_again():
    for text in ("12", "true", "None", ""):
        assert one("str", text) == text == parse("x", {"str"}, text)
    for value in (12, True):
        assert one("str", value) == one("Optional[str]", value) == str(value)


def test_values_below_the_least_are_refused_together_with_what_would_do():
    cell = (
        'profile: str = "smoke"\nk: int = at_least(2, by_profile(4, 16, 16))  # shown\n'
        "rate: float = at_least(0.5, 1.0)\nfree: int = 0\n"
    )
    known = declared(cell)
    assert str(known["k"]) == "k: int = 4 (smoke), 16 (laptop, paper), at least 2  # shown"
    assert [one.least for one in known.values()] == [None, 2, 0.5, None]
    cell = "from iclnb.settings import at_least, by_profile\n" + cell
    fine = read(notebook(cell, "# Parameters\nk = 2\nrate = 0.5\nfree = -1"))
    assert (fine.k, fine.rate, fine.free) == (2, 0.5, -1) and read(notebook(cell)).k == 4
    with pytest.raises(IclnbError) as refused:
        read(notebook(cell, "# Parameters\nk = 1\nrate = 0.4"))
    assert "k = 1: take 2 or more\n  k: int" in str(refused.value) and "rate = 0.4" in str(refused.value)
    with pytest.raises(IclnbError, match="nan"):
        read(notebook(cell, "# Parameters\nrate = float('nan')"))


def test_what_the_design_refuses_is_refused_before_the_settings_are_had():
    def design(run):
        raise IclnbError(f"no task has {run.k}")

    with pytest.raises(IclnbError, match="no task has 4"):
        read(notebook(CELL, '# Parameters\nprofile = "smoke"'), design)
