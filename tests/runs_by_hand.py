"""Results files with verdicts set by hand, for tests of pages."""

import json
from types import SimpleNamespace

from iclnb import claims, stats
from iclnb.findings import Findings
from iclnb.ladders import HERE, Ladder, Rung
from iclnb.site.results import claim_rows
from iclnb.site.results.runs import Run

YES, NO, OPEN = 5.0, -5.0, 0.5
"""Estimates that support a claim of being above zero, refute it, and leave it open; intervals are ± 1."""
NOTHING = Findings()


def ladder(notebook, findings=NOTHING, *recorded, facts=(), **parameters):
    """The ladder of a run of this machine, with the recorded rungs."""
    here = Rung(HERE, findings, SimpleNamespace(**parameters), dict(facts), {}, None)
    return Ladder(notebook, [*recorded, here])


def claim(id, value, criterion=None, *, half=1.0, control=0.0, **words):
    """A claim as it stands in a results file; ``words`` as of :meth:`iclnb.claims.Results.claim`."""
    results = claims.Results(ladder("01_a"))
    evidence = claims.Evidence(stats.Estimate(value, value - half, value + half), control, "random | weights")
    given = {"statement": f"claim <{id}>", "paper": "A", "section": "5.1", "speaks": "for", **words}
    results.claim(id, given.pop("statement"), criterion or claims.above(0), lambda _: evidence, **given)
    return results.claims[0].to_json()


def results(name, listed, *, model="", task="", notebook="01_a", **more):
    """What one run found, as in the results file; ``more`` takes the place of other parts."""
    provenance = {
        "machine": "a laptop",
        "time": "2026-01-02T03",
        "revision": "abcdefgh",
        "cost": {"seconds": 90},
    }
    record = None if name == HERE else f"book/recorded/{notebook}/{name}.nc"
    return {
        "notebook": notebook, "name": name, "model": model, "task": task, "record": record, "claims": listed,
        "parameters": {"profile": "paper", "k": 4}, "values": {}, "provenance": provenance, "left_out": {},
    } | more  # fmt: skip


def run(name, *listed, stale=(), at_chance=False, **about):
    """A run with these claims; its model is its name, but for the run of this machine."""
    about = {"model": "" if name == HERE else name} | about
    made = results(name, list(listed), **about)
    return Run(name, made["model"], made["task"], made, stale, at_chance)


def rows(*runs, title="A <question>?"):
    """The rows of one chapter."""
    return claim_rows.rows({"01_a": runs}, {"01_a": title})


def save(project, here, *ladder):
    """A results file of this machine in a checkout."""
    path = project / "build" / "results" / f"{here['notebook']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**here, "ladder": list(ladder), "key": {"parameters": {}}}))
    return path
