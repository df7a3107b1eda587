"""The ladder of a chapter: this run's findings beside the recorded ones, under plain names.

Claims are judged and pictures drawn for all of them by the same call, so that whoever runs a notebook on a model
of their own sees it beside the recorded models at once.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from iclnb import findings as finding
from iclnb import paths, store
from iclnb.errors import IclnbError
from iclnb.findings import Findings
from iclnb.keys import measurement
from iclnb.provenance import provenance

HERE = "this run"
RECORDED = Path("book") / "recorded"
SUFFIX = ".nc"
SHOWN = "sst2"
"""The task of the recorded runs in the chapters' figures; what is recorded of others stands in figures of tasks."""

_SIZE = re.compile(r"[a-z]|\d+(\.\d+)?[mb]")

F = TypeVar("F", bound=Findings)


@dataclass(frozen=True)
class Rung(Generic[F]):
    """One run of a chapter's measurement."""

    name: str  # plain, unique in its ladder: "Qwen2.5-Coder-1.5B", or "GPT-J-6B on hate"
    findings: F  # what it measured
    settings: SimpleNamespace  # of that run
    provenance: Mapping[str, Any]  # model, data, revision, versions, machine, cost
    key: Mapping[str, Any]  # what it depends on (`iclnb.keys.measurement.key`)
    path: Path | None  # of its record; `None` for this run

    @property
    def recorded(self) -> bool:
        """Whether it is a record of the repository."""
        return self.path is not None

    @property
    def model(self) -> str:
        """The model's plain name; empty where none was asked."""
        return model_name(self.provenance)

    @property
    def task(self) -> str:
        """The task's name; empty where there is no choice of one."""
        return str(getattr(self.settings, "task", None) or "")

    def attributes(self) -> dict[str, Any]:
        """What is saved beside the findings."""
        return {"parameters": vars(self.settings), "provenance": self.provenance, "key": self.key}


class Ladder(Mapping[str, F]):
    """Findings by their plain names, small models first, this run last; a line for each unreadable record.

    Figures show what the mapping holds: this run, and the records of :data:`SHOWN`, or of the task that most have.
    Claims are judged for all ``rungs``, records of other tasks too.
    """

    def __init__(self, notebook: str, rungs: Sequence[Rung[F]], unreadable: Sequence[str] = ()):
        self.notebook, self.unreadable = notebook, tuple(unreadable)
        tasks = Counter(rung.task for rung in rungs if rung.recorded)
        self.task = SHOWN if SHOWN in tasks else next((task for task, _ in tasks.most_common(1)), "")
        self.rungs = _named(sorted(rungs, key=_order), self.task)
        self._by_name = {
            rung.name: rung for rung in self.rungs if not rung.recorded or rung.task == self.task
        }

    def __getitem__(self, name: str) -> F:
        return self._by_name[name].findings

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def here(self) -> F:
        """The findings of this run."""
        return self[HERE]

    def rung(self, name: str = HERE) -> Rung[F]:
        """A run by its plain name."""
        return self._by_name[name]

    @property
    def recorded(self) -> list[Rung[F]]:
        """The rungs that are records, of the task that figures show."""
        return [rung for rung in self._by_name.values() if rung.recorded]

    def _repr_markdown_(self) -> str:
        names = [rung.name for rung in self.recorded]
        line = f"Beside this run stand the recorded ones: {', '.join(names)}."
        if not any(rung.model for rung in self.recorded):  # theory: there is no model to be named
            line = "Beside this run stands a recorded, longer one." if names else "No run is on record yet."
        return "\n\n".join([line, *self.unreadable])


def measured(notebook: str, measure: Callable[[Any], F], run: SimpleNamespace) -> Ladder[F]:
    """Measure this run's findings, and read the recorded ones beside them."""
    rung = measure_one(measure, run)
    listed, unreadable = recorded(notebook, type(rung.findings))
    return Ladder(notebook, [*listed, rung], unreadable)


def measure_one(measure: Callable[[Any], F], run: SimpleNamespace) -> Rung[F]:
    """The findings of one run, with what they depend on and what they cost.

    The cost is that of everything measured: shards that an earlier run had measured count with the seconds that
    they took then.
    """
    module = measure.__module__
    measurement.code(module)  # what is loaded now, and not what the files hold in an hour
    start = time.monotonic()
    with store.tally() as tally:
        found = measure(run)
    seconds = time.monotonic() - start
    cost = {
        "seconds": round(seconds + tally.seconds_reused, 1),
        "measured": tally.measured,
        "reused": tally.reused,
        "seconds of this run": round(seconds, 1),
    }
    facts = {**provenance(), **found.origins, "cost": cost}
    return Rung(HERE, found, run, facts, measurement.key(module, vars(run), facts), None)


def recorded(notebook: str, kind: type[F]) -> tuple[list[Rung[F]], list[str]]:
    """The recorded runs of a notebook, and a line for each record that cannot be read."""
    folder = paths.project_dir() / RECORDED / notebook
    listed, unreadable = [], []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            facts = finding.attributes(path)
            settings = SimpleNamespace(**facts["parameters"])
            listed.append(Rung("", kind.load(path), settings, facts["provenance"], facts["key"], path))
        except IclnbError as error:
            unreadable.append(str(error))
    return listed, unreadable


_SPELLED = {"smollm2": "SmolLM2", "qwen2.5": "Qwen2.5", "coder": "Coder", "gpt": "GPT", "llama": "Llama"}


def model_name(facts: Mapping[str, Any]) -> str:
    """The plain name of a run's model, from its provenance: "SmolLM2-135M", "GPT-J-6B"; empty without one."""
    name = Path(str((facts.get("model") or {}).get("name", ""))).name
    parts = re.sub(r"-instruct$", "", name, flags=re.IGNORECASE).split("-")
    spelled = (_SPELLED.get(part) or (part.upper() if _SIZE.fullmatch(part) else part) for part in parts)
    return "-".join(spelled)


def size(name: str) -> float:
    """Parameters of a model in millions, as far as its name tells; 0 where it does not."""
    found = re.search(r"(\d+(?:\.\d+)?)\s*([mb])(?![a-z])", name.lower())
    return float(found[1]) * {"m": 1, "b": 1000}[found[2]] if found else 0.0


def _order(rung: Rung) -> tuple[bool, float, str, str]:
    return not rung.recorded, size(rung.model), rung.model, rung.task


def _named(rungs: Sequence[Rung[F]], task: str) -> list[Rung[F]]:
    """The rungs with their plain names: the model's, with the task if it is another than ``task``."""
    named: list[Rung[F]] = []
    for rung in rungs:
        other = f" on {task_name(rung.task)}" if rung.task != task else ""
        name = f"{rung.model or 'recorded'}{other}" if rung.recorded else HERE
        same = sum(known.name.split(" (")[0] == name for known in named)
        named.append(replace(rung, name=f"{name} ({same + 1})" if same else name))
    return named


def task_name(task: str) -> str:
    """The plain name of a task: "SST-2", "Rotten Tomatoes", "hate"."""
    known = {"sst2": "SST-2", "mnli": "MNLI", "stsb": "STS-B"}
    plain = task.removeprefix("tweet_eval_").replace("_", " ")
    return known.get(task, plain.title() if task == "rotten_tomatoes" else plain)
