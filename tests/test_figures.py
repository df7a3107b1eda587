"""Figures as images: their size, their kind, and the second one for a phone."""

import base64
import itertools
import re
import struct

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.ticker import FuncFormatter

from iclnb import figures

COLUMN = 366
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
    texts = [text for axes in narrow.axes for text in figures._texts(axes) if text.get_text()]
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
    names = [f"labels permuted in prompts, best of all, {number}" for number in range(6)]
    lines = [panel.plot([number, 1], label=name)[0] for panel in axes for number, name in enumerate(names)]
    figure.legend(lines[:6], names, loc="outside lower center", ncols=3, fontsize=5)
    narrow = figures.narrow(figure)
    plt.close(figure)
    narrow.canvas.draw()
    (legend,) = narrow.legends
    boxes = [text.get_window_extent() for text in legend.get_texts()]
    assert [text.get_text() for text in legend.get_texts()] == names and len(boxes) == 6
    assert all(lower.y1 <= upper.y0 + 2 for upper, lower in itertools.pairwise(boxes))
    assert boxes[0].y1 < min(axes.get_window_extent().y0 for axes in narrow.axes)
    assert legend.get_window_extent().width <= narrow.bbox.width
    assert min(text.get_fontsize() for text in legend.get_texts()) >= figures.SMALLEST
