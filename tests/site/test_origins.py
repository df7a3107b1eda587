"""The line below a figure or a table: where its source and data are."""

import re

import nbformat
import pytest
from throwaway import checkout, set_address

from iclnb.run import notebooks
from iclnb.site import origins

SOURCE = """# %% [markdown]
# # Why so?

# %% tags=["parameters"]
profile: str = "laptop"  # size
k: int = 4  # draws

# %%
x = 1

# %%
x = 1

# %%
y = [
    2,
]
"""


@pytest.fixture
def project(tmp_path):
    return checkout(tmp_path, {"00_why": SOURCE})


def page(project, *outputs):
    """The page of the notebook; one output for each code cell, ``None`` for none."""
    notebook = notebooks.read(project / "notebooks" / "00_why.py")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, data in zip(code, (None, *outputs), strict=True):
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)] if data else []
    return origins.mark(notebook, project, "00_why")


def lines(cells):
    return [cell.source for cell in cells if cell.id.startswith("origin-")]


def test_figures_and_tables_have_a_line_and_nothing_else_has(project):
    plain, picture = {"text/plain": "1"}, {"text/html": "<figure><img></figure>"}
    table = {"text/markdown": "| a |\n| --- |\n| 1 |"}
    cells = page(project, plain, picture, table).cells
    strips = {"text/html": '<div class="iclnb-strips"><table></table></div>'}
    assert not lines(page(project, strips, {"text/markdown": "It is 0.3."}, None).cells), (
        "they have their own"
    )
    kinds = [cell.cell_type if not cell.id.startswith("origin-") else "line" for cell in cells]
    assert kinds == ["markdown", "code", "code", "code", "line", "code", "line"]
    nbformat.validate(nbformat.v4.new_notebook(cells=cells))


def test_the_line_says_where_the_cell_stands(project):
    picture = {"image/png": "aGk="}
    first, second, third = lines(page(project, picture, picture, picture).cells)
    source = (project / "notebooks" / "00_why.py").read_text().splitlines()
    number = re.search(r"00_why\.py>`, line (\d+)", first)
    assert source[int(number[1]) - 1] == "x = 1"
    assert int(re.search(r", line (\d+)", second)[1]) > int(number[1]), "cells alike are told apart"
    start, end = map(int, re.search(r"lines (\d+) to (\d+)", third).groups())
    assert source[start - 1 : end] == ["y = [", "    2,", "]"]
    assert "{download}`data <../downloads/00_why.json>`" in first


def test_with_the_repositorys_address_the_line_leads_to_the_cell(project):
    set_address(project / "_config.yml", "https://github.com/owner/name/")
    *_, third = lines(page(project, None, None, {"image/png": "aGk="}).cells)
    assert re.search(r"\(https://github\.com/owner/name/blob/main/notebooks/00_why\.py#L\d+-L\d+\)", third)
