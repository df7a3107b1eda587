"""What changes a fingerprint of code and what does not."""

import pytest

from iclnb.keys.fingerprint import fingerprint, of_modules, of_source

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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X = 1", "X = 2"),
        ("r**2", "r**3"),
        ("area(r", "surface(r"),
        ("X = 1", "X = 1.0"),
        ("X = 1", 'X = "1"'),
    ],
)
def test_code_changes_it(old, new):
    assert of_source(SOURCE.replace(old, new)) != of_source(SOURCE)


def test_files_count_in_order_and_by_content(tmp_path):
    code, data = tmp_path / "a.py", tmp_path / "b.json"
    code.write_text(SOURCE)
    data.write_text("{}")
    before = fingerprint([code, data])
    assert before != fingerprint([data, code])
    code.write_text(SOURCE + "\n# nothing\n")
    assert fingerprint([code, data]) == before
    data.write_text("{ }")
    assert fingerprint([code, data]) != before


def test_modules_by_name():
    assert of_modules(["iclnb.errors"]) != of_modules(["iclnb.paths"])
