"""Words: their counts in English books and their synonyms in WordNet, from the packaged word lists."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from iclnb.llm.data import packaged


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
def load() -> Lexicon:
    """The packaged word lists (WordNet 3.0, counts of Google's books); raises as ``packaged.folder``."""
    with (packaged.folder("word-counts") / "counts.txt").open(encoding="utf-8") as file:
        counts = {word: int(count) for word, count in map(str.split, file)}
    with (packaged.folder("wordnet") / "synonyms.jsonl").open(encoding="utf-8") as file:
        synonyms = {row["word"]: row["synonyms"] for row in map(json.loads, file)}
    return Lexicon(counts, synonyms)
