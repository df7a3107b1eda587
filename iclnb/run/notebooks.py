"""The notebooks of a checkout: which there are, their titles, their parameters, their paired files.

The source of a notebook is ``notebooks/NN_name.py`` (jupytext, py:percent). The ``.ipynb`` beside it is made
from the source and never read here, so a stale pair cannot be run.
"""

import ast
import copy
import difflib
import hashlib
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from iclnb import paths, settings
from iclnb.errors import IclnbError, unknown
from iclnb.settings import PROFILES, ByProfile

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell: ``name: annotation = default  # help``.

    ``default`` is a value, or a :class:`iclnb.settings.ByProfile` with one for each profile.
    """

    name: str
    annotation: str
    default: Any
    help: str

    def __str__(self) -> str:
        line = f"{self.name}: {self.annotation} = {self._defaults()}"
        return f"{line}  # {self.help}" if self.help else line

    def under(self, profile: str) -> Any:
        """The default under one of :data:`iclnb.settings.PROFILES`."""
        return getattr(self.default, profile) if isinstance(self.default, ByProfile) else self.default

    @property
    def kinds(self) -> set[str]:
        """Names of the types that a value may have."""
        return _kinds(ast.parse(self.annotation, mode="eval").body)

    def _defaults(self) -> str:
        if not isinstance(self.default, ByProfile):
            return repr(self.default)
        groups: dict[str, list[str]] = {}
        for profile, value in self.default._asdict().items():
            groups.setdefault(repr(value), []).append(profile)
        return ", ".join(f"{value} ({', '.join(profiles)})" for value, profiles in groups.items())


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


def write_pair(project: Path, name: str) -> Path:
    """Make ``notebooks/<name>.ipynb`` from the source, without outputs; returns its path.

    Once ``_config.yml`` has the repository's address, a cell that installs the package in Colab comes second.
    """
    import nbformat

    from iclnb.run import colab

    path = source(project, name)
    text = nbformat.writes(colab.with_install(read(path), project)) + "\n"
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


def parameters(path: Path) -> dict[str, Parameter]:
    """The parameters of a notebook's source, in order, from its cell tagged ``parameters``.

    Read from the syntax tree, so that nothing runs; lines that only IPython understands are skipped.

    Raises:
        IclnbError: with the line, if the cell is not Python, or a default is not a literal.
    """
    cell = next((cell for cell in read(path).cells if "parameters" in cell.metadata.get("tags", ())), None)
    if cell is None:
        return {}
    text = re.sub(r"^\s*[%!?].*$", "", cell.source, flags=re.MULTILINE)
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise IclnbError(f"{_line(path, cell.source, error.lineno or 1)}: {error.msg}") from error
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    found = {}
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name):
            try:
                default = _default(node.value)
            except ValueError as error:
                where = _line(path, cell.source, node.lineno)
                raise IclnbError(
                    f"{where}: the default of {target.id} must be a literal, or by_profile(...) of three "
                    f"literals, not {ast.unparse(node.value)}"
                ) from error
            kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else type(default).__name__
            helps = [comments[line] for line in range(node.lineno, node.end_lineno + 1) if line in comments]
            found[target.id] = Parameter(target.id, kind, default, " ".join(helps))
    return found


def _default(node: ast.expr | None) -> Any:
    """The value of a default; ``ValueError`` where it can only be known by running the notebook."""
    if not isinstance(node, ast.Call):
        return None if node is None else ast.literal_eval(node)
    if ast.unparse(node.func) not in {"by_profile", "settings.by_profile"}:
        raise ValueError(ast.unparse(node))
    named = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
    try:
        return settings.by_profile(*map(ast.literal_eval, node.args), **named)
    except TypeError as error:
        raise ValueError(str(error)) from error


def _line(path: Path, cell: str, line: int) -> str:
    """Where a line of a cell stands in the notebook's source."""
    before, _, _ = path.read_text(encoding="utf-8-sig").partition(cell)
    return f"{path}, line {before.count(chr(10)) + line}"


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
        try:
            values[key] = settings.parse(key, known[key].kinds, text)
        except IclnbError as error:
            raise IclnbError(f"{error}\n  {known[key]}") from error
    if values.get("profile", PROFILES[0]) not in PROFILES:
        raise unknown("profile", values["profile"], PROFILES)
    return values


def changed(known: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that differ from the notebook's defaults under the chosen profile."""
    profile = values.get("profile", known["profile"].default if "profile" in known else PROFILES[0])
    return {key: value for key, value in values.items() if repr(value) != repr(known[key].under(profile))}


def _guess(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _kinds(annotation: ast.expr) -> set[str]:
    """Names of the types in ``X``, ``X | Y``, ``Optional[X]``."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _kinds(annotation.left) | _kinds(annotation.right)
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Optional"):
        return {"None"} | _kinds(annotation.slice)
    kind = ast.unparse(annotation)
    return {"None" if kind == "NoneType" else kind}
