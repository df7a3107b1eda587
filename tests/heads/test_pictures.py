"""What pictures of heads could get silently wrong: which cell is framed, what is drawn at which number."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from iclnb import figures
from iclnb.display import interval_text
from iclnb.heads import estimates, pictures, pictures_appendix
from iclnb.heads.causes import BEST, RANDOM, WHOLE, Causes
from iclnb.heads.direct import PARTS
from iclnb.heads.material import split
from iclnb.heads.probes import OFFSETS, Probed
from iclnb.heads.reconstruction import Arms, agree
from iclnb.llm.kernel_weights import KernelWeights

VALUES = np.random.default_rng(0).random((6, 4))
OTHER = np.random.default_rng(1).random((3, 5)) - 1


def framed(axes):
    """Row and column of the cells with a frame."""
    return {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in axes.patches}


def test_maps_show_their_numbers_on_one_scale():
    figure = pictures.correlation_maps({"trained": VALUES, "random": OTHER}).figure
    reach = max(VALUES.max(), -OTHER.min())
    images = [axes.get_images()[0] for axes in figure.axes[:2]]
    for image, given in zip(images, (VALUES, OTHER), strict=True):
        np.testing.assert_array_equal(image.get_array(), given)
        assert image.get_clim() == (-reach, reach)
        assert image.origin == "lower"  # layer 0 at the bottom
    assert "correlation" in figure.axes[-1].get_ylabel()


def test_the_best_head_is_framed_at_its_cell():
    figure = pictures.correlation_maps({"trained": VALUES, "random": OTHER}).figure
    for axes, given in zip(figure.axes[:2], (VALUES, OTHER), strict=True):
        ((layer, head),) = framed(axes)
        assert given[layer, head] == given.max()
        assert f"layer {layer}, head {head}: {given.max():.2f}" in axes.get_xlabel()


def test_the_chosen_heads_are_framed_whatever_the_evaluation_points_say():
    found, blind = agreed((3, 20)), agreed((3, 20), seed=1, layers=3)
    made = pictures.reconstruction_maps(found, blind)
    axes = made.figure.axes[:3]
    assert [framed(each) for each in axes] == [{found.head}, {found.head}, {blind.head}]
    right = np.mean(found.decided == found.truth[..., None, None], axis=(0, 1))
    np.testing.assert_allclose(axes[1].get_images()[0].get_array(), right)
    assert axes[0].get_images()[0].get_clim() == axes[2].get_images()[0].get_clim()
    assert f"with the truth in {right.max():.3g}" in made.alt


def test_not_a_number_is_never_best():
    values = VALUES.copy()
    values[2, 2] = np.nan
    assert values[pictures.best_head(values)] == np.nanmax(values)


def agreed(lead, seed=0, layers=6, heads=4, k=5):
    rng = np.random.default_rng(seed)
    found = KernelWeights(
        {"maximum": rng.random((*lead, layers, heads, k))}, rng.integers(0, 2, (*lead, k)),
        rng.normal(size=(*lead, 2)), rng.integers(0, 2, lead),
    )  # fmt: skip
    return agree(found, split(lead[-1], seed=0), permutations=30, seed=0)


def lines(axes):
    return {line.get_label(): line for line in axes.lines}


def by_depth(found, blind):
    arms = [Arms(shared, None, None, fresh) for shared, fresh in (found, blind)]
    return pictures.agreement_by_depth(*arms, np.array([3, 4]), seed=0).figure.axes


@pytest.mark.parametrize("panel", [0, 1])
def test_agreement_by_depth_shows_best_mean_and_nulls(panel):
    leads = ((3, 20), (40,))
    both = [[agreed(lead, seed=seed, layers=layers) for lead in leads] for seed, layers in ((0, 6), (1, 3))]
    axes = by_depth(*both)[panel]
    lead, found, blind = leads[panel], both[0][panel], both[1][panel]
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
    band = bands["labels permuted in prompts"]
    edges = (band.get_y(), band.get_y() + band.get_height())
    assert edges == pytest.approx(np.quantile(found.permuted.chosen, (0.5, 0.95)))
    assert ("labels permuted in sets" in bands) == (len(lead) == 2)
    shade = bands["the paper's depth"]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (2.5, 4.5)


def test_intervals_are_around_the_best_head():
    found = agreed((3, 20))
    best = estimates.best_by_layer(found, seed=0)
    assert (best.low <= best.value).all() and (best.value <= best.high).all()
    assert (best.low < best.high).all()
    axes = by_depth((found, found), (found, found))[0]
    heights = axes.collections[0].get_paths()[0].vertices
    assert heights[:, 1].min() == pytest.approx(best.low.min())
    assert heights[:, 1].max() == pytest.approx(best.high.max())


def test_probe_positions():
    rng = np.random.default_rng(0)

    def probed():
        return Probed(rng.random((7, 3, 2, 5)), rng.random((4, 7, 3, 2, 5)), rng.random((7, 5)), 2)

    trained, random = probed(), probed()
    figure = pictures_appendix.probe_positions(
        {"keys": {"trained": trained, "random weights": random}}, seed=0
    ).figure
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


def test_costs_stand_in_the_row_of_their_intervention():
    rng, truth = np.random.default_rng(0), np.tile(np.arange(20) % 2, (3, 1))
    answers = {name: rng.normal(size=(1, 3, 20, 2)) for name in (WHOLE, BEST, RANDOM)}
    found = Causes(answers, truth, [])
    made = pictures.intervention_costs(found, seed=0)
    (axes,) = made.figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [BEST, f"{RANDOM} (control)"] and axes.yaxis_inverted()
    for row, name in enumerate((BEST, RANDOM)):
        odds = [(a[0, ..., 1] - a[0, ..., 0]) * (2 * truth - 1) for a in (answers[WHOLE], answers[name])]
        centred = [
            each - (2 * truth - 1) * np.mean(each * (2 * truth - 1), axis=1, keepdims=True) for each in odds
        ]
        cost = np.mean(centred[0] - centred[1])
        interval, point = axes.lines[2 * row : 2 * row + 2]
        assert point.get_xdata()[0] == pytest.approx(cost)
        low, high = interval.get_xdata()
        assert low < cost < high and set(interval.get_ydata()) == {row}
        control = to_rgba(figures.CONTROL["color"])
        assert (to_rgba(point.get_color()) == control) == (name == RANDOM)
        assert f"{name} {interval_text(cost, low, high)}" in made.alt
    assert set(axes.lines[4].get_xdata()) == {0}


def test_parts_of_ablations_stand_beside_their_total():
    rng, truth = np.random.default_rng(0), np.tile(np.arange(20) % 2, (3, 1))
    names = ("total", *PARTS)
    answers = {name: rng.normal(size=(1, 3, 20, 2)) for name in (WHOLE, BEST, RANDOM)}
    parts = {name: {part: rng.normal(size=(1, 3, 20, 2)) for part in PARTS} for name in (BEST, RANDOM)}
    found = Causes(answers, truth, [], parts)
    made = pictures.ablation_parts(found, seed=0)
    (axes,) = made.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [BEST, RANDOM]
    for row, name in enumerate((BEST, RANDOM)):
        for i, part in enumerate(names):
            changed = answers[WHOLE] - answers[name] if part == "total" else parts[name][part]
            odds = changed[0, ..., 1] - changed[0, ..., 0]
            value = np.mean((odds - odds.mean(1, keepdims=True)) * (2 * truth - 1))
            interval, point = axes.lines[8 * row + 2 * i : 8 * row + 2 * i + 2]
            assert point.get_xdata()[0] == pytest.approx(value) and abs(point.get_ydata()[0] - row) < 0.5
            low, high = interval.get_xdata()
            assert low < value < high and f"{part} {interval_text(value, low, high)}" in made.alt
    assert {text.get_text() for text in made.figure.legends[0].get_texts()} == {*names}
    unsplit = pictures.ablation_parts(Causes(answers, truth, [], {}, "its norm is odd"), seed=0)
    assert "its norm is odd" in unsplit.caption and len(unsplit.figure.axes[0].lines) == 5
