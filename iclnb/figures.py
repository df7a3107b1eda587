"""One style for every figure: readable in grey, intervals and controls on the same axes, alt text."""

import base64
import html
import io
from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML
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


@contextmanager
def style():
    """Matplotlib settings of the book, for the figures made inside the block."""
    with mpl.rc_context(STYLE):
        yield


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


def show(figure: Figure, *, alt: str, caption: str = "") -> HTML:
    """The figure as an image with alternative text, closed afterwards.

    Args:
        figure: a Matplotlib figure.
        alt: what a reader who cannot see the picture needs to know; numbers in it come from the data.
        caption: line below the picture.

    Returns:
        HTML that needs neither network nor server, to stand as the last value of a notebook cell.

    Raises:
        ValueError: if ``alt`` is empty.
    """
    if not alt.strip():
        raise ValueError("a figure needs alternative text")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    plt.close(figure)
    image = base64.b64encode(buffer.getvalue()).decode()
    caption_html = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return HTML(
        f'<figure><img src="data:image/png;base64,{image}" alt="{html.escape(alt, quote=True)}" '
        f'style="max-width:100%">{caption_html}</figure>'
    )
