"""Tasks by name, built in or of one's own, and their rows: packaged, in a local folder, or on the hub."""

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iclnb.errors import IclnbError, unknown
from iclnb.keys.inputs import file_hash
from iclnb.llm.data import packaged, task_files
from iclnb.llm.data.definitions import Task
from iclnb.llm.data.hub import cache_if_out_of_reach
from iclnb.llm.data.rows import KINDS, Numbered, numbered, split_of, typed
from iclnb.llm.data.task_files import FILE

if TYPE_CHECKING:
    import datasets

SOURCES = ("packaged", "local", "hub")
TOGETHER = "rows"  # Name of a file that holds all splits, told apart by `iclnb.llm.data.rows.split_of`


class MissingSplit(IclnbError):
    """The source has the task, but not this split of it."""


def names() -> list[str]:
    """The built-in tasks, and those of one's own: folders of ``ICLNB_DATA`` with a ``task.toml``."""
    return sorted(task_files.names(local_root()))


def get(name: str) -> Task:
    """The task of that name. Raises IclnbError for an unknown one, or a file that says what no task can be."""
    root = local_root()
    known = task_files.names(root)
    if name in known:
        return task_files.read(known[name], name)
    if root and "/" not in name and (root / name).is_dir():
        raise IclnbError(
            f"{root / name} has no {FILE}, which says what a task is; `iclnb new --task {name}` "
            "writes one to fill in"
        )
    error = unknown("task", name, known)
    raise IclnbError(f"{error}. One of your own is made by `iclnb new --task NAME`")


def place(task: Task) -> str:
    """Where its rows are, in a few words: on this machine, in a package or on the hub."""
    if _choose(task) == "local":
        return f"local: {local_root() / task.name}"
    return f"hub: {task.hub.repository}" if task.hub and not task.packaged else "packaged"


def check(name: str, source: str = "auto") -> Task:
    """The task of that name, if all its rows on this machine can be read, by no network; raises as :func:`load`."""
    task = get(name)
    if source in ("auto", "local") and _choose(task) == "local":
        load(name, "validation", "local")
        with suppress(MissingSplit):  # demonstrations come from the validation split then
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
    return _read(task, split, _choose(task) if source == "auto" else source, revision)


def origin(dataset: "datasets.Dataset") -> dict[str, Any]:
    """Where the rows of a dataset made by :func:`load` come from; kept through ``select``, ``shuffle`` etc.

    Returns:
        ``task``, ``definition`` (a hash of it), ``split``, ``source``, ``file``; its ``sha256`` (packaged and
        local) and the distribution that it is ``from`` (packaged), or ``repository``, ``config`` and
        ``revision`` (hub); ``rows`` of the split, how many of the file were ``left_out`` for want of text or
        label, how many of those kept are ``repeated``, and the ``score_scale`` applied.

    Raises:
        ValueError: for any other dataset.
    """
    try:
        return json.loads(dataset.info.description)
    except json.JSONDecodeError:
        raise ValueError("expected a dataset made by iclnb.llm.data.tasks.load, got another one") from None


def summary(origins: Iterable[Mapping[str, Any]]) -> str:
    """What a page says of its rows, one sentence for each split: where from, how many, how many left out."""
    return " ".join(
        f"{each['task']}/{each['split']} ({each['source']}): {each['rows']:,} rows; {each['left_out']:,} "
        f"others left out for want of text or label; {each['repeated']:,} repeated."
        for each in origins
    )


def local_root() -> Path | None:
    """The folder of one's own data that ``ICLNB_DATA`` names. Raises IclnbError if that is no folder."""
    named = os.environ.get("ICLNB_DATA")
    if named and not Path(named).expanduser().is_dir():
        raise IclnbError(f"ICLNB_DATA names {named}, which is no folder; correct or unset it")
    return Path(named).expanduser() if named else None


def _choose(task: Task) -> str:
    """The source that ``auto`` means for a task: local if its rows are there, else packaged, else hub."""
    root = local_root()
    folder = root / task.name if root else None
    if folder and folder.is_dir() and not (task.hub and (folder / FILE).is_file() and not _files(folder)):
        return "local"
    return "packaged" if task.packaged else "hub"


def _read(task: Task, split: str, source: str, revision: str | None) -> "datasets.Dataset":
    """The typed rows of one split from one of :data:`SOURCES`; arguments as in :func:`load`."""
    from datasets import ClassLabel, Dataset, DatasetInfo, Features, Value

    if source == "hub":
        raw, where = _hub(task, split, revision)
    else:
        path = _packaged(task, split) if source == "packaged" else _local(task, split)
        raw, where = numbered(path), _described(path)
    if source == "packaged":
        where["from"] = packaged.of(str(task.packaged)).origin
    counted = "row" if source == "hub" or where["file"].endswith(".parquet") else "line"
    rows, notes = typed(task, raw, where["file"], counted)
    if Path(where["file"]).stem == TOGETHER:
        rows = [row for row in rows if split_of(" ".join(row[name] for name in task.inputs)) == split]
    if not rows:
        raise IclnbError(f"{task.name}/{split} from {source} holds no labelled row ({where['file']})")
    full = {"task": task.name, "definition": task.digest, "split": split, "source": source, **where}
    full |= {"rows": len(rows), **notes}
    target = ClassLabel(names=list(task.classes)) if task.classes else Value("float64")
    columns = {name: Value("string") for name in task.inputs} | {task.target: target}
    features = Features(columns | {name: Value("float64") for name in task.numbers})
    info = DatasetInfo(features=features, description=json.dumps(full))
    return Dataset.from_list(rows, features=features, info=info, split=split)


def _packaged(task: Task, split: str) -> Path:
    if task.packaged is None:
        raise IclnbError(f"{task.name} is not packaged. {_ways(task)}")
    return packaged.folder(task.packaged) / task.name / f"{split}.jsonl"


def _local(task: Task, split: str) -> Path:
    """The file that holds a split: named by it, or by :data:`TOGETHER`."""
    root = local_root()
    if root is None:
        raise IclnbError(f"no local data: ICLNB_DATA is not set. {_ways(task)}")
    folder = root / task.name
    if not folder.is_dir():
        raise IclnbError(f"there is no folder {folder}. {_ways(task)}")
    there = _files(folder)
    for stem in (split, TOGETHER):
        found = [path for path in there if path.stem == stem]
        if len(found) > 1:
            names = " and ".join(path.name for path in found)
            raise IclnbError(f"{folder} holds {names}: which is meant? Keep one of them")
        if found:
            return found[0]
    if there:
        known = ", ".join(path.name for path in there)
        raise MissingSplit(f"no {split} split in {folder}; its files of rows: {known}. {_ways(task)}")
    raise IclnbError(f"{folder} holds no rows, which are files such as {split}.jsonl. {_ways(task)}")


def _files(folder: Path) -> list[Path]:
    stems = ("train", "validation", "test", TOGETHER)
    return [path for path in sorted(folder.iterdir()) if path.suffix in KINDS and path.stem in stems]


def _hub(task: Task, split: str, revision: str | None) -> tuple[Numbered, dict[str, Any]]:
    if task.hub is None:
        raise IclnbError(f"{task.name} is not on the hub. {_ways(task)}")
    from datasets import load_dataset
    from huggingface_hub import HfApi

    place, name = task.hub, f"{task.hub.repository}:{task.hub.config or 'default'}"
    hub_split = place.splits.get(split, split)
    with cache_if_out_of_reach() as in_reach:
        try:
            if revision is not None:  # a branch or tag: today's commit, so that what is read is recorded
                revision = HfApi().dataset_info(place.repository, revision=revision).sha
            commit = revision or place.revision
            table = load_dataset(place.repository, place.config, split=hub_split, revision=commit)
        except Exception as error:  # the hub's libraries raise a dozen unrelated kinds
            reason = str(error).strip().split("\n")[0] if in_reach else "the hub is out of reach"
            raise IclnbError(f"could not read {name} from the hub ({reason}). {_ways(task)}") from error
    where = {"file": f"{name}/{hub_split}", "repository": place.repository, "config": place.config}
    return enumerate(table, 1), where | {"revision": commit}


def _ways(task: Task) -> str:
    """Which sources the task has and how to use each."""
    kinds = ", ".join(kind.removeprefix(".") for kind in KINDS)
    ways = [f"local: set ICLNB_DATA to a folder that holds {task.name}/<split>.jsonl (or {kinds[7:]})"]
    if task.packaged:
        ways.insert(0, "packaged: run `iclnb fetch` once with a package index in reach")
    if task.hub:
        ways.append("hub: connect to the network once, then source='hub'")
    others = "" if task.packaged else "; `iclnb tasks` lists those that need none of these (packaged)"
    return "Ways to get it: " + "; ".join(ways) + others


def _described(path: Path) -> dict[str, Any]:
    try:
        digest = file_hash(path)
    except OSError as error:
        raise IclnbError(f"{path} cannot be read: {error.strerror}") from error
    return {"file": f"{path.parent.name}/{path.name}", "sha256": digest}
