"""One style for every figure: readable in grey, intervals and controls on the same axes, alt text."""

import base64
import functools
import html
import io
import itertools
import pickle
import struct
import textwrap
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import cloudpickle
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Num
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator

from iclnb.figures import legible
from iclnb.figures.legible import DPI
from iclnb.stats import Estimate

STYLE = {
    "figure.dpi": DPI, "figure.figsize": (7.0, 3.6), "figure.constrained_layout.use": True,
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.alpha": 0.3, "legend.frameon": False, "image.cmap": "cividis",
}  # fmt: skip

SERIES = (
    {"color": "#1b1b1b", "linestyle": "-", "marker": "o"},
    {"color": "#0072b2", "linestyle": "--", "marker": "s"},
    {"color": "#d55e00", "linestyle": "-.", "marker": "^"},
    {"color": "#009e73", "linestyle": ":", "marker": "D"},
    {"color": "#cc79a7", "linestyle": (0, (5, 1)), "marker": "v"},
    {"color": "#8c6d31", "linestyle": (0, (3, 1, 1, 1)), "marker": "P"},
)
"""Colours that colour-blind readers tell apart, each with its own dash and marker for print in grey."""

CONTROL = {"color": "#8a8a8a", "linestyle": (0, (1, 1)), "marker": "x"}
"""How a control is drawn, everywhere."""

PHONE = "max-width: 600px"
NARROW = 3.0  # Inches: at 120 dots per inch about as wide as a phone's screen, so that nothing is scaled down
LETTERS = 30  # In a line of text of a narrow figure
NAMES = 44  # Letters in a line of its legend, whose text is smaller
LEAST = 25_000  # Bytes of a PNG that no SVG of ours is smaller than: its letters alone take more


@dataclass(frozen=True)
class Picture:
    """A figure with what a reader who cannot see it needs to know. Raises ValueError without alternative text."""

    figure: Figure  # a Matplotlib figure
    alt: str  # the finding in words; numbers in it come from the data
    caption: str = ""  # line below the picture

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("a figure needs alternative text")

    def _repr_html_(self) -> str:
        """The picture in a page: an image that needs neither network nor server, and another for a phone."""
        wide = _wide(self.figure)
        phone = _phone(self.figure)
        source = f'<source media="({PHONE})" {phone.attributes("srcset")}>' if phone else ""
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        alt = html.escape(self.alt)
        return (
            f'<figure class="iclnb-picture"><picture>{source}<img {wide.attributes("src")} alt="{alt}" '
            f'style="max-width:100%;height:auto"></picture>{caption}</figure>'
        )


class _Image(NamedTuple):
    """An encoded figure and its size in pixels of a page."""

    kind: str
    content: bytes
    width: int
    height: int
    text: float

    def attributes(self, name: str) -> str:
        """Its address, its size and that of its smallest text in pixels, as attributes of an element."""
        data = base64.b64encode(self.content).decode()
        return (
            f'{name}="data:image/{self.kind};base64,{data}" width="{self.width}" height="{self.height}" '
            f'data-text="{self.text:.1f}"'
        )


def _image(figure: Figure) -> _Image:
    """The figure as SVG or as PNG, whichever is smaller."""
    raster = _saved(figure, "png")
    width, height = struct.unpack(">II", raster[16:24])  # the PNG header
    if len(raster) < LEAST:
        return _Image("png", raster, width, height, legible.smallest(figure))
    with mpl.rc_context({"svg.hashsalt": "iclnb"}):  # the same figure gives the same bytes
        vector = _saved(figure, "svg", metadata={"Date": None})
    kind, content = ("svg+xml", vector) if len(vector) < len(raster) else ("png", raster)
    return _Image(kind, content, width, height, legible.smallest(figure))


def _saved(figure: Figure, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, bbox_inches="tight", **options)
    return buffer.getvalue()


def _wide(figure: Figure) -> _Image:
    """The image for a page's column; as it is where it cannot be copied."""
    copy = _copy(figure)
    if copy:
        legible.wide(copy)
    return _image(copy or figure)


def _copy(figure: Figure) -> Figure | None:
    """A figure that can be changed; ``None`` where it cannot be copied."""
    try:
        return pickle.loads(cloudpickle.dumps(figure))
    except (AttributeError, TypeError, pickle.PicklingError):
        return None


def _phone(figure: Figure) -> _Image | None:
    """The image for a phone; ``None`` where nothing fits beside its labels."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="constrained_layout not applied")
        for below in (False, True):
            try:
                copy = narrow(figure, below=below)
                return _image(copy) if copy else None
            except UserWarning:
                continue
    return None


def narrow(figure: Figure, *, below: bool = False) -> Figure | None:
    """A copy for a phone: as wide as its screen, panels below one another, text at its full size.

    ``None`` for a figure that cannot be copied, or has panels without a place in a grid. Legends that do not
    fit inside their panels can become one ``below`` all of them.
    """
    copy = _copy(figure)
    panels = [axes for axes in copy.axes if axes.get_subplotspec() is not None] if copy else []
    if not panels:
        return None
    rows = panels[0].get_subplotspec().get_gridspec().nrows
    each = copy.get_figheight() / rows
    if below:
        _gather(copy, panels)
    entries = [_one_column(copy, legend) for legend in list(copy.legends) if legend.get_texts()]
    copy.set_size_inches(NARROW, max(each, 2.4) * len(panels) + 0.18 * sum(entries))
    grid = copy.add_gridspec(len(panels), 1)
    for place, axes in zip(grid, panels, strict=True):
        axes.set_subplotspec(place)
        _fit(axes, panels[0])
    legible.enlarge(copy, legible.PHONE)
    return copy


def _gather(figure: Figure, panels: Iterable[Axes]) -> None:
    """Make the panels' legends one of the figure, each name once."""
    legends = [legend for axes in panels if (legend := axes.get_legend())]
    entries = {}
    for legend in legends:
        entries |= zip((text.get_text() for text in legend.get_texts()), legend.legend_handles, strict=True)
        legend.remove()
    if entries:
        figure.legend(entries.values(), entries, loc="outside lower center")


def _one_column(figure: Figure, legend: Legend) -> int:
    """Put a figure's legend below its panels, one entry below the other; returns how many lines it has."""
    texts = legible.columns(figure, legend, 1).get_texts()
    for text in texts:
        text.set_text(_wrapped(text.get_text(), NAMES))
    return sum(text.get_text().count("\n") + 1 for text in texts)


def _fit(axes: Axes, first: Axes) -> None:
    """One panel of a narrow figure: axes of its own, lines of text that fit."""
    if len(axes.get_yticks()) and axes.axison:
        axes.tick_params(labelleft=True, labelbottom=True)
        shared = axes.get_shared_y_axes().joined(axes, first)
        axes.set_ylabel(axes.get_ylabel() or (first.get_ylabel() if shared else ""))
    if isinstance(axes.yaxis.get_major_locator(), FixedLocator):  # names of rows
        axes.set_yticks(axes.get_yticks(), [_wrapped(text.get_text(), 18) for text in axes.get_yticklabels()])
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_text(_wrapped(text.get_text(), LETTERS))


def _wrapped(text: str, letters: int) -> str:
    """Text in lines that are not too long; a formula is left whole."""
    return text if "$" in text else "\n".join(textwrap.fill(line, letters) for line in text.split("\n"))


def picture(draw: Callable[..., Picture]) -> Callable[..., Picture]:
    """Decorate a function that draws a :class:`Picture`: the book's style, and no figure left open."""

    @functools.wraps(draw)
    def styled(*args: object, **settings: object) -> Picture:
        with mpl.rc_context(STYLE):
            made = draw(*args, **settings)
        plt.close(made.figure)
        return made

    return styled


def rung_styles(names: Iterable[str], here: str = "this run") -> dict[str, dict[str, object]]:
    """A line's look for every run of a ladder: recorded ones filled, this run hollow and last."""
    recorded = [name for name in names if name != here]
    styles = dict(zip(recorded, itertools.cycle(SERIES[1:]), strict=False))
    return styles | {here: SERIES[0] | {"markerfacecolor": "white"}}


def band(axes: Axes, x: Num[np.ndarray, " points"], estimate: Estimate, label: str, **line: object) -> None:
    """A line, one of :data:`SERIES` or :data:`CONTROL`, with its interval as a band."""
    axes.plot(x, estimate.value, label=label, markersize=3.5, linewidth=1.4, **line)
    axes.fill_between(x, estimate.low, estimate.high, color=line.get("color"), alpha=0.18, linewidth=0)
