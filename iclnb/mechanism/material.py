"""What chapter 07 draws: demonstrations once, shown with the task's own, swapped and arbitrary words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError
from iclnb.llm.demonstrations import Demonstrations, Prompts, TaskRows, alternating, draw, write
from iclnb.llm.prompts import Wording, label_tokens

OWN, SWAPPED, ARBITRARY, FLIPPED, SHUFFLED = "own", "swapped", "arbitrary", "arbitrary, flipped", "shuffled"

OPPOSITE: Mapping[str, str] = {OWN: SWAPPED, SWAPPED: OWN, ARBITRARY: FLIPPED, FLIPPED: ARBITRARY}
"""Contexts in pairs: the same demonstrations and words, every label moved on by one."""

CONDITIONS: Mapping[str, tuple[str, str]] = {
    "own words": (OWN, SWAPPED),
    "arbitrary words": (ARBITRARY, FLIPPED),
}
"""Wordings, each with its two labellings."""

ARBITRARY_WORDS = ("foo", "bar", "dog", "cup", "tree", "ring")
"""Words that say nothing about a task, one token each in common tokenisers."""


@dataclass(frozen=True)
class Material:
    """Prompts of several contexts: the same demonstration sets and queries, with other labels or words.

    Attributes:
        prompts: for each context. (sets, points)
        wordings: for each context.
        right: for each context the index of the word that its demonstrations call right, -1 where they are
            shuffled. (sets, points)
        alone: the queries without demonstrations. (sets, points)
        shown: the demonstrations' texts as queries without demonstrations. (sets, k)
        truth: the label of every query. (sets, points)
        labels: true labels of the demonstrations. (sets, k)

    Neighbouring queries 2i and 2i + 1 of a set have different labels.
    """

    prompts: Mapping[str, Prompts]
    wordings: Mapping[str, Wording]
    right: Mapping[str, Int[np.ndarray, "sets points"]]
    alone: Prompts
    shown: Prompts
    truth: Int[np.ndarray, "sets points"]
    labels: Int[np.ndarray, "sets k"]

    @property
    def classes(self) -> int:
        """How many label words there are."""
        return len(self.wordings[OWN].words)

    def labels_in(self, context: str) -> Int[np.ndarray, "sets k"]:
        """The words, by index, that a context shows its demonstrations with."""
        return np.array([row[0].labels for row in self.prompts[context]])


def drawn(
    tokenizer: PreTrainedTokenizerBase,
    rows: TaskRows,
    k: int,
    sets: int,
    points: int,
    *,
    seed: int,
    arbitrary: Sequence[str] = ARBITRARY_WORDS,
) -> Material:
    """Demonstration sets, each with queries of its own, in all contexts.

    Under arbitrary words it is drawn for each set which word stands for which label, so that no model can
    know it. Shuffled labels are the task's own words, permuted among the demonstrations of a set.

    Args:
        tokenizer: a fast tokeniser.
        rows: pool and at least ``sets * points`` test points.
        k: demonstrations per set.
        sets: demonstration sets.
        points: queries of each set, an even number.
        seed: of demonstrations and mappings.
        arbitrary: words without a meaning for the task, at least one for each label.

    Raises:
        IclnbError: if a class has too few test points, the pool fewer than ``k`` rows, ``points`` is odd, or
            a label word is no token of its own.
    """
    if points < 2 or points % 2:
        raise IclnbError(f"queries are compared in pairs of different labels; {points} a set is not even")
    chosen = np.array(alternating(rows.truth.tolist(), sets * points)).reshape(sets, points)
    truth, shown = rows.truth[chosen], draw(rows.labels, k, sets, seed=seed)
    task, count = rows.task, len(rows.task.label_words)
    words = {
        OWN: Wording(task.format, task.label_words),
        ARBITRARY: Wording(task.format, tuple(arbitrary[:count])),
    }
    rng = np.random.default_rng((seed, 1))
    mapping = np.array([rng.permutation(count) for _ in range(sets)])
    labels = _labellings(shown.labels, mapping, rng)
    right = _labellings(truth, mapping, rng) | {SHUFFLED: np.full_like(truth, -1)}
    wordings = {
        context: words[OWN if context in (OWN, SWAPPED, SHUFFLED) else ARBITRARY] for context in labels
    }
    for wording in words.values():
        label_tokens(tokenizer, wording)

    def prompts(context: str) -> Prompts:
        made = np.empty(chosen.shape, dtype=object)
        for s, points_of_set in enumerate(chosen):
            one = Demonstrations(shown.rows[s], labels[context][s]).for_every(points)
            queries = [rows.queries[i] for i in points_of_set]
            made[s] = write(tokenizer, wordings[context], rows.pool, one, queries)
        return made

    def alone(texts: list) -> Prompts:
        none = np.zeros((len(texts), 0), dtype=int)
        return write(tokenizer, words[OWN], rows.pool, Demonstrations(none, none), texts)

    return Material(
        {context: prompts(context) for context in labels},
        wordings,
        right,
        alone([rows.queries[i] for i in chosen.ravel()]).reshape(chosen.shape),
        alone([rows.pool[i] for i in shown.rows.ravel()]).reshape(shown.rows.shape),
        truth,
        shown.labels,
    )


def _labellings(
    labels: Int[np.ndarray, "sets columns"],
    mapping: Int[np.ndarray, "sets classes"],
    rng: np.random.Generator,
) -> dict[str, Int[np.ndarray, "sets columns"]]:
    """For each context the words, by index, in the place of true labels."""
    count = mapping.shape[1]
    mapped = np.take_along_axis(mapping, labels, 1)
    return {
        OWN: labels,
        SWAPPED: (labels + 1) % count,
        ARBITRARY: mapped,
        FLIPPED: (mapped + 1) % count,
        SHUFFLED: rng.permuted(labels, axis=1),
    }


class Repeated(NamedTuple):
    """Random tokens, some of them, and the same again up to some place.

    Attributes:
        rows: token ids; the last of each stands earlier in the row, too.
        after: for each row the place of the token that followed the earlier occurrence.
    """

    rows: tuple[tuple[int, ...], ...]
    after: tuple[int, ...]


def repeated(vocabulary: Int[np.ndarray, " tokens"], sequences: int, length: int, *, seed: int) -> Repeated:
    """Random sequences of different tokens, begun a second time (Olsson et al. 2022).

    Args:
        vocabulary: tokens to draw from.
        sequences: how many.
        length: tokens before the repetition.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    rows, after = [], []
    for _ in range(sequences):
        once = rng.choice(vocabulary, length, replace=False).tolist()
        stop = int(rng.integers(1, length - 1))
        rows.append((*once, *once[: stop + 1]))
        after.append(stop + 1)
    return Repeated(tuple(rows), tuple(after))
