"""What a chapter's page says of this machine's run: how its verdicts compare with the records."""

import pytest
from runs_by_hand import NO, OPEN, YES, claim, results, rows, run

from iclnb.ladders import HERE
from iclnb.site import here

RESULTS = {
    "parameters": {"profile": "smoke", "k": 8},
    "provenance": {
        "revision": "0123456789abcdef+changes",
        "time": "2026-01-02T03:04:05+00:00",
        "model": {"name": "m_one", "dtype": "bfloat16"},
        "data": [
            {"task": "sst2", "split": "train", "source": "local"},
            {"task": "sst2", "split": "test", "source": "local"},
        ],
    },
    "key": {"parameters": {"profile": "smoke", "k": 8}},
}


def test_claims_are_counted_by_how_they_compare():
    mine = [claim(id, value) for id, value in (("same", YES), ("open", OPEN), ("other", NO), ("new", YES))]
    record = run("m", claim("same", YES), claim("open", YES), claim("other", YES))
    text = here.section(rows(record, run(HERE, *mine, model="m")), RESULTS, "fresh")
    assert "| as on record | undecided here | other than on record | not on record |" in text
    assert "| 1 | 1 | 1 | 1 |" in text
    assert text.endswith("*claim \\<other\\>* is not supported here.") and text.startswith(
        "## On this machine"
    )


@pytest.mark.parametrize(
    ("records", "verdict"),
    [
        ([("m", "sst2", YES), ("m", "mnli", NO)], "supported"),
        ([("m", "mnli", NO), ("n", "sst2", YES)], "not supported"),
        ([("m", "mnli", NO), ("m", "irony", YES)], ""),
        ([("n", "sst2", YES), ("o", "sst2", YES)], "supported"),
        ([("n", "sst2", YES), ("o", "sst2", NO)], ""),
        ([], ""),
    ],
)
def test_the_nearest_records_count(records, verdict):
    known = [run(f"{m}, {t}", claim("a", value), model=m, task=t) for m, t, value in records]
    mine, *_ = rows(run(HERE, claim("a", OPEN), model="m", task="sst2"), *known)
    assert here.recorded(mine, rows(*known)) == verdict


def test_the_line_says_what_the_run_was():
    said = here.described(RESULTS, "fresh")
    assert said.startswith("*This run*: profile smoke, m\\_one bfloat16, sst2 (local), k = 8, ")
    assert said.endswith("revision 0123456+changes, 2026-01-02, **fresh**")
    bare = {"parameters": {}, "provenance": {"revision": None}}
    assert here.described(bare, "stale") == "*This run*: revision not known, **stale**"
    assert "profile paper" in here.described(results(HERE, []), "fresh")
