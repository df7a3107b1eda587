"""Random mixtures of HMMs: how rows of probabilities are drawn, and how tasks start."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag
from scipy.special import softmax as normalised_exponentials

from iclnb.bayes.hmm import HMMMixture

Rows = Callable[[np.random.Generator, int, int], Float[np.ndarray, "rows columns"]]
"""Draws a table of probabilities: ``(rng, rows, columns) -> array`` whose rows sum to one."""


def dirichlet(concentration: float) -> Rows:
    """Rows drawn from a symmetric Dirichlet distribution; the smaller α, the nearer to deterministic."""
    return lambda rng, rows, columns: rng.dirichlet(np.full(columns, float(concentration)), size=rows)


def softmax(scale: float) -> Rows:
    """Rows softmax(scale x N(0, 1)), entries independent; the larger, the nearer to deterministic."""
    return lambda rng, rows, columns: normalised_exponentials(
        scale * rng.standard_normal((rows, columns)), axis=1
    )


def block_starts(tasks: int, states: int) -> Float[np.ndarray, "tasks states"]:
    """Task i starts uniformly in the i-th block of states. Raises ValueError if they do not divide so."""
    if states % tasks:
        raise ValueError(f"{states} states do not divide into {tasks} blocks of equal size")
    return np.repeat(np.eye(tasks), states // tasks, axis=1) * tasks / states


def single_starts(tasks: int, states: int) -> Float[np.ndarray, "tasks states"]:
    """Task i starts in a state of its own, s_θ, as in the paper: the first of the i-th block of states.

    Raises ValueError if there are fewer states than tasks.
    """
    if states < tasks:
        raise ValueError(f"{tasks} tasks need as many start states, got {states} states")
    return np.eye(states)[np.arange(tasks) * states // tasks]


def mixture(
    start: Float[np.ndarray, "tasks states"], rows: Rows, observations: int, seed: int | Sequence[int],
    *, noise: float = 0.0, blocks: int = 1,
) -> HMMMixture:  # fmt: skip
    """A random mixture with a uniform prior over tasks; rows of transition and emission are drawn by ``rows``.

    - ``noise``: probability with which an emitted token is replaced by one drawn uniformly
    - ``blocks``: there are no moves between so many blocks of states of equal size, HMMs put side by side
    """
    tasks, states = start.shape
    rng, size = np.random.default_rng(seed), states // blocks
    transition = block_diag(*(rows(rng, size, size) for _ in range(blocks)))
    emission = (1 - noise) * rows(rng, states, observations) + noise / observations
    return HMMMixture(np.full(tasks, 1 / tasks), start, transition, emission)
