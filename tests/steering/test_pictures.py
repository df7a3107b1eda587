"""Pictures show the numbers they are given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from iclnb.stats import Estimate
from iclnb.steering import pictures


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def estimate(*values):
    value = np.array(values)
    return Estimate(value, value - 0.1, value + 0.2)


def drawn(axes):
    """Heights of every line with points, by colour."""
    return [
        (line.get_color(), np.asarray(line.get_ydata()).tolist())
        for line in axes.lines
        if len(line.get_ydata()) > 0
    ]


def test_curves_have_the_models_and_the_kernels_heights():
    figure = pictures.curves(
        {
            "a": {"one": ([0, 1], estimate(0.3, 0.6)), "two": ([0, 1], estimate(0.2, 0.1))},
            "b": {"one": ([1], estimate(0.5))},
        },
        {"a": {"two": ([0, 1], estimate(0.7, 0.8))}},
        xlabel="x", ylabel="y", reference={"chance": 0.25}, points={"a": {"one": (1.0, 0.9)}},
    )  # fmt: skip
    left, right = figure.axes
    heights = [y for _, y in drawn(left)]
    for expected in ([0.3, 0.6], [0.2, 0.1], [0.7, 0.8], [0.25, 0.25], [0.9]):
        assert expected in heights
    assert [0.5] in [y for _, y in drawn(right)] and [0.7, 0.8] not in [y for _, y in drawn(right)]
    segment = right.collections[0].get_segments()[0]
    np.testing.assert_allclose(segment[:, 1], [0.4, 0.7])
    assert (("#8a8a8a", [0.7, 0.8])) in drawn(left)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(names) == sorted(["one", "two", "chance", "kernel regression"])


def test_conditions_stand_in_their_rows():
    figure = pictures.conditions(
        {"right": {"plain": Estimate(0.6, 0.5, 0.8), "swapped": Estimate(0.3, 0.2, 0.35)}},
        {"right": {"swapped": 0.9}},
        xlabels={"right": "probability"},
        reference={"right": {"plain": 0.4}},
    )
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["plain", "swapped"]
    at = {tuple(np.ravel([line.get_xdata(), line.get_ydata()])) for line in axes.lines}
    assert (0.6, 0.3, 0, 1) in at and (0.9, 1) in at and (0.4, 0) in at
    assert axes.yaxis_inverted()
    spans = [segment[:, 0].tolist() for segment in axes.collections[0].get_segments()]
    np.testing.assert_allclose(spans, [[0.5, 0.8], [0.2, 0.35]])


def test_orders_shows_every_order():
    log_odds = np.random.default_rng(0).normal(size=(2, 3, 6))
    figure = pictures.orders(
        log_odds,
        estimate(-0.5, 0.1, 0.9),
        {"query": Estimate(0.3, 0.2, 0.4), "order": Estimate(0.7, 0.6, 0.8)},
    )
    left, middle, right = figure.axes
    dots = np.concatenate([line.get_xdata() for line in left.lines if line.get_marker() == "."])
    np.testing.assert_allclose(np.sort(dots), np.sort(log_odds.ravel()))
    assert [-0.5, 0.1, 0.9] in [line.get_ydata().tolist() for line in middle.lines]
    assert [bar.get_height() for bar in right.patches] == [0.3, 0.7]
