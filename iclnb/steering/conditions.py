"""The conditions of chapter 04 and its appendix: rows, labels, words, formats, orders, perturbed texts."""

from dataclasses import replace
from itertools import permutations

import numpy as np
from jaxtyping import Int

from iclnb.errors import IclnbError
from iclnb.llm.demonstrations import Demonstrations, Row, Seed, draw
from iclnb.llm.prompts import Wording
from iclnb.steering import findings, material, perturb, retrieval
from iclnb.steering.perturb import Lexicon
from iclnb.steering.study import Condition, Study, Texts

ARBITRARY_WORDS = ("foo", "bar", "dog", "cup", "tree", "ring", "lamp", "sand", "door", "leaf")
"""Words that mean nothing for a task, one for each of up to ten classes."""


def chapter(
    study: Study, k: int, *, most: int, lexicon: Lexicon, demonstration_seed: int, noise_seed: int
) -> dict[str, Condition]:
    """Every condition of :data:`iclnb.steering.findings.CONDITIONS` that the task has."""
    shown = draw(study.labels, k, study.points, seed=demonstration_seed)
    found = {findings.RANDOM: Condition(shown)}
    cosine = retrieval.cosine(study)
    for sign, name, like in (
        (1, findings.NEAREST, findings.LIKE_NEAREST), (-1, findings.FARTHEST, findings.LIKE_FARTHEST)
    ):  # fmt: skip
        found |= retrieved(study, sign * cosine, k, (name, like), most=most, seed=demonstration_seed)
    found |= relabelled(study, shown, seed=noise_seed)
    found |= {name: Condition(shown, each) for name, each in formats(study).items()}
    for kind in perturb.KINDS:
        rows = perturb.perturb_rows(study.queries.rows, study.task.inputs, kind, noise_seed, lexicon)
        found[kind] = Condition(shown, queries=material.texts(study.task, rows))
    return found


def retrieved(
    study: Study, similarity: retrieval.Similarity, k: int, names: tuple[str, str], *, most: int, seed: int
) -> dict[str, Condition]:
    """The rows most similar to each test point, and random ones with the same labels in the same places."""
    shown = retrieval.nearest(similarity, study.labels, k, most=most, seed=(seed, 1))
    like = retrieval.with_labels_of(shown, study.labels, seed=(seed, 2))
    return dict(zip(names, map(Condition, (shown, like)), strict=True))


def relabelled(study: Study, shown: Demonstrations, *, seed: Seed) -> dict[str, Condition]:
    """The same rows with other labels: drawn uniformly, which may be right; each the next class's.

    The second also with words that mean nothing for the task, and these words with the right labels.
    """
    classes = len(study.task.classes)
    wording = Wording(study.task.format, ARBITRARY_WORDS[:classes])
    drawn = np.random.default_rng(seed).integers(classes, size=shown.labels.shape)
    flipped = shown.relabelled((shown.labels + 1) % classes)
    return {
        findings.UNRELATED: Condition(shown.relabelled(drawn)),
        findings.FLIPPED: Condition(flipped),
        findings.ARBITRARY: Condition(shown, wording),
        findings.ARBITRARY_FLIPPED: Condition(flipped, wording),
    }


def formats(study: Study) -> dict[str, Wording]:
    """The task's next template, and its own with demonstrations one to a line; those that it has."""
    own, words = study.task.format, study.wording.words
    others = [each for each in study.task.formats.values() if each is not own]
    found = {findings.TEMPLATE: Wording(others[0], words)} if others else {}
    if own.separator != "\n":
        found[findings.ONE_LINE] = Wording(replace(own, separator="\n"), words)
    return found


def stratified(labels: Int[np.ndarray, " pool"], k: int, shape: int, *, seed: Seed) -> Demonstrations:
    """Rows of all classes in turn, from a random one on, shuffled (shape, k); IclnbError if a class has too few."""
    rng, classes = np.random.default_rng(seed), int(labels.max()) + 1
    of = [np.flatnonzero(labels == label) for label in range(classes)]
    rows = np.empty((shape, k), dtype=int)
    for row, first in zip(rows, rng.integers(classes, size=shape), strict=True):
        counts = np.bincount((first + np.arange(k)) % classes, minlength=classes)
        if any(count > len(each) for count, each in zip(counts, of, strict=True)):
            raise IclnbError(
                f"the pool has not {counts.max()} rows of every class; raise `pool` or lower `k`"
            )
        parts = [rng.choice(each, count, replace=False) for count, each in zip(counts, of, strict=True)]
        row[:] = rng.permutation(np.concatenate(parts))
    return Demonstrations(rows, labels[rows])


def in_orders(shown: Demonstrations, count: int, *, seed: Seed) -> Demonstrations:
    """Each prompt's demonstrations in ``count`` random orders, or all k!: (prompts, orders, k)."""
    rng = np.random.default_rng(seed)
    orders = np.stack([_orders(shown.k, count, rng) for _ in shown.rows])
    return shown.take((slice(None), None)).reordered(orders)


def _orders(k: int, count: int, rng: np.random.Generator) -> Int[np.ndarray, "orders k"]:
    if k <= 6:  # few enough to list
        return rng.permutation(list(permutations(range(k))))[:count]
    found: set[tuple[int, ...]] = set()
    while len(found) < count:
        found.add(tuple(rng.permutation(k).tolist()))
    return np.array(sorted(found))


def perturbed_demonstrations(
    study: Study, shown: Demonstrations, *, lexicon: Lexicon, seed: int
) -> dict[str, Condition]:
    """The demonstrations with perturbed texts, the queries as they are (:data:`~findings.PERTURBED`)."""
    used = np.unique(shown.rows)
    found = {}
    for kind, name in zip(perturb.KINDS, findings.PERTURBED, strict=False):
        rows: list[Row] = list(study.pool.rows)
        changed = perturb.perturb_rows([rows[i] for i in used], study.task.inputs, kind, seed, lexicon)
        for i, row in zip(used, changed, strict=True):
            rows[i] = row
        found[name] = Condition(shown, pool=Texts(rows, study.pool.vectors))
    return found


def own_orders(study: Study, k: int, orders: int, *, seed: int) -> Demonstrations:
    """Stratified demonstrations for each test point, in several orders. (orders, points, k)"""
    shown = in_orders(stratified(study.labels, k, study.points, seed=(seed, 3)), orders, seed=(seed, 4))
    return Demonstrations(*(part.swapaxes(0, 1) for part in (shown.rows, shown.labels)))
