"""Figures as a page shows them: text at a size that can be read, series that are told apart in grey."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

DPI = 120  # Dots per inch of a figure, and so pixels of a page

COLUMN = 768 / DPI
"""Inches: the width of a page's column on a screen of 1400 pixels. Wider figures are scaled down to it."""

WIDEST = 9.0  # Inches: wider figures are drawn narrower, so that their text need not be larger than others'
SMALLEST = 7.0  # Points of text as a page shows it: 11.7 pixels
PHONE = 7.5  # Points of text for a phone, where a column is 342 pixels wide and figures are a little wider
TELLING = 15.0  # Difference of lightness (CIE L*, 0 to 100) by which two series are told apart in grey


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


def alike(figure: Figure) -> list[str]:
    """Pairs of a panel's series, by their names, whose marker, dash and lightness are the same."""
    found = []
    for axes in figure.axes:
        named = zip(*axes.get_legend_handles_labels(), strict=True)
        series = [(name, look) for artist, name in named if (look := _look(artist))]
        for (one, a), (other, b) in combinations(series, 2):
            same = one != other and a[:-1] == b[:-1] and abs(a[-1] - b[-1]) < TELLING
            found += [f"{one} and {other}"] if same else []
    return found


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


def _look(artist: Artist | tuple | None) -> tuple | None:
    """Kind, shape and, last, lightness of lines, points and areas; ``None`` of anything else."""
    if isinstance(artist, tuple):  # bars, or a line with its error bars
        return _look(next((part for part in artist if part is not None), None))
    if isinstance(artist, Line2D):
        dash = str(artist._unscaled_dash_pattern) if artist.get_linestyle() != "None" else None
        return "line", dash, str(artist.get_marker()), _lightness(artist.get_color())
    if isinstance(artist, Patch | PolyCollection):
        return "area", artist.get_hatch(), _face(artist)
    if isinstance(artist, PathCollection):
        return "points", artist.get_paths()[0].vertices.tobytes(), _face(artist)
    return None


def _face(artist: Artist) -> float:
    colours: Float[np.ndarray, "... 4"] = np.atleast_2d(artist.get_facecolor())
    return _lightness(colours[0]) if colours.size else 100.0


def _lightness(colour: object) -> float:
    """CIE L* of a colour on white, 0 (black) to 100 (white)."""
    *channels, alpha = to_rgba(colour)
    rgb = (alpha * channel + 1 - alpha for channel in channels)
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y
