"""The package's files that a notebook needs, and what they do on a processor.

What stands under ``if tensor.is_cuda:`` no processor runs: it cannot change what a processor computes, and
counts apart.
"""

import ast
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

from iclnb.errors import IclnbError
from iclnb.keys.fingerprint import fingerprint, of_tree

PACKAGE = "iclnb"


def package_files(
    project: Path, *sources: Path, gpu: bool = False, without: Collection[str] = ()
) -> set[Path]:
    """The files of the package in ``project`` that ``sources`` need, found through their import statements.

    Imports anywhere in a file count, at its top or inside a function, but for those that a GPU alone runs,
    unless ``gpu``. A package folder brings the files in it that are not Python (tables, lists of hashes).
    """
    found: set[Path] = set()
    known: set[str] = set()
    waiting = list(sources)
    while waiting:
        here = waiting.pop()
        names = _imports(project, here, here.stat().st_mtime_ns, gpu)[0] - known
        known |= names
        names = {name for name in names if not f"{name}.".startswith(tuple(f"{part}." for part in without))}
        new = {path for name in names for path in _module_files(project, name)} - found
        found |= new
        waiting += [path for path in new if path.suffix == ".py"]
    return found


@cache
def _imports(project: Path, path: Path, changed: int, gpu: bool) -> tuple[frozenset[str], frozenset[str]]:
    """Dotted names of ours that a file loads, or may load, and the top-level names of other packages.

    ``from a import b`` gives ``a`` and ``a.b``.
    """
    inside, text = path.relative_to(project).with_suffix("").parts, _without_magics(path)
    try:
        tree = ast.parse(text, str(path))
    except SyntaxError as error:
        raise IclnbError(f"{path}, line {error.lineno}: {error.msg}") from error
    found: list[str] = []
    for node in _statements(tree, gpu):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*inside[: len(inside) - node.level]] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += (f"{module}.{alias.name}" for alias in node.names)
    names = [name.split(".") for name in found]
    ours = {".".join(n[:length]) for n in names if n[0] == PACKAGE for length in range(1, len(n) + 1)}
    return frozenset(ours), frozenset(name[0] for name in names)


def _statements(node: ast.AST, gpu: bool) -> Iterator[ast.stmt]:
    """The statements under a node, but for those under ``if TYPE_CHECKING:``, and those of a GPU unless ``gpu``."""
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        if part == "body" and isinstance(node, ast.If) and _left_out(node.test, gpu):
            continue
        for child in getattr(node, part, ()):
            yield child
            yield from _statements(child, gpu)


def _left_out(test: ast.expr, gpu: bool) -> bool:
    return (_asks_for_gpu(test) and not gpu) or ast.unparse(test).endswith("TYPE_CHECKING")


def _asks_for_gpu(test: ast.expr) -> bool:
    return isinstance(test, ast.Attribute) and test.attr == "is_cuda"


def _without_magics(path: Path) -> str:
    """A file's text with lines that only IPython understands (``%``, ``!``) left empty."""
    return re.sub(r"^\s*[%!].*$", "", path.read_text(encoding="utf-8-sig"), flags=re.MULTILINE)


def _module_files(project: Path, name: str) -> Iterator[Path]:
    """The files that are loaded for a dotted name: a module, or what a package folder holds."""
    place = project.joinpath(*name.split("."))
    if place.is_dir():
        yield from (p for p in place.iterdir() if p.is_file() and p.suffix not in {".py", ".pyc"})
        place = place / "__init__"
    if (module := place.with_suffix(".py")).is_file():
        yield module


def libraries(project: Path, paths: Iterable[Path]) -> set[str]:
    """The top-level names of everything that some files import, on a GPU too."""
    python = (path for path in paths if path.suffix == ".py")
    return set().union(*(_imports(project, path, path.stat().st_mtime_ns, True)[1] for path in python))


def fingerprint_of(path: Path) -> str:
    """The fingerprint of a file without what a GPU alone runs."""
    return _without_gpu(path, path.stat().st_mtime_ns) or fingerprint([path])


@cache
def _without_gpu(path: Path, changed: int) -> str | None:
    """The fingerprint of a Python file in which something is left out; ``None`` for any other file."""
    text = path.read_text(encoding="utf-8-sig") if path.suffix == ".py" else ""
    if ".is_cuda" not in text:
        return None
    rest = of_tree(_OnProcessors().visit(ast.parse(text, str(path))))
    return hashlib.sha256(rest.encode()).hexdigest()


class _OnProcessors(ast.NodeTransformer):
    """Leaves out ``if tensor.is_cuda:`` and what stands under it; what stands under its ``else`` stays."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        found = self.generic_visit(node)
        return node.orelse if _asks_for_gpu(node.test) else found

    def generic_visit(self, node: ast.AST) -> ast.AST:
        found = super().generic_visit(node)
        if getattr(found, "body", None) == []:
            found.body = [ast.Pass()]
        return found
