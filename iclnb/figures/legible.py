"""Figures as a page shows them: text at a size that can be read."""

from collections.abc import Iterator

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text

DPI = 120  # Dots per inch of a figure, and so pixels of a page

COLUMN = 768 / DPI
"""Inches: the width of a page's column on a screen of 1400 pixels. Wider figures are scaled down to it."""

WIDEST = 9.0  # Inches: wider figures are drawn narrower, so that their text need not be larger than others'
SMALLEST = 7.0  # Points of text as a page shows it: 11.7 pixels
PHONE = 7.5  # Points of text for a phone, where a column is 342 pixels wide and figures are a little wider


def wide(figure: Figure) -> None:
    """Make the text of a figure large enough for a page's column, in place; legends get fewer columns."""
    width = min(figure.get_figwidth(), WIDEST)
    figure.set_figwidth(width)
    enlarge(figure, SMALLEST * max(1.0, width / COLUMN))
    for legend in list(figure.legends):
        _fit(figure, legend)


def enlarge(figure: Figure, points: float) -> None:
    """Give text that is smaller this size, ticks that are yet to be drawn too."""
    for axes in _axes(figure.axes):
        for axis in (axes.xaxis, axes.yaxis):
            labels = axis.get_ticklabels()
            if labels and labels[0].get_fontsize() < points:
                axis.set_tick_params(labelsize=points)
    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), points))


def smallest(figure: Figure) -> float:
    """Pixels of the smallest text of a figure that shows, where it is not scaled down."""
    sizes = [
        text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()
    ]
    return min(sizes, default=SMALLEST) * DPI / 72


def _axes(panels: list[Artist]) -> Iterator[Artist]:
    for axes in panels:
        yield axes
        yield from _axes(axes.child_axes)


def columns(figure: Figure, legend: Legend, count: int, side: str = "lower") -> Legend:
    """A figure's legend anew, above (``upper``) or below its panels, in so many columns."""
    labels = [text.get_text() for text in legend.get_texts()]
    place = {"loc": f"outside {side} center", "frameon": False, "ncols": count}
    legend.remove()
    return figure.legend(
        legend.legend_handles, labels, fontsize=legend.get_texts()[0].get_fontsize(), **place
    )


def _fit(figure: Figure, legend: Legend) -> None:
    """Fewer columns for a legend wider than its figure, which grows by what the legend grows."""
    figure.draw_without_rendering()
    box, each = legend.get_window_extent(), len(legend.get_texts())
    side = "upper" if box.y0 + box.y1 > figure.bbox.height else "lower"
    before, count = box.height, each
    while count > 1 and legend.get_window_extent().width > figure.bbox.width:
        rows = -(-each // count)
        count = -(-each // (rows + 1))  # the next smaller number that needs one row more
        legend = columns(figure, legend, count, side)
        figure.draw_without_rendering()
    more = legend.get_window_extent().height - before
    figure.set_figheight(figure.get_figheight() + max(0.0, more) / figure.dpi)
