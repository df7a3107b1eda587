"""Pictures show the numbers of all runs, and say them."""

import numpy as np
import pytest
from drawn import shows
from made_influence import POINTS, SETS, K, findings

from iclnb.influence import estimates, estimates_heads, estimates_prediction, pictures
from iclnb.influence.candidates import FAMILIES, HEADS
from iclnb.influence.findings import CHOSEN
from iclnb.influence.material import ARBITRARY, OWN

pytestmark = pytest.mark.tiny


NOISE = np.random.default_rng(0).normal(size=(2, SETS, POINTS, K))


@pytest.fixture(scope="module")
def ladder():
    return {"kernel 1M": findings(1.0 + NOISE[0]), "this run": findings(1.0 + NOISE[1])}


def test_bars_are_shares_that_fill_the_whole(ladder):
    picture = pictures.shares(ladder)
    for axes, wording in zip(picture.figure.axes, (OWN, ARBITRARY), strict=True):
        widths = np.array([[bar.get_width() for bar in bars] for bars in axes.containers]).T
        for one, width in zip(ladder.values(), widths, strict=True):
            parts = [float(estimates.share(one, wording, part, seed=0).value) for part in estimates.PARTS]
            assert width.sum() == pytest.approx(1) and width[:2] == pytest.approx(parts[:2])
            assert width[2:].sum() == pytest.approx(parts[2])
    assert "kernel 1M, own words: demonstration" in picture.alt


@pytest.mark.parametrize(
    "draw", [pictures.form, pictures.explained, pictures.levels, pictures.carriers, pictures.by_depth]
)
def test_every_run_is_drawn_and_said(ladder, draw):
    picture = draw(ladder, seed=0)
    assert all(name in picture.alt for name in ladder)
    assert {*ladder} <= {text.get_text() for legend in picture.figure.legends for text in legend.get_texts()}


def test_what_is_drawn_is_estimated(ladder):
    for one in ladder.values():
        _, axes = pictures.form(ladder, seed=0).figure.axes
        assert shows(axes, estimates.other_over_same(one, ARBITRARY, seed=0).estimate.value)
        _, axes = pictures.explained(ladder, seed=0).figure.axes
        assert shows(axes, estimates_prediction.explained(one, ARBITRARY, HEADS, seed=0).value)
        axes, _ = pictures.levels(ladder, seed=0).figure.axes
        follows = estimates_prediction.follows(one, ARBITRARY, (FAMILIES[0],), "pairs", seed=0)
        assert shows(axes, follows.value)
        _, axes = pictures.carriers(ladder, seed=0).figure.axes
        assert shows(axes, estimates_heads.lost(one, ARBITRARY, CHOSEN, seed=0).value)


def test_one_set_is_that_of_the_largest_record(ladder):
    figure = pictures.one_set(ladder).figure
    influence = np.asarray(figure.axes[0].images[0].get_array())
    expected = ladder["kernel 1M"].of("influence", ARBITRARY)[0]
    np.testing.assert_allclose(np.sort(influence.ravel()), np.sort(expected.ravel()))


def test_a_run_without_influence_is_left_out(ladder):
    picture = pictures.shares(ladder | {"nothing 1M": findings(1e-3 * NOISE[0])})
    assert "nothing" not in picture.alt and "this run" in picture.alt
