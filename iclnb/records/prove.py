"""Proofs that other code measures the same: records are carried over, and nobody has to take it on trust.

The present code measures a sample of the shards again that the code before had measured, and the findings made
from all of them must be the recorded ones. The sample is drawn from a hash of the commit and of each shard's key,
so that no author picks it, with at least one shard of every measurement, model and precision.
"""

import hashlib
import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from iclnb import findings, ladders, store
from iclnb.errors import IclnbError
from iclnb.keys import measurement
from iclnb.keys.equivalence import Code, Entry, Ledger, changed
from iclnb.provenance import provenance
from iclnb.records import records
from iclnb.records.records import Record
from iclnb.store import Arrays, Shard

TOLERANCE = 1e-5  # The largest relative difference that another machine or number of threads explains


@dataclass
class Change:
    """One state of the code that had measured, and the present one."""

    then: dict[str, str]  # what is known of both states: files with their fingerprints
    now: dict[str, str]
    before: dict[str, str]  # the files in which a measurement of that state and the present one differ
    after: dict[str, str]

    def joins(self, other: "Change") -> bool:
        """Take in what another measurement knows, if no file of the two states is another."""
        pairs = ((self.then, other.then), (self.now, other.now))
        if any(mine[name] != its[name] for mine, its in pairs for name in mine.keys() & its.keys()):
            return False
        for mine, its in (*pairs, (self.before, other.before), (self.after, other.after)):
            mine.update(its)
        return True


@dataclass
class Proving:
    """Accepts shards of other code, and measures those of a sample again."""

    sample: frozenset[str] = frozenset()  # keys of the shards to measure again
    # every shard of other code that was asked for, by its key
    met: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    # of the shards measured again, the largest relative difference
    differences: dict[str, float] = field(default_factory=dict)
    # for each state of the code that had measured, what changed
    changes: list[Change] = field(default_factory=list)

    def accepts(self, shard: Shard, then: Code, now: Code, measure: Callable[[], Arrays]) -> bool:
        """Serve a shard of other code; measure it again if it is of the sample."""
        self.met[shard.key] = shard.about
        self.note(then, now)
        if shard.key in self.sample and shard.key not in self.differences:
            kept, again = store.read(shard.path), dict(measure())
            self.differences[shard.key] = _difference(kept, again)
        return True

    def note(self, then: Code, now: Code) -> None:
        """Remember what changed; what several measurements know of one state of the code comes together."""
        met = Change(dict(then), dict(now), *changed(then, now))
        if not any(known.joins(met) for known in self.changes):
            self.changes.append(met)


def prove(
    project: Path, *, share: float = 0.05, report: Callable[[str], None] = lambda line: None
) -> list[Entry]:
    """Show that the present code measures the same as that of the stale records; gives the ledger's new entries.

    Raises IclnbError if nothing is stale by its code alone, if shards are missing, or if the present code
    measures something else; then nothing is entered.
    """
    records.check_committed(project)
    ledger = Ledger.of(project)
    waiting = [record for record in records.all_records(project) if _by_code_alone(project, record)]
    if not waiting:
        raise IclnbError("no record is stale by its code alone, so there is nothing to prove")
    commit = str(provenance()["revision"])
    proving = Proving()
    for record in waiting:
        report(f"{records.label(project, record.path)}: its shards")
        _again(project, record, proving)
    sample = choose({key: _kind(about) for key, about in proving.met.items()}, commit, share)
    proving.sample = frozenset(sample)
    largest = 0.0
    for record in waiting:
        report(f"{records.label(project, record.path)}: measuring a sample of {len(sample)} shards again")
        largest = max(largest, _again(project, record, proving))
        now = measurement.code(record.key["module"], project=project, gpu=record.key["device"] == "cuda")
        proving.note(record.key["code"], now)
    _refuse(proving, largest)
    about = {
        "revision": commit,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "shards": len(proving.met),
        "sampled": len(proving.differences),
        "mismatches": 0,
        "largest_difference": max([largest, *proving.differences.values()]),
        "records": [records.label(project, record.path) for record in waiting],
    }
    made = [Entry(change.before, change.after, about) for change in proving.changes]
    Ledger([*ledger.entries, *made]).save(project)
    return made


def choose(kinds: Mapping[str, Sequence[str]], commit: str, share: float) -> list[str]:
    """Keys of the shards to measure again: of every kind those whose hash with the commit is smallest."""
    of_kind: dict[Sequence[str], list[str]] = {}
    for key, kind in kinds.items():
        of_kind.setdefault(kind, []).append(key)
    chosen = []
    for keys in of_kind.values():
        ordered = sorted(keys, key=lambda key: hashlib.sha256(f"{commit}{key}".encode()).digest())
        chosen += ordered[: max(1, math.ceil(share * len(ordered)))]
    return chosen


def bound(sampled: int) -> float:
    """The share of shards that may differ at most, at 95 %, where none of a sample does (the rule of three)."""
    return min(1.0, 3 / sampled) if sampled else 1.0


def _by_code_alone(project: Path, record: Record) -> bool:
    reasons = records.stale(project, record)
    return bool(reasons) and all(reason.startswith("code changed") for reason in reasons)


def _again(project: Path, record: Record, proving: Proving) -> float:
    """Make the findings of a record again; returns how much they differ from it."""
    measure = records.measuring(project / "notebooks" / f"{record.notebook}.py")
    run = SimpleNamespace(**record.parameters)
    with store.proving(proving.accepts):
        rung = ladders.measure_one(measure, run)
    return findings.same(rung.findings, type(rung.findings).load(record.path))


def _refuse(proving: Proving, largest: float) -> None:
    wrong = {key: d for key, d in proving.differences.items() if not d <= TOLERANCE}
    if wrong or not largest <= TOLERANCE:
        kinds = sorted({_kind(proving.met[key])[0] for key in wrong}) or ["the findings"]
        worst = max([largest, *proving.differences.values()])
        raise IclnbError(
            f"the present code measures something else: {len(wrong)} of {len(proving.differences)} sampled shards "
            f"differ ({', '.join(kinds)}), by up to {worst:.2g}; measure the records again (`iclnb sweep`)"
        )


def _difference(one: Arrays | None, other: Arrays) -> float:
    if one is None or one.keys() != other.keys():
        return np.inf
    return max((findings.difference(np.asarray(one[n]), np.asarray(other[n])) for n in one), default=0.0)


def _kind(about: Mapping[str, Any]) -> tuple[str, str, str]:
    return about["what"], about["model"], about["dtype"]
