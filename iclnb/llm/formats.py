"""How a demonstration is written down: the text around its columns and its label word."""

from dataclasses import dataclass
from string import Formatter


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
        ValueError: if ``x`` names no column or has an unnamed field, or ``cue`` or ``separator`` is empty.
    """

    x: str
    cue: str
    label_prefix: str = " "
    separator: str = "\n\n"

    def __post_init__(self) -> None:
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
