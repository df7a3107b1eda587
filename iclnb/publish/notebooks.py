"""The notebooks of a checkout: which there are, their titles, their parameters, their paired files.

The source of a notebook is ``notebooks/NN_name.py`` (jupytext, py:percent). The ``.ipynb`` beside it is made
from the source and never read here, so a stale pair cannot be run.
"""

import ast
import difflib
import hashlib
import io
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from iclnb import paths
from iclnb.errors import IclnbError
from iclnb.settings import PROFILES

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell: ``name: annotation = default  # help``."""

    name: str
    annotation: str
    default: str
    help: str

    def __str__(self) -> str:
        line = f"{self.name}: {self.annotation} = {self.default}"
        return f"{line}  # {self.help}" if self.help else line


def names(project: Path) -> list[str]:
    """The names of all notebooks of the checkout ``project``, in order."""
    return sorted(path.stem for path in (project / "notebooks").glob("[0-9]*.py"))


def source(project: Path, name: str) -> Path:
    """The ``.py`` source of a notebook.

    Args:
        project: the checkout.
        name: the notebook's name, or the path of either of its files.

    Raises:
        IclnbError: if there is no such notebook; the message lists those there are.
    """
    stem = Path(name).stem if Path(name).suffix in {".py", ".ipynb"} else name
    if stem not in (known := names(project)):
        listed = "\n".join(f"  {each}" for each in known) or "  (none)"
        raise IclnbError(f"unknown notebook {name!r}{_guess(stem, known)}; known notebooks:\n{listed}")
    return project / "notebooks" / f"{stem}.py"


def read(path: Path) -> NotebookNode:
    """The notebook that a py:percent source describes, without outputs, with stable cell ids."""
    import jupytext

    try:
        notebook = jupytext.read(path, fmt="py:percent")
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


def write_pair(project: Path, name: str) -> Path:
    """Make ``notebooks/<name>.ipynb`` from the source, without outputs; returns its path."""
    import nbformat

    path = source(project, name)
    text = nbformat.writes(read(path)) + "\n"
    target = path.with_suffix(".ipynb")
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        with paths.replacing(target) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return target


def title(notebook: NotebookNode) -> str:
    """The text of the first heading of level one, or ``"untitled"``."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return "untitled"


def parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """The parameters of a notebook, in order, from its cell tagged ``parameters``.

    Read from the syntax tree: papermill's own reader does not see a parameter annotated ``int | None``.
    """
    cells = (cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ()))
    cell = next(cells, None)
    if cell is None:
        return {}
    tokens = tokenize.generate_tokens(io.StringIO(cell.source).readline)
    comments = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    found = {}
    for node in ast.parse(cell.source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(targets[0], ast.Name):
            continue
        default = ast.unparse(node.value) if node.value else "None"
        annotation = getattr(node, "annotation", None)
        kind = ast.unparse(annotation) if annotation else type(ast.literal_eval(default)).__name__
        name = targets[0].id
        found[name] = Parameter(name, kind, default, comments.get(node.end_lineno, ""))
    return found


def check(name: str, known: Mapping[str, Parameter], given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The values of the parameters given on the command line.

    Args:
        name: the notebook, for messages.
        known: its parameters.
        given: name and value of each parameter, as typed.

    Returns:
        Each parameter's value, of the annotated type.

    Raises:
        IclnbError: for an unknown parameter (the message lists the known ones with their help), and for
            a value that is not of the annotated type.
    """
    values = {}
    for key, text in given:
        if key not in known:
            listed = "\n".join(f"  {each}" for each in known.values()) or "  (none)"
            raise IclnbError(
                f"{name} has no parameter {key!r}{_guess(key, known)}; its parameters are:\n{listed}"
            )
        values[key] = _value(known[key], text)
    if values.get("profile", PROFILES[0]) not in PROFILES:
        raise IclnbError(f"unknown profile {values['profile']!r}; known: {', '.join(PROFILES)}")
    return values


def changed(known: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that differ from the notebook's defaults."""
    return {key: value for key, value in values.items() if repr(value) != known[key].default}


def _guess(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _value(parameter: Parameter, text: str) -> Any:
    """``text`` read as the annotated type: str, int, float, bool, None, or a union of these."""
    readers = {"None": _none, "bool": _bool, "int": int, "float": float, "str": str}
    kinds = _kinds(ast.parse(parameter.annotation, mode="eval").body)
    if foreign := kinds - set(readers):
        raise IclnbError(
            f"{parameter.name} is annotated {parameter.annotation}, which cannot be given on the command "
            f"line ({', '.join(sorted(foreign))}); edit the notebook's parameters cell instead"
        )
    for kind, reader in readers.items():  # from the narrowest to the widest
        if kind in kinds:
            try:
                return reader(text)
            except ValueError:
                continue
    raise IclnbError(f"{text!r} is not a value for {parameter}")


def _kinds(annotation: ast.expr) -> set[str]:
    """Names of the types in ``X``, ``X | Y``, ``Optional[X]``."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _kinds(annotation.left) | _kinds(annotation.right)
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Optional"):
        return {"None"} | _kinds(annotation.slice)
    kind = ast.unparse(annotation)
    return {"None" if kind == "NoneType" else kind}


def _none(text: str) -> None:
    if text.lower() != "none":
        raise ValueError(text)


def _bool(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"
