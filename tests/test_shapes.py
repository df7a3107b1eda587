"""The checks of types and shapes themselves: on in every test, off for users."""

import subprocess
import sys

import jaxtyping
import numpy as np
import pytest
import shapes
from throwaway import ROOT

from iclnb.kernel_regression import gaussian_weights, kernel_regression
from iclnb.llm.depth import contrast

WEIGHTS, LABELS = np.ones((2, 3)), np.zeros((2, 3), dtype=int)


@pytest.mark.parametrize(
    "call",
    [
        lambda: kernel_regression(WEIGHTS, LABELS[:, :2], 2),  # other demonstrations
        lambda: kernel_regression(WEIGHTS, WEIGHTS, 2),  # labels that are no whole numbers
        lambda: kernel_regression(WEIGHTS, LABELS, 2.0),
        lambda: gaussian_weights([1.0, 2.0], 1.0),
        lambda: contrast(np.ones(3), LABELS),  # of two axes
    ],
)
def test_a_wrong_shape_or_type_is_refused_and_seen_wherever_it_is_caught(call):
    with pytest.raises(jaxtyping.TypeCheckError):
        call()
    assert shapes.refused
    shapes.refused.clear()  # else the fixture of every test would fail this one


@pytest.mark.wrong_arguments
def test_a_test_of_wrong_arguments_meets_the_function_itself():
    with pytest.raises(ValueError, match="expected the same"):
        kernel_regression(WEIGHTS, LABELS[:, :2], 2)


def test_users_run_without():
    program = (
        "from iclnb.kernel_regression import gaussian_weights as f; assert not hasattr(f, '__wrapped__')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    assert hasattr(gaussian_weights, "__wrapped__")
