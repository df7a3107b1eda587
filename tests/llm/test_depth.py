"""Layers by relative depth against the paper's own, and contrasts by hand."""

import numpy as np

from iclnb.llm.depth import FIRST, MIDDLE, contrast, layers_within


def test_the_papers_layers_carried_over_by_depth():
    """On GPT-J's own 28 layers they are the paper's: the first three, and 16 to 21."""
    assert layers_within(28, FIRST).tolist() == [0, 1, 2]
    assert layers_within(28, MIDDLE).tolist() == [16, 17, 18, 19, 20, 21]
    assert layers_within(56, MIDDLE).tolist() == list(range(32, 44))


def test_contrast_is_inside_minus_outside():
    ratio = np.array([[1.0, 2.0, 9.0, 4.0], [0.0, 0.0, 0.0, 6.0]])
    assert contrast(ratio, np.array([2, 3])).tolist() == [6.5 - 1.5, 3.0]
