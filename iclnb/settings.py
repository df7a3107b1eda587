"""The settings of a run, typed once: name, type, default of every profile and help on one line of a notebook.

A notebook's cell tagged ``parameters`` has one line for each setting::

    profile: str = "laptop"  # smoke, laptop or paper
    k: int = by_profile(4, 16, 16)  # demonstrations per prompt
    revision: Optional[str] = None  # commit of a hub model that is not pinned

papermill replaces values, ``iclnb run`` and ``iclnb list`` read the same lines, and the cell below calls
:func:`read`, which checks every value and gives the settings of the chosen profile.
"""

import types
import typing
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

from iclnb.errors import IclnbError, unknown

PROFILES = ("smoke", "laptop", "paper")
"""Seconds to see that everything runs; minutes on two cores; the paper's own sizes and models."""


class ByProfile(NamedTuple):
    """A default for each of :data:`PROFILES`."""

    smoke: Any
    laptop: Any
    paper: Any


def by_profile(smoke: Any, laptop: Any, paper: Any) -> Any:
    """The default of a setting under each profile, in the order of :data:`PROFILES`."""
    return ByProfile(smoke, laptop, paper)


class Settings(SimpleNamespace):
    """One attribute for each setting, in order; ``vars`` of it is what a record keeps."""


def read(namespace: Mapping[str, Any]) -> Settings:
    """The settings of a notebook, from its variables.

    Args:
        namespace: ``globals()`` of the notebook, right below its parameters cell: every name annotated up to
            then is a setting.

    Returns:
        Every setting with its value under the chosen profile, of the annotated type.

    Raises:
        IclnbError: if the profile is unknown, or a value is not of the annotated type. Text is read as
            ``iclnb run -p`` reads it, so that ``false`` means the same in both.
    """
    kinds = {name: kinds_of(annotation) for name, annotation in namespace["__annotations__"].items()}
    values = {name: namespace.get(name) for name in kinds}
    profile = values.get("profile", PROFILES[0])
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    chosen = {
        name: getattr(value, profile) if isinstance(value, ByProfile) else value
        for name, value in values.items()
    }
    return Settings(**{name: checked(name, kinds[name], value) for name, value in chosen.items()})


def kinds_of(annotation: Any) -> set[str]:
    """Names of the types in ``X``, ``X | Y`` or ``Optional[X]``; ``None`` for the type of ``None``."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return {kind for part in typing.get_args(annotation) for kind in kinds_of(part)}
    if annotation in (None, type(None)):
        return {"None"}
    return {getattr(annotation, "__name__", str(annotation))}


def checked(name: str, kinds: set[str], value: Any) -> Any:
    """The value, if it is of one of the kinds; text is parsed, a whole number may stand for a float.

    Raises:
        IclnbError: for any other value.
    """
    if isinstance(value, str) and kinds != {"str"}:
        return parse(name, kinds, value)
    kind = "None" if value is None else type(value).__name__
    if kind == "int" and "float" in kinds and "int" not in kinds:
        try:
            return float(value)
        except OverflowError as error:
            raise IclnbError(f"{name} is too large for a float") from error
    if kind in kinds or kinds - _READERS.keys():  # other types are the notebook's own affair
        return value
    raise IclnbError(f"{name} is {value!r}, a value of type {kind}; expected {' or '.join(sorted(kinds))}")


def parse(name: str, kinds: set[str], text: str) -> Any:
    """The value that ``text`` stands for: the first kind that can read it, from the narrowest to the widest.

    Args:
        name: of the setting, for the message.
        kinds: from :func:`kinds_of`: of ``None``, ``bool``, ``int``, ``float`` and ``str``.
        text: as typed on a command line.

    Raises:
        IclnbError: if no kind can read it, or a kind cannot be typed on a command line.
    """
    if foreign := kinds - _READERS.keys():
        raise IclnbError(
            f"{name} is of type {', '.join(sorted(foreign))}, which a command line cannot give; edit "
            "the notebook's parameters cell instead"
        )
    for kind, reader in _READERS.items():
        if kind in kinds:
            try:
                return reader(text)
            except ValueError:
                continue
    raise IclnbError(f"{text!r} is not a value for {name}; expected {' or '.join(sorted(kinds))}")


def _none(text: str) -> None:
    if text.lower() != "none":
        raise ValueError(text)


def _bool(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError(text)
    return text.lower() == "true"


_READERS = {"None": _none, "bool": _bool, "int": int, "float": float, "str": str}
