"""Errors that a user can cause and fix."""

from collections.abc import Iterable


class IclnbError(Exception):
    """What went wrong and what to do about it, in one message fit to be shown without a traceback."""


def unknown(kind: str, name: object, known: Iterable[str]) -> IclnbError:
    """The error for a name that is not in a list.

    Returns:
        An :class:`IclnbError` that lists the known names, to be raised by the caller.
    """
    return IclnbError(f"unknown {kind} {name!r}; known: {', '.join(sorted(known))}")
