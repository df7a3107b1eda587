"""The book's results page: every claim with its verdict, this machine's run beside the recorded one."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from iclnb import claims, display
from iclnb.errors import IclnbError

HERE, RECORDED = "this machine", "recorded"
VERDICTS = (claims.SUPPORTED, claims.NOT_SUPPORTED, claims.INCONCLUSIVE)
INTRODUCTION = """# Results

Every claim of every chapter, with the number that decides it, its 95 % interval, what a blind method (or no
effect) would have given, and the verdict that the criterion computes from the interval. *This machine* is the
run that made this copy of the book. *Recorded* is a run too long for a laptop, kept in the repository with
the revision, the model and the data that made it."""

Runs = Mapping[str, Mapping[str, Any]]
"""For one notebook, the results JSON of each run there is: ``"this machine"``, ``"recorded"``."""


def page(project: Path, titles: Mapping[str, str]) -> str:
    """The results page in MyST Markdown.

    Args:
        project: the checkout, with ``build/results`` and ``book/recorded``.
        titles: the title of each notebook of the book, in its order.

    Raises:
        IclnbError: if a results file is not readable.
    """
    runs = {name: _runs(project, name) for name in titles}
    chapters = [_chapter(name, title, runs[name]) for name, title in titles.items()]
    return "\n\n".join([INTRODUCTION, _count(runs), *chapters, _times(titles, runs)]) + "\n"


def _runs(project: Path, name: str) -> Runs:
    places = {HERE: project / "build" / "results", RECORDED: project / "book" / "recorded"}
    found = {}
    for where, folder in places.items():
        path = folder / f"{name}.json"
        if path.is_file():
            try:
                found[where] = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise IclnbError(f"{path} is not JSON ({error}); delete it and run {name} again") from error
    return found


def _count(runs: Mapping[str, Runs]) -> str:
    rows = []
    for where in (HERE, RECORDED):
        verdicts = Counter(
            claim["verdict"] for each in runs.values() if where in each for claim in each[where]["claims"]
        )
        rows.append((where, *(verdicts[verdict] for verdict in VERDICTS), verdicts.total()))
    return f"## Verdicts\n\n{display.table(('run', *VERDICTS, 'claims'), rows).data}"


def _chapter(name: str, title: str, runs: Runs) -> str:
    parts = [f"## {title}", f"Chapter: {{doc}}`/notebooks/{name}`"]
    parts += [_made(where, result) for where, result in runs.items()]
    if runs:
        parts.append(claims.table(list(_rows(runs))))
    return "\n\n".join(parts)


def _rows(runs: Runs) -> Iterator[dict[str, Any]]:
    """The claims of all runs, the same claim of another run in the line below."""
    by_id = [{claim["id"]: (where, claim) for claim in result["claims"]} for where, result in runs.items()]
    for id in dict.fromkeys(id for listed in by_id for id in listed):
        last = None
        for where, claim in (listed[id] for listed in by_id if id in listed):
            statement = "the same" if claim["statement"] == last else claim["statement"]
            run = f" ({where})" if len(runs) > 1 else ""
            yield {**claim, "statement": f"{statement}{run}"}
            last = claim["statement"]


def _made(where: str, result: Mapping[str, Any]) -> str:
    """One line: which run this was."""
    source, parameters = result["provenance"], result["parameters"]
    facts = {
        **{key: parameters.get(key) for key in ("profile", "task", "model", "prompts", "seeds")},
        "machine": source["machine"],
        "date": source["time"][:10], "revision": source["revision"],
    }  # fmt: skip
    listed = "; ".join(f"{key} {display.escape(value)}" for key, value in facts.items() if value is not None)
    old = "" if "key" in result else " **Made by an earlier version of the code.**"
    return f"*{where.capitalize()}*: {listed}.{old}"


def _times(titles: Mapping[str, str], runs: Mapping[str, Runs]) -> str:
    rows = []
    for name, title in titles.items():
        for where, result in runs[name].items():
            source, profile = result["provenance"], result["parameters"].get("profile", "")
            rows.append((display.Author(title), where, profile, source["machine"], source.get("seconds")))
    header = ("chapter", "run", "profile", "machine", "seconds")
    return f"## Execution times\n\n{display.table(header, rows).data}"
