"""Conditions: label noise, label words and formats, orders, perturbed texts."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product
from math import factorial

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerBase

from iclnb.errors import IclnbError, unknown
from iclnb.llm.data.tasks import Task
from iclnb.llm.demonstrations import Demonstrations, Row, Seed, draw
from iclnb.llm.prompts import Wording
from iclnb.steering import material, perturb
from iclnb.steering.lexicon import Lexicon
from iclnb.steering.study import Condition, Study, Texts

NOISE = ("random", "flipped")
"""Kinds of label noise: a uniformly drawn label (which may be the right one), or another label."""


def with_noise(
    shown: Demonstrations, share: float, kind: str, *, classes: int = 2, seed: Seed
) -> Demonstrations:
    """The same rows with a share of the labels of every prompt, or set, replaced at random places.

    The places are drawn once for a seed; a larger share replaces all that a smaller one did, by the same
    labels, and more. A share of 0 replaces none, a share of 1 all.

    Args:
        shown: demonstrations.
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
    rng, labels = np.random.default_rng(seed), shown.labels
    rank = rng.random(labels.shape).argsort(-1).argsort(-1)
    drawn = rng.integers(classes, size=labels.shape)
    other = (labels + rng.integers(1, classes, size=labels.shape)) % classes
    replaced = rank < np.floor(share * shown.k + 0.5)
    return shown.relabelled(np.where(replaced, drawn if kind == "random" else other, labels))


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


def label_wordings(
    task: Task, tokenizer: PreTrainedTokenizerBase, lexicon: Lexicon, *, alike: int | None = None, seed: int
) -> dict[str, Wording]:
    """The task's own label words first, others of the same meaning, swapped, arbitrary and random ones.

    Of those of the same meaning only the first ``alike``, or all.
    """
    own, prefix = tuple(task.label_words), task.format.label_prefix
    drawn = random_words(lexicon, tokenizer, prefix, len(own), seed=seed)
    same_meaning = {" / ".join(words): tuple(words) for words in [*task.other_label_words.values()][:alike]}
    named = {" / ".join(own): own, **same_meaning, "swapped": swapped(own)}
    named |= {"arbitrary: foo / bar": ("foo", "bar"), f"random: {' / '.join(drawn)}": drawn}
    return {name: Wording(task.format, words) for name, words in named.items()}


def format_wordings(task: Task) -> dict[str, Wording]:
    """The task's own label words in its other templates, and with demonstrations one to a line."""
    others = {f"template: {name}": each for name, each in task.formats.items() if each is not task.format}
    others["separator: one line"] = replace(task.format, separator="\n")
    return {name: Wording(each, tuple(task.label_words)) for name, each in others.items()}


def balanced_sets(labels: Int[np.ndarray, " pool"], k: int, sets: int, *, seed: Seed) -> Demonstrations:
    """Demonstration sets with as many of one label as of the other. (sets, k)

    Raises:
        IclnbError: if k is odd, or a label has too few rows.
    """
    if k % 2:
        raise IclnbError(f"{k} demonstrations cannot have as many of each label; take an even number")
    of = [np.flatnonzero(labels == label) for label in (0, 1)]
    rng = np.random.default_rng(seed)
    seeds = rng.integers(2**32, size=2).tolist()
    drawn = [rows[draw(labels[rows], k // 2, sets, seed=s).rows] for rows, s in zip(of, seeds, strict=True)]
    rows = rng.permuted(np.concatenate(drawn, axis=1), axis=1)
    return Demonstrations(rows, labels[rows])


def in_orders(shown: Demonstrations, count: int, *, seed: Seed) -> Demonstrations:
    """Each set in several orders: (sets, k) becomes (sets, orders, k).

    All k! where these are no more than ``count``; else ``count`` different ones, drawn anew for each set
    until every place has shown both labels.

    Raises:
        IclnbError: if ``count`` is below 2.
    """
    if count < 2:
        raise IclnbError(f"{count} order of each set cannot show what the order does; take 2 or more")
    rng, k = np.random.default_rng(seed), shown.k
    if factorial(k) <= count:
        return shown.take((slice(None), None)).reordered(np.array(list(permutations(range(k)))))
    found = np.empty((len(shown.rows), count, k), dtype=int)
    for orders, labels in zip(found, shown.labels, strict=True):
        orders[:] = np.arange(k)
        while len({*map(tuple, orders.tolist())}) < count or not np.ptp(labels[orders], axis=0).all():
            orders[:] = [rng.permutation(k) for _ in range(count)]
    return shown.take((slice(None), None)).reordered(found)


def balanced_sets_in_orders(
    labels: Int[np.ndarray, " pool"], k: int, sets: int, orders: int, *, seed: int
) -> Demonstrations:
    """:func:`balanced_sets`, each :func:`in_orders`; other sets for each k. (sets, orders, k)"""
    return in_orders(balanced_sets(labels, k, sets, seed=(seed, k)), orders, seed=(seed, k, 1))


Dial = tuple[str, float]
"""Kind and strength, of noise or of a perturbation."""


def label_noise(
    drawn: Demonstrations, shares: Sequence[float], points: int, *, seed: Seed
) -> dict[Dial, Condition]:
    """Shared sets with each share of each kind of noise, and without noise, shown with every test point."""
    return {
        (kind, share): Condition(with_noise(drawn, share, kind, seed=seed).for_every(points))
        for kind in NOISE
        for share in (0.0, *shares)
    }


def perturbed_queries(
    study: Study, shown: Demonstrations, strengths: Sequence[float], *, lexicon: Lexicon, seed: int
) -> dict[Dial, Condition]:
    """The test points with texts perturbed in each kind and strength, the demonstrations as they are."""
    changed = _perturbed(study, study.queries.rows, strengths, lexicon, seed)
    return {dial: Condition(shown, queries=texts) for dial, texts in changed.items()}


def perturbed_demonstrations(
    study: Study, shown: Demonstrations, strengths: Sequence[float], *, lexicon: Lexicon, seed: int
) -> dict[Dial, Condition]:
    """The demonstrations with texts perturbed in each kind and strength, the test points as they are."""
    used = np.unique(shown.rows)
    changed = _perturbed(study, [study.pool.rows[row] for row in used], strengths, lexicon, seed)
    found = {}
    for dial, texts in changed.items():
        rows, vectors = np.array(study.pool.rows, dtype=object), study.pool.vectors.copy()
        rows[used], vectors[used] = texts
        found[dial] = Condition(shown, pool=Texts(rows, vectors))
    return found


def _perturbed(
    study: Study, rows: Sequence[Row], strengths: Sequence[float], lexicon: Lexicon, seed: int
) -> dict[Dial, Texts]:
    found = {}
    for kind, strength in product(perturb.KINDS, strengths):
        changed = perturb.perturb_rows(rows, study.task.inputs, kind, strength, seed=seed, lexicon=lexicon)
        found[kind, strength] = material.texts(study.task, changed)
    return found
