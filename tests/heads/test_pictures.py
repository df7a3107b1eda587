"""What pictures of heads could get silently wrong: which cell is framed, what is drawn at which number."""

import numpy as np
from matplotlib.colors import to_rgba

from iclnb import figures
from iclnb.figures import rows
from iclnb.heads import pictures, pictures_appendix
from iclnb.heads.probes import OFFSETS, KeysAndValues
from iclnb.heads.table_2 import Table2
from iclnb.ladders import HERE
from iclnb.stats import Estimate

VALUES = np.random.default_rng(0).random((6, 4))
OTHER = np.random.default_rng(1).random((3, 5)) - 1


def framed(axes):
    """Row and column of the cells with a frame."""
    return {(round(p.get_y() + 0.5), round(p.get_x() + 0.5)) for p in axes.patches}


def test_maps_show_their_numbers_on_one_scale_and_frame_the_largest():
    figure = pictures.head_maps({"one": VALUES, "other": OTHER}, label="correlation")
    for axes, given in zip(figure.axes[:2], (VALUES, OTHER), strict=True):
        image = axes.get_images()[0]
        np.testing.assert_array_equal(image.get_array(), given)
        assert image.get_clim() == (OTHER.min(), VALUES.max()) and image.origin == "lower"
        ((layer, head),) = framed(axes)
        assert given[layer, head] == given.max()
        assert f"layer {layer}, head {head}: {given.max():.2f}" in axes.get_xlabel()
    assert "correlation" in figure.axes[-1].get_ylabel()


def test_estimates_stand_in_their_row_in_the_look_of_their_run():
    import matplotlib.pyplot as plt

    found = {
        "first": {"1B": Estimate(0.5, 0.4, 0.7), HERE: Estimate(0.2, 0.1, 0.3)},
        "second": {HERE: Estimate(0.9, 0.8, 1.0)},
    }
    figure, axes = plt.subplots()
    rows.draw(axes, found)
    for container, name, values, places in zip(
        axes.containers, ("1B", HERE), ([0.5], [0.2, 0.9]), ([0], [0, 1]), strict=True
    ):
        points, _, (spans,) = container
        assert container.get_label() == name
        assert list(points.get_xdata()) == values and list(np.round(points.get_ydata())) == places
        assert (to_rgba(points.get_markerfacecolor()) == to_rgba("white")) == (name == HERE)
        limits = [(row[name].low, row[name].high) for row in found.values() if name in row]
        np.testing.assert_allclose([segment[:, 0] for segment in spans.get_segments()], limits)
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "first",
        "second",
    ] and axes.yaxis_inverted()
    plt.close(figure)


def probed(seed):
    rng = np.random.default_rng(seed)
    return KeysAndValues(
        accuracy=rng.random((2, 2, 7, 3, 2, 5)), shuffled=rng.random((2, 2, 7, 3, 2, 5)),
        shuffled_best=rng.random((2, 4, 5)), majority=rng.random((2, 7, 5)),
    )  # fmt: skip


def test_probe_positions():
    ladder = {"1B": probed(0), HERE: probed(1)}
    axes = pictures_appendix.probe_positions(ladder).figure.axes
    for place, panel in enumerate(axes[:2]):
        drawn = {line.get_label(): line for line in panel.lines}
        for name, found in ladder.items():
            by_head = [[found.accuracy[place, 0, :, i, j].mean(0) for j in range(2)] for i in range(3)]
            np.testing.assert_allclose(drawn[name].get_ydata(), np.reshape(by_head, (6, 5)).max(0), rtol=1e-5)
            assert tuple(drawn[name].get_xdata()) == OFFSETS
        blank = [one.accuracy[place, 1].mean(0).reshape(6, 5).max(0) for one in ladder.values()]
        np.testing.assert_allclose(
            drawn["random weights, at most"].get_ydata(), np.max(blank, axis=0), rtol=1e-5
        )


def test_table_2_stands_beside_the_papers_numbers():
    rng = np.random.default_rng(0)
    found = Table2(
        tasks="sst2,movie_snippets", missing="", half=np.zeros((2, 10)), hits=rng.random((2, 2, 7, 3, 10)) < 0.8,
        right=rng.random((2, 2, 3, 3, 10)) < 0.7, encoder_right=rng.random((2, 2, 2, 3, 10)) < 0.6,
    )  # fmt: skip
    made = pictures_appendix.table_2({HERE: found}, seed=0)
    first, second = made.figure.axes[:2]
    stars = [line for axes in (first, second) for line in axes.lines if line.get_marker() == "*"]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in stars] == [(0.797, 0), (0.750, 0)]
    (points,) = (line.get_xdata() for line in first.lines if line.get_marker() == "o")
    np.testing.assert_allclose(points, [found.hits[task, 0, 0].mean() for task in (0, 1)])
    encoder = next(line for line in second.lines if line.get_marker() == figures.CONTROL["marker"])
    np.testing.assert_allclose(
        encoder.get_xdata(), [found.encoder_right[task, 0, 1].mean() for task in (0, 1)]
    )
    table = pictures_appendix.table({HERE: found}, "agreement", seed=0).data.splitlines()
    assert len(table) == 4 and table[2].startswith("| SST-2 |") and table[2].endswith("| 0.797 |")
    assert f"{found.hits[1, 0, 0].mean():.2f}" in table[3] and table[3].endswith("|  |")
