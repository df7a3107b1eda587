"""Designs that cannot be had are refused before anything starts, by the command, by a sweep and in a notebook."""

import csv
import re

import pytest
from click.testing import CliRunner
from throwaway import ROOT

from iclnb.cli import commands
from iclnb.errors import IclnbError
from iclnb.records import needs
from iclnb.records.records import Cell
from iclnb.run import notebooks
from iclnb.settings import ByProfile

ASKING = [name for name in notebooks.names(ROOT) if name[:2] in ("02", "03", "04", "07")]
"""Notebooks whose design depends on a task."""

CLASSES = (2, 3, 10)
ANIMALS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay")


def write_task(folder, name, classes, rows):
    """A task of one's own: as many rows of every class, a third of them to be asked."""
    place = folder / name
    place.mkdir()
    listed = ", ".join(f'"{each}"' for each in ANIMALS[:classes])
    (place / "task.toml").write_text(
        f'text = ["text"]\nclasses = [{listed}]\nwords = [{listed}]\n'
        '[formats.plain]\nx = "Text: {text}"\ncue = "\\nAnimal:"\n'
    )
    for split, start in (("train", 0), ("validation", 2 * rows // 3)):
        with (place / f"{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            end = 2 * rows // 3 if split == "train" else rows
            writer.writerows((f"text {i}", ANIMALS[i % classes]) for i in range(start, end))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for classes in CLASSES:
        write_task(folder, f"of_{classes}", classes, 900)
    write_task(folder, "small", 3, 21)
    return folder


@pytest.fixture(autouse=True)
def at_root(data, monkeypatch):
    monkeypatch.setenv("ICLNB_DATA", str(data))
    monkeypatch.chdir(ROOT)


def refused(name, **given):
    return list(needs.designs(ROOT, [Cell(name, given)]))


@pytest.mark.parametrize("profile", ["smoke", "laptop"])
@pytest.mark.parametrize("name", ASKING)
def test_the_defaults_do_for_any_number_of_classes_or_the_settings_that_do_are_named(name, profile):
    for classes in CLASSES:
        given = {"profile": profile, "task": f"of_{classes}", "table": f"of_{classes}"}
        known = notebooks.parameters(notebooks.source(ROOT, name))
        given = {key: value for key, value in given.items() if key in known}
        lines = refused(name, **given)
        if lines and name.startswith("07"):
            assert f"points >= {2 * classes}" in lines[0] or "arbitrary words" in lines[0], lines
            words = "foo,bar,dog,cup,tree,ring,box,hat,pen,sun"
            lines = refused(name, **given, points=2 * classes, words=words)
        assert lines == [], classes


@pytest.mark.parametrize(("name", "given", "message"), [
    ("02", {"prompts": 8}, "small has 7 validation rows, not 8"),
    ("02", {"k": 15, "prompts": 4}, "k = 15 demonstrations cannot be drawn from 14 rows"),
    ("03", {}, "8 are needed, and small has 7 validation rows"),
    ("03a", {"k": 15}, "cannot be drawn from 14 rows"),
    ("03b", {}, "8 are needed, and small has 7"),
    ("03c", {"shown": 9}, "shown = 9 of 8 prompts"),
    ("04", {"pool": 14}, "none is left for the kernel's bandwidth"),
    ("04a", {"k": 9}, "of one class"),
    ("07", {"points": 4}, "ask for points >= 6, not 4"),
    ("07", {"words": "foo,bar"}, "has 3 labels; give as many arbitrary words"),
    ("07", {"asked": 9}, "asked = 9 of 8 points"),
    ("07", {"points": 6}, "rows of every class for 24 balanced test points"),
])  # fmt: skip
def test_what_a_small_task_cannot_have_is_refused_with_what_it_has(name, given, message):
    source = notebooks.source(ROOT, name)
    task = {"table" if name == "03b" else "task": "small"}
    (line,) = refused(source.stem, profile="smoke", **task, **given)
    assert message in line and line.startswith(f"{source.stem}, small: ")


def test_sets_of_one_label_are_refused_with_the_number_that_does(data):
    common = {"profile": "smoke", "task": "of_2", "k": 2, "sets": 2}
    seed = next(i for i in range(50) if refused("03_middle_layer_heads", **common, demonstration_seed=i))
    (line,) = refused("03_middle_layer_heads", **common, demonstration_seed=seed)
    common["sets"] = int(re.search(r"ask for sets >= (\d+)", line)[1])
    assert not refused("03_middle_layer_heads", **common, demonstration_seed=seed)
    common["sets"] -= 1
    assert refused("03_middle_layer_heads", **common, demonstration_seed=seed)


@pytest.mark.parametrize(("words", "message"), [
    ("run 02 -p k 0", "k = 0: take 1 or more"),
    ("run 03 -p k 1 -p sets 1", "sets = 1: take 2 or more"),
    ("run 03 -p profile smoke -p task small", "8 are needed"),
    ("run 07 -p task of_10", "ask for points >= 20, not 4"),
    ("run 07 -p points 4 -p task of_10 --output here", "ask for points >= 20, not 4"),
])  # fmt: skip
def test_the_command_refuses_at_once(words, message, monkeypatch):
    monkeypatch.setattr("iclnb.run.run_one.run", None)
    monkeypatch.setattr("iclnb.records.records.make", None)
    for more in ([], ["--record"] if "--output" not in words else []):
        done = CliRunner().invoke(commands, [*words.split(), *more])
        assert isinstance(done.exception, IclnbError) and message in str(done.exception)


def test_a_sweep_refuses_all_of_them_in_one_message(tmp_path):
    file = tmp_path / "sweep.toml"
    file.write_text(
        '[[sweep]]\nnotebooks = ["02", "07"]\nmodels = ["smollm2-135m-instruct"]\ntasks = ["of_10", "small"]\n'
        '[sweep.parameters]\nprofile = "laptop"\n'
    )
    done = CliRunner().invoke(commands, ["sweep", str(file), "--dry-run"])
    message = str(done.exception)
    assert "points >= 20, not 4" in message and "points >= 6, not 4" in message
    assert "02_attention_allocation, small: small has 7 validation rows, not 10" in message
    assert "02_attention_allocation, of_10" not in message
    file.write_text(file.read_text().replace('"laptop"\n', '"laptop"\nk = 0\n'))
    done = CliRunner().invoke(commands, ["sweep", str(file), "--dry-run"])
    assert "k = 0: take 1 or more" in str(done.exception) and "k = 0: take 2" in str(done.exception)


@pytest.mark.parametrize("name", notebooks.names(ROOT))
def test_no_default_is_below_the_least(name):
    for one in notebooks.parameters(ROOT / "notebooks" / f"{name}.py").values():
        values = one.default if isinstance(one.default, ByProfile) else [one.default]
        assert one.least is None or min(values) >= one.least, one.name
        counts = one.annotation == "int" and not one.name.endswith("seed")
        assert one.least is not None or not counts or one.name in ("train_pairs", "d", "n_context"), one.name
