"""A hash of what code does: the same after a change of words that no number depends on.

Comments, docstrings, formatting, annotations, the messages of errors and warnings, the labels of progress bars
and ``__version__`` do not count.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

_PROGRESS = {"tqdm", "trange"}
_LABELS = {"desc", "unit", "postfix"}


def fingerprint(paths: Iterable[Path]) -> str:
    """The SHA-256, in hexadecimal, of several files: Python by what it does, any other by its bytes.

    Raises SyntaxError if a Python file cannot be parsed.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(_file(path, path.stat().st_mtime_ns).encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def of_source(text: str) -> str:
    """The same of one Python source text."""
    return of_tree(ast.parse(text))


def of_tree(tree: ast.AST) -> str:
    """The same of a syntax tree, which is changed."""
    return hashlib.sha256(repr(_plain(_Wordless().visit(tree))).encode()).hexdigest()


@cache
def _file(path: Path, changed: int) -> str:
    if path.suffix == ".py":
        return of_source(path.read_text(encoding="utf-8-sig"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Wordless(ast.NodeTransformer):
    """Leaves out what no number depends on."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _says_nothing(part)] or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)  # a field of a class stays a field
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name.endswith(("Error", "Warning")) or name == "warn":
            return ast.Call(node.func, [], [])
        if name in _PROGRESS:
            node.keywords = [word for word in node.keywords if word.arg not in _LABELS]
        return self.generic_visit(node)


def _says_nothing(node: ast.stmt) -> bool:
    """A string that stands alone, or the version of the package."""
    if isinstance(node, ast.Assign):
        return [getattr(target, "id", "") for target in node.targets] == ["__version__"]
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _plain(node: object) -> object:
    """A syntax tree as tuples, without positions and empty fields: the same in every version of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if name != "kind")
        return (type(node).__name__, *((name, value) for name, value in fields if value not in (None, ())))
    return tuple(map(_plain, node)) if isinstance(node, list) else node
