"""Margins: verdicts at half and at twice, and that every bound of the book is derived from something."""

import ast
import math
from types import SimpleNamespace

import pytest
from runs_by_hand import claim, rows, run
from throwaway import ROOT

from iclnb import claims
from iclnb.bayes import estimates_table_3
from iclnb.errors import IclnbError
from iclnb.heads.estimates import MAP, MARGIN, NATS
from iclnb.site.results import claim_rows, margins

RATE = margins.Margin("r", ["01*/*"], "why", 0, 0.05)


def row(value, low, high, criterion, id="a", control=0.0):
    made = claim(id, value, criterion, control=control) | {"interval": [low, high]}
    made["verdict"] = criterion.verdict((low, high))
    return rows(run("m", made))[0]


@pytest.mark.parametrize("value", [-0.2, 0.0, 0.04, 0.06, 0.13, 0.2])
@pytest.mark.parametrize("kind", [claims.above, claims.below])
def test_the_verdict_is_that_of_a_claim_made_with_half_and_twice_the_margin(value, kind):
    interval = (value, value - 0.03, value + 0.04)
    found = margins.across([RATE], row(*interval, kind(0.05)))
    expected = {"half": row(*interval, kind(0.025)).verdict, "twice": row(*interval, kind(0.1)).verdict}
    assert found == expected
    now = row(*interval, kind(0.05)).verdict
    notes = [f"at {name} the margin: {verdict}" for name, verdict in expected.items() if verdict != now]
    assert margins.notes([RATE], row(*interval, kind(0.05))) == (notes or ["margin stable"])


def test_bounds_about_a_ratio_move_from_it_and_shares_by_their_odds():
    ratio = RATE._replace(around=1, size=0.1)
    assert ratio.fits("01_a/x", claims.within(0.9, 1.1)) and not ratio.fits("01_a/x", claims.above(0.1))
    wider = ratio.moved(claims.within(0.9, 1.1), 2)
    assert (wider.low, wider.high) == pytest.approx((0.8, 1.2)) and wider.closed
    share = RATE._replace(size=None, odds=True)
    for bound, factor, odds in ((2 / 3, 2, 4), (2 / 3, 0.5, 1), (0.5, 2, 2)):
        moved = share.moved(claims.above(bound), factor)
        assert moved.low / (1 - moved.low) == pytest.approx(odds) and math.isinf(moved.high)


def test_no_verdict_across_margins_without_margin_interval_or_control():
    assert not margins.across([RATE], row(1, 0, 2, claims.above(0)))
    assert not margins.across([RATE._replace(around=None)], row(1, 0, 2, claims.above(0.05)))
    assert not margins.across([RATE], row(1, 0, 2, claims.above(0.05))._replace(high=None))


def test_the_section_counts_what_changes_and_names_what_has_no_reason():
    listed = [
        row(0.2, 0.15, 0.3, claims.above(0.05)),
        row(0.2, 0.06, 0.3, claims.above(0.05)),
        row(0.2, 0.03, 0.3, claims.above(0.05)),
        row(0.2, 0.1, 0.3, claims.above(0.07), id="loose"),
        row(0.2, 0.1, 0.3, claims.above(0)),
    ]
    text = margins.section([RATE], listed)
    (line,) = [line for line in text.splitlines() if line.startswith("| r ")]
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["r", "why", "1", "1", "1"]
    assert text.endswith("No reason is given for the margins of loose (01\\_a).")


def test_a_broken_file_is_named_and_none_is_no_fault(tmp_path):
    assert margins.read(tmp_path) == []
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "margins.toml").write_text("[[margin]]\nname = 'x'\n")
    with pytest.raises(IclnbError, match=r"margins\.toml cannot be read"):
        margins.read(tmp_path)


def stated():
    """Every claim of the notebooks with a criterion that can be evaluated from names of the package."""
    names = {
        "claims": claims, "MARGIN": MARGIN, "NATS": NATS, "MAP": MAP,
        "estimates_table_3": estimates_table_3, "drawn": SimpleNamespace(classes=3),
        "closed": SimpleNamespace(criterion=claims.within(-0.03, 0.03), law=1.5),
    }  # fmt: skip
    for path in sorted((ROOT / "notebooks").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            texts = [ast.unparse(part) for part in call.args]
            criterion = [t for t in texts if t.startswith("claims.")]
            if len(criterion) == 1 and len(texts) >= 4:
                id = next(part for part in call.args if isinstance(part, ast.Constant | ast.JoinedStr))
                first = id if isinstance(id, ast.Constant) else id.values[0]
                each = "-own" if ast.unparse(call.func).endswith("claim_each") else ""
                yield path.stem, f"{first.value}{each}", eval(criterion[0], names)


def test_every_bound_of_the_book_is_derived_from_something():
    known, found = margins.read(ROOT), list(stated())
    assert len(found) > 90
    listed = [
        claim_rows.rows({place: [run("m", claim(id, 0.0, criterion))]}, {place: ""})[0]
        for place, id, criterion in found
    ]
    missing = [(row.chapter, row.claim, row.criterion) for row in listed if margins.unexplained(known, row)]
    assert not missing, f"say in {margins.FILE} what these margins are derived from: {missing}"
    used = [margins.margin_for(known, row) for row in listed]
    assert not [margin.name for margin in known if margin not in used], "margins that no claim has"
