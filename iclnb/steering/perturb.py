"""Perturbations of texts by fixed rules: the out-of-distribution inputs of paper A (table 1). Word lists, too."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from iclnb.errors import unknown
from iclnb.llm.data import packaged
from iclnb.steering.findings import COMPLEX, KINDS, RARE, TYPOS

FRAMES = (
    "what is put forward here amounts to the following: {}",
    "with regard to the subject under discussion, {}",
    "in so far as a matter of this kind can be put into words at all, {}",
)
"""Wrappers that lengthen a sentence without a judgement of their own, from the inside outwards."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_MARKS = ",;:.!?-…"
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True)
class Lexicon:
    """Two word lists."""

    # word -> how often it occurs in a large corpus; a word that is missing counts as 0
    counts: Mapping[str, int]
    # word -> other members of its commonest sense, some of several words
    synonyms: Mapping[str, Sequence[str]]

    def rarer(self, word: str) -> str | None:
        """The rarest synonym of one word that is rarer than ``word`` itself (ties: the first by alphabet).

        ``None`` without such a synonym, and for function words and words of fewer than three letters, whose
        entries in WordNet are mostly of other words ("a" is a unit of length there).
        """
        found = [other for other in self._synonyms(word) if other.isalpha()]
        count = {other: self.counts.get(other, 0) for other in (word, *found)}
        best = min(found, key=lambda other: (count[other], other), default=word)
        return best if count[best] < count[word] else None

    def longer(self, word: str) -> str | None:
        """The longest synonym, of several words perhaps, that is longer than ``word``; else ``None``."""
        best = max(self._synonyms(word), key=lambda other: (len(other), other), default=word)
        return best if len(best) > len(word) else None

    def _synonyms(self, word: str) -> Sequence[str]:
        if len(word) < 3 or word in ENGLISH_STOP_WORDS:
            return ()
        return self.synonyms.get(word, ())


@cache
def lexicon() -> Lexicon:
    """The packaged word lists (WordNet 3.0, counts of Google's books); raises as ``packaged.folder``."""
    with (packaged.folder("word-counts") / "counts.txt").open(encoding="utf-8") as file:
        counts = {word: int(count) for word, count in map(str.split, file)}
    with (packaged.folder("wordnet") / "synonyms.jsonl").open(encoding="utf-8") as file:
        synonyms = {row["word"]: row["synonyms"] for row in map(json.loads, file)}
    return Lexicon(counts, synonyms)


def perturb(text: str, kind: str, *, seed: int, lexicon: Lexicon) -> str:
    """A text with every word changed that can be; the draws depend on the seed, the kind and the text.

    ``kind``: one of :data:`KINDS`:

            - typos: one slip in every word of four letters or more, behind its first letter: two letters
              swapped, one lost, one doubled, or one replaced by its neighbour on the keyboard;
            - rare words: the rarest synonym of the word's commonest sense (:meth:`Lexicon.rarer`). Words are
              matched as they stand, so inflected forms stay, and no context tells senses apart;
            - complex: the longest such synonym (:meth:`Lexicon.longer`), and the frames
              (:data:`FRAMES`) wrapped around the text. This is a rule that lengthens and nests sentences; it
              is no paraphrase by a person or a model, as the paper's may be;
            - punctuation: a mark behind the word, which leaves all words as they are: the control.

    Raises IclnbError if the kind is unknown.
    """
    if kind not in KINDS:
        raise unknown("kind of perturbation", kind, KINDS)
    digest = hashlib.sha256(f"{seed}\0{kind}\0{text}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8]))
    text = _WORD.sub(lambda word: _change(word.group(), kind, rng, lexicon) or word.group(), text)
    for frame in FRAMES if kind == COMPLEX else ():
        text = frame.format(text)
    return text


def perturb_rows(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], kind: str, seed: int, lexicon: Lexicon
) -> list[dict[str, Any]]:
    """Rows of a task with the text columns perturbed, all else as it was."""
    return [
        dict(row) | {name: perturb(row[name], kind, seed=seed, lexicon=lexicon) for name in columns}
        for row in rows
    ]


def _change(word: str, kind: str, rng: np.random.Generator, lexicon: Lexicon) -> str | None:
    """The changed word, or ``None`` for one that cannot be changed."""
    if kind == RARE:
        return _like(word, lexicon.rarer(word.lower()))
    if kind == COMPLEX:
        return _like(word, lexicon.longer(word.lower()))
    return _typo(word, rng.random(3)) if kind == TYPOS else word + str(rng.choice(list(_MARKS)))


def _like(word: str, new: str | None) -> str | None:
    """``new`` with the capitals of ``word``."""
    if new is None or word.islower():
        return new
    return new.upper() if word.isupper() and len(word) > 1 else new[0].upper() + new[1:]


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
