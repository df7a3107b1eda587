"""The chapter's conditions: each changes one thing, and none is without its control."""

from dataclasses import replace

import numpy as np
import pytest

from iclnb.errors import IclnbError
from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Format, Task
from iclnb.llm.demonstrations import Demonstrations
from iclnb.llm.reader import Reader
from iclnb.steering import conditions, findings, material
from iclnb.steering.conditions import in_orders, stratified
from iclnb.steering.perturb import Lexicon
from iclnb.steering.study import Study, Texts

RNG = np.random.default_rng(0)
TASK = Task(
    "toy",
    inputs=("text",),
    classes=("a", "b", "c"),
    label_words=("low", "middle", "high"),
    formats={name: Format(x=f"{name}: {{text}}", cue="\nSentiment:") for name in ("Review", "Film")},
)
LEXICON = Lexicon({"honest": 9}, {"honest": ["honorable"]})
LABELS = np.arange(24) % 3


@pytest.fixture
def study(monkeypatch):
    monkeypatch.setattr(material, "embed", lambda texts: np.array([[len(text), 1.0] for text in texts]))
    pool, queries = ([{"text": f"{name}{i} honest"} for i in range(n)] for name, n in (("p", 24), ("q", 6)))
    texts = Texts(pool, RNG.normal(size=(24, 2))), Texts(queries, RNG.normal(size=(6, 2)))
    return Study(Reader.__new__(Reader), TASK, texts[0], LABELS, texts[1], LABELS[:6], Bandwidth(1.0, 0.5))


def chapter(study, k=4):
    return conditions.chapter(study, k, most=3, lexicon=LEXICON, demonstration_seed=1, noise_seed=2)


def test_conditions_are_the_findings_and_change_one_thing(study):
    found = chapter(study)
    assert set(found) == set(findings.CONDITIONS)
    plain = found[findings.RANDOM].shown
    assert (plain.labels == LABELS[plain.rows]).all() and plain.rows.shape == (6, 4)
    retrieved = findings.RETRIEVED[1:]
    for name, each in found.items():
        assert (each.shown.rows == plain.rows).all() or name in retrieved, name
        changed = [part for part in ("wording", "pool", "queries") if getattr(each, part) is not None]
        changed += ["labels"] * bool((each.shown.labels != LABELS[each.shown.rows]).any())
        expected = {
            findings.UNRELATED: ["labels"], findings.FLIPPED: ["labels"], findings.ARBITRARY: ["wording"],
            findings.ARBITRARY_FLIPPED: ["wording", "labels"], findings.TEMPLATE: ["wording"],
            findings.ONE_LINE: ["wording"],
        }  # fmt: skip
        assert changed == (["queries"] if name in findings.KINDS else expected.get(name, [])), name
    cosine = study.queries.vectors @ study.pool.vectors.T
    similar = [np.take_along_axis(cosine, found[name].shown.rows, 1).mean() for name in retrieved]
    assert similar[0] > similar[1] > similar[2] and similar[3] > similar[2]
    for name, like in (retrieved[:2], retrieved[2:]):
        assert (found[name].shown.labels == found[like].shown.labels).all()
        assert (found[name].shown.rows != found[like].shown.rows).any()


def test_labels_words_and_formats(study):
    found = chapter(study)
    plain = found[findings.RANDOM].shown.labels
    assert (found[findings.FLIPPED].shown.labels == np.array([1, 2, 0])[plain]).all()
    assert (found[findings.ARBITRARY_FLIPPED].shown.labels == found[findings.FLIPPED].shown.labels).all()
    assert found[findings.ARBITRARY].wording == found[findings.ARBITRARY_FLIPPED].wording
    assert len(set(found[findings.ARBITRARY].wording.words)) == 3
    assert found[findings.ARBITRARY].wording.format == TASK.format
    assert found[findings.TEMPLATE].wording == (TASK.formats["Film"], TASK.label_words)
    assert found[findings.ONE_LINE].wording == (replace(TASK.format, separator="\n"), TASK.label_words)
    many = conditions.relabelled(
        study, Demonstrations(np.zeros((3000, 4), int), np.zeros((3000, 4), int)), seed=0
    )
    counts = np.bincount(many[findings.UNRELATED].shown.labels.ravel(), minlength=3)
    assert np.abs(counts - 4000).max() < 4 * (12_000 * 2 / 9) ** 0.5
    alone = replace(TASK, formats={"one": Format(x="{text}", cue=" It was", separator="\n")})
    assert conditions.formats(replace(study, task=alone)) == {}
    assert len(set(conditions.ARBITRARY_WORDS)) == material.CLASSES.stop - 1


def test_perturbed_texts_reach_model_and_kernel(study):
    asked = chapter(study)[findings.RARE]
    assert [row["text"] for row in asked.queries.rows] == [f"q{i} honorable" for i in range(6)]
    assert asked.queries.vectors[:, 0].tolist() == [12] * 6
    shown = Demonstrations(np.array([[1, 3]] * 6), np.ones((6, 2), int))
    given = conditions.perturbed_demonstrations(study, shown, lexicon=LEXICON, seed=0)
    assert tuple(given) == findings.PERTURBED
    texts = [row["text"] for row in given["rare words in demonstrations"].pool.rows[:4]]
    assert texts == ["p0 honest", "p1 honorable", "p2 honest", "p3 honorable"]
    assert study.pool.rows[1]["text"] == "p1 honest"


@pytest.mark.parametrize("k", [2, 5, 6])
def test_sets_have_all_classes_in_turn(k):
    labels = RNG.integers(3, size=90)
    sets = stratified(labels, k, 60, seed=3)
    assert (sets.labels == labels[sets.rows]).all() and all(len(set(row)) == k for row in sets.rows.tolist())
    counts = np.stack([(sets.labels == label).sum(1) for label in range(3)])
    assert counts.max() == -(-k // 3) and counts.min() == k // 3
    assert len({tuple(row) for row in sets.rows.tolist()}) == 60
    if k < 3:
        assert np.abs(counts.sum(1) - 40).max() < 20, "every class is left out at times"


def test_orders_are_different_permutations():
    sets = stratified(LABELS, 6, 40, seed=3)
    for k, count, made in ((6, 5, 5), (2, 5, 2), (3, 5, 5)):
        shown = sets.take((slice(None), slice(k)))
        turned = in_orders(shown, count, seed=4)
        assert turned.rows.shape == (40, made, k)
        for given, rows, labels in zip(shown.rows, turned.rows, turned.labels, strict=True):
            assert len({tuple(row) for row in rows}) == made and (labels == LABELS[rows]).all()
            assert all(sorted(row) == sorted(given) for row in rows.tolist())
    long = in_orders(stratified(LABELS, 9, 200, seed=0), 4, seed=0)
    first = (long.rows[:, 0] == long.rows[:, 0].min(1, keepdims=True)).argmax(1)
    assert np.bincount(first, minlength=9).min() > 0, "any place may hold any demonstration"


def test_every_test_point_has_orders_of_its_own(study):
    shown = conditions.own_orders(study, 4, 3, seed=0)
    assert shown.rows.shape == (3, 6, 4)
    assert (np.sort(shown.rows, -1) == np.sort(shown.rows[:1], -1)).all()
    with pytest.raises(IclnbError, match="raise `pool` or lower `k`"):
        conditions.own_orders(replace(study, labels=np.arange(24) // 23), 4, 3, seed=0)
