"""Series that are told apart in grey: asked of every picture that a test draws."""

from itertools import combinations

import numpy as np
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

TELLING = 0.15
"""Difference of lightness (CIE L*, 0 to 1) that tells two series apart."""


def install():
    """A picture that is drawn from now on has no two series that look alike."""
    from iclnb.figures import Picture

    keep = Picture.__post_init__

    def keep_and_check(self):
        keep(self)
        found = alike(self.figure)
        assert not found, f"not told apart in grey: {'; '.join(found)}"

    Picture.__post_init__ = keep_and_check


def alike(figure):
    """Pairs of a panel's series, by their names, whose marker, dash and lightness are the same."""
    found = []
    for axes in figure.axes:
        named = zip(*axes.get_legend_handles_labels(), strict=True)
        series = [(name, seen) for artist, name in named if (seen := look(artist))]
        for (one, a), (other, b) in combinations(series, 2):
            same = one != other and a[:-1] == b[:-1] and abs(a[-1] - b[-1]) < TELLING
            found += [f"{one} and {other}"] if same else []
    return found


def look(artist):
    """Kind, shape and, last, lightness of lines, points and areas; ``None`` of anything else."""
    if isinstance(artist, tuple):  # bars, or a line with its error bars
        return look(next((part for part in artist if part is not None), None))
    if isinstance(artist, Line2D):
        dash = str(artist._unscaled_dash_pattern) if artist.get_linestyle() != "None" else None
        return "line", dash, str(artist.get_marker()), lightness(artist.get_color())
    if isinstance(artist, Patch | PolyCollection):
        return "area", artist.get_hatch(), lightness(artist.get_facecolor())
    if isinstance(artist, PathCollection):
        return "points", artist.get_paths()[0].vertices.tobytes(), lightness(artist.get_facecolor())
    return None


def lightness(colour):
    """CIE L* of a colour, or of the first of several, on white; near black it is a little too small."""
    for *rgb, alpha in to_rgba_array(colour):
        linear = ((alpha * np.array(rgb) + 1 - alpha + 0.055) / 1.055) ** 2.4
        return 1.16 * (linear @ (0.2126, 0.7152, 0.0722)) ** (1 / 3) - 0.16
    return 1.0
