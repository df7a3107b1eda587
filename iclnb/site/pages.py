"""One chapter as a page: prose from its source, outputs from its run, the answer first, the settings used.

Below every figure and table a small line leads to its source and its data.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nbformat
from nbformat import NotebookNode

from iclnb import display
from iclnb.errors import IclnbError
from iclnb.run import notebooks
from iclnb.site import answers, repository

FOLDED = "folded-code"
"""The tag of cells whose code shows when the page's switch is on; in sources they are tagged ``hide-input``."""

SWITCH = """```{raw} html
<label class="iclnb-switch"><input type="checkbox" id="iclnb-code"> Show all code</label>
```"""


def page(
    source: Path,
    executed: NotebookNode,
    results: Mapping[str, Any],
    downloads: Mapping[str, str],
    here: str = "",
) -> NotebookNode:
    """The notebook that a page of the book is made from.

    Prose may have changed since the run, which is then still up to date, so it comes from the source; what it
    says of claims is held against the records (:mod:`iclnb.site.answers`). Cells tagged ``answer`` come first,
    in their order; downloads and the switch for code follow them. What this machine found stands before limits.

    Raises IclnbError if the notebook does not begin with its title, was executed with other code cells, or
    says what the records do not.
    """
    notebook = notebooks.read(source)
    cells = notebook.cells
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.lstrip().startswith("# "):
        raise IclnbError(f"{source} must begin with a Markdown cell whose first line is its title, '# ...'")
    _insert_outputs(source.stem, cells, executed.cells)
    recorded = {run["name"]: run for run in results.get("ladder", ())}
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = answers.resolve(cell.source, recorded, source.stem)
        elif "hide-input" in _tags(cell):
            cell.metadata.tags = [FOLDED if tag == "hide-input" else tag for tag in _tags(cell)]
    answer = [cell for cell in cells[1:] if "answer" in _tags(cell)]
    links = " · ".join(f"{{download}}`{kind} <{file}>`" for file, kind in downloads.items())
    rest = []
    for cell in cells[1:]:
        if here and cell.cell_type == "markdown" and cell.source.startswith("## Limits"):
            rest.append(_markdown("here", here))
            here = ""
        if "answer" not in _tags(cell):
            rest.append(cell)
        if "parameters" in _tags(cell):
            used = {name: run.get("parameters", {}) for name, run in recorded.items()}
            rest.append(
                _markdown("settings", settings(notebooks.parameters(source), results["parameters"], used))
            )
    top = [_markdown("downloads", f"Download: {links}"), _markdown("switch", SWITCH)]
    notebook.cells = [cells[0], *answer, *top, *rest, *([_markdown("here", here)] if here else [])]
    return notebook


def with_origins(page: NotebookNode, project: Path, name: str) -> NotebookNode:
    """The page with a line below each cell that shows a figure or a table: links to its source and its data."""
    source = notebooks.source(project, name)
    lines = dict(_lines(source))
    address = repository.read(project).file(f"notebooks/{name}.py")
    cells = []
    for cell in page.cells:
        cells.append(cell)
        if shows(cell):
            link = _cell_link(address, name, lines.get(cell.id))
            text = f":::{{div}} iclnb-origin\n{link} · {{download}}`data <../downloads/{name}.json>`\n:::"
            cells.append(_markdown(f"origin-{cell.id}", text))
    page.cells = cells
    return page


def shows(cell: NotebookNode) -> bool:
    """Whether a cell puts out a figure or a table; claims have numbers of their own."""
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        text = "".join("".join(data.get(kind, "")) for kind in ("text/html", "text/markdown"))
        table = "<table" in text or "| --- |" in text
        if "iclnb-strips" not in text and ("image/png" in data or "<img" in text or table):
            return True
    return False


def settings(
    known: Mapping[str, notebooks.Parameter],
    used: Mapping[str, Any],
    recorded: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> str:
    """A folded table of the settings that this run and the recorded ones used, in MyST Markdown."""
    rows = []
    for name, parameter in known.items():
        values: dict[str, list[str]] = {}
        for run, theirs in recorded.items():
            if name in theirs:
                values.setdefault(_shown(theirs[name]), []).append(run)
        told = [
            value if len(values) == 1 else f"{value} ({', '.join(runs)})" for value, runs in values.items()
        ]
        if name in used:
            cells = [", ".join(told)] if recorded else []
            rows.append((display.Author(f"`{name}`"), *cells, _shown(used[name]), parameter.help))
    header = ("setting", *(["recorded"] if recorded else []), "this run", "meaning")
    return f":::::{{dropdown}} Settings\n\n{display.table(header, rows).data}\n\n:::::"


def _insert_outputs(name: str, cells: Iterable[NotebookNode], executed: Sequence[NotebookNode]) -> None:
    """Give every code cell the outputs of its run; papermill's cell of given parameters is left out."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    ran = [cell for cell in executed if cell.cell_type == "code" and "injected-parameters" not in _tags(cell)]
    if len(code) != len(ran):
        raise IclnbError(
            f"{name} has {len(code)} code cells, and {len(ran)} when it was run; it was edited meanwhile; "
            "say `iclnb book` again"
        )
    for cell, done in zip(code, ran, strict=True):
        cell.outputs = copy.deepcopy(done.outputs)
        cell.execution_count = done.execution_count


def _lines(source: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    """For each code cell of a source its id, and its first and last line there."""
    text = source.read_text(encoding="utf-8-sig")
    start = 0
    for cell in notebooks.read(source).cells:
        found = text.find(cell.source, start) if cell.cell_type == "code" else -1
        if found >= 0:
            first = text.count("\n", 0, found) + 1
            yield cell.id, (first, first + cell.source.count("\n"))
            start = found + len(cell.source)


def _cell_link(address: str, name: str, lines: tuple[int, int] | None) -> str:
    """The cell in the repository, at the source's ``address``, else in the script to download."""
    if lines is None:
        return f"{{download}}`source <../downloads/{name}.py>`"
    first, last = lines
    said = f"line {first}" if first == last else f"lines {first} to {last}"
    if address:
        return f"[source, {said}]({address}#L{first}-L{last})"
    return f"{{download}}`source <../downloads/{name}.py>`, {said}"


def _shown(value: Any) -> str:
    """A setting's value as text; text that is empty, or that reads like another value, in quotes."""
    plain = isinstance(value, str) and value and value not in {"True", "False", "None"}
    return value if plain else repr(value)


def _markdown(id: str, text: str) -> NotebookNode:
    return nbformat.v4.new_markdown_cell(text, id=id)


def _tags(cell: NotebookNode) -> Sequence[str]:
    return cell.metadata.get("tags", ())
