"""Perturbations: what they change, how much, and that the dial only ever adds."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iclnb.errors import IclnbError
from iclnb.llm.data import unpack
from iclnb.steering import perturb
from iclnb.steering.lexicon import Lexicon

LEXICON = Lexicon(
    counts={"film": 900, "movie": 500, "flick": 3, "honest": 70, "honorable": 9, "the": 10_000, "able": 5},
    synonyms={
        "film": ["movie", "flick", "motion picture"],
        "honest": ["honorable"],
        "honorable": ["honest"],
        "able": ["xyz", "qrs"],
        "the": ["flick"],
        "in": ["flick"],
    },
)
TEXT = "An honest FILM, and the Film isn't over-long; naïve viewers aged 12 (in 東京) were able to follow it."


def changed(kind, strength, seed=0, text=TEXT):
    return perturb.perturb(text, kind, strength, seed=seed, lexicon=LEXICON)


def words(text):
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text)


def touched(kind, strength, seed=0, text=TEXT):
    """Places of the words that differ; a mark behind a word makes it differ."""
    new, old = changed(kind, strength, seed, text), text
    if kind == "complex":
        for frame in reversed(perturb.FRAMES):
            new = new.removeprefix(frame.removesuffix("{}"))
        new = re.sub("(motion) (picture)", r"\1\2", new, flags=re.I)
    if kind == "punctuation":
        pieces = re.split(r"([^\W\d_]+(?:'[^\W\d_]+)*)", new)[2::2]
        original = re.split(r"([^\W\d_]+(?:'[^\W\d_]+)*)", old)[2::2]
        return {i for i, (a, b) in enumerate(zip(pieces, original, strict=True)) if a != b}
    return {i for i, (a, b) in enumerate(zip(words(new), words(old), strict=True)) if a != b}


@pytest.mark.parametrize("kind", perturb.KINDS)
@given(text=st.text(max_size=60), seed=st.integers(0, 99))
def test_strength_zero_changes_nothing_and_seeds_decide(kind, text, seed):
    assert changed(kind, 0, seed, text) == text
    assert changed(kind, 0.7, seed, text) == changed(kind, 0.7, seed, text)


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_a_stronger_perturbation_changes_all_that_a_weaker_one_did(kind):
    """...by the same words, too: the pieces that both touched are the same."""
    for seed in range(5):
        steps = [touched(kind, step / 20, seed) for step in range(21)]
        assert all(weak <= strong for weak, strong in pairwise(steps))
        sizes = [len(step) for step in steps]
        able = sizes[20]
        assert sizes == [-(-step * able // 20) for step in range(21)]  # the share, rounded up
    if kind in ("typos", "case"):
        half, full = words(changed(kind, 0.5)), words(changed(kind, 1))
        assert all(half[i] == full[i] for i in touched(kind, 0.5))


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_other_seeds_touch_other_words(kind):
    assert len({changed(kind, 0.5, seed) for seed in range(20)}) > 2


def distance(a, b):
    """Damerau-Levenshtein (optimal string alignment), by recursion over prefixes."""
    table = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            best = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                best = min(best, table[i - 2, j - 2] + 1)
            table[i, j] = best
    return table[len(a), len(b)]


@given(
    st.lists(st.text("abcdefghijklmnopqrstuvwxyzABCé", min_size=1, max_size=9), min_size=1),
    st.integers(0, 99),
)
def test_a_typo_is_one_slip_in_every_long_word(old, seed):
    new = changed("typos", 1, seed, " ".join(old)).split(" ")
    for a, b in zip(old, new, strict=True):
        assert a[0] == b[0]
        if len(a) < 4:
            assert a == b
        elif len(set(a[1:])) > 1:  # "aéééé" has letters that no slip but doubling or losing can change
            assert distance(a, b) == 1


def test_all_four_slips_occur():
    new = [changed("typos", 1, seed, "wonderful") for seed in range(200)]
    lengths = {len(word) - len("wonderful") for word in new}
    same_letters = {word for word in new if sorted(word) == sorted("wonderful")}
    replaced = {word for word in new if len(word) == 9} - same_letters
    assert lengths == {-1, 0, 1} and len(same_letters) > 3 and len(replaced) > 3
    beside = {"o": "ip", "n": "bm", "d": "sf", "e": "wr", "r": "et", "f": "dg", "u": "yi"}
    for word in replaced:
        (i,) = (i for i in range(9) if word[i] != "wonderful"[i])
        assert word[i] in beside["wonderful"[i]], word


def test_rare_words_are_the_rarest_synonyms_in_the_same_case():
    new = changed("rare words", 1)
    assert new == TEXT.replace("honest", "honorable").replace("FILM", "FLICK").replace(
        "Film", "Flick"
    ).replace("able to", "qrs to")
    assert (
        changed("rare words", 1, text="An honorable deed") == "An honorable deed"
    )  # its synonym is commoner


def test_complex_nests_frames_and_takes_the_longest_synonym():
    third, full = (changed("complex", share, text="honest film") for share in (1 / 3, 1))
    assert third.startswith("what is put forward here") and "subject under discussion" not in third
    assert full.startswith("in so far as") and full.endswith("following: honorable motion picture")
    assert full.index("in so far") < full.index("with regard") < full.index("what is put")


@given(st.text(max_size=80), st.integers(0, 99))
def test_case_and_punctuation_leave_the_letters(text, seed):
    assert changed("case", 1, seed, text).upper() == text.upper() or "ß" in text or not text.isascii()
    marked = changed("punctuation", 1, seed, text)
    assert unpack.key(marked) == unpack.key(text)
    assert len(marked) - len(text) == len(re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text))


def test_rows_keep_what_is_no_text():
    rows = [{"a": "honest", "b": "honest", "label": 1}]
    made = perturb.perturb_rows(rows, ("b",), "rare words", 1, seed=0, lexicon=LEXICON)
    assert made == [{"a": "honest", "b": "honorable", "label": 1}] and rows[0]["b"] == "honest"


def test_unknown_kinds_and_strengths_are_refused():
    with pytest.raises(IclnbError, match=r"unknown kind of perturbation 'haiku'; known: .*typos"):
        changed("haiku", 1)
    with pytest.raises(ValueError, match="0 to 1"):
        changed("case", 1.5)


def test_the_papers_kinds_are_among_ours():
    assert set(perturb.TABLE_1) == {"none", *perturb.KINDS[:3]}
