"""Figures as images: their size, their kind, and the second one for a phone."""

import base64
import itertools
import re
import struct

import greys
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.markers import CARETLEFT
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from iclnb import figures
from iclnb.figures import legible, rows
from iclnb.stats import Estimate

COLUMN = 342
"""Pixels: a page's column on a screen of 390."""


def grid(rows=1, columns=3, **options):
    @figures.picture
    def draw():
        figure, axes = plt.subplots(rows, columns, figsize=(8.6, 3.4 * rows), sharey=True, squeeze=False)
        for number, panel in enumerate(axes.ravel()):
            panel.plot([1, 2], [1, 2], label=f"line {number}", **figures.SERIES[0])
            panel.set(title=f"panel {number} " + "with a long title " * 3, xlabel="x")
            panel.legend(fontsize=5)
        axes[0, 0].set_ylabel("what is measured")
        axes[0, 0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return figures.Picture(figure, alt="three & more", **options)

    return draw()


def images(picture):
    """The images of a page: for phones and for others."""
    return BeautifulSoup(picture._repr_html_(), "html.parser").select("source, img")


def decoded(image):
    kind, data = re.fullmatch(
        r"data:image/([a-z+]+);base64,(.*)", image.get("src") or image["srcset"]
    ).groups()
    return kind, base64.b64decode(data)


def test_sizes_are_those_of_the_images():
    for image in images(grid()):
        kind, content = decoded(image)
        said = int(image["width"]), int(image["height"])
        if kind == "png":
            assert struct.unpack(">II", content[16:24]) == said
        else:
            points = [float(x) for x in re.findall(r'(?:width|height)="([\d.]+)pt"', content.decode())[:2]]
            assert points == pytest.approx([pixels * 72 / 120 for pixels in said], abs=2)


@pytest.mark.parametrize("points", [10, 20_000])
def test_the_smaller_of_vector_and_raster_is_taken(points):
    @figures.picture
    def cloud():
        figure, axes = plt.subplots()
        axes.plot(*np.random.default_rng(0).normal(size=(2, points)), ".")
        return figures.Picture(figure, alt="a cloud")

    *_, image = images(cloud())
    kind, content = decoded(image)
    other = "svg" if kind == "png" else "png"
    assert len(content) <= len(figures._saved(cloud().figure, other)) + 100
    assert kind == "png" or points < 100


def test_on_a_phone_panels_stand_below_one_another_and_text_keeps_its_size():
    picture = grid(2, 2)
    narrow = figures.narrow(picture.figure)
    narrow.canvas.draw()
    boxes = [axes.get_position() for axes in narrow.axes]
    assert len({round(box.x0, 1) for box in boxes}) == 1
    assert all(lower.y1 <= upper.y0 for upper, lower in itertools.pairwise(boxes))
    (image,) = [image for image in images(picture) if image.name == "source"]
    scale = min(1, COLUMN / int(image["width"]))
    texts = [text for text in narrow.findobj(Text) if text.get_text()]
    smallest = min(text.get_fontsize() for text in texts)
    assert smallest / 72 * 120 * scale >= 11 and len(texts) > 12
    assert all(axes.get_ylabel() == "what is measured" for axes in narrow.axes)
    titles = [axes.title.get_window_extent() for axes in narrow.axes]
    assert max(title.width for title in titles) < narrow.bbox.width


def test_the_wide_figure_stays_as_it_was():
    picture = grid()
    before = picture.figure.get_size_inches().copy(), [axes.get_title() for axes in picture.figure.axes]
    first, second = picture._repr_html_(), picture._repr_html_()
    assert first == second, "the same figure gives the same page"
    assert (picture.figure.get_size_inches() == before[0]).all()
    assert [axes.get_title() for axes in picture.figure.axes] == before[1]


def test_legends_that_do_not_fit_a_phones_panels_stand_below_them():
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for number, place in enumerate(({"loc": "best"}, {"loc": "center left", "bbox_to_anchor": (1, 0.5)})):
        axes[number].plot(
            [1, 2], [1, 2], label=f"distance of the prediction {number}", **figures.SERIES[number]
        )
        axes[number].plot([1, 2], [2, 1], label="random weights", **figures.CONTROL)
        axes[number].set_yticks([1, 2], ["a name of a row", "another name of a row"])
        axes[number].legend(**place)
    axes[0].set_ylabel("distance")
    plt.close(figure)
    phone, _ = images(figures.Picture(figure, alt="two"))
    assert phone.name == "source"
    assert float(phone["data-text"]) * min(1, COLUMN / int(phone["width"])) >= 11
    narrow = figures.narrow(figure, below=True)
    narrow.canvas.draw()
    (legend,) = narrow.legends
    names = ["distance of the prediction 0", "random weights", "distance of the prediction 1"]
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == names
    assert not any(axes.get_legend() for axes in narrow.axes)
    assert [axes.get_ylabel() for axes in narrow.axes] == ["distance", ""], "the second is not of the first"


def test_a_figure_without_a_grid_is_shown_as_it_is():
    figure = plt.figure()
    figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([1, 2])
    plt.close(figure)
    assert [image.name for image in images(figures.Picture(figure, alt="a line"))] == ["img"]


def test_long_names_of_rows_are_wrapped_and_formulas_are_not():
    figure, axes = plt.subplots(layout="constrained")
    axes.set_yticks([0, 1], ["random heads of the same layers (control)", "$\\alpha$"])
    labels = [text.get_text() for text in figures.narrow(figure).axes[0].get_yticklabels()]
    plt.close(figure)
    assert max(map(len, labels[0].split("\n"))) <= 18 and labels[1] == "$\\alpha$"
    assert labels[0].replace("\n", " ") == "random heads of the same layers (control)"


def test_a_legend_of_the_whole_figure_stands_in_one_column_below_the_panels():
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
    names = [f"labels permuted in all prompts, the best of all heads, {number}" for number in range(6)]
    lines = [panel.plot([number, 1], label=name)[0] for panel in axes for number, name in enumerate(names)]
    figure.legend(lines[:6], names, loc="outside lower center", ncols=3, fontsize=5)
    narrow = figures.narrow(figure)
    plt.close(figure)
    narrow.canvas.draw()
    (legend,) = narrow.legends
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    assert [text.get_text().replace("\n", " ") for text in legend.get_texts()] == names and len(boxes) == 6
    assert all(lower.y1 <= upper.y0 + 2 for upper, lower in itertools.pairwise(boxes))
    assert boxes[0].y1 < min(axes.get_window_extent().y0 for axes in narrow.axes)
    assert legend.get_window_extent().width <= narrow.bbox.width
    assert min(text.get_fontsize() for text in legend.get_texts()) >= legible.SMALLEST


PAGE = 768
"""Pixels: a page's column on a screen of 1400."""


def test_text_of_a_wide_figure_can_be_read_where_it_is_scaled_down_to_a_page():
    figure, axes = plt.subplots(1, 4, figsize=(12, 4), layout="constrained")
    above = axes[0].secondary_xaxis("top", functions=(lambda x: x / 2, lambda x: 2 * x))
    above.tick_params(labelsize=6)
    above.set_xlabel("relative depth", fontsize=6)
    names = [f"a rule that does not look at the query at all, {number}" for number in range(6)]
    lines = [
        axes[0].plot([0, 1], label=name, **look)[0] for name, look in zip(names, figures.SERIES, strict=True)
    ]
    axes[1].legend(lines[:1], ["inside"], fontsize=5)
    axes[2].text(0, 0, "note", fontsize=4)
    figure.legend(lines, names, loc="outside lower center", ncols=4, fontsize=6)
    plt.close(figure)
    wide = images(figures.Picture(figure, alt="rules"))[-1]
    scale = min(1, PAGE / int(wide["width"]))
    assert float(wide["data-text"]) * scale >= 11, "what the page says"
    copy = figures._copy(figure)
    legible.wide(copy)
    copy.draw_without_rendering()
    sizes = {text.get_text(): text.get_fontsize() for text in copy.findobj(Text) if text.get_text()}
    assert {"relative depth", "inside", "note", *names} <= set(sizes)
    assert min(sizes.values()) / 72 * 120 * scale >= 11
    legend = copy.legends[0].get_window_extent()
    assert legend.width <= copy.bbox.width and legend.y1 < min(a.get_window_extent().y0 for a in copy.axes)


def panel(*looks):
    figure, axes = plt.subplots()
    for number, look in enumerate(looks):
        axes.plot([number, 1], label=f"series {number}", **look)
    plt.close(figure)
    return figure


def test_the_books_series_are_told_apart_in_grey():
    assert greys.alike(panel(*figures.SERIES, figures.CONTROL)) == []


def test_pictures_whose_series_differ_in_hue_alone_fail_a_test():
    looks = [{"color": colour} for colour in ("#d55e00", "#0072b2", "black")]
    assert greys.alike(panel(*looks)) == ["series 0 and series 1"]
    with pytest.raises(AssertionError, match="in grey: series 0 and series 1"):
        figures.Picture(panel(*looks), alt="lines")
    looks[1]["marker"] = "s"
    assert greys.alike(panel(*looks)) == []


def test_bars_are_told_apart_by_hatch_or_lightness():
    figure, axes = plt.subplots()
    for number, look in enumerate(
        ({"color": "#0072b2"}, {"color": "#b34700"}, {"color": "#b34700", "hatch": "//"})
    ):
        axes.bar([number], [1], label=f"bar {number}", **look)
    axes.errorbar([1, 2], [1, 2], [1, 1], label="with errors", color="#0072b2")
    axes.plot([1, 2], [2, 2], label="without", color="#b34700")
    plt.close(figure)
    assert greys.alike(figure) == ["without and with errors", "bar 0 and bar 1"]


def test_a_legend_of_nothing_does_not_stop_a_narrow_figure():
    figure, _ = plt.subplots(1, 2, layout="constrained")
    figure.legend([], [], loc="outside lower center")
    assert len(figures.narrow(figure).axes) == 2


def test_an_estimate_beyond_the_end_of_the_axis_is_an_arrow_there():
    axes = plt.figure().subplots()
    found = {"far": {"a": Estimate(-9.0, -12.0, -7.0)}, "near": {"a": Estimate(0.1, -2.0, 0.3)}}
    rows.draw(axes, found, least=-0.5)
    assert -0.7 < axes.get_xlim()[0] < -0.5
    (arrows,) = [line for line in axes.lines if line.get_marker() == CARETLEFT]
    assert arrows.get_xydata().tolist() == [[-0.5, 0]]
    marks, _, (bars,) = axes.containers[0].lines
    np.testing.assert_array_equal(marks.get_xdata(), [np.nan, 0.1])
    assert bars.get_segments()[1].tolist() == [[-0.5, 1.0], [0.3, 1.0]]
