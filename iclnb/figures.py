"""One style for every figure: readable in grey, intervals and controls on the same axes, alt text."""

import base64
import functools
import html
import io
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iclnb.stats import Estimate

STYLE = {
    "figure.dpi": 120, "figure.figsize": (7.0, 3.6), "figure.constrained_layout.use": True,
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


@dataclass(frozen=True)
class Picture:
    """A figure with what a reader who cannot see it needs to know.

    Attributes:
        figure: a Matplotlib figure.
        alt: the finding in words; numbers in it come from the data.
        caption: line below the picture.

    Raises:
        ValueError: if ``alt`` is empty.
    """

    figure: Figure
    alt: str
    caption: str = ""

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise ValueError("a figure needs alternative text")

    def _repr_html_(self) -> str:
        """The picture in a page: an image that needs neither network nor server."""
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", bbox_inches="tight")
        image = base64.b64encode(buffer.getvalue()).decode()
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure class="iclnb-picture"><img src="data:image/png;base64,{image}" '
            f'alt="{html.escape(self.alt, quote=True)}" style="max-width:100%">{caption}</figure>'
        )


def picture(draw: Callable[..., Picture]) -> Callable[..., Picture]:
    """Decorate a function that draws a :class:`Picture`: the book's style, and no figure left open."""

    @functools.wraps(draw)
    def styled(*args: object, **settings: object) -> Picture:
        with mpl.rc_context(STYLE):
            made = draw(*args, **settings)
        plt.close(made.figure)
        return made

    return styled


def band(axes: Axes, x: Float[np.ndarray, " points"], estimate: Estimate, label: str, **line: object) -> None:
    """A line with its interval as a band.

    Args:
        axes: where to draw.
        x: abscissae.
        estimate: values and limits, each of the shape of ``x``.
        label: name in the legend.
        line: one of :data:`SERIES`, or :data:`CONTROL`.
    """
    axes.plot(x, estimate.value, label=label, markersize=3.5, linewidth=1.4, **line)
    axes.fill_between(x, estimate.low, estimate.high, color=line.get("color"), alpha=0.18, linewidth=0)
