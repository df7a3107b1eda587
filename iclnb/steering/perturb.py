"""Deterministic perturbations of texts, with a dial: the out-of-distribution inputs of paper A (table 1)."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np

from iclnb.errors import unknown
from iclnb.steering.lexicon import Lexicon

KINDS = ("typos", "rare words", "complex", "case", "punctuation")
"""Kinds of perturbation; see :func:`perturb`. Paper A has the first three."""

TABLE_1 = {"none": 0.805, "complex": 0.788, "rare words": 0.677, "typos": 0.534}
"""Accuracy of GPT-J 6B on SST-2 under each kind of perturbation (paper A, table 1)."""

LOST = {kind: TABLE_1[kind] - TABLE_1["none"] for kind in ("typos", "rare words", "complex")}
"""What each kind of the paper's costs there."""

FRAMES = (
    "what is put forward here amounts to the following: {}",
    "with regard to the subject under discussion, {}",
    "in so far as a matter of this kind can be put into words at all, {}",
)
"""Wrappers that lengthen a sentence without a judgement of their own, from the inside outwards."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_MARKS = ",;:.!?-…"
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def perturb(text: str, kind: str, strength: float, *, seed: int, lexicon: Lexicon) -> str:
    """A text with part of its words changed.

    The words that can be changed are put in an order drawn from ``seed`` and the text; the first
    ``ceil(strength * words)`` of them are changed, each in a way that does not depend on ``strength``. So a
    stronger perturbation changes all that a weaker one changed, and more.

    Args:
        text: any text.
        kind: one of :data:`KINDS`:

            - typos: one slip in every word of four letters or more, behind its first letter: two letters
              swapped, one lost, one doubled, or one replaced by its neighbour on the keyboard;
            - rare words: the rarest synonym of the word's commonest sense (:meth:`Lexicon.rarer`). Words are
              matched as they stand, so inflected forms stay, and no context tells senses apart;
            - complex: the longest such synonym (:meth:`Lexicon.longer`), and up to three frames
              (:data:`FRAMES`) wrapped around the text. This is a rule that lengthens and nests sentences; it
              is no paraphrase by a person or a model, as the paper's may be;
            - case: every letter of a word in upper or lower case at random;
            - punctuation: a mark behind the word.
        strength: 0 (the text as it is) to 1 (every word that can be changed).
        seed: seeds the order and the changes.
        lexicon: synonyms and counts.

    Returns:
        The changed text.

    Raises:
        IclnbError: if the kind is unknown.
        ValueError: if ``strength`` is not between 0 and 1.
    """
    if kind not in KINDS:
        raise unknown("kind of perturbation", kind, KINDS)
    if not 0 <= strength <= 1:
        raise ValueError(f"expected a strength from 0 to 1, got {strength!r}")
    digest = hashlib.sha256(f"{seed}\0{kind}\0{text}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8]))
    words = list(_WORD.finditer(text))
    changed = [_change(word.group(), kind, rng, lexicon) for word in words]
    able = [i for i, new in enumerate(changed) if new is not None]
    touched = set(rng.permutation(able)[: _part(strength, len(able))].tolist())
    parts, end = [], 0
    for i, word in enumerate(words):
        parts += [text[end : word.start()], changed[i] if i in touched else word.group()]
        end = word.end()
    return _framed("".join(parts) + text[end:], kind, strength)


def perturb_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    kind: str,
    strength: float,
    *,
    seed: int,
    lexicon: Lexicon,
) -> list[dict[str, Any]]:
    """Rows of a task with the text columns perturbed, all else as it was."""
    return [
        {
            **row,
            **{
                column: perturb(row[column], kind, strength, seed=seed, lexicon=lexicon) for column in columns
            },
        }
        for row in rows
    ]


def _part(strength: float, count: int) -> int:
    return ceil(strength * count - 1e-9)


def _framed(text: str, kind: str, strength: float) -> str:
    if kind == "complex":
        for frame in FRAMES[: _part(strength, len(FRAMES))]:
            text = frame.format(text)
    return text


def _change(word: str, kind: str, rng: np.random.Generator, lexicon: Lexicon) -> str | None:
    """The changed word, or ``None`` for one that cannot be changed; the same draws either way."""
    numbers = rng.random(64)
    if kind == "rare words":
        return _like(word, lexicon.rarer(word.lower()))
    if kind == "complex":
        return _like(word, lexicon.longer(word.lower()))
    if kind == "punctuation":
        return word + _MARKS[int(numbers[0] * len(_MARKS))]
    return _typo(word, numbers) if kind == "typos" else _case(word, numbers)


def _like(word: str, new: str | None) -> str | None:
    """``new`` with the capitals of ``word``."""
    if new is None or word.islower():
        return new
    return new.upper() if word.isupper() and len(word) > 1 else new[0].upper() + new[1:]


def _case(word: str, numbers: np.ndarray) -> str | None:
    """Random capitals, never those that the word has."""
    mixed = "".join(
        letter.upper() if number < 0.5 else letter.lower()
        for letter, number in zip(word, numbers.tolist() * (len(word) // 64 + 1), strict=False)
    )
    mixed = mixed if mixed != word else word.swapcase()
    return mixed if mixed != word else None


def _typo(word: str, numbers: np.ndarray) -> str | None:
    if len(word) < 4:
        return None
    slips: list[Callable[[int], str]] = [
        lambda i: word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        lambda i: word[:i] + word[i + 1 :],
        lambda i: word[: i + 1] + word[i:],
        lambda i: word[:i] + _neighbour(word[i], float(numbers[2])) + word[i + 1 :],
    ]
    first, where = int(numbers[0] * 4), int(numbers[1] * (len(word) - 2))
    for slip in slips[first:] + slips[:first]:
        for step in range(len(word) - 2):
            new = slip(1 + (where + step) % (len(word) - 2))
            if new != word:
                return new
    return None


def _neighbour(letter: str, number: float) -> str:
    """A key beside the letter's own; the letter itself where the keyboard has it not."""
    for row in _ROWS:
        at = row.find(letter.lower())
        if at >= 0:
            beside = row[max(0, at - 1) : at] + row[at + 1 : at + 2]
            new = beside[int(number * len(beside))]
            return new.upper() if letter.isupper() else new
    return letter
