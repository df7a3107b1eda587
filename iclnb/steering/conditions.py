"""Conditions of an experiment: label noise, label words, orders; prompts from tables of demonstrations."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError, unknown
from iclnb.llm.data.definitions import Format
from iclnb.llm.prompts import Demonstration, Prompt, build
from iclnb.steering.lexicon import Lexicon

NOISE = ("random", "flipped")
"""Kinds of label noise: a uniformly drawn label (which may be the right one), or another label."""


def noisy_labels(
    labels: Int[np.ndarray, "*shape k"], share: float, kind: str, *, classes: int, seed: int
) -> Int[np.ndarray, "*shape k"]:
    """Labels of which a share of every row is replaced, at random places.

    The places are drawn once for a seed; a larger share replaces all that a smaller one did, by the same
    labels, and more. A share of 0 replaces none, a share of 1 all.

    Args:
        labels: label indices of the demonstrations (last axis).
        share: of the k labels, 0 to 1, rounded to the nearest whole number of labels (halves go up).
        kind: one of :data:`NOISE`.
        classes: how many labels there are.
        seed: seeds places and labels.

    Raises:
        IclnbError: if the kind is unknown.
        ValueError: if the share is not between 0 and 1.
    """
    if kind not in NOISE:
        raise unknown("kind of label noise", kind, NOISE)
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share from 0 to 1, got {share!r}")
    rng = np.random.default_rng(seed)
    rank = rng.random(labels.shape).argsort(-1).argsort(-1)
    drawn = rng.integers(classes, size=labels.shape)
    other = (labels + rng.integers(1, classes, size=labels.shape)) % classes
    replaced = rank < np.floor(share * labels.shape[-1] + 0.5)
    return np.where(replaced, drawn if kind == "random" else other, labels)


def swapped(words: Sequence[str]) -> tuple[str, ...]:
    """Each class with the next class's word, the last with the first's."""
    return (*words[1:], words[0])


def random_words(
    lexicon: Lexicon, tokenizer: PreTrainedTokenizerBase, prefix: str, count: int, *, seed: int
) -> tuple[str, ...]:
    """``count`` common words drawn at random, each a single token behind ``prefix``, all different.

    Drawn from the five thousand commonest words of four to seven letters.

    Raises:
        IclnbError: if the tokeniser has too few of them as single tokens.
    """
    fitting = (word for word in lexicon.counts if word.isascii() and word.isalpha() and 4 <= len(word) <= 7)
    common = sorted(fitting, key=lambda word: (-lexicon.counts[word], word))[:5000]
    rng = np.random.default_rng(seed)
    found: dict[int, str] = {}
    for word in rng.permutation(common).tolist():
        tokens = tokenizer(prefix + word, add_special_tokens=False)["input_ids"]
        if len(tokens) == 1:
            found.setdefault(tokens[0], word)
        if len(found) == count:
            return tuple(found.values())
    raise IclnbError(
        f"this tokeniser has fewer than {count} common words as single tokens; name words by hand"
    )


def orders(k: int) -> Int[np.ndarray, "orders k"]:
    """All k! orders of k demonstrations, the given one first."""
    return np.array(list(permutations(range(k))))


def write(
    tokenizer: PreTrainedTokenizerBase,
    format: Format,
    words: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    chosen: Int[np.ndarray, "prompts k"],
    labels: Int[np.ndarray, "prompts k"],
    queries: Sequence[Mapping[str, Any]],
) -> list[Prompt]:
    """One prompt per query, with the demonstrations and the labels that tables give it.

    Args:
        tokenizer: a fast tokeniser.
        format: how a demonstration is written.
        words: the word of each label index.
        rows: the pool.
        chosen: for each prompt the pool's rows that are its demonstrations, in order; k may be 0.
        labels: the label indices they are shown with, right or wrong.
        queries: rows of the test points, one per prompt.

    Raises:
        ValueError: if the tables and queries have not one row per prompt.
    """
    return [
        build(
            tokenizer,
            format,
            words,
            [Demonstration(rows[row], label) for row, label in zip(picked, shown, strict=True)],
            query,
        )
        for picked, shown, query in zip(chosen.tolist(), labels.tolist(), queries, strict=True)
    ]
