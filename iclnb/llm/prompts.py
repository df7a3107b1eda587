"""Prompts of demonstrations and a query that know where each of their parts lies among the tokens.

A prompt is built as one string and tokenised once, as a model would meet it; the parts are then found by
character offsets. (Tokenised apart and joined, the same text can give other tokens.)
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.llm.data.definitions import Format


class Span(NamedTuple):
    """Tokens ``start`` to ``stop`` (excluded) of a prompt; empty for an empty text."""

    start: int
    stop: int

    @property
    def tokens(self) -> range:
        """The indices of its tokens."""
        return range(self.start, self.stop)


class Wording(NamedTuple):
    """How demonstrations and labels are written.

    Attributes:
        format: of a demonstration.
        words: the word y of each label.
    """

    format: Format
    words: tuple[str, ...]


class Demonstration(NamedTuple):
    """A labelled example: a row of the task's columns and the index of its label word."""

    row: Mapping[str, object]
    label: int


@dataclass(frozen=True)
class Prompt:
    """A tokenised prompt x_1 y_1 ... x_k y_k x_test (paper A, section 3) with the place of each part.

    A span covers every token that holds a character of its part, so that two neighbours share a token where
    the tokeniser merged across their border.

    Attributes:
        text: the whole prompt.
        input_ids: its token ids, the tokeniser's opening token included where it sets one.
        x: spans of x_1 ... x_k, the filled-in texts of the demonstrations.
        cues: spans of the k + 1 texts that ask for a label (the last one is the query's).
        y: spans of y_1 ... y_k, the label words.
        query: span of x_test.
        labels: indices of the label words y_1 ... y_k.
    """

    text: str
    input_ids: tuple[int, ...]
    x: tuple[Span, ...]
    cues: tuple[Span, ...]
    y: tuple[Span, ...]
    query: Span
    labels: tuple[int, ...]


Prompts = Shaped[np.ndarray, "*prompts"] | Sequence[Prompt]
"""An array of prompts, such as demonstration sets x test points, or a list of them."""


def build(
    tokenizer: PreTrainedTokenizerBase,
    format: Format,
    label_words: Sequence[str],
    demonstrations: Sequence[Demonstration],
    query: Mapping[str, object],
    *,
    opening: str = "",
    special_tokens: bool = True,
) -> Prompt:
    """Write and tokenise a prompt.

    Args:
        tokenizer: a fast tokeniser (one that gives character offsets).
        format: how a demonstration is written.
        label_words: the word of each label index.
        demonstrations: the labelled examples x_i, y_i, in order; may be empty.
        query: the row of x_test.
        opening: text before the first demonstration, such as an instruction or the head of a chat template.
        special_tokens: whether the tokeniser adds its own opening token; not to texts that hold it already,
            as those of a chat template do.

    Returns:
        The prompt. It ends in the query's cue, so that the next token is the model's answer.

    Raises:
        IclnbError: if the tokeniser gives no offsets.
        IndexError: if a demonstration's label has no label word.
    """
    text, pieces = opening, []

    def write(piece: str) -> tuple[int, int]:
        nonlocal text
        text += piece
        return len(text) - len(piece), len(text)

    for row, label in demonstrations:
        parts = [write(format.x.format_map(row)), write(format.cue)]
        write(format.label_prefix)
        pieces.append((*parts, write(label_words[label])))
        write(format.separator)
    query_pieces = [write(format.x.format_map(query)), write(format.cue)]

    input_ids, starts, stops = tokenise(tokenizer, text, special_tokens=special_tokens)
    spans = [[_span(piece, starts, stops) for piece in parts] for parts in (*pieces, query_pieces)]
    return Prompt(
        text=text,
        input_ids=input_ids,
        x=tuple(parts[0] for parts in spans[:-1]),
        cues=tuple(parts[1] for parts in spans),
        y=tuple(parts[2] for parts in spans[:-1]),
        query=spans[-1][0],
        labels=tuple(label for _, label in demonstrations),
    )


def collate(
    rows: Sequence[Sequence[int]], pad_token_id: int
) -> tuple[Int[Tensor, "batch tokens"], Int[Tensor, "batch tokens"]]:
    """Rows of token ids as a batch, padded on the right (see ``last_token_attention``), and their mask."""
    ids = [torch.tensor(row) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=pad_token_id)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in ids], batch_first=True)
    return padded, mask


def tokenise(
    tokenizer: PreTrainedTokenizerBase, text: str, *, special_tokens: bool = True
) -> tuple[tuple[int, ...], list[int], list[int]]:
    """Token ids, and for each token the characters it stands for: starts and stops, neither ever decreasing.

    Some tokenisers leave white space out of a token's offsets; here every token starts where the one before
    stopped, so that no character is lost. A closing token ([SEP], </s>) is dropped: the model is to go on.
    """
    if not tokenizer.is_fast:
        raise IclnbError(
            f"{type(tokenizer).__name__} gives no character offsets; load a fast tokeniser (use_fast=True)"
        )
    encoding = tokenizer(
        text,
        add_special_tokens=special_tokens,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    tokens = list(
        zip(encoding["input_ids"], encoding["offset_mapping"], encoding["special_tokens_mask"], strict=True)
    )
    while tokens and tokens[-1][2] and tokens[-1][1][0] == tokens[-1][1][1]:
        tokens.pop()
    starts, stops, reached = [], [], 0
    for _, (start, stop), _ in tokens:
        starts.append(min(start, reached) if stop > start else reached)
        reached = max(reached, stop)
        stops.append(reached)
    return tuple(token for token, _, _ in tokens), starts, stops


def alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _span(piece: tuple[int, int], starts: Sequence[int], stops: Sequence[int]) -> Span:
    """The tokens that hold characters ``piece[0]`` to ``piece[1]``."""
    start, stop = piece
    first = bisect_right(stops, start)
    return Span(first, first if stop == start else max(first, bisect_left(starts, stop)))
