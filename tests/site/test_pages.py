"""One chapter as a page: the answer first, prose as it is now, the settings that were used, every output."""

import itertools

import nbformat
import pytest
from runs_by_hand import NO, YES, claim

from iclnb.errors import IclnbError
from iclnb.run import notebooks
from iclnb.settings import Parameter
from iclnb.site import pages

SOURCE = """# %% [markdown]
# # Why so?
#
# The question.

# %% tags=["parameters", "hide-input"]
k: int = 4  # draws | of a *coin*
name: str = "a"  # who
gone: int = 0  # not in the record

# %%
first = k

# %% tags=["answer", "hide-input"]
first + 1

# %% [markdown]
# ## Method

# %% [markdown] tags=["answer"]
# What would change it.

# %%
last = 3
"""
RECORD = {"parameters": {"k": 8, "name": "x_y | <b>", "else": 1}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "00_why.py"
    path.write_text(SOURCE)
    return path


def executed(path, *, injected=False):
    """The notebook as papermill leaves it, an output in each code cell that names its source."""
    notebook = notebooks.read(path)
    if injected:
        cell = nbformat.v4.new_code_cell("k = 8", metadata={"tags": ["injected-parameters"]})
        notebook.cells.insert(2, cell)
    for count, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.execution_count = count + 1
        cell.outputs = [nbformat.v4.new_output("stream", text=f"of {cell.source.splitlines()[-1]}")]
    return notebook


def text(cell):
    return cell.source if cell.cell_type == "markdown" else "".join(out.text for out in cell.outputs)


def made(path, here="", **options):
    downloads = {"../a.py": "script", "../b.ipynb": "notebook"}
    return pages.page(path, executed(path, **options), RECORD, downloads, here)


@pytest.mark.parametrize("injected", [False, True])
def test_the_answer_stands_below_the_question_and_no_output_is_lost(path, injected):
    cells = made(path, injected=injected).cells
    settings, switch = cells.pop(6), cells.pop(4)
    assert [text(cell) for cell in cells] == [
        "# Why so?\n\nThe question.",
        "of first + 1",
        "What would change it.",
        "Download: {download}`script <../a.py>` · {download}`notebook <../b.ipynb>`",
        "of gone: int = 0  # not in the record",
        "of first = k",
        "## Method",
        "of last = 3",
    ]
    assert "Settings" in settings.source and "iclnb-switch" in switch.source
    nbformat.validate(made(path, injected=injected))


def test_what_this_machine_found_stands_before_the_limits_or_last(path):
    assert [text(cell) for cell in made(path, here="## Here").cells][-1] == "## Here"
    path.write_text(SOURCE + "\n# %% [markdown]\n# ## Limits\n#\n# Many.\n")
    cells = [text(cell) for cell in made(path, here="## Here").cells]
    assert cells[-2:] == ["## Here", "## Limits\n\nMany."]


def test_code_that_does_not_teach_is_behind_one_switch(path):
    page = made(path)
    folded = [cell.source for cell in page.cells if pages.FOLDED in cell.metadata.get("tags", ())]
    assert sorted(source.partition(" ")[0] for source in folded) == ["first", "k:"]
    assert not [cell for cell in page.cells if "hide-input" in cell.metadata.get("tags", ())]
    assert sum('id="iclnb-code"' in cell.source for cell in page.cells) == 1


def test_what_prose_says_of_claims_is_held_against_the_records(path):
    path.write_text(SOURCE.replace("What would", "{claim}`It is so <up: supported everywhere>`. What would"))
    ladder = [{"name": "m", "claims": [claim("up", YES)]}]
    page = pages.page(path, executed(path), RECORD | {"ladder": ladder}, {})
    assert "&#10;m: supported" in page.cells[2].source
    with pytest.raises(IclnbError, match="00_why: the sentence 'It is so'"):
        pages.page(
            path, executed(path), RECORD | {"ladder": [{"name": "m", "claims": [claim("up", NO)]}]}, {}
        )


def test_values_that_could_be_mistaken_are_quoted(path):
    known = notebooks.parameters(path)
    values = ["None", "", None, True, 0.5, "word"]
    shown = [pages.settings(known, {"k": value}).splitlines()[4].split(" | ")[1] for value in values]
    assert shown == ["'None'", "''", "None", "True", "0.5", "word"]


def test_prose_is_that_of_the_source_and_code_that_of_the_run(path):
    ran = executed(path)
    edited = SOURCE.replace("The question.", "A better question.")
    path.write_text(edited.replace("# ## Method", "# ## New\n\n# %% [markdown]\n# more"))
    cells = pages.page(path, ran, RECORD, {}).cells
    assert cells[0].source == "# Why so?\n\nA better question."
    assert [text(cell) for cell in cells][-3:] == ["## New", "more", "of last = 3"]


def test_a_page_of_another_notebook_or_without_a_title_is_refused(path):
    ran = executed(path)
    path.write_text(SOURCE + "\n# %%\nmore = 1\n")
    with pytest.raises(IclnbError, match=r"00_why has 5 code cells, and 4 when it was run"):
        pages.page(path, ran, RECORD, {})
    path.write_text(SOURCE.replace("# # Why so?\n#\n", ""))
    with pytest.raises(IclnbError, match="must begin with a Markdown cell"):
        pages.page(path, ran, RECORD, {})


def test_settings_of_recorded_runs_stand_beside_those_of_this_run():
    known = {name: Parameter(name, "int", 4, "numbers") for name in ("k", "sets")}
    recorded = {"SmolLM2-135M": {"k": 16, "sets": 10}, "Qwen2.5-Coder-0.5B": {"k": 16, "sets": 10},
                "Qwen2.5-Coder-1.5B": {"k": 16, "sets": 6}}  # fmt: skip
    text = pages.settings(known, {"k": 4, "sets": 2}, recorded)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    assert rows[0] == ["setting", "recorded", "this run", "meaning"]
    assert rows[2:] == [
        ["`k`", "16", "4", "numbers"],
        ["`sets`", "10 (SmolLM2-135M, Qwen2.5-Coder-0.5B), 6 (Qwen2.5-Coder-1.5B)", "2", "numbers"],
    ]


ALIKE = """# %% [markdown]
# # Why so?

# %%
x = 1

# %%
x = 1

# %%
y = [
    2,
]
"""


def origins(project, *outputs):
    """The lines below the code cells of a notebook with these outputs (``None`` for none); the page is whole."""
    (project / "notebooks").mkdir(exist_ok=True)
    (project / "notebooks" / "00_why.py").write_text(ALIKE)
    notebook = notebooks.read(project / "notebooks" / "00_why.py")
    for cell, data in zip(notebook.cells[1:], outputs, strict=True):
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)] if data else []
    made = pages.with_origins(notebook, project, "00_why")
    nbformat.validate(made)
    return [
        below.source
        for cell, below in itertools.pairwise([*made.cells, None])
        if below and below.id == f"origin-{cell.id}"
    ]


PICTURE, FIGURE = {"image/png": "aGk="}, {"text/html": "<figure><img></figure>"}


def test_figures_and_tables_alone_have_a_line_that_says_where_their_cell_stands(tmp_path):
    plain, table = {"text/plain": "1"}, {"text/markdown": "| a |\n| --- |\n| 1 |"}
    strips = {"text/html": '<div class="iclnb-strips"><table></table></div>'}
    assert origins(tmp_path, strips, {"text/markdown": "It is 0.3."}, plain) == []
    first, second, third = origins(tmp_path, PICTURE, FIGURE, table)
    assert "00_why.py>`, line 5 · {download}`data <../downloads/00_why.json>`" in first
    assert "line 8 ·" in second, "cells alike are told apart"
    assert "lines 11 to 13 ·" in third


def test_with_the_repositorys_address_the_line_leads_to_the_cell(tmp_path):
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://github.com/owner/name/\n")
    (line,) = origins(tmp_path, None, None, PICTURE)
    assert "(https://github.com/owner/name/blob/main/notebooks/00_why.py#L11-L13)" in line
