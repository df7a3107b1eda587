"""Label noise, label words, orders and the prompts made of tables."""

import math
from itertools import pairwise

import numpy as np
import pytest
import tiny

from iclnb.errors import IclnbError
from iclnb.llm.data.definitions import Format
from iclnb.steering import conditions
from iclnb.steering.lexicon import Lexicon

LABELS = np.random.default_rng(0).integers(3, size=(400, 8))


@pytest.mark.parametrize("kind", conditions.NOISE)
def test_noise_is_nested_and_has_its_share(kind):
    steps = [
        conditions.noisy_labels(LABELS, share, kind, classes=3, seed=1) for share in np.linspace(0, 1, 9)
    ]
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
    assert (steps[4] != conditions.noisy_labels(LABELS, 0.5, kind, classes=3, seed=2)).any()


def test_noise_falls_on_every_place_alike():
    moved = conditions.noisy_labels(LABELS, 0.25, "flipped", classes=3, seed=1) != LABELS
    assert np.abs(moved.sum(0) - 100).max() < 4 * (400 * 0.25 * 0.75) ** 0.5


@pytest.mark.parametrize(("share", "replaced"), [(0.1, 0), (0.2, 1), (0.5, 2), (0.8, 2), (0.9, 3)])
def test_shares_are_rounded_to_whole_labels(share, replaced):
    noisy = conditions.noisy_labels(LABELS[:, :3], share, "flipped", classes=3, seed=1)
    assert ((noisy != LABELS[:, :3]).sum(1) == replaced).all()


def test_impossible_noise_is_refused():
    with pytest.raises(IclnbError, match=r"unknown kind of label noise 'loud'; known: flipped, random"):
        conditions.noisy_labels(LABELS, 0.5, "loud", classes=3, seed=0)
    with pytest.raises(ValueError, match="0 to 1"):
        conditions.noisy_labels(LABELS, -0.1, "random", classes=3, seed=0)


def test_orders():
    found = conditions.orders(4)
    assert found[0].tolist() == [0, 1, 2, 3] and len({tuple(row) for row in found}) == math.factorial(4)
    assert conditions.swapped(("bad", "good")) == ("good", "bad")
    assert conditions.swapped(("a", "b", "c")) == ("b", "c", "a")


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


@pytest.mark.tiny
def test_prompts_are_written_as_the_tables_say():
    rows = [{"text": f"t{i}"} for i in range(5)]
    format = Format(x="Review: {text}", cue="\nSentiment:")
    chosen, labels = np.array([[3, 0], [1, 3]]), np.array([[1, 1], [0, 1]])
    queries = [{"text": "q0"}, {"text": "q1"}]
    made = conditions.write(tiny.tokenizers()["gpt2"], format, ("bad", "good"), rows, chosen, labels, queries)
    assert [prompt.text for prompt in made] == [
        "Review: t3\nSentiment: good\n\nReview: t0\nSentiment: good\n\nReview: q0\nSentiment:",
        "Review: t1\nSentiment: bad\n\nReview: t3\nSentiment: good\n\nReview: q1\nSentiment:",
    ]
    assert [prompt.labels for prompt in made] == [(1, 1), (0, 1)]
    none = np.zeros((2, 0), dtype=int)
    zero = conditions.write(tiny.tokenizers()["gpt2"], format, ("bad", "good"), rows, none, none, queries)
    assert [prompt.text for prompt in zero] == ["Review: q0\nSentiment:", "Review: q1\nSentiment:"]
    with pytest.raises(ValueError):
        conditions.write(
            tiny.tokenizers()["gpt2"], format, ("bad", "good"), rows, chosen, labels, queries[:1]
        )
