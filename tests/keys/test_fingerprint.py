"""What changes a fingerprint of code and what does not."""

import pytest

from iclnb.keys.fingerprint import of_source

SOURCE = '''
"""A module."""
import math

X = 1  # a number
"""What X is."""


def area(r: float) -> float:
    """Of a disc."""
    return math.pi * r**2
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', ""),
        ("# a number", "# another comment"),
        ('"""What X is."""', '"""Other words."""'),
        ('    """Of a disc."""\n', ""),
        ("math.pi * r**2", "(\n        math.pi\n        * r ** 2\n    )"),
        ("area(r: float)", "area(\n    r: float,\n)"),
    ],
)
def test_words_and_layout_change_nothing(old, new):
    assert old in SOURCE
    assert of_source(SOURCE.replace(old, new)) == of_source(SOURCE)
