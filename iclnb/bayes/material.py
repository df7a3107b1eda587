"""What is drawn for chapter 01: designs of random HMM mixtures, and prompts from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from iclnb.bayes import families, sequences
from iclnb.bayes.hmm import HMMMixture


@dataclass(frozen=True)
class Design:
    """How the HMMs of a study are drawn, and how long x is.

    ``starts`` is "blocks" (uniform in a block of states per task) or "single" (one state per task);
    ``closed`` keeps each task in its own block; ``noise`` replaces emitted tokens by uniform ones;
    sequences at least as likely as ``threshold`` enter second moments even if no prompt holds them.
    """

    tasks: int
    states: int
    observations: int
    length: int
    rows: families.Rows
    starts: str = "blocks"
    closed: bool = True
    noise: float = 0.0
    threshold: float = 1e-6

    def mixture(self, seed: int | Sequence[int]) -> HMMMixture:
        """One HMM mixture of this design."""
        start = {"blocks": families.block_starts, "single": families.single_starts}[self.starts]
        return families.mixture(
            start(self.tasks, self.states), self.rows, self.observations, seed,
            noise=self.noise, closed=self.closed,
        )  # fmt: skip


def appendix_c(**changes: object) -> Design:
    """8 tasks, 80 states, 100 observations, as in table 3; the rest is our reading.

    Each task is an HMM of 10 states, rows softmax(50 x N(0, 1)), merged into one; it starts anywhere in its
    block; abs(x) = 6. Pass ``changes`` for other readings.

    Source: Han et al. (2025), appendix C, which leaves open how the HMMs are drawn and how long x is.
    """
    settings = {"tasks": 8, "states": 80, "observations": 100, "length": 6, "rows": families.softmax(50.0)}
    return Design(**{**settings, **changes})


SMALL = Design(3, 5, 6, 3, families.dirichlet(0.5), starts="single", closed=False)
"""HMMs of theorem 1: every sequence can be enumerated, and has a positive probability."""

NOISY = Design(4, 12, 10, 3, families.softmax(3.0), noise=0.3, threshold=1e-9)
"""HMMs whose tasks a query alone does not determine: softer rows, and three tokens in ten replaced."""


def crossing_designs() -> dict[str, Design]:
    """Designs that are enumerated, with other numbers of tasks, states and noise than the first."""
    sizes = {
        "4 tasks of 3 states, noise 0.3": (4, 3, 0.3),
        "2 tasks of 4 states": (2, 4, 0.3),
        "8 tasks of 2 states": (8, 2, 0.3),
        "4 tasks of 2 states": (4, 2, 0.3),
        "4 tasks of 4 states": (4, 4, 0.3),
        "4 tasks of 5 states": (4, 5, 0.3),
        "noise 0.1": (4, 3, 0.1),
        "noise 0.5": (4, 3, 0.5),
        "noise 0.7": (4, 3, 0.7),
    }
    return {
        name: Design(tasks, tasks * states, 6, 3, families.softmax(3.0), noise=noise)
        for name, (tasks, states, noise) in sizes.items()
    }


DOUBLINGS = (*(2**i for i in range(16)), 2**20)
"""1, 2, 4, ... 32,768 demonstrations, and a million, where the sharp law is checked."""


def readings(length: int, scale: float) -> dict[str, Design]:
    """Readings of what appendix C leaves open: the chapter's own, then others with one choice changed."""
    changes = {
        "headline": {},
        "scale 10": {"rows": families.softmax(10.0)},
        "scale 100": {"rows": families.softmax(100.0)},
        "Dirichlet 0.01": {"rows": families.dirichlet(0.01)},
        "Dirichlet 0.05": {"rows": families.dirichlet(0.05)},
        "blocks open": {"closed": False},
        "one start state per task": {"starts": "single", "closed": False},
        "x of 2 tokens": {"length": 2},
        "x of 12 tokens": {"length": 12},
    }
    base = {"length": length, "rows": families.softmax(scale), "threshold": 1.0}
    return {name: appendix_c(**{**base, **change}) for name, change in changes.items()}


def reading(name: str, length: int, scale: float, bandwidth: float) -> tuple[Design, float]:
    """Design and bandwidth of one of :func:`readings`, or of "belief, β = ..." under the chapter's own."""
    known = readings(length, scale)
    if name in known:
        return known[name], bandwidth
    return known["headline"], float(name.removeprefix("belief, β = "))


def half_decades(largest: int) -> tuple[int, ...]:
    """10, 32, 100, ... up to ``largest``: numbers of demonstrations, equally spaced in logarithms."""
    return tuple(n for n in np.logspace(1, 7, 13).round().astype(int).tolist() if n <= largest)


def powers_of_four(largest: int) -> tuple[int, ...]:
    """1, 4, 16, ... up to ``largest``."""
    return tuple(4**i for i in range(20) if 4**i <= largest)


class Prompts(NamedTuple):
    """Prompts drawn from one mixture, their sequences deduplicated."""

    tasks: Int[np.ndarray, " prompts"]
    known: Int[np.ndarray, "sequences length"]
    x: Int[np.ndarray, "prompts demonstrations"]
    y: Int[np.ndarray, "prompts demonstrations"]
    query: Int[np.ndarray, " prompts"]
    answer: Int[np.ndarray, " prompts"]


def draw_prompts(
    mixture: HMMMixture,
    prompts: int,
    demonstrations: int,
    length: int,
    threshold: float,
    seed: int | Sequence[int],
) -> Prompts:
    """Draw prompts of demonstrations (x, y) and a query, all of one task each.

    Args:
        mixture: the HMMs.
        prompts: how many.
        demonstrations: the largest n; smaller n use the first ones.
        length: tokens in each x.
        threshold: besides the drawn ones, ``known`` holds every x at least this likely under p_pretrain
            (:func:`sequences.likely`), so that second moments hardly depend on which prompts were drawn.
        seed: seeds the prompts, and nothing else.

    Returns:
        The prompts, each x as its row in ``known``.
    """
    rng = np.random.default_rng(seed)
    tasks = mixture.sample_tasks(prompts, rng)
    tokens = mixture.sample(np.repeat(tasks, demonstrations + 1), length + 1, rng)
    known = sequences.merge(tokens[:, :length], sequences.likely(mixture, length, threshold))
    place = sequences.find(tokens[:, :length], known).reshape(prompts, -1)
    y = tokens[:, length].reshape(prompts, -1)
    return Prompts(tasks, known, place[:, :-1], y[:, :-1], place[:, -1], y[:, -1])
