"""The ledger of proofs that two states of the code measure the same.

An entry names the files that changed, before and after, and what was measured again to show it
(:mod:`iclnb.records.prove`). It carries what the code before has measured over to the code after.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclnb import paths
from iclnb.errors import IclnbError

PLACE = Path("book") / "recorded" / "equivalent.toml"

Code = Mapping[str, str]  # Files of the package, each with its fingerprint


@dataclass(frozen=True)
class Entry:
    """One proof."""

    # files with their fingerprints in the state that had measured; a file that is new is missing
    before: Code
    after: Code  # the same files in the state that measures the same; one that is gone is missing
    about: Mapping[str, Any]  # revision, machine, shards sampled of how many, mismatches, largest difference

    def carry(self, code: Code) -> dict[str, str] | None:
        """The state after, of a state that agrees with ``before``; ``None`` for any other.

        Of a measurement that needs only some of the files, these alone are asked.
        """
        touched = self.before.keys() & code.keys()
        if not touched or any(code[name] != self.before[name] for name in touched):
            return None
        added = self.after.keys() - self.before.keys()
        kept = {name: digest for name, digest in code.items() if name not in touched}
        return kept | {name: self.after[name] for name in {*touched, *added} if name in self.after}


class Ledger:
    """Entries in the order in which they were made."""

    def __init__(self, entries: Sequence[Entry] = ()):
        self.entries = list(entries)

    @classmethod
    def of(cls, project: Path) -> "Ledger":
        """The ledger of a checkout; an empty one where there is none. Raises IclnbError if it cannot be read."""
        file = project / PLACE
        if not file.is_file():
            return cls()
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8")).get("proof", [])
            return cls([Entry(table.pop("before"), table.pop("after"), table) for table in tables])
        except (ValueError, KeyError) as error:
            raise IclnbError(f"{file} cannot be read as a ledger ({error!r}); restore it from git") from error

    def carry(self, then: Code, now: Code) -> dict[str, str] | None:
        """``now``, if proofs lead from the code ``then`` to it; ``None`` otherwise.

        Files that an entry adds and that ``now`` does not need are not held against it.
        """
        state = dict(then)
        for entry in self.entries:
            if _same(state, now):
                break
            moved = entry.carry(state)
            state = state if moved is None else moved
        return dict(now) if _same(state, now) else None

    def save(self, project: Path) -> Path:
        """Write the ledger of a checkout, in one step."""
        file = project / PLACE
        text = "# Proofs that other code measures the same, made by `iclnb prove`; not edited by hand.\n"
        for entry in self.entries:
            text += f"\n[[proof]]\n{_lines(entry.about)}"
            text += f"[proof.before]\n{_lines(entry.before)}[proof.after]\n{_lines(entry.after)}"
        paths.write(file, text)
        return file


def changed(then: Code, now: Code) -> tuple[dict[str, str], dict[str, str]]:
    """The files in which two states differ, as they were and as they are."""
    names = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    return (
        {name: then[name] for name in names if name in then},
        {name: now[name] for name in names if name in now},
    )


def _same(state: Code, now: Code) -> bool:
    """Whether a carried state is the present one, but for files that it has and does not need."""
    return all(state.get(name) == digest for name, digest in now.items())


def _lines(values: Mapping[str, Any]) -> str:
    return "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in values.items())
