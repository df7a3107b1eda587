"""The runs that the book shows: of every notebook the recorded ones of its ladder, then the run of this machine."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from iclnb.errors import IclnbError
from iclnb.ladders import HERE
from iclnb.records import records
from iclnb.records.own import Own


class Run(NamedTuple):
    """A run of one notebook, judged when the notebook last ran here."""

    name: str  # plain: "Qwen2.5-Coder-1.5B", or `iclnb.ladders.HERE`
    model: str  # plain name of the model that was asked; empty where none was
    task: str  # of its rows; empty where the notebook has no choice of one
    results: Mapping[str, Any]  # claims, values, parameters and provenance, as in the results file
    stale: Sequence[str]  # why a record is not what the code would give now
    at_chance: bool  # whether the model does no better there than naming the most frequent label

    @property
    def seconds(self) -> float | None:
        """What it took; ``None`` where that is not known."""
        source = self.results["provenance"]
        return (source.get("cost") or source).get("seconds")

    @property
    def recorded(self) -> bool:
        """Whether it is a record, and not the run of this machine."""
        return not self.name.startswith(HERE)


def runs(
    project: Path, names: Sequence[str], *, instead: Own | None = None, also: Iterable[Own] = ()
) -> dict[str, list[Run]]:
    """The runs of each notebook: recorded ones from small models to large ones, this machine's last.

    A run of one's own may stand ``instead`` of the book's; ``also`` others follow it, named after model and
    task. Whether a model is at chance on a task is a property of the two, whichever chapter found it.

    Raises IclnbError if a results file or a record cannot be read.
    """
    saved = {name: _saved(project / "build" / "results" / f"{name}.json", name) for name in names}
    if instead:
        saved[instead.notebook] = _saved(instead.outputs.results, instead.notebook)
    for one in also:
        if one.notebook in saved:
            *ladder, here = _saved(one.outputs.results, one.notebook)
            named = {**here, "name": f"{HERE}: {one.label.partition(' / ')[2]}"}
            saved[one.notebook] = [*(saved[one.notebook] or ladder), named]
    chance = {pair for listed in saved.values() for results in listed for pair in _at_chance(results)}
    known = {record.path: record for record in records.all_records(project)}
    found: dict[str, list[Run]] = {}
    for name, listed in saved.items():
        found[name] = []
        for results in listed:
            record = known.get(project / results["record"]) if results["record"] else None
            stale = records.stale(project, record) if record else ()
            model, task = results["model"], results["task"]
            found[name].append(Run(results["name"], model, task, results, stale, (model, task) in chance))
    return found


def _saved(path: Path, name: str) -> list[Mapping[str, Any]]:
    """The runs that a notebook's results file holds; none where it has not run here."""
    if not path.is_file():
        return []
    try:
        here = json.loads(path.read_text(encoding="utf-8"))
        return [*here["ladder"], here]
    except (ValueError, KeyError, TypeError) as error:
        raise IclnbError(f"{path} cannot be read ({error!r}); delete it and run {name} again") from error


def _at_chance(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Models and tasks that a run found at chance: its values say of each task whether the model is."""
    said = results.get("values", {}).get("at_chance")
    if isinstance(said, Mapping):
        yield from ((results["model"], task) for task, holds in said.items() if holds)
