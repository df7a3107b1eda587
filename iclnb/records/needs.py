"""What a sweep needs before it starts: tasks and models that are there, access, downloads, memory, a GPU."""

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

from iclnb.errors import IclnbError
from iclnb.records import records
from iclnb.records.records import Cell
from iclnb.run import notebooks

ROOM = 2e9
"""Bytes on the device beside the weights; a batch takes what is left, and is made smaller where that is little."""


class Need(NamedTuple):
    """What one model of a sweep needs."""

    name: str  # that `model` takes
    parameters: int | None  # number of its weights; `None` where that is not known
    download: int  # bytes that are still to be fetched
    memory: float  # bytes on the device, weights and `ROOM`
    problem: str  # why it cannot be loaded; empty if it can, as far as can be seen

    def __str__(self) -> str:
        size = f"{self.parameters / 1e9:.1f} B parameters, " if self.parameters else ""
        fetched = f"{self.download / 1e9:.1f} GB to download" if self.download else "nothing to download"
        return f"{self.name}: {size}{fetched}, about {self.memory / 1e9:.0f} GB on the device"


def models(project: Path, cells: Sequence[Cell]) -> list[Need]:
    """What the models of some cells need, in their order; asks the hub where it is in reach."""
    from iclnb.llm.data.hub import cache_if_out_of_reach
    from iclnb.llm.loading.places import is_local

    widths: dict[tuple[str, str | None], int] = {}
    for cell in cells:
        run = vars(records.settings(project, cell))
        if run.get("model"):
            asked = str(run["model"]), run.get("revision")
            widths[asked] = max(widths.get(asked, 2), 4 if run.get("dtype") == "float32" else 2)
    on_hub = any("/" in name and not is_local(name) for name, _ in widths)
    with cache_if_out_of_reach() if on_hub else nullcontext(False) as in_reach:
        return [_need(*asked, width, in_reach) for asked, width in widths.items()]


def tasks(project: Path, cells: Sequence[Cell]) -> Iterator[str]:
    """A line for each task of some cells whose rows cannot be had."""
    from iclnb.llm.data import tasks as known
    from iclnb.llm.data.hub import cache_if_out_of_reach

    names: dict[tuple[str, str], None] = {}
    for cell in cells:
        run = vars(records.settings(project, cell))
        names |= {(name, str(run.get("source", "auto"))): None for name in records.tasks(run)}
    for name, source in names:
        try:
            task = known.check(name, source)
            if source == "hub" or (source == "auto" and known.place(task).startswith("hub")):
                with cache_if_out_of_reach() as in_reach:
                    if not in_reach:  # then its rows must be on this machine
                        known.load(name, "validation", source)
        except IclnbError as error:
            yield str(error)


def designs(project: Path, cells: Sequence[Cell]) -> Iterator[str]:
    """A line for each notebook and task of some cells that cannot have their design, as far as rows are here."""
    from iclnb.llm.data import tasks as known

    asked: dict[str, None] = {}
    for cell in cells:
        source, run = notebooks.source(project, cell.notebook), records.settings(project, cell)
        named, source_of = records.tasks(vars(run)), getattr(run, "source", "auto")
        places = [known.place(known.get(name)) for name in named if name in known.names()]
        if source_of == "hub" or (source_of == "auto" and any(place.startswith("hub") for place in places)):
            continue
        same = {key: value for key, value in vars(run).items() if key not in _OF_MODEL}
        if (question := repr((source, same))) in asked:
            continue
        asked[question] = None
        try:
            records.designing(source)(run)
        except IclnbError as error:
            yield f"{source.stem}, {', '.join(named)}: {error}"


_OF_MODEL = {"model", "revision", "device_map", "dtype", "batch_size"}  # Settings that no design depends on


@cache
def parameters(name: str) -> int | None:
    """The number of a model's weights, from what is known without the network; ``None`` where nothing is."""
    from iclnb.llm.loading import catalogue

    known = {card.name: card.parameters for card in catalogue.CARDS}
    known |= {hub: count for hub, (count, _, _) in catalogue.HUB.items()}
    return known.get(name) or (_stored(Path(name).expanduser()) if name else None)


def faster(project: Path) -> tuple[str, float] | None:
    """The GPU of the recorded benchmark, and how many times as fast it reads queries as the recorded CPU.

    It is the ratio for the largest model that both benchmarks timed, queries on shared demonstrations.
    """
    found = []
    for file in ("bench.json", "bench-cuda.json"):
        place = project / "book" / "recorded" / file
        if not place.is_file():
            return None
        bench = json.loads(place.read_text(encoding="utf-8"))
        timed = [each for each in bench["measurements"] if each["experiment"] == "models" and each["seconds"]]
        times = {each["way"]: statistics.median(each["seconds"]) / each["size"] for each in timed}
        found.append((bench["processor"], times))
    (_, cpu), (name, gpu) = found
    both = [way for way in cpu if way in gpu]
    return (name, max(cpu[way] / gpu[way] for way in both)) if both else None


def _need(name: str, revision: str | None, width: int, in_reach: bool) -> Need:
    from iclnb.llm.data import packaged
    from iclnb.llm.loading import catalogue, places

    count, download, problem = parameters(name), 0, ""
    try:
        card = next((card for card in catalogue.CARDS if card.name == name), None)
        if card:
            download = 0 if packaged.is_here(card.name) else card.download
        elif (place := places.find(name, revision)).origin["source"] == "hub":
            known = catalogue.HUB.get(name, (0, 0, ""))
            if in_reach:
                download, stored = _files(name, place.origin["revision"])
                count = count or stored // 2
            elif not _cached(name, place.origin["revision"]):
                download = known[0] * known[1]
                gated = f"is gated (ask for access at https://huggingface.co/{name}) and " if known[2] else ""
                problem = f"{name} {gated}is not on this machine, and the hub is out of reach"
    except IclnbError as error:
        problem = str(error)
    return Need(name, count, download, width * (count or 0) + ROOM, problem)


def _stored(folder: Path) -> int | None:
    """The number of weights in a folder's files."""
    from safetensors import safe_open

    count = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="np") as weights:
            for key in weights.keys():  # noqa: SIM118 - it is no mapping
                count += math.prod(weights.get_slice(key).get_shape())
    return count or None


def _files(name: str, revision: str) -> tuple[int, int]:
    """Bytes of a model on the hub that are not here yet, and bytes of its weights, if access is granted."""
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    from iclnb.llm.loading import checkpoint, fetching, places

    repository = places.repository_of(name)
    try:
        listed = list(HfApi().list_repo_tree(repository, revision=revision, recursive=True))
        sizes = {each.path: each.size for each in listed if hasattr(each, "size")}
        wanted = [path for path in sizes if any(fnmatch(path, end) for end in fetching.PATTERNS)]
        for path in wanted[:1]:
            get_hf_file_metadata(hf_hub_url(repository, path, revision=revision))
    except Exception as error:  # the client's errors have no common type
        if isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError):
            raise IclnbError(f"the hub has no model {name}, or a private one; check its id") from error
        raise checkpoint.failure(name, "hub", error) from error
    missing = [
        p for p in wanted if not isinstance(try_to_load_from_cache(repository, p, revision=revision), str)
    ]
    return sum(sizes[p] for p in missing), sum(sizes[p] for p in wanted if p.endswith(".safetensors"))


def _cached(name: str, revision: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, "config.json", revision=revision), str)
