"""What pictures of heads could get silently wrong: which cell is framed, what is drawn at which number."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from iclnb import figures
from iclnb.heads import agreement, pictures
from iclnb.heads.kernel import Weighed
from iclnb.heads.probes import OFFSETS, Probed
from iclnb.stats import Estimate


@pytest.fixture(autouse=True)
def style():
    with figures.style():
        yield
    plt.close("all")


VALUES = np.random.default_rng(0).random((6, 4))
OTHER = np.random.default_rng(1).random((3, 5)) - 1


def framed(axes):
    """Row and column of the cells with a frame."""
    return {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in axes.patches}


def test_maps_show_their_numbers_on_one_scale():
    figure = pictures.head_maps({"trained": VALUES, "random": OTHER}, label="agreement")
    images = [axes.get_images()[0] for axes in figure.axes[:2]]
    for image, given in zip(images, (VALUES, OTHER), strict=True):
        np.testing.assert_array_equal(image.get_array(), given)
        assert image.get_clim() == (OTHER.min(), VALUES.max())
        assert image.origin == "lower"  # layer 0 at the bottom
    assert figure.axes[-1].get_ylabel() == "agreement"


def test_the_best_head_is_framed_at_its_cell():
    figure = pictures.head_maps({"trained": VALUES, "random": OTHER})
    for axes, given in zip(figure.axes[:2], (VALUES, OTHER), strict=True):
        ((layer, head),) = framed(axes)
        assert given[layer, head] == given.max()
        assert f"layer {layer}, head {head}: {given.max():.2f}" in axes.get_xlabel()


def test_a_given_head_is_framed_where_there_is_one():
    figure = pictures.head_maps({"a": VALUES, "b": OTHER}, mark={"a": (5, 0)}, diverging=True)
    assert framed(figure.axes[0]) == {(5, 0)}
    assert framed(figure.axes[1]) == {pictures.best_head(OTHER)}
    assert f"{VALUES[5, 0]:.2f}" in figure.axes[0].get_xlabel()
    reach = max(VALUES.max(), -OTHER.min())
    assert figure.axes[0].get_images()[0].get_clim() == (-reach, reach)


def test_not_a_number_is_never_best():
    values = VALUES.copy()
    values[2, 2] = np.nan
    assert values[pictures.best_head(values)] == np.nanmax(values)


def agreed(lead, seed=0, layers=6, heads=4, k=5):
    rng = np.random.default_rng(seed)
    found = Weighed(
        {"maximum": rng.random((*lead, layers, heads, k))}, rng.integers(0, 2, (*lead, k)),
        rng.normal(size=(*lead, 2)), rng.integers(0, 2, lead),
    )  # fmt: skip
    chosen = agreement.split(lead[-1], seed=0)
    return agreement.agree(found, chosen, permutations=30, seed=0)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


@pytest.mark.parametrize("lead", [(40,), (3, 20)])
def test_agreement_by_depth_shows_best_mean_and_nulls(lead):
    found, blind = agreed(lead), agreed(lead, seed=1, layers=3)
    figure = pictures.agreement_by_depth(
        {"shared": found}, random={"shared": blind}, middle=np.array([3, 4]), seed=0
    )
    axes = figure.axes[0]
    drawn = lines(axes)

    def by_hand(one):
        """Of each layer the head that agrees most on the selection points, judged on the others."""
        return [
            np.mean(one.decided[..., layer, int(np.argmax(row))] == one.target)
            for layer, row in enumerate(one.selection)
        ]

    np.testing.assert_allclose(drawn["best head (chosen on other points)"].get_ydata(), by_hand(found))
    np.testing.assert_allclose(drawn["random weights, best head"].get_ydata(), by_hand(blind))
    means = [np.mean(found.decided[..., layer, :] == found.target[..., None]) for layer in range(6)]
    np.testing.assert_allclose(drawn["mean of the layer's heads"].get_ydata(), means)
    assert set(drawn["the last label"].get_ydata()) == {np.mean(found.blind.last == found.target)}
    assert set(drawn["most frequent answer"].get_ydata()) == {found.modal}
    bands = {patch.get_label(): patch for patch in axes.patches}
    band = bands["labels permuted in prompts, best of all"]
    edges = (band.get_y(), band.get_y() + band.get_height())
    assert edges == pytest.approx(np.quantile(found.permuted, (0.5, 0.95)))
    assert ("labels permuted in sets, best of all" in bands) == (len(lead) == 2)
    shade = bands["the paper's depth"]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (2.5, 4.5)


def test_intervals_are_around_the_best_head():
    found = agreed((3, 20))
    best = pictures.best_by_layer(found, seed=0)
    assert (best.low <= best.value).all() and (best.value <= best.high).all()
    assert (best.low < best.high).all()
    heights = pictures.agreement_by_depth({"a": found}, seed=0).axes[0].collections[0].get_paths()[0].vertices
    assert heights[:, 1].min() == pytest.approx(best.low.min())
    assert heights[:, 1].max() == pytest.approx(best.high.max())


def test_probe_positions():
    rng = np.random.default_rng(0)

    def probed():
        return Probed(rng.random((7, 3, 2, 5)), rng.random((4, 7, 3, 2, 5)), rng.random((7, 5)), 2)

    trained, random = probed(), probed()
    figure = pictures.probe_positions({"keys": {"trained": trained, "random weights": random}}, seed=0)
    axes = figure.axes[0]
    drawn = lines(axes)
    for name, found in (("trained", trained), ("random weights", random)):
        by_head = [[found.accuracy[:, i, j].mean(0) for j in range(2)] for i in range(3)]
        flat = np.reshape(by_head, (6, 5))
        np.testing.assert_allclose(drawn[f"{name}, best head"].get_ydata(), flat.max(0))
        np.testing.assert_allclose(drawn[f"{name}, mean"].get_ydata(), flat.mean(0))
        assert tuple(drawn[f"{name}, mean"].get_xdata()) == OFFSETS
    np.testing.assert_allclose(drawn["most frequent class"].get_ydata(), trained.majority.mean(0))
    band = next(c for c in axes.collections if c.get_label() == "shuffled targets, best head")
    best = np.array([[c[:, :, :, p].mean(0).max() for p in range(5)] for c in trained.control])
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((best.min(), best.max()))


EFFECTS = {"best heads": Estimate(-0.3, -0.4, -0.2), "random heads": Estimate(0.0, -0.05, 0.06)}


def test_effects_stand_in_the_row_of_their_name():
    figure = pictures.effect_intervals(EFFECTS, label="nats", controls={"random heads"})
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["best heads", "random heads (control)"]
    assert axes.yaxis_inverted()
    assert axes.get_xlabel() == "nats"
    for row, name in enumerate(EFFECTS):
        interval, point = axes.lines[2 * row : 2 * row + 2]
        assert list(interval.get_xdata()) == [EFFECTS[name].low, EFFECTS[name].high]
        assert set(interval.get_ydata()) == {row}
        assert (list(point.get_xdata()), list(point.get_ydata())) == ([EFFECTS[name].value], [row])
        control = to_rgba(figures.CONTROL["color"])
        assert (to_rgba(point.get_color()) == control) == (name == "random heads")
    assert set(axes.lines[4].get_xdata()) == {0.0}


def test_an_unknown_control_is_refused():
    with pytest.raises(ValueError, match="other heads"):
        pictures.effect_intervals(EFFECTS, label="", controls=["other heads"])
