"""The settings of a run, typed once: name, type, default of every profile and help on one line of a notebook.

A notebook's cell tagged ``parameters`` has one line for each setting::

    profile: str = "laptop"  # smoke, laptop or paper
    k: int = at_least(2, by_profile(4, 16, 16))  # demonstrations per prompt
    revision: Optional[str] = None  # commit of a hub model that is not pinned

``at_least`` says the smallest value of which something can be measured; anything below is refused. (It is no
keyword, since papermill warns of a line with two signs of equality.)

papermill replaces values, ``iclnb run`` and ``iclnb list`` read the same lines, and the cell below calls
:func:`read`, which checks every value and gives the settings of the chosen profile. What is declared is read
from the cell's text, never from ``__annotations__``: in Python 3.14 a notebook has none, and before it they
hold the names of IPython's startup files, too.
"""

import ast
import io
import re
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from iclnb.errors import IclnbError, did_you_mean, unknown

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


def at_least(least: float, default: Any) -> Any:
    """A default, with the smallest value of which something can be measured: :func:`declared` reads it."""
    return default


class Settings(SimpleNamespace):
    """One attribute for each setting, in order; ``vars`` of it is what a record keeps."""


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameters cell: ``name: annotation = default  # help``.

    ``default`` is a value, or a :class:`ByProfile` with one for each profile. ``least`` is the smallest value of
    which something can be measured; ``None`` where there is no such bound.
    """

    name: str
    annotation: str
    default: Any
    help: str
    least: float | None = None

    def __str__(self) -> str:
        line = f"{self.name}: {self.annotation} = {self._defaults()}"
        return f"{line}  # {self.help}" if self.help else line

    def under(self, profile: str) -> Any:
        """The default under one of :data:`PROFILES`."""
        return getattr(self.default, profile) if isinstance(self.default, ByProfile) else self.default

    @property
    def kinds(self) -> set[str]:
        """Names of the types that a value may have; ``None`` for the type of ``None``."""
        names = set(re.findall(r"\w+", self.annotation)) - {"typing", "Optional", "Union"}
        return names | ({"None"} if "Optional" in self.annotation else set())

    def _defaults(self) -> str:
        bound = "" if self.least is None else f", at least {self.least}"
        if not isinstance(self.default, ByProfile):
            return f"{self.default!r}{bound}"
        groups: dict[str, list[str]] = {}
        for profile, value in self.default._asdict().items():
            groups.setdefault(repr(value), []).append(profile)
        return ", ".join(f"{value} ({', '.join(profiles)})" for value, profiles in groups.items()) + bound


def declared(cell: str, where: object = "the parameters cell", first: int = 1) -> dict[str, Parameter]:
    """The settings that a parameters cell declares, in order.

    Read from the syntax tree, so that nothing runs; lines that only IPython understands are skipped.

    Raises IclnbError with the line, if the cell is not Python, or a default is not a literal.
    """
    text = re.sub(r"^\s*[%!?].*$", "", cell, flags=re.MULTILINE)
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise IclnbError(f"{where}, line {first + (error.lineno or 1) - 1}: {error.msg}") from error
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    found = {}
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name):
            try:
                default, least = _default(node.value)
            except ValueError as error:
                raise IclnbError(
                    f"{where}, line {first + node.lineno - 1}: the default of {target.id} must be a literal, "
                    f"or by_profile(...) of three literals, not {ast.unparse(node.value)}"
                ) from error
            kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else type(default).__name__
            helps = [comments[line] for line in range(node.lineno, node.end_lineno + 1) if line in comments]
            found[target.id] = Parameter(target.id, kind, default, " ".join(helps), least)
    return found


def read(
    namespace: Mapping[str, Any], design: Callable[[Settings], object] = lambda settings: None
) -> Settings:
    """The settings of a notebook, from its variables.

    Args:
        namespace: ``globals()`` of the notebook, below its parameters cell. What that cell declares is read
            from the cells run so far, which IPython keeps there, or from the file of a script.
        design: refuses what the chosen task cannot have, before anything long starts.

    Raises:
        IclnbError: if no cell declares ``profile``, if the profile is unknown, if papermill was given a
            parameter that is not declared, or if a value is not of its type, below its least, or refused by
            ``design``. Text is read as ``iclnb run -p`` reads it, so that ``false`` means the same in both.
    """
    cells = _cells(namespace)
    at = max((i for i, cell in enumerate(cells) if _DECLARES.search(cell)), default=None)
    if at is None:
        raise IclnbError("no cell that was run declares `profile: str = ...`; run the parameters cell first")
    known = declared(cells[at])
    for cell in cells[at + 1 :]:
        for name in _GIVEN.findall(cell) if cell.startswith("# Parameters\n") else ():
            if name not in known:
                raise unknown_parameter(name, known)
    values = {name: namespace.get(name) for name in known}
    profile = values["profile"]
    if profile not in PROFILES:
        raise unknown("profile", profile, PROFILES)
    chosen = {
        name: getattr(value, profile) if isinstance(value, ByProfile) else value
        for name, value in values.items()
    }
    typed = {name: checked(name, known[name].kinds, value) for name, value in chosen.items()}
    refuse_too_little(known, typed)
    design(found := Settings(**typed))
    return found


def chosen_profile(known: Mapping[str, Parameter], values: Mapping[str, Any]) -> str:
    """The profile among the values that were given, else the notebook's default."""
    return values.get("profile", known["profile"].default if "profile" in known else PROFILES[1])


def refuse_too_little(known: Mapping[str, Parameter], values: Mapping[str, Any]) -> None:
    """Raise IclnbError with a line for each value below its parameter's least: nothing could be measured."""
    below = [
        f"{name} = {value}: take {known[name].least} or more\n  {known[name]}"
        for name, value in values.items()
        if known[name].least is not None and isinstance(value, int | float) and not value >= known[name].least
    ]
    if below:
        raise IclnbError("\n".join(below))


def unknown_parameter(name: str, known: Mapping[str, Parameter]) -> IclnbError:
    """The error for a parameter that a notebook does not have: it lists those that it has."""
    listed = "\n".join(f"  {each}" for each in known.values()) or "  (none)"
    return IclnbError(
        f"unknown parameter {name!r}{did_you_mean(name, known)}; this notebook's parameters are:\n{listed}"
    )


def checked(name: str, kinds: set[str], value: Any) -> Any:
    """The value, if it is of one of the kinds.

    Text is parsed, and a whole number may stand for a float. For text, a whole number or a truth value may
    stand, since papermill takes ``-p layers 2`` for a number; of others the text that was typed is not known.

    Raises IclnbError for any other value.
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
    if "str" in kinds and kind in {"bool", "int"}:
        return str(value)
    hint = "; papermill takes text that looks like a number with -r" if "str" in kinds and value else ""
    raise IclnbError(
        f"{name} is {value!r}, a value of type {kind}; expected {' or '.join(sorted(kinds))}{hint}"
    )


def parse(name: str, kinds: set[str], text: str) -> Any:
    """The value that ``text`` stands for: the first kind that can read it, from the narrowest to the widest.

    Raises IclnbError if no kind can read it, or a kind cannot be typed on a command line.
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
            except (KeyError, ValueError):
                continue
    raise IclnbError(f"{text!r} is not a value for {name}; expected {' or '.join(sorted(kinds))}")


_DECLARES = re.compile(r"^profile\s*:", re.MULTILINE)
_GIVEN = re.compile(r"^(\w+) = ", re.MULTILINE)  # as papermill writes the parameters that it was given


def _cells(namespace: Mapping[str, Any]) -> list[str]:
    """The sources of the cells that a notebook ran so far, or of a script's cells."""
    if namespace.get("__file__"):  # also under %run
        return re.split(r"^# %%.*\n", Path(namespace["__file__"]).read_text("utf-8-sig"), flags=re.MULTILINE)
    return list(namespace.get("In", ()))


def _default(node: ast.expr | None) -> tuple[Any, float | None]:
    """The value of a default and its bound; ``ValueError`` where it can only be known by running the notebook."""
    if not isinstance(node, ast.Call):
        return None if node is None else ast.literal_eval(node), None
    called = ast.unparse(node.func).removeprefix("settings.")
    if called == "at_least" and len(node.args) == 2 and not node.keywords:
        return _default(node.args[1])[0], ast.literal_eval(node.args[0])
    if called != "by_profile":
        raise ValueError(ast.unparse(node))
    named = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
    try:
        return by_profile(*map(ast.literal_eval, node.args), **named), None
    except TypeError as error:
        raise ValueError(str(error)) from error


_READERS = {
    "None": lambda text: {"none": None}[text.lower()],
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": int,
    "float": float,
    "str": str,
}
