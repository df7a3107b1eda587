"""Python source as a tree."""

import ast
from threading import Lock

_ONE_AT_A_TIME = Lock()


def tree(text: str, filename: str = "<unknown>") -> ast.Module:
    """The syntax tree of a module's text, parsed by one thread at a time.

    CPython 3.11 counts the depth of a tree in a place that all threads share, and fails where two parse at once
    ("AST constructor recursion depth mismatch").

    Raises SyntaxError if it is not Python.
    """
    with _ONE_AT_A_TIME:
        return ast.parse(text, filename)
