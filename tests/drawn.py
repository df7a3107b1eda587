"""What a picture shows: the numbers of its marks, and the names of its rows."""

import numpy as np


def shows(axes, *numbers):
    """Whether every number is the abscissa of a mark."""
    marks = np.concatenate([np.ravel(line.get_xdata()).astype(float) for line in axes.lines])
    return all(np.isclose(marks, float(number), atol=1e-6).any() for number in numbers)


def rows(axes):
    return [label.get_text() for label in axes.get_yticklabels()]
