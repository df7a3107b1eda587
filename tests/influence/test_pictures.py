"""Pictures show the numbers of all runs, and say them."""

from functools import cache

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


@pytest.fixture(scope="module")
def drawn(ladder):
    """A function from a picture's name to the picture, drawn once."""
    return cache(lambda name: getattr(pictures, name)(ladder, seed=0))


@pytest.mark.parametrize("name", ["form", "explained", "levels", "carriers", "by_depth"])
def test_every_run_is_drawn_and_said(ladder, drawn, name):
    picture = drawn(name)
    assert all(run in picture.alt for run in ladder)
    assert {*ladder} <= {text.get_text() for legend in picture.figure.legends for text in legend.get_texts()}


def test_what_is_drawn_is_estimated(ladder, drawn):
    axes = {name: drawn(name).figure.axes for name in ("form", "explained", "levels", "carriers")}
    for one in ladder.values():
        form = estimates.other_over_same(one, ARBITRARY, seed=0).estimate
        explained = estimates_prediction.explained(one, ARBITRARY, HEADS, seed=0)
        follows = estimates_prediction.follows(one, ARBITRARY, (FAMILIES[0],), "pairs", seed=0)
        lost = estimates_heads.lost(one, ARBITRARY, CHOSEN, seed=0)
        assert shows(axes["form"][1], form.value) and shows(axes["explained"][1], explained.value)
        assert shows(axes["levels"][0], follows.value) and shows(axes["carriers"][1], lost.value)


def test_one_set_is_that_of_the_largest_record(ladder):
    figure = pictures.one_set(ladder).figure
    influence = np.asarray(figure.axes[0].images[0].get_array())
    expected = ladder["kernel 1M"].of("influence", ARBITRARY)[0]
    np.testing.assert_allclose(np.sort(influence.ravel()), np.sort(expected.ravel()))


def test_a_run_without_influence_is_left_out(ladder):
    picture = pictures.shares(ladder | {"nothing 1M": findings(1e-3 * NOISE[0])})
    assert "nothing" not in picture.alt and "this run" in picture.alt
