"""From a figure to its source: a small line below every figure and table."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from iclnb.run import notebooks
from iclnb.site import repository


def mark(page: NotebookNode, project: Path, name: str) -> NotebookNode:
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
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"origin-{cell.id}"))
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
