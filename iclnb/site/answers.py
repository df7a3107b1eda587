"""Answers written by a person and checked by the build.

A sentence that states a finding names what it rests on, as roles that read well in a notebook's source::

    {claim}`One head gives the answer away <shared-raw: supported on Qwen2.5-Coder-0.5B, Qwen2.5-Coder-1.5B>`
    {claim}`In every model labels stand out <labels-middle-layers: supported everywhere>`
    {value}`97 times in 100 <best-agreement on Qwen2.5-Coder-1.5B>`

The recorded runs decide whether it holds: "everywhere" is every recorded run, and a value (a claim's estimate, or
what ``results.value`` kept) is compared with the record to the digits that are written. Several conditions are
separated by semicolons.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from iclnb.display import interval_text
from iclnb.errors import IclnbError

ROLE = re.compile(r"\{(claim|value)\}`([^`<]+?)\s*<([^`>]+)>`")

_VERDICTS = {"undecided": "inconclusive", "proved": "proved and checked"}
_CLAIM = re.compile(r"([\w-]+): ([a-z ]+?)(?: on (.+)| (everywhere))?$")
_VALUE = re.compile(r"([\w-]+) on (.+)$")
_NUMBER = re.compile(r"-?\d+(?:[ ,]\d{3})*(?:\.\d+)?")


class Bound(NamedTuple):
    """A condition of a sentence: what a run has to say."""

    id: str  # of the claim
    verdict: str  # that is stated
    runs: tuple[str, ...]  # plain names of the recorded runs; empty for all


def resolve(text: str, recorded: Mapping[str, Mapping[str, Any]], where: str) -> str:
    """A cell's Markdown with roles replaced by what a reader sees: claims and estimates show on hover and focus.

    Raises IclnbError if a sentence does not hold on record, naming the sentence, the claim and the run; or if
    it cannot be read.
    """

    def shown(role: re.Match[str]) -> str:
        kind, sentence, conditions = role.groups()
        check = _claim if kind == "claim" else _value
        told = check(sentence, conditions, recorded, f"{where}: the sentence {sentence!r}")
        note = html.escape("\n".join(told)).replace("\n", "&#10;")
        attributes = f'role="note" tabindex="0" aria-description="{note}" data-told="{note}"'
        return f'<span class="iclnb-bound" {attributes}>{sentence}</span>'

    found = ROLE.sub(shown, text)
    if left := re.search(r"\{(?:claim|value)\}`[^`]*`", found):
        raise IclnbError(
            f"{where}: {left[0]} names no claim; write {{claim}}`sentence <claim-id: supported ...>`"
        )
    return found


def bounds(conditions: str) -> Iterator[Bound]:
    """The conditions of a role, one by one. Raises ValueError if one cannot be read."""
    id = ""
    for condition in map(str.strip, " ".join(conditions.split()).split(";")):
        found = _CLAIM.match(condition if ":" in condition else f"{id}: {condition}")
        if found is None:
            raise ValueError(condition)
        id, verdict, runs, _ = found.groups()
        yield Bound(
            id, _VERDICTS.get(verdict, verdict), tuple(map(str.strip, runs.split(","))) if runs else ()
        )


def _claim(sentence: str, conditions: str, recorded: Mapping[str, Any], who: str) -> list[str]:
    told: dict[str, list[str]] = {}
    try:
        read = list(bounds(conditions))
    except ValueError as error:
        raise IclnbError(f"{who} rests on {error}, which cannot be read") from error
    for bound in read:
        for name in bound.runs or tuple(recorded) or ("a recorded run",):
            claim = _of(recorded, name, bound.id, who)
            if claim["verdict"] != bound.verdict:
                raise IclnbError(
                    f"{who} says that {bound.id} is {bound.verdict} on {name}, and the record says "
                    f"{claim['verdict']} ({_estimate(claim)}); change the sentence"
                )
            runs = told.setdefault(claim["statement"], [])
            runs.append(f"{name}: {claim['verdict']}, {_estimate(claim)}")
    return [f"{statement}\n{'; '.join(runs)}" for statement, runs in told.items()]


def _value(sentence: str, condition: str, recorded: Mapping[str, Any], who: str) -> list[str]:
    found = _VALUE.match(" ".join(condition.split()))
    number = _NUMBER.search(sentence)
    if found is None or number is None:
        raise IclnbError(f"{who} rests on {condition!r}, which names no value, or has no number")
    value = recorded.get(found[2], {}).get("values", {}).get(found[1])
    told = f"{found[2]}: {value}"
    if not isinstance(value, int | float):
        claim = _of(recorded, found[2], found[1], who)
        value, told = claim["estimate"], f"{found[2]}: {_estimate(claim)}"
    per_cent = re.search(r"\d\s*%|in 100\b|in a hundred", sentence)
    estimate = value * (100 if per_cent else 1)
    typed = number[0].replace(" ", "").replace(",", "")
    decimals = len(typed.partition(".")[2])
    if abs(float(typed) - estimate) > 0.5 * 10.0**-decimals + 1e-9:
        raise IclnbError(
            f"{who} says {typed}, and the record of {found[2]} says {estimate:.4g}; change the sentence"
        )
    return [told]


def _of(recorded: Mapping[str, Any], name: str, id: str, who: str) -> Mapping[str, Any]:
    if name not in recorded:
        raise IclnbError(
            f"{who} rests on {name}, which is not on record; known: {', '.join(recorded) or 'nothing'}"
        )
    for claim in recorded[name]["claims"]:
        if claim["id"] == id:
            return claim
    known = ", ".join(claim["id"] for claim in recorded[name]["claims"])
    raise IclnbError(f"{who} rests on the claim {id!r}, which {name} does not have; known: {known}")


def _estimate(claim: Mapping[str, Any]) -> str:
    bounds = [bound for bound in claim.get("region", ()) if bound is not None]
    return interval_text(claim["estimate"], *claim["interval"], bounds)


def mentioned(texts: Sequence[str]) -> set[str]:
    """The claims that some texts rest on."""
    found: set[str] = set()
    for text in texts:
        for kind, _, conditions in ROLE.findall(text):
            if kind == "claim":
                found |= {bound.id for bound in bounds(conditions)}
            else:
                found.add(re.split(r"\son\s", conditions)[0].strip())
    return found
