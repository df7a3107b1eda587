"""Rows as people have them: what is read, what is left out and counted, and what is refused, where."""

import json

import pytest

from iclnb.errors import IclnbError
from iclnb.llm.data import tasks


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads lines of bytes as the train split of a task with the columns text and label (no, yes)."""
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))

    def load(*lines, task="tweet_eval_irony"):
        path = tmp_path / task / "train.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(lines))
        rows = tasks.load(task, "train")
        return rows.to_list(), tasks.origin(rows)

    return load


FINE = b'{"text": "fine", "label": 0}\n'


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (b'\xef\xbb\xbf{"text": "a", "label": 1}\n', ("a", 1)),
        (b'{"text": "a", "label": 1}\r\n', ("a", 1)),
        (b' \t {"label": 1, "other": {"deep": [1]}, "text": "a"}\n', ("a", 1)),
        (b'{"text": "a\tb", "label": 1}\n', ("a\tb", 1)),
        (b'{"text": "a", "label": " 1.0 "}\n', ("a", 1)),
        (b'{"text": "a", "label": 1.0}\n', ("a", 1)),
        (b'{"text": "\\ud83d\\ude00", "label": 1}\n', ("\N{GRINNING FACE}", 1)),
        (json.dumps({"text": "x" * 10_000_000, "label": 1}).encode() + b"\n", ("x" * 10_000_000, 1)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_plain_is_read(load, line, row):
    rows, origin = load(line)
    assert rows == [{"text": row[0], "label": row[1]}]
    assert (origin["rows"], origin["left_out"]) == (1, 0)
    assert load(b"\n", b" \r\n", FINE, b"\n", line)[0][1:] == rows  # a byte order mark inside a file, too


def test_classes_may_be_named(load):
    lines = b'{"sentence": "a", "label": "Positive"}\n', b'{"sentence": "a", "label": "negative "}\n'
    assert [row["label"] for row in load(*lines, task="sst2")[0]] == [1, 0]


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "a", "label": null}\n', b'{"text": null, "label": 1}\n', b'{"text": " ", "label": 1}\n',
        b'{"text": "a", "label": -1}\n', b'{"text": "a", "label": "-1"}\n', b'{"text": "a", "label": NaN}\n',
        b'{"text": "a", "label": ""}\n',
    ],
)  # fmt: skip
def test_what_is_missing_is_left_out_and_counted(load, line):
    rows, origin = load(line, FINE, line)
    assert len(rows) == origin["rows"] == 1 and origin["left_out"] == 2


def test_missing_extra_numbers_are_left_out_too(load):
    lines = (b'{"text": "a", "label": 1, "valence": %s}\n' % value for value in (b"0.5", b"null"))
    rows, origin = load(*lines, task="movie_snippets")
    assert [row["valence"] for row in rows] == [0.5] and origin["left_out"] == 1


def test_repeated_rows_stay_and_are_counted(load):
    other, nothing = b'{"text": "fine", "label": 1}\n', b'{"text": "", "label": 1}\n'
    rows, origin = load(FINE, other, nothing, FINE, FINE)
    assert len(rows) == 4 and origin["repeated"] == 2
    assert tasks.summary([origin]) == (
        "tweet_eval_irony/train (local): 4 rows; 1 others left out for want of text or label; 2 repeated."
    )


def test_scores_may_be_text(load):
    line = b'{"sentence1": "a", "sentence2": "b", "score": "3.8"}\n'
    assert load(line, task="stsb")[0][0]["score"] == 3.8


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "a", "label": 1\n', "line 2, column 25: not a JSON object on one line (Expecting ','"),
        (b"{\n", "line 2, column 2: not a JSON object on one line"),
        (FINE[:-1] + FINE, "line 2, column 29: not a JSON object on one line (Extra data)"),
        (b'{"text": "\xff", "label": 1}\n', "line 2, column 11: not UTF-8"),
        (b"[1]\n", "line 2: expected a JSON object, got list"),
        (b'{"text": "a", "label": 1, "text": "b"}\n', "line 2: column 'text' stands there twice"),
        (
            b'{"text": "a", "label": 2}\n',
            "line 2, column 'label': expected a class (non_irony, irony) as 'label', got 2",
        ),
        (b'{"text": "a", "label": "maybe"}\n', "expected a class (non_irony, irony) as 'label', got 'maybe'"),
        (b'{"text": "a", "label": 0.5}\n', "as 'label', got 0.5"),
        (b'{"text": "a", "label": true}\n', "as 'label', got True"),
        (b'{"text": "a", "label": 1' + b"0" * 5000 + b"}\n", "line 2: Exceeds the limit"),
        (b'{"text": 5, "label": 1}\n', "line 2, column 'text': expected a text as 'text', got 5"),
        (b'{"text": "a \\ud83d b", "label": 1}\n', "line 2, column 'text': half a character"),
        (b'{"sentence": "a", "label": 1}\n', "line 2: no column 'text'; it has 'sentence', 'label'"),
        (b'{"text": ' + b"[" * 99_999 + b"]" * 99_999 + b"}\n", "line 2: nested too deeply"),
        (b'{"text": "' + b"x" * 10_000_000 + b"\n", "line 2, column 10: not a JSON object"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_not_is_refused_in_one_short_message(load, line, message):
    with pytest.raises(IclnbError) as error:
        load(FINE, line)
    assert "train.jsonl, " in str(error.value) and message in str(error.value)
    assert len(str(error.value)) < 500 and "\n" not in str(error.value)


def test_other_encodings_and_empty_files_are_named(load):
    for encoding in ("utf-16-le", "utf-16-be"):
        with pytest.raises(IclnbError, match=r"train\.jsonl is written in UTF-16"):
            load(("\ufeff" + FINE.decode()).encode(encoding))
    for nothing in (b"", b"\n\r\n", b'{"text": "a", "label": null}\n'):
        with pytest.raises(IclnbError, match=r"no labelled row.*train\.jsonl"):
            load(nothing)
