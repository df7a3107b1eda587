"""Where things lie on disk, and how files are written so that a killed run loses nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from iclnb.errors import IclnbError


def cache_dir() -> Path:
    """The folder of fetched models and texts: ``ICLNB_CACHE``, else the user's cache directory."""
    return Path(os.environ.get("ICLNB_CACHE") or platformdirs.user_cache_dir("iclnb")).expanduser()


def project_dir() -> Path:
    """The checkout that the working directory lies in, else the working directory."""
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return folder
    return here


def checkout() -> Path:
    """The checkout of the working directory. Raises IclnbError if it lies in none."""
    project = project_dir()
    if not (project / "notebooks").is_dir():
        raise IclnbError(f"{project} lies in no checkout of this project; change into one first")
    return project


def from_checkout(typed: str) -> str:
    """A path typed in the working directory, as notebooks name it, which run at the root of the checkout.

    What is no path relative to the working directory (a name, an absolute path) stays as it is.
    """
    project, path = project_dir(), Path(typed)
    relative = not path.is_absolute() and (path.exists() or typed.startswith(("./", "../")))
    if not typed or not relative or Path.cwd() == project:
        return typed
    return os.path.relpath(path, project)


def results_dir() -> Path:
    """Where a notebook writes its claims: ``ICLNB_RESULTS``, else ``build/by_hand`` of the checkout.

    The book's own results, in ``build/results``, are those of ``iclnb run`` and ``iclnb book`` alone.
    """
    chosen = os.environ.get("ICLNB_RESULTS")
    return Path(chosen).expanduser() if chosen else project_dir() / "build" / "by_hand"


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place if the block succeeds.

    The block may create a file or a folder there. If it raises, or the process is killed, ``target``
    stays as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        temporary = Path(folder) / target.name
        yield temporary
        _as_others_may_read(temporary)
        if temporary.is_dir() and target.is_dir():
            target.rename(Path(folder) / "old")
        temporary.replace(target)


def write(target: Path, text: str) -> None:
    """Put a text in the place of ``target``, in one step."""
    with replacing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _as_others_may_read(written: Path) -> None:
    """Give files the permissions of any new file: some libraries write for their own user alone."""
    usual = written.with_name("usual")
    usual.touch()
    for path in [written, *written.rglob("*")]:
        if path.is_file():
            path.chmod(path.stat().st_mode | usual.stat().st_mode)


def remove_leftovers(target: Path) -> None:
    """Remove the temporary folders that killed runs of :func:`replacing` left beside ``target``.

    Call it only while no other process can be writing ``target``.
    """
    for folder in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(folder, ignore_errors=True)
