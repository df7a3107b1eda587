"""The notebooks of a checkout: which there are, their titles, their parameters, their paired files.

The source of a notebook is ``notebooks/NN_name.py`` (py:percent), which jupytext pairs with the ``.ipynb``
beside it. Runs read the source; :func:`edited_pair` says where the other file has an edit that it lacks.
"""

import copy
import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from iclnb import paths, settings
from iclnb.errors import IclnbError, did_you_mean, unknown
from iclnb.settings import PROFILES, Parameter

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def names(project: Path) -> list[str]:
    """The names of all notebooks of the checkout ``project``, in order."""
    return sorted(path.stem for path in (project / "notebooks").glob("[0-9]*.py"))


def source(project: Path, name: str) -> Path:
    """The ``.py`` source of a notebook, by its name, its number alone ("03a"), or the path of either of its files.

    Raises IclnbError if there is no such notebook; the message lists those there are.
    """
    stem = Path(name).stem if Path(name).suffix in {".py", ".ipynb"} else name
    known = names(project)
    stem = next((each for each in known if each.partition("_")[0] == stem), stem)
    if stem not in known:
        listed = "\n".join(f"  {each}" for each in known) or "  (none)"
        raise IclnbError(f"unknown notebook {name!r}{did_you_mean(stem, known)}; known notebooks:\n{listed}")
    return project / "notebooks" / f"{stem}.py"


def read(path: Path) -> NotebookNode:
    """The notebook that a py:percent source describes, without outputs, with stable cell ids."""
    try:
        notebook = copy.deepcopy(_parsed(path.read_text(encoding="utf-8-sig")))
    except (UnicodeDecodeError, SyntaxError) as error:
        raise IclnbError(f"{path} is not a py:percent notebook: {error}") from error
    notebook.metadata = {"kernelspec": dict(KERNELSPEC), "language_info": {"name": "python"}}
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:12]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = f"{digest}-{seen[digest]}"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


@lru_cache(maxsize=64)
def _parsed(text: str) -> NotebookNode:
    import jupytext

    return jupytext.reads(text, fmt="py:percent")


def edited_pair(source: Path) -> list[str]:
    """A sentence if the ``.ipynb`` beside a source has a later edit that the source lacks; none if not."""
    pair = source.with_suffix(".ipynb")
    if not pair.is_file() or pair.stat().st_mtime_ns <= source.stat().st_mtime_ns or same_cells(source, pair):
        return []
    return [
        f"{pair.name} was edited after {source.name} and differs from it; `iclnb pair {source.stem}` brings "
        f"the edit over (or delete {pair.name}, and it is made again)"
    ]


def same_cells(*paths: Path) -> bool:
    """Whether notebook files of any kind have the same cells: kinds, texts and tags."""
    import jupytext

    found = [
        [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in jupytext.read(path).cells]
        for path in paths
    ]
    return all(cells == found[0] for cells in found)


def pair(project: Path, names: Iterable[str]) -> list[Path]:
    """`jupytext --sync`: of each notebook's files the newer decides, without outputs; gives the ``.ipynb`` ones."""
    import nbformat
    from jupytext.cli import jupytext

    sources = list(dict.fromkeys(source(project, name) for name in names))
    jupytext(["--quiet", "--sync", "--set-kernel", "python3", *map(str, sources)])
    pairs = [path.with_suffix(".ipynb") for path in sources]
    for path in pairs:
        notebook = nbformat.read(path, as_version=4)
        ran = [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]
        for cell in ran:
            cell.outputs, cell.execution_count = [], None
        if ran:
            with paths.replacing(path) as temporary:
                nbformat.write(notebook, temporary)
    return pairs


def title(notebook: NotebookNode) -> str:
    """The text of the first heading of level one, or ``"untitled"``."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return "untitled"


def parameters(path: Path) -> dict[str, Parameter]:
    """The parameters of a notebook's source, in order, from its cell tagged ``parameters``.

    Raises IclnbError with the line, if the cell is not Python, or a default is not a literal.
    """
    for cell in read(path).cells:
        if "parameters" in cell.metadata.get("tags", ()):
            before, _, _ = path.read_text(encoding="utf-8-sig").partition(cell.source)
            return settings.declared(cell.source, path, before.count("\n") + 1)
    return {}


def check(name: str, known: Mapping[str, Parameter], given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The values of the parameters given on the command line.

    Returns:
        Each parameter's value, of the annotated type; a model's folder as it is named from the checkout.

    Raises:
        IclnbError: for an unknown parameter (the message lists the known ones with their help), for a value
            that is not of the annotated type, and for values of which nothing could be measured.
    """
    values = {}
    for key, text in given:
        if key not in known:
            raise settings.unknown_parameter(key, known)
        try:
            typed = paths.from_checkout(text) if key == "model" else text
            values[key] = settings.parse(key, known[key].kinds, typed)
        except IclnbError as error:
            raise IclnbError(f"{error}\n  {known[key]}") from error
    if values.get("profile", PROFILES[0]) not in PROFILES:
        raise unknown("profile", values["profile"], PROFILES)
    settings.refuse_too_little(known, values)
    return values


def changed(known: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that differ from the notebook's defaults under the chosen profile."""
    profile = settings.chosen_profile(known, values)
    return {key: value for key, value in values.items() if repr(value) != repr(known[key].under(profile))}
