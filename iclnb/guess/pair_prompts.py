"""Prompts for scoring pairs of sentences, with or without a guess beside every pair, plain or chat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import Formatter
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError, unknown
from iclnb.guess.findings import STYLES
from iclnb.llm.data.definitions import Format
from iclnb.llm.demonstrations import Demonstrations, Prompts, write
from iclnb.llm.prompts import Wording

DIGITS = tuple("012345")

POSITIONS = ("before", "between", "after")
"""Where the guess stands: before both sentences, between them, or after both, right before the answer."""


@dataclass(frozen=True)
class Style:
    """How a guess and an answer are written.

    Raises IclnbError for an unknown position, or a template without ``{guess}`` or over more than a line.
    """

    template: str = "Initial guess: {guess}"  # the guess's line, with `{guess}`
    position: str = "after"  # one of :data:`POSITIONS`
    decimals: int = 1  # of the guess
    # of the demonstrations' scores; 0 rounds them to whole digits (halves go up). Written otherwise than the
    # guess, the model has to round as well as to score
    answer_decimals: int = 1
    # as a conversation in the model's chat template, one turn a pair, instead of plain text
    chat: bool = False

    def __post_init__(self) -> None:
        if self.position not in POSITIONS:
            raise unknown("position of the guess", self.position, POSITIONS)
        fields = [name for _, name, _, _ in Formatter().parse(self.template) if name is not None]
        if fields != ["guess"] or "\n" in self.template:
            raise IclnbError(f"the guess's template needs {{guess}} once, on one line; got {self.template!r}")


def in_chat(asked: bool | None, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether to write a conversation: as asked for, else if the model has a chat template."""
    return tokenizer.chat_template is not None if asked is None else asked


def styles(style: Style, tokenizer: PreTrainedTokenizerBase) -> dict[str, Style]:
    """A style and others that differ in one thing, by :data:`iclnb.guess.findings.STYLES`: plain text, the chat
    template where the model has one, the precision of guess and scores, the guess's place."""
    made = (
        replace(style, chat=False),
        replace(style, chat=True),
        replace(style, decimals=0, answer_decimals=0),
        replace(style, decimals=1, answer_decimals=0),
        *(replace(style, position=position) for position in ("before", "between")),
    )
    ways = dict(zip(STYLES, made, strict=True))
    if tokenizer.chat_template is None:
        del ways[STYLES[1]]
    return ways


class Pairs(NamedTuple):
    """Pairs of sentences as prompts show them."""

    rows: Sequence[Mapping[str, object]]  # with `sentence1` and `sentence2`
    scores: Float[np.ndarray, " rows"]  # that they are shown with, as demonstrations
    guess: Float[np.ndarray, " rows"] | None = None  # one for each, or `None` for prompts without guesses


def guess_format(format: Format, style: Style) -> Format:
    """The format with the guess's line put into its text, one line a sentence."""
    lines = format.x.split("\n")
    place = {"before": 0, "between": len(lines) - 1, "after": len(lines)}[style.position]
    return replace(format, x="\n".join([*lines[:place], style.template, *lines[place:]]))


def chat_format(tokenizer: PreTrainedTokenizerBase, format: Format) -> tuple[Format, str]:
    """The format in the model's chat template, x_i a user's turn, cue and y_i the assistant's, and what opens it.

    Raises IclnbError if there is no chat template, or it does not write all turns alike.
    """
    if tokenizer.chat_template is None:
        raise IclnbError("this model's tokeniser has no chat template; take an instruct model or chat=False")
    marks = [f"<<mark {i}>>" for i in range(6)]
    roles = ("user", "assistant") * 3
    turns = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    parts = []
    for mark in marks:
        part, found, text = text.partition(mark)
        parts.append(part if found else None)
    opening, cue, separator = parts[:3]
    if None in parts or parts[3::2] != [cue] * 2 or parts[4] != separator:
        raise IclnbError("this chat template does not write every turn alike; take chat=False")
    return replace(
        format, cue=cue + format.cue.lstrip("\n"), separator=format.separator.rstrip("\n") + separator
    ), opening


def write_pairs(
    tokenizer: PreTrainedTokenizerBase,
    format: Format,
    style: Style,
    pool: Pairs,
    shown: Int[np.ndarray, "sets k"],
    queries: Pairs,
) -> tuple[Prompts, Format]:
    """A prompt for each demonstration set and query, (sets, points), and the format they are written in.

    Raises IclnbError as :func:`chat_format`.
    """
    written = format if queries.guess is None else guess_format(format, style)
    written, opening = chat_format(tokenizer, written) if style.chat else (written, "")
    scores = np.array([_score(score, style) for score in pool.scores[shown].ravel()]).reshape(shown.shape)
    words = DIGITS if style.answer_decimals == 0 else tuple(np.unique(scores).tolist())
    labels = np.vectorize(words.index, otypes=[int])(scores)
    prompts = write(
        tokenizer,
        Wording(written, words),
        _with_guess(pool, style),
        Demonstrations(shown, labels).for_every(len(queries.rows)),
        _with_guess(queries, style),
        opening=opening,
        special_tokens=not style.chat,
    )
    return prompts, written


def _score(score: float, style: Style) -> str:
    if style.answer_decimals == 0:
        return str(int(score + 0.5))
    return f"{score:.{style.answer_decimals}f}"


def _with_guess(pairs: Pairs, style: Style) -> Sequence[Mapping[str, object]]:
    if pairs.guess is None:
        return pairs.rows
    return [
        {**row, "guess": f"{guess:z.{style.decimals}f}"}  # z: no -0.0
        for row, guess in zip(pairs.rows, pairs.guess, strict=True)
    ]
