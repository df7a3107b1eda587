"""What a task is: its columns and label words, how a demonstration is written down, where the hub has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any


@dataclass(frozen=True)
class Format:
    r"""One way to write demonstrations and the query.

    A demonstration is ``x`` filled with the row, then ``cue``, ``label_prefix`` and the label word;
    demonstrations and the query are joined by ``separator``; the query ends with ``cue``::

        Format(x="Review: {sentence}", cue="\nSentiment:")
        # Review: a fine film
        # Sentiment: good
        #
        # Review: dull
        # Sentiment:

    Attributes:
        x: a ``str.format`` template over the columns of a row (x_i of the papers).
        cue: the text between x_i and its label, without the label's own prefix.
        label_prefix: what joins the cue and the label word (y_i); part of the word's first token in most
            tokenizers.
        separator: the text between demonstrations.

    Raises:
        ValueError: if a part is no text, ``x`` names no column or has an unnamed field, or ``cue`` or
            ``separator`` is empty.
    """

    x: str
    cue: str
    label_prefix: str = " "
    separator: str = "\n\n"

    def __post_init__(self) -> None:
        if not all(isinstance(part, str) for part in (self.x, self.cue, self.label_prefix, self.separator)):
            raise ValueError("expected texts as the parts of a format")
        fields = [field for _, field, _, _ in Formatter().parse(self.x) if field is not None]
        if not fields or not all(field.isidentifier() for field in fields):
            raise ValueError(f"expected a template with named columns such as '{{text}}', got {self.x!r}")
        for part in ("cue", "separator"):
            if not getattr(self, part):
                raise ValueError(f"expected a text between the parts of a prompt, got an empty {part}")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that ``x`` reads, in order."""
        return tuple(field for _, field, _, _ in Formatter().parse(self.x) if field is not None)


@dataclass(frozen=True)
class Hub:
    """A dataset on the hub, pinned to a commit."""

    repository: str  # its id
    revision: str  # 40 hexadecimal digits
    config: str | None = None  # its configuration, if it has several
    # our name of a split -> the hub's, where they differ
    splits: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Task:
    """One task, as its file says (:mod:`iclnb.llm.data.task_files`)."""

    name: str  # as given to `iclnb.llm.data.tasks.load`
    inputs: tuple[str, ...]  # its text columns (what the formats fill in)
    classes: tuple[str, ...]  # names of the classes; none for a task with a score
    label_words: tuple[str, ...]  # y, one word a class (a whole score from 0 on, for a task with a score)
    # ways to write a prompt, by name; the first is the default
    formats: Mapping[str, Format] = field(hash=False)
    # further sets of label words, by name
    other_label_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    numbers: tuple[str, ...] = ()  # further columns, of numbers
    # what rows call a column, where that differs: names of which the first that is there is read
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    splits: tuple[str, ...] = ("train", "validation", "test")  # the splits that have labels
    packaged: str | None = None  # the packaged default that carries the task, if one does
    hub: Hub | None = None  # where the task lies on the hub, if it does
    description: str = ""  # of the data, in words
    licence: str = ""
    source: str = ""
    digest: str = ""  # of all in the file that a number can depend on

    @property
    def target(self) -> str:
        """The column to predict: ``label`` (index of a class) or ``score`` (from 0 on)."""
        return "label" if self.classes else "score"

    @property
    def largest_score(self) -> int:
        """The score that the last label word stands for."""
        return len(self.label_words) - 1

    @property
    def format(self) -> Format:
        """The default prompt format."""
        return next(iter(self.formats.values()))

    def label(self, row: Mapping[str, Any]) -> int:
        """Index of the label word of a row: its class, or the nearest whole score (halves go up)."""
        return row["label"] if self.classes else int(row["score"] + 0.5)
