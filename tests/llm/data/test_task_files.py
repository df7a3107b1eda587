"""Tasks of one's own: what their files may say, every kind of rows, what is refused with file and line."""

import json
import re

import pandas
import pytest

from iclnb.errors import IclnbError
from iclnb.keys.inputs import task_digest
from iclnb.llm.data import task_files, tasks
from iclnb.llm.data.rows import key, split_of

FILE = """\
description = "Messages to a support team"
licence = "CC0-1.0"
text = ["message"]
label = "department"
classes = ["billing", "delivery", "returns", "other"]
words = ["money", "parcel", "return", "other"]

[other_words]
letters = ["A", "B", "C", "D"]

[formats.plain]
x = "Message: {message}"
cue = "\\nDepartment:"

[formats.short]
x = "{message}"
cue = " ->"
separator = "\\n"
"""
ROWS = pandas.DataFrame({
    "message": ["Charged twice, \"why\"?", "Where is it?\nIt was due on Monday", "Too small; naïve 😀", "NA"],
    "department": ["billing", "Delivery ", "returns", "other"],
    "day": [1, 2, 3, 4],
})  # fmt: skip
EXPECTED = [{"message": text, "label": i} for i, text in enumerate(ROWS["message"])]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a task of one's own, without rows."""
    monkeypatch.setenv("ICLNB_DATA", str(tmp_path))
    folder = tmp_path / "tickets"
    folder.mkdir()
    (folder / "task.toml").write_text(FILE)
    return folder


def write(path):
    """The rows as pandas writes them."""
    if path.suffix == ".parquet":
        ROWS.astype({"department": "category"}).to_parquet(path)
    elif path.suffix == ".jsonl":
        ROWS.to_json(path, orient="records", lines=True)
    else:
        ROWS.to_csv(path, index=False, sep="," if path.suffix == ".csv" else "\t")


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "parquet"])
def test_rows_of_every_kind_are_those_that_were_written(folder, kind):
    write(folder / f"validation.{kind}")
    rows = tasks.load("tickets", "validation")
    assert rows.to_list() == EXPECTED and rows.features["label"].names == list(tasks.get("tickets").classes)
    origin = tasks.origin(rows)
    assert (origin["source"], origin["file"]) == ("local", f"tickets/validation.{kind}")
    assert tasks.check("tickets").label_words[rows["label"][1]] == "parcel"
    with pytest.raises(IclnbError, match=rf"no train split.*validation\.{kind}"):
        tasks.load("tickets", "train")
    write(folder / "validation.tsv" if kind != "tsv" else folder / "validation.csv")
    with pytest.raises(IclnbError, match=r"validation\.\w+ and validation\.\w+: which is meant"):
        tasks.load("tickets", "validation")


def test_a_task_is_what_its_file_says(folder):
    task = tasks.get("tickets")
    assert (task.inputs, task.format.x) == (("message",), "Message: {message}")
    assert [*task.formats] == ["plain", "short"] and task.formats["short"].separator == "\n"
    assert task.other_label_words == {"letters": ("A", "B", "C", "D")}
    assert "tickets" in tasks.names() and "sst2" in tasks.names()
    same = task_digest(folder / "task.toml")
    (folder / "task.toml").write_text(FILE.replace("CC0-1.0", "MIT") + "# a comment\n")
    assert tasks.get("tickets").licence == "MIT" and tasks.get("tickets").digest == same == task.digest
    (folder / "task.toml").write_text(FILE.replace("parcel", "packet"))
    assert tasks.get("tickets").digest != same


def test_one_file_for_all_splits_is_told_apart_by_the_texts(folder):
    lines = [{"message": f"message {i}", "department": i % 4} for i in range(600)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    splits = {split: tasks.load("tickets", split)["message"] for split in task_files.SPLITS}
    together = [text for texts in splits.values() for text in texts]
    assert sorted(together) == sorted(line["message"] for line in lines)
    for split, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
        assert abs(len(splits[split]) / 600 - share) < 4 * (share * (1 - share) / 600) ** 0.5
        assert all(split_of(text) == split for text in splits[split])
    assert split_of("A fine film!") == split_of("a FINE film") and key("A fine film!") == "afinefilm"


def test_columns_may_have_names_that_no_format_can_say(folder):
    (folder / "task.toml").write_text(FILE.replace('["message"]', '{message = "Message text"}'))
    ROWS.rename(columns={"message": "Message text"}).to_csv(folder / "validation.csv", index=False)
    assert tasks.load("tickets", "validation").to_list() == EXPECTED


@pytest.mark.parametrize("count", [2, 10])
def test_classes_may_be_numbers_and_are_named_before_they_are_counted(folder, count):
    """Stars from 1 on are not mistaken for the places of classes from 0 on."""
    stars = [str(i) for i in range(1, count + 1)]
    text = re.sub(r"classes = .*", f"classes = {stars}", FILE)
    text = re.sub(r"(words|letters) = .*", lambda m: f"{m[1]} = {[f'w{i}' for i in stars]}", text)
    (folder / "task.toml").write_text(text)
    given = [1, count, str(count), f" {count} ", float(count)]
    lines = [{"message": f"m{i}", "department": label} for i, label in enumerate(given)]
    (folder / "validation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert tasks.load("tickets", "validation")["label"] == [0, *[count - 1] * 4]
    (folder / "validation.jsonl").write_text('{"message": "m", "department": 0}\n')
    with pytest.raises(IclnbError, match=r"line 1, column 'department': expected a class \(1, .*got 0"):
        tasks.load("tickets", "validation")


def test_a_score_of_ones_own(folder):
    text = re.sub(
        r"label = .*\nclasses = .*\nwords = .*", 'score = "day"\nwords = ["none", "some", "much"]', FILE
    )
    (folder / "task.toml").write_text(re.sub(r"\[other_words\]\nletters = .*", "", text))
    (folder / "validation.csv").write_text("message,day\na,0.4\nb,1.5\nc,2\n")
    task, rows = tasks.get("tickets"), tasks.load("tickets", "validation")
    assert [task.label_words[task.label(row)] for row in rows] == ["none", "much", "much"]
    (folder / "validation.csv").write_text("message,day\na,0.4\nb,3\n")
    with pytest.raises(IclnbError, match=r"validation.csv, line 3, column 'day': expected a number 0 to 2"):
        tasks.check("tickets")


@pytest.mark.wrong_arguments
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('text = ["message"]', "text = [", "(at line 4, column"),
        ("words =", "wrods =", "line 6: unknown key 'wrods'; known: text, label, classes"),
        ('text = ["message"]\n', "", "no 'text'; it says the text columns"),
        ('["message"]', '"message"', "line 3: expected a list of texts as 'text', got 'message'"),
        ('"parcel", ', "", "line 6: expected 4 words, for billing, delivery, returns, other; got 3"),
        ('"parcel"', '"Money"', "line 6: the same text stands in 'words' twice"),
        ('"parcel"', '" parcel"', "line 6: ' parcel' begins or ends with a space"),
        ("label =", "score =", "expected either 'classes' (the names of the classes) or 'score'"),
        ('"billing", "delivery", "returns", "other"', '"all"', "line 5: expected 2 to 10 classes, got 1"),
        ('x = "Message: {message}"', 'x = "{text}"', "line 11: format 'plain' names the column 'text'"),
        ('x = "Message: {message}"', 'x = "Message"', "line 11: format 'plain': expected a template with"),
        ('cue = " ->"', "cue = 5", "line 15: format 'short': expected texts as the parts"),
        (FILE[FILE.index("[formats.plain]") :], "", "no 'formats'; it says ways to write"),
        ("[other_words]", 'splits = ["train"]\n[other_words]', "line 8: expected validation, with or"),
        ("[other_words]", '[hub]\nrepository = "a/b"\n[other_words]', "line 8: expected repository"),
        ("licence =", "licence = 1 #", "line 2: expected a text as 'licence', got 1"),
    ],
)  # fmt: skip
def test_what_no_task_can_be_is_refused_with_file_and_line(folder, old, new, message):
    assert old in FILE
    (folder / "task.toml").write_text(FILE.replace(old, new, 1))
    with pytest.raises(IclnbError) as error:
        tasks.check("tickets")
    assert f"{folder / 'task.toml'}" in str(error.value) and message in str(error.value)


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("csv", "message,department\na,other\nb,unknown\n", "line 3, column 'department': expected a class"),
        ("csv", 'message,department\n"a\nb",billing\nc,d,e\n', "line 4: 3 fields under 2 columns (mess"),
        ("csv", "message,message\na,b\n", "line 1: a column stands there twice: message, message"),
        ("csv", 'message,department\n"a" b,billing\n', "line 2: ',' expected after '\"'"),
        ("csv", "text,department\na,billing\n", "line 2: no column 'message'; it has 'text', 'department'"),
        ("csv", "message,department\na,billing\n".encode("utf-16"), "is written in UTF-16"),
        ("csv", "message,department\n\n", "holds no labelled row"),
        ("parquet", b"PAR1 or not", "cannot be read as Parquet"),
    ],
)  # fmt: skip
def test_rows_that_are_none_are_refused_with_their_line(folder, kind, content, message):
    path = folder / f"validation.{kind}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(IclnbError) as error:
        tasks.check("tickets")
    assert f"validation.{kind}" in str(error.value) and message in str(error.value)


def test_names_that_lead_to_no_task(folder):
    (folder / "task.toml").rename(folder / "tasks.toml")
    with pytest.raises(IclnbError, match=r"tickets has no task\.toml.*`iclnb new --task tickets`"):
        tasks.get("tickets")
    with pytest.raises(IclnbError, match=r"unknown task '\.\./x'; known: .*sst2.*One of your own is made by"):
        tasks.get("../x")
    other = folder.with_name("sst2")
    other.mkdir()
    (other / "task.toml").write_text(FILE)
    with pytest.raises(IclnbError, match="sst2 is the name of a built-in task"):
        tasks.get("sst2")
