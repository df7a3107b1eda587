"""What pictures of heads could get silently wrong: which cell is marked, what is drawn at which number."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from iclnb import figures
from iclnb.llm.heads import pictures
from iclnb.stats import Estimate


@pytest.fixture(autouse=True)
def style():
    with figures.style():
        yield
    plt.close("all")


VALUES = np.random.default_rng(0).random((6, 4))
OTHER = np.random.default_rng(1).random((3, 5)) - 1


def squares(axes):
    """Row and column of the cells with a mark around them."""
    return {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in axes.patches}


def test_maps_show_their_numbers_on_one_scale():
    figure = pictures.head_maps({"trained": VALUES, "random": OTHER}, label="agreement")
    images = [axes.get_images()[0] for axes in figure.axes[:2]]
    for image, given in zip(images, (VALUES, OTHER), strict=True):
        np.testing.assert_array_equal(image.get_array(), given)
        assert image.get_clim() == (OTHER.min(), VALUES.max())
        assert image.origin == "lower"  # layer 0 at the bottom
    assert figure.axes[-1].get_ylabel() == "agreement"


def test_the_best_head_is_marked_at_its_cell():
    figure = pictures.head_maps({"trained": VALUES, "random": OTHER}, label="agreement")
    for axes, given in zip(figure.axes[:2], (VALUES, OTHER), strict=True):
        ((layer, head),) = squares(axes)
        assert given[layer, head] == given.max()
        assert f"layer {layer}, head {head}: {given.max():.2f}" in axes.get_xlabel()


def test_marks_and_limits_can_be_given():
    figure = pictures.head_maps({"a": VALUES, "b": VALUES}, label="r", marked={"b": (5, 0)}, limits=(-1, 1))
    assert squares(figure.axes[0]) == set()
    assert squares(figure.axes[1]) == {(5, 0)}
    assert f"{VALUES[5, 0]:.2f}" in figure.axes[1].get_xlabel()
    assert figure.axes[0].get_images()[0].get_clim() == (-1, 1)


def test_not_a_number_is_never_best():
    values = VALUES.copy()
    values[2, 2] = np.nan
    layer, head = pictures.best_head(values)
    assert values[layer, head] == np.nanmax(values)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def test_profiles_show_best_mean_and_nulls():
    shown = pictures.Profile(
        VALUES, random=OTHER, bands={"permuted labels": (0.5, 0.6)}, lines={"last label": 0.75}
    )
    figure = pictures.depth_profiles({"against the model": shown}, label="agreement", depth=(0.5, 0.75))
    axes = figure.axes[0]
    drawn = lines(axes)
    np.testing.assert_allclose(drawn["best head of the layer"].get_ydata(), [max(row) for row in VALUES])
    np.testing.assert_allclose(
        drawn["mean of the layer's heads"].get_ydata(), [sum(row) / 4 for row in VALUES]
    )
    np.testing.assert_allclose(drawn["random weights, best"].get_ydata(), [max(row) for row in OTHER])
    assert set(drawn["last label"].get_ydata()) == {0.75}
    band = next(patch for patch in axes.patches if patch.get_label() == "permuted labels")
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.5, 0.6))
    shade = next(patch for patch in axes.patches if patch is not band)
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((3.0, 4.5))  # of 6 layers
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert set(legend) >= {"permuted labels", "last label", "random weights, best"}


def test_profiles_with_intervals():
    top = VALUES.max(1)
    best = Estimate(top, top - 0.1, top + 0.2)
    figure = pictures.depth_profiles({"a": pictures.Profile(VALUES, best=best)}, label="agreement")
    axes = figure.axes[0]
    np.testing.assert_allclose(lines(axes)["best head of the layer"].get_ydata(), top)
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(best.low.min())
    assert heights.max() == pytest.approx(best.high.max())


EFFECTS = {"best heads": Estimate(-0.3, -0.4, -0.2), "random heads": Estimate(0.0, -0.05, 0.06)}


def test_effects_stand_in_the_row_of_their_name():
    flipped = dict(reversed(EFFECTS.items()))
    figure = pictures.effects(
        {"accuracy": EFFECTS, "log-odds": flipped},
        labels={"accuracy": "change", "log-odds": "nats"}, controls=["random heads"],
    )  # fmt: skip
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["best heads", "random heads (control)"]
    assert figure.axes[0].yaxis_inverted()
    for axes, title in zip(figure.axes, ("change", "nats"), strict=True):
        assert axes.get_xlabel() == title
        intervals, points = axes.lines[0:4:2], axes.lines[1:4:2]
        for row, name in enumerate(EFFECTS):
            assert list(intervals[row].get_xdata()) == [EFFECTS[name].low, EFFECTS[name].high]
            assert set(intervals[row].get_ydata()) == {row}
            assert list(points[row].get_xdata()) == [EFFECTS[name].value]
            assert list(points[row].get_ydata()) == [row]
        assert to_rgba(points[1].get_color()) == to_rgba(figures.CONTROL["color"])
        assert to_rgba(points[0].get_color()) != to_rgba(figures.CONTROL["color"])
        assert set(axes.lines[4].get_xdata()) == {0.0}


def test_effects_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="every panel"):
        pictures.effects({"a": EFFECTS, "b": {}}, labels={"a": "", "b": ""})
    with pytest.raises(ValueError, match="controls"):
        pictures.effects({"a": EFFECTS}, labels={"a": ""}, controls=["other heads"])
