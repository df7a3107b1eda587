"""A hash of what code does: the same after a change of comments, docstrings or formatting."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path


def fingerprint(paths: Iterable[Path]) -> str:
    """The SHA-256, in hexadecimal, of several files: Python by its syntax tree, any other by its bytes.

    Raises:
        SyntaxError: if a Python file cannot be parsed.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(_file(path, path.stat().st_mtime_ns).encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def of_source(text: str) -> str:
    """The same of one Python source text."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _is_docstring(part)] or [ast.Pass()]
    return hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()


def of_modules(names: Iterable[str]) -> str:
    """The fingerprint of modules by their dotted names, none of which is imported for it."""
    specs = [importlib.util.find_spec(name) for name in names]
    return fingerprint(Path(spec.origin) for spec in specs)


@cache
def _file(path: Path, changed: int) -> str:
    if path.suffix == ".py":
        return of_source(path.read_text(encoding="utf-8-sig"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plain(node: object) -> object:
    """A syntax tree as tuples, without positions and empty fields: the same in every version of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node) if name != "kind")
        return (type(node).__name__, *((name, value) for name, value in fields if value not in (None, ())))
    return tuple(map(_plain, node)) if isinstance(node, list) else node


def _is_docstring(node: ast.stmt) -> bool:
    """A string that stands alone: it documents what is around it and does nothing."""
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)
