"""Label noise, label words, formats, orders and perturbed texts."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tiny

from iclnb.errors import IclnbError
from iclnb.kernel_regression import Bandwidth
from iclnb.llm.data.definitions import Format, Task
from iclnb.llm.demonstrations import Demonstrations
from iclnb.steering import conditions, material
from iclnb.steering.lexicon import Lexicon
from iclnb.steering.study import Study


def noisy(labels, share, kind, *, classes, seed):
    shown = Demonstrations(np.arange(labels.size).reshape(labels.shape), labels)
    found = conditions.with_noise(shown, share, kind, classes=classes, seed=seed)
    assert (found.rows == shown.rows).all()
    return found.labels


LABELS = np.random.default_rng(0).integers(3, size=(400, 8))


@pytest.mark.parametrize("kind", conditions.NOISE)
def test_noise_is_nested_and_has_its_share(kind):
    steps = [noisy(LABELS, share, kind, classes=3, seed=1) for share in np.linspace(0, 1, 9)]
    assert (steps[0] == LABELS).all()
    for weak, strong in pairwise(steps):
        moved = weak != LABELS
        assert (strong[moved] == weak[moved]).all()
    wrong = np.array([(step != LABELS).sum(1) for step in steps])
    if kind == "flipped":
        assert (wrong == np.arange(9)[:, None]).all()
    else:  # a third of the uniformly drawn labels are right
        assert np.abs(wrong.mean(1) - np.arange(9) * 2 / 3).max() < 4 * (8 * 2 / 9 / 400) ** 0.5
        assert (wrong <= np.arange(9)[:, None]).all()
    drawn = np.bincount(steps[-1].ravel(), minlength=3)
    assert np.abs(drawn - 3200 / 3).max() < 4 * (3200 * 2 / 9) ** 0.5
    assert (steps[4] != noisy(LABELS, 0.5, kind, classes=3, seed=2)).any()


def test_noise_falls_on_every_place_alike():
    moved = noisy(LABELS, 0.25, "flipped", classes=3, seed=1) != LABELS
    assert np.abs(moved.sum(0) - 100).max() < 4 * (400 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize(("share", "replaced"), [(0.1, 0), (0.2, 1), (0.5, 2), (0.8, 2), (0.9, 3)])
def test_shares_are_rounded_to_whole_labels(share, replaced):
    replaced_labels = noisy(LABELS[:, :3], share, "flipped", classes=3, seed=1)
    assert ((replaced_labels != LABELS[:, :3]).sum(1) == replaced).all()


def test_impossible_noise_is_refused():
    with pytest.raises(IclnbError, match=r"unknown kind of label noise 'loud'; known: flipped, random"):
        noisy(LABELS, 0.5, "loud", classes=3, seed=0)
    with pytest.raises(ValueError, match="0 to 1"):
        noisy(LABELS, -0.1, "random", classes=3, seed=0)


@pytest.mark.tiny
def test_random_words_are_common_and_single_tokens():
    tokenizer = tiny.tokenizers()["gpt2"]
    single = {"film", "Sentiment", "really", "good", "fine", "tabs"}
    words = ("film", "really", "good", "fine", "cinema", "zebra", "bad", "x1yz", "sentiments")
    counts = dict.fromkeys(words, 10)
    found = {conditions.random_words(Lexicon(counts, {}), tokenizer, " ", 2, seed=seed) for seed in range(30)}
    picked = {word for pair in found for word in pair}
    ids = {word: tokenizer(" " + word)["input_ids"] for word in counts}
    expected = {word for word, tokens in ids.items() if len(tokens) == 1 and len(word) >= 4}
    assert picked == expected and len(expected) >= 3 and expected < single
    assert all(a != b for a, b in found)
    with pytest.raises(IclnbError, match="fewer than 8 common words"):
        conditions.random_words(Lexicon(counts, {}), tokenizer, " ", 8, seed=0)


TASK = Task(
    "toy",
    inputs=("text",),
    classes=("negative", "positive"),
    label_words=("bad", "good"),
    formats={name: Format(x=f"{name}: {{text}}", cue="\nSentiment:") for name in ("Review", "Film")},
    other_label_words={"plain": ("dull", "fine")},
)


@pytest.mark.tiny
def test_wordings_change_words_or_format_and_nothing_else():
    counts = dict.fromkeys(("film", "really", "fine"), 10)
    tokenizer = tiny.tokenizers()["gpt2"]
    found = conditions.label_wordings(TASK, tokenizer, Lexicon(counts, {}), seed=0)
    few = conditions.label_wordings(TASK, tokenizer, Lexicon(counts, {}), alike=0, seed=0)
    assert list(few) == [name for name in found if name != "dull / fine"]
    names = list(found)
    assert names[:3] == ["bad / good", "dull / fine", "swapped"] and len(found) == 5
    assert [found[name].words for name in names[:4]] == [
        ("bad", "good"), ("dull", "fine"), ("good", "bad"), ("foo", "bar")
    ]  # fmt: skip
    assert set(found[names[4]].words) < set(counts)
    assert {each.format for each in found.values()} == {TASK.format}
    formats = conditions.format_wordings(TASK)
    assert list(formats) == ["template: Film", "separator: one line"]
    assert formats["template: Film"].format.x == "Film: {text}"
    assert formats["separator: one line"].format == replace(TASK.format, separator="\n")
    assert {each.words for each in formats.values()} == {("bad", "good")}
    assert conditions.swapped(("a", "b", "c")) == ("b", "c", "a")


def test_label_noise_is_shared_by_all_points():
    drawn = Demonstrations(np.arange(8).reshape(2, 4), LABELS[:2, :4] % 2)
    found = conditions.label_noise(drawn, (0.5, 1.0), 3, seed=1)
    assert list(found) == [(kind, share) for kind in ("random", "flipped") for share in (0.0, 0.5, 1.0)]
    for each in found.values():
        assert each.shown.rows.shape == (2, 3, 4) and (each.shown.labels == each.shown.labels[:, :1]).all()
    assert (found["random", 0.0].shown.labels[:, 0] == drawn.labels).all()
    assert (found["flipped", 1.0].shown.labels[:, 0] == 1 - drawn.labels).all()
    assert ((found["flipped", 0.5].shown.labels[:, 0] != drawn.labels).sum(-1) == 2).all()


def test_perturbed_texts_reach_model_and_kernel(monkeypatch):
    monkeypatch.setattr(material, "embed", lambda texts: np.array([[len(text), 1.0] for text in texts]))
    pool, queries = ([{"text": f"{name}{i} honest", "label": i % 2} for i in range(4)] for name in "pq")
    texts = [material.texts(TASK, rows) for rows in (pool, queries)]
    labels = np.array([0, 1, 0, 1])
    study = Study(None, TASK, texts[0], labels, texts[1], labels, Bandwidth(1.0, 0.5))
    shown = Demonstrations(np.array([[1, 3]]), np.array([[1, 1]])).for_every(4)
    settings = {"lexicon": Lexicon({"honest": 9}, {"honest": ["honorable"]}), "seed": 0}
    asked = conditions.perturbed_queries(study, shown, (1.0,), **settings)["rare words", 1.0]
    assert [row["text"] for row in asked.queries.rows] == [f"q{i} honorable" for i in range(4)]
    assert asked.queries.vectors[:, 0].tolist() == [12] * 4 and asked.pool is None
    given = conditions.perturbed_demonstrations(study, shown, (1.0,), **settings)["rare words", 1.0]
    ends = [row["text"].split()[1] for row in given.pool.rows]
    assert ends == ["honest", "honorable", "honest", "honorable"] and given.queries is None
    assert given.pool.vectors[:, 0].tolist() == [9, 12, 9, 12]
    assert [row["text"] for row in pool] == [f"p{i} honest" for i in range(4)]
