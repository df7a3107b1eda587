"""What is drawn for chapter 01: designs of random HMM mixtures, and prompts from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from iclnb.bayes import families, sequences
from iclnb.bayes.hmm import HMMMixture


@dataclass(frozen=True)
class Design:
    """How the HMMs of a study are drawn, and how long x is.

    ``starts`` is "blocks" (uniform in a block of states per task) or "single" (one state per task);
    ``closed`` keeps each task in its own block, an HMM of its own; ``noise`` replaces emitted tokens by
    uniform ones; sequences at least as likely as ``threshold`` enter second moments even if no prompt holds
    them.
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

    @property
    def start(self) -> Float[np.ndarray, "tasks states"]:
        """How the tasks start."""
        draw = {"blocks": families.block_starts, "single": families.single_starts}[self.starts]
        return draw(self.tasks, self.states)

    def mixture(self, seed: int | Sequence[int]) -> HMMMixture:
        """One HMM mixture of this design."""
        return families.mixture(
            self.start, self.rows, self.observations, seed,
            noise=self.noise, blocks=self.tasks if self.closed else 1,
        )  # fmt: skip

    def held_out(self) -> Float[np.ndarray, " states"]:
        """How a task starts that the corpus lacks.

        Half in the first block and half in the second; where every task has a single start state, in the
        first state that is none of them.
        """
        if self.starts == "blocks":
            return self.start[:2].mean(axis=0)
        return np.eye(self.states)[np.flatnonzero(~self.start.any(axis=0))[0]]


def learning_designs() -> dict[str, Design]:
    """Three designs on which every sequence is enumerated and a query alone does not determine its task."""
    soft = families.softmax(3.0)
    return {
        "4 tasks of 3 states": Design(4, 12, 6, 3, soft, noise=0.3),
        "8 tasks of 2 states": Design(8, 16, 6, 3, soft, noise=0.5),
        "one HMM, 4 start states": Design(4, 12, 6, 3, soft, starts="single", closed=False, noise=0.3),
    }


SHARES = (0.0, 0.125, 0.25, 0.5, 1.0)
"""How much of a task's start is the held-out one; the rest is that of the first task of the corpus."""

SMALL = Design(3, 5, 6, 3, families.dirichlet(0.5), starts="single", closed=False)
"""HMMs of theorem 1: every sequence can be enumerated, and has a positive probability."""


def appendix_c(**changes: object) -> Design:
    """8 tasks, 80 states, 100 observations, as in table 3; the rest is one reading of it.

    Each task is an HMM of 10 states, rows softmax(50 x N(0, 1)), merged into one; it starts anywhere in its
    block; abs(x) = 6. Pass ``changes`` for other readings.

    Source: Han et al. (2025), appendix C, which leaves open how the HMMs are drawn and how long x is.
    """
    settings = {"tasks": 8, "states": 80, "observations": 100, "length": 6, "rows": families.softmax(50.0)}
    return Design(**{**settings, "threshold": 1e-4, **changes})


class Reading(NamedTuple):
    """One way to read what appendix C leaves open."""

    starts: str  # as in `Design`
    closed: bool
    length: int
    # `families.softmax` or `families.dirichlet`
    rows: Callable[[float], families.Rows] = families.softmax
    # its scale or concentration; `None`: what gives the table's first column, in which every kernel answers
    # alike
    sharpness: float | None = None

    def design(self, sharpness: float) -> Design:
        """Appendix C so read."""
        return appendix_c(
            rows=self.rows(sharpness), starts=self.starts, closed=self.closed, length=self.length
        )


def readings() -> dict[str, Reading]:
    """Readings of appendix C; first those in which every task has a start state of its own, as in section 3.2.

    "Apart" is an HMM for every task, "joint" one HMM in which they differ in the start alone.
    """
    return {
        "own start, apart, 6 tokens": Reading("single", True, 6),
        "own start, apart, 2 tokens": Reading("single", True, 2),
        "own start, apart, 12 tokens": Reading("single", True, 12),
        "own start, apart, 6 tokens, Dirichlet": Reading("single", True, 6, families.dirichlet),
        "own start, joint, 2 tokens": Reading("single", False, 2),
        "own start, joint, 6 tokens": Reading("single", False, 6),
        "any start, apart, 6 tokens": Reading("blocks", True, 6),
        "any start, apart, 12 tokens": Reading("blocks", True, 12),
        "own start, apart, 6 tokens, scale 50": Reading("single", True, 6, sharpness=50.0),
        "own start, joint, 6 tokens, scale 50": Reading("single", False, 6, sharpness=50.0),
        "any start, apart, 6 tokens, scale 50": Reading("blocks", True, 6, sharpness=50.0),
        "any start, joint, 6 tokens, scale 50": Reading("blocks", False, 6, sharpness=50.0),
    }


@dataclass(frozen=True)
class Corpus:
    """What transformers are trained on: any number of tasks that share one HMM and differ in how they start.

    Starts are drawn from a symmetric Dirichlet distribution over all states, of this concentration.
    """

    design: Design
    concentration: float = 0.2

    def starts(self, tasks: int, rng: np.random.Generator) -> Float[np.ndarray, "tasks states"]:
        """Tasks, each as the distribution of its first state."""
        return rng.dirichlet(np.full(self.design.states, self.concentration), size=tasks)

    def mixture(self, tasks: int, seed: Sequence[int]) -> HMMMixture:
        """One HMM with so many tasks; a seed gives the same HMM and first tasks whatever their number."""
        parts, start = self.design.mixture(seed), self.starts(tasks, np.random.default_rng((*seed, 1)))
        return HMMMixture(np.full(tasks, 1 / tasks), start, parts.transition, parts.emission)


CORPUS = Corpus(Design(4, 12, 6, 2, families.softmax(3.0), noise=0.1))
"""Appendix 01c: pairs of tokens, one HMM of four blocks of three states."""


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

    Smaller numbers of demonstrations use the first ones. Besides the drawn x, ``known`` holds every x at
    least as likely as the threshold (:func:`sequences.likely`), so that second moments hardly depend on which
    prompts were drawn.
    """
    rng = np.random.default_rng(seed)
    tasks = mixture.sample_tasks(prompts, rng)
    tokens = mixture.sample(np.repeat(tasks, demonstrations + 1), length + 1, rng)
    likely = sequences.likely(mixture, length, threshold)
    known = np.unique(np.concatenate([tokens[:, :length], likely]), axis=0)
    place = sequences.find(tokens[:, :length], known).reshape(prompts, -1)
    y = tokens[:, length].reshape(prompts, -1)
    return Prompts(tasks, known, place[:, :-1], y[:, :-1], place[:, -1], y[:, -1])
