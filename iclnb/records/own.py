"""Runs of one's own: of another model or task than the book's, each kept in a folder of its own.

They lie in ``build/runs/<notebook>/<model>/<task>/``, so that none takes the place of the book's own run, nor of
another checkpoint's: the folder of a local model ends in the hash of its weights.
"""

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
    """A run of one's own that is kept.

    Attributes:
        notebook: its name.
        label: notebook, model and task.
        folder: of all its files.
    """

    notebook: str
    label: str
    folder: Path

    @property
    def outputs(self) -> Outputs:
        """Its files."""
        return run_one.outputs(self.folder, self.notebook, self.folder)


def folder(project: Path, cell: Cell) -> Path | None:
    """Where a run belongs that is not the book's own; ``None`` for one of the book's model and task.

    A smoke run has a folder beside the one of a larger run.
    """
    known = notebooks.parameters(notebooks.source(project, cell.notebook))
    if not {"model", "task", "table"} & notebooks.changed(known, cell.parameters).keys():
        return None
    place = records.path(project, cell).relative_to(project / RECORDED).with_suffix("")
    smoke = ",smoke" if getattr(records.settings(project, cell), "profile", "") == "smoke" else ""
    return project / FOLDER / place.with_name(place.name + smoke)


def all_runs(project: Path) -> Iterator[Own]:
    """The runs that are kept, by notebook, model and task."""
    for file in sorted((project / FOLDER).rglob("*.json")):
        place = file.parent.relative_to(project / FOLDER)
        if file.stem == place.parts[0] and file.with_suffix(".ipynb").is_file():
            yield Own(file.stem, " / ".join(place.parts), file.parent)


def latest(project: Path, name: str = "") -> Own:
    """The run of a notebook that ended last, or the one in a folder.

    Args:
        project: the checkout.
        name: a notebook, its number, or the folder of a run; empty for all notebooks.

    Raises:
        IclnbError: if there is none; the message names those there are.
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
