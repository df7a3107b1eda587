"""What a chapter's page says of several models, against verdicts set by hand."""

import pytest

from iclnb import claims, stats
from iclnb.site.results import runs as all_runs
from iclnb.site.summary import across_models, pictures_across_models

YES, NO, OPEN = 5.0, -5.0, 0.5
SMALL, LARGE = "small-135m", "large_1.5b"


def run(model, task="sst2", recorded=True, stale=(), **estimates):
    """A run whose claims hold where the estimate is above one, and are open within one of zero."""
    results = claims.Results("01_a", {"model": model, "task": task})
    for id, value in estimates.items():
        evidence = claims.Evidence(stats.Estimate(value, value - 1, value + 1), 0.0, "random weights")
        results.claim(id, f"claim | {id}", claims.above(0), evidence, paper="A", section="5.1")
    return all_runs.Run(recorded, model, task, results.to_json(), stale, at_chance=False)


def test_claims_are_sorted_by_what_becomes_of_them():
    both = {"all": YES, "none": NO, "open": YES, "turns": NO}
    text = across_models.summary([
        run(LARGE, **(both | {"turns": YES, "open": OPEN}), own=YES), run(SMALL, **both),
        run("other-7b", task="mnli", **both), run(SMALL, recorded=False, **both),
    ])  # fmt: skip
    assert (
        "Of the 4 claims tested on each: 1 supported at every size, 1 not supported at any size, 1 ch" in text
    )
    assert (
        "1 changing with size, 1 open at some size." in text
        and "mnli" not in text
        and "claim own" not in text
    )
    small, large = map(all_runs.breakable, (SMALL, LARGE))
    assert f"({small}, {large}; sst2)" in text  # by size
    assert f"{small}: *not supported*; {large}: *supported*" in text
    order = [text.index(f"claim \\| {id}") for id in ("all", "none", "turns", "open")]
    assert order == sorted(order)


def test_the_claims_that_answer_come_first():
    text = across_models.summary([run(SMALL, all=YES, turns=NO), run(LARGE, all=YES, turns=YES)], ["turns"])
    _, heading, answer, counted, *_ = text.split("\n\n")
    assert heading.startswith("**Across models**") and counted.startswith("Of the 2 claims")
    assert (
        answer == r"- claim \| turns: *not supported* on 135M (-5 [-6, -4]); *supported* on 1.5B (5 [4, 6])."
    )


def test_one_model_is_no_ladder():
    assert across_models.summary([]) == ""
    assert across_models.summary([run(SMALL, all=YES), run(SMALL, recorded=False, all=NO)]) == ""
    assert across_models.summary([run(SMALL, all=YES), run(LARGE, task="mnli", all=YES)]) == ""
    assert across_models.summary([run(SMALL, one=YES), run(LARGE, other=YES)]) == ""


def test_a_stale_record_keeps_its_mark():
    assert "iclnb-badge" in across_models.summary([run(SMALL, all=YES), run(LARGE, stale=("x",), all=YES)])


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((claims.SUPPORTED, claims.PROVED), across_models.EVERY),
        ((claims.NOT_SUPPORTED, claims.SUPPORTED, claims.INCONCLUSIVE), across_models.CHANGES),
        ((claims.NOT_SUPPORTED, claims.INCONCLUSIVE), across_models.OPEN),
        ((claims.NOT_SUPPORTED, claims.CONTRADICTED), across_models.NONE),
    ],
)
def test_outcomes(verdicts, expected):
    assert across_models.outcome(verdicts) == expected


def with_shares(model, one, other):
    made = run(model, all=YES)
    shares = {"swapped": {"kernel": one, "report": other}, "own words": {"kernel": other, "report": one}}
    ends = {c: {n: [v - 0.1, v + 0.1] for n, v in found.items()} for c, found in shares.items()}
    made.results["values"] |= {"shares": shares, "share_intervals": ends}
    return made


def test_shares_of_several_models_are_one_picture():
    runs = [with_shares(SMALL, 0.2, 0.8), with_shares(LARGE, 0.7, 0.3)]
    picture = pictures_across_models.shares(runs)
    assert [axes.get_title() for axes in picture.figure.axes] == ["swapped", "own words"]
    for axes, drawn in zip(
        picture.figure.axes, ([[0.2, 0.8], [0.7, 0.3]], [[0.8, 0.2], [0.3, 0.7]]), strict=True
    ):
        assert [container.lines[0].get_ydata().tolist() for container in axes.containers] == drawn
        whiskers = [segment for c in axes.containers for segment in c.lines[2][0].get_segments()]
        assert {round(float(end[1] - start[1]), 6) for start, end in whiskers} == {0.2}
    assert f"{SMALL}: report most under swapped (0.8), kernel most under own words (0.8)." in picture.alt
    assert "<img" in across_models.summary(runs) and "<img" not in across_models.summary(
        [*runs[:1], run(LARGE, all=YES)]
    )
