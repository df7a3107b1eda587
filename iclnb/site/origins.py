"""From a number to its run: a small line below every figure and table, and on demand below computed prose."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from iclnb import display
from iclnb.records import status
from iclnb.run import notebooks
from iclnb.site import repository
from iclnb.site.results.runs import HERE


def mark(page: NotebookNode, project: Path, name: str, results: Mapping[str, Any]) -> NotebookNode:
    """The page with a line below each cell that shows a figure, a table or prose with numbers.

    The line says which run this was, its model, data, parameters and revision, whether it is fresh, and
    links to the cell's source and to the run's results. Below prose it shows when the pointer rests on the
    prose, or the keyboard reaches the line's links.

    Args:
        page: of the chapter (:func:`iclnb.site.pages.page`).
        project: the checkout.
        name: of the notebook.
        results: the JSON of the run.
    """
    source = notebooks.source(project, name)
    lines = dict(_lines(source))
    address = repository.read(project).file(f"notebooks/{name}.py")
    state = status.of_notebook(project, name).state
    facts = described(results, state)
    cells = []
    for cell in page.cells:
        cells.append(cell)
        if kind := shows(cell):
            code = _cell_link(address, name, lines.get(cell.id))
            text = f"{facts} · {code} · {{download}}`data <../downloads/{name}.json>`"
            text = f":::{{div}} {kind}\n{text}\n:::"
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"origin-{cell.id}"))
    page.cells = cells
    return page


def shows(cell: NotebookNode) -> str:
    """The classes of the line below a cell: of a figure or table, or of prose; empty for neither."""
    prose = False
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        text = "".join("".join(data.get(kind, "")) for kind in ("text/html", "text/markdown"))
        if "image/png" in data or "<img" in text or "<table" in text or "| --- |" in text:
            return "iclnb-origin"
        prose = prose or "text/markdown" in data
    return "iclnb-origin iclnb-prose" if prose else ""


def described(results: Mapping[str, Any], state: str) -> str:
    """A run in one line of Markdown: where, model, data, parameters, revision, date, fresh or stale."""
    origin, data = results["provenance"].get("model") or {}, results["provenance"].get("data", ())
    model = origin.get("name") or results["parameters"].get("model")
    read = dict.fromkeys(f"{each['task']} ({each['source']})" for each in data)
    chosen = dict(results.get("key", {}).get("parameters", {}))
    profile = chosen.pop("profile", results["parameters"].get("profile"))
    parts = [
        f"profile {profile}" if profile else "",
        " ".join(filter(None, (str(model or ""), origin.get("dtype") or ""))),
        ", ".join(read),
        ", ".join(f"{key} = {value}" for key, value in chosen.items() if key not in {"model", "task"}),
        f"revision {_short(results['provenance'].get('revision'))}",
        str(results["provenance"].get("time", ""))[:10],
    ]
    return f"*{HERE}*: {display.escape(', '.join(filter(None, parts)))}, **{state}**"


def _short(revision: str | None) -> str:
    if not revision:
        return "not known"
    commit, plus, changes = revision.partition("+")
    return commit[:7] + plus + changes


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
