"""Runs of one's own: with any parameter but the profile that is not the book's, each kept in a folder of its own.

They lie in ``build/runs/<notebook>/<model>/<task>/``, so that none takes the place of the book's own run, nor of
another checkpoint's: the folder of a local model ends in the hash of its weights. Other parameters follow the task:
``sst2,k=8``.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from iclnb.errors import IclnbError
from iclnb.ladders import RECORDED
from iclnb.records import records
from iclnb.records.records import Cell
from iclnb.run import notebooks, run_one
from iclnb.run.run_one import Outputs

FOLDER = Path("build") / "runs"


class Own(NamedTuple):
    """A run of one's own that is kept."""

    notebook: str  # its name
    label: str  # notebook, model and task
    folder: Path  # of all its files

    @property
    def outputs(self) -> Outputs:
        """Its files."""
        return run_one.outputs(self.folder, self.notebook, self.folder)


LONGEST = 120  # Characters of a folder's name; of a longer one the end is a hash


def folder(project: Path, cell: Cell) -> Path | None:
    """Where a run belongs that is not the book's own; ``None`` for one that differs from it in the profile alone.

    A smoke run has a folder beside the one of a larger run, and so has a run with other parameters.
    """
    known = notebooks.parameters(notebooks.source(project, cell.notebook))
    changed = notebooks.changed(known, cell.parameters)
    if not changed.keys() - {"profile"}:
        return None
    place = records.path(project, cell).relative_to(project / RECORDED).with_suffix("")
    smoke = ["smoke"] if getattr(records.settings(project, cell), "profile", "") == "smoke" else []
    others = [
        f"{name}={value}"
        for name, value in changed.items()
        if name not in ("profile", "model", "task") and not name.endswith("seed")
    ]
    return project / FOLDER / place.with_name(_short(",".join([place.name, *smoke, *others])))


def _short(text: str) -> str:
    """The same as a name fit for a folder; two texts never have the same."""
    name = records.file_name(text)
    if name == text and len(name) <= LONGEST:
        return name
    return f"{name[:LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def all_runs(project: Path) -> Iterator[Own]:
    """The runs that are kept, by notebook, model and task."""
    for file in sorted((project / FOLDER).rglob("*.json")):
        place = file.parent.relative_to(project / FOLDER)
        if file.stem == place.parts[0] and file.with_suffix(".ipynb").is_file():
            yield Own(file.stem, " / ".join(place.parts), file.parent)


def latest(project: Path, name: str = "") -> Own:
    """The run of a notebook (default: of any), by name or number, that ended last, or the one in a folder.

    Raises IclnbError if there is none; the message names those there are.
    """
    known = list(all_runs(project))
    place = Path(name).resolve()
    found = [each for each in known if name and each.folder == place]
    if not found:
        stem = notebooks.source(project, name).stem if name and not place.is_dir() else name
        found = [each for each in known if stem in ("", each.notebook)]
    if not found:
        listed = "".join(f"\n  {each.folder.relative_to(project)}" for each in known) or " none yet"
        raise IclnbError(
            f"no run of your own of {name or 'any chapter'}: `iclnb run NAME -p model ... -p task ...` makes "
            f"one. There are:{listed}"
        )
    return max(found, key=lambda each: (each.folder / f"{each.notebook}.json").stat().st_mtime_ns)
