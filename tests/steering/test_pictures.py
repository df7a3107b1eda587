"""Pictures show the numbers of all runs, and say them."""

import numpy as np
import pytest
from drawn import rows, shows
from made_steering import details, steering

from iclnb.steering import estimates, estimates_details, pictures
from iclnb.steering.findings import CONDITIONS, FLIPPED, METHODS, NEAREST, RANDOM

LADDER = {"small 1M": steering(seed=1), "this run": steering(seed=2)}
DETAIL = details()
DETAILS = {"this run": DETAIL}


@pytest.mark.parametrize("draw", [pictures.effects, pictures.retrieval, pictures.labels, pictures.perturbed])
def test_every_run_is_drawn_and_said(draw):
    picture = draw(LADDER, seed=0)
    (axes,) = picture.figure.axes
    names = axes.get_legend_handles_labels()[1]
    assert {"small 1M", "this run"} <= set(names) and all(name in picture.alt for name in LADDER)
    assert len(rows(axes)) == len(set(rows(axes))) >= 5 and axes.yaxis_inverted()


def test_what_is_drawn_is_estimated():
    (axes,) = pictures.effects(LADDER, seed=0).figure.axes
    for one in LADDER.values():
        followed = estimates.follows_flipped(one, seed=0)
        assert shows(axes, followed.estimate.value, followed.control)
    (axes,) = pictures.labels(LADDER, seed=0).figure.axes
    for one in LADDER.values():
        at = CONDITIONS.index(FLIPPED)
        right = np.exp(one.answers[at])[np.arange(len(one.truth)), one.truth].mean()
        assert shows(axes, right, estimates.kernel_right(one, FLIPPED), estimates.mean_zero_shot(one), 1 / 3)
    (axes,) = pictures.perturbed(LADDER, seed=0).figure.axes
    assert shows(axes, *pictures.TABLE_1.values())
    assert shows(axes, *(estimates.accuracy(one, RANDOM, seed=0).value for one in LADDER.values()))
    (axes,) = pictures.retrieval(LADDER, seed=0).figure.axes
    assert NEAREST in rows(axes)


def test_a_run_without_a_second_template_is_left_out_of_its_row():
    alone = LADDER["small 1M"].answers.copy()
    alone[CONDITIONS.index("another template")] = alone[CONDITIONS.index("one line each")] = np.nan
    ladder = LADDER | {"small 1M": steering(seed=1, answers=alone)}
    picture = pictures.orders(ladder, seed=0)
    assert (
        "another template or separator: this run" in picture.alt and "another order: small 1M" in picture.alt
    )
    assert shows(picture.figure.axes[0], estimates.order_matters(ladder["this run"], seed=0).estimate.value)
    pull = estimates.last_label_pulls(ladder["this run"], seed=0).estimate.value
    assert shows(picture.figure.axes[1], pull)


def test_the_appendix_is_drawn():
    left, right = pictures.retrievers(DETAILS, seed=0).figure.axes
    assert shows(left, estimates_details.retrieval_helps(DETAIL, "BM25", seed=0).estimate.value)
    assert shows(right, estimates_details.tells(DETAIL, "prediction", seed=0).value)
    (axes,) = pictures.calibration(DETAILS, seed=0).figure.axes
    assert rows(axes) == ["none", *METHODS]
    assert shows(axes, estimates_details.flips_after(DETAIL, METHODS[0], elsewhere=True).mean())
    (axes,) = pictures.demonstrations(DETAILS, seed=0).figure.axes
    assert rows(axes)[0] == "typos in demonstrations"
