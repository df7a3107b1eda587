"""Errors that a user can cause and fix."""

import difflib
from collections.abc import Iterable


class IclnbError(Exception):
    """What went wrong and what to do about it, in one message fit to be shown without a traceback."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known name that is most like one, as a question in brackets; empty where none is like it."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def unknown(kind: str, name: object, known: Iterable[str]) -> IclnbError:
    """The error, to be raised, for a name that is not in a list."""
    return IclnbError(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")
