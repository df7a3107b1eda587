"""Tasks by name, built in or of one's own, and their rows."""

from contextlib import suppress
from typing import TYPE_CHECKING

from iclnb.errors import IclnbError, unknown
from iclnb.llm.data import sources, task_files
from iclnb.llm.data.definitions import Task
from iclnb.llm.data.sources import SOURCES, origin, summary

if TYPE_CHECKING:
    import datasets

__all__ = ["SOURCES", "Task", "check", "get", "load", "names", "origin", "summary"]


def names() -> list[str]:
    """The built-in tasks, and those of one's own: folders of ``ICLNB_DATA`` with a ``task.toml``."""
    return sorted(task_files.names(sources.local_root()))


def get(name: str) -> Task:
    """The task of that name. Raises IclnbError for an unknown one, or a file that says what no task can be."""
    root = sources.local_root()
    known = task_files.names(root)
    if name in known:
        return task_files.read(known[name], name)
    if root and "/" not in name and (root / name).is_dir():
        raise IclnbError(
            f"{root / name} has no {task_files.FILE}, which says what a task is; `iclnb new --task {name}` "
            "writes one to fill in"
        )
    error = unknown("task", name, known)
    raise IclnbError(f"{error}. One of your own is made by `iclnb new --task NAME`")


def place(task: Task) -> str:
    """Where its rows are, in a few words: on this machine, in a package or on the hub."""
    if sources.choose(task) == "local":
        return f"local: {sources.local_root() / task.name}"
    return f"hub: {task.hub.repository}" if task.hub and not task.packaged else "packaged"


def check(name: str, source: str = "auto") -> Task:
    """The task of that name, if all its rows on this machine can be read, by no network; raises as :func:`load`."""
    task = get(name)
    if source in ("auto", "local") and sources.choose(task) == "local":
        load(name, "validation", "local")
        with suppress(sources.MissingSplit):  # demonstrations come from the validation split then
            load(name, "train", "local")
    return task


def load(name: str, split: str, source: str = "auto", *, revision: str | None = None) -> "datasets.Dataset":
    """The rows of one split of a task, typed; :func:`origin` tells where they are from.

    Rows without text or without a label are left out and counted in the origin, which counts repeated
    rows too. Labels may be numbers, numbers as text, or names of classes.

    Args:
        name: one of :func:`names`.
        split: one of the task's splits.
        source: ``packaged`` (fetched once through a package index), ``local`` (``ICLNB_DATA`` names a folder
            with ``<name>/<split>``, as JSON lines, CSV or Parquet, or with all splits in ``<name>/rows``),
            ``hub``, or ``auto``: local if that folder has rows, else packaged if the task is, else hub. All
            splits of a task so come from one source.
        revision: in place of the pinned revision of the hub; takes the rows from there.

    Raises:
        IclnbError: unknown name, split or source; rows that cannot be had or are damaged.
    """
    task = get(name)
    if split not in task.splits:
        raise unknown(f"split of {name}", split, task.splits)
    if source not in ("auto", *SOURCES):
        raise unknown("source", source, ("auto", *SOURCES))
    if revision is not None and source == "auto":
        source = "hub"
    if revision is not None and source != "hub":
        raise IclnbError(f"a revision belongs to the hub, got one with source={source!r}; leave it out")
    return sources.read(task, split, sources.choose(task) if source == "auto" else source, revision)
