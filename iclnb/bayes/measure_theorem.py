"""The findings of appendix 01a: limits and bound of theorem 1 on random small HMMs."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from tqdm import tqdm

from iclnb.bayes import sequences, theorem
from iclnb.bayes.kernels import Kernels
from iclnb.bayes.material import SMALL
from iclnb.findings import Findings, variable

LIMITS_OF = ("printed", "centred", "unweighted", "ratio", "belief", "labels only")
LENGTHS = (2, 3, 4)
"""Over which the infimum of ε_θ is taken; it grows with the length, since operators of longer sequences are
smaller, and with one token second moments are singular."""


@dataclass(frozen=True, kw_only=True)
class Limits(Findings):
    """L∞ errors that remain with infinitely many demonstrations of one task, computed and not sampled."""

    coordinates: ClassVar = {"kernel": LIMITS_OF}

    median: Float64[np.ndarray, "hmm kernel"] = variable("limit error, median over x_test", unit="1")
    worst: Float64[np.ndarray, "hmm kernel"] = variable("limit error, worst x_test", unit="1")
    bound: Float64[np.ndarray, " hmm"] = variable("what theorem 1 says it is at most, η² ε", unit="1")

    def of(self, kernel: str) -> Float64[np.ndarray, " hmm"]:
        """The error at the worst x_test."""
        return self.worst[:, LIMITS_OF.index(kernel)]


def measure(run: SimpleNamespace) -> Limits:
    """Limits and bound for demonstrations of the first task."""
    floors, bounds = [], []
    for i in tqdm(range(run.small_hmms), desc="small HMMs", disable=None):
        mixture = SMALL.mixture((run.hmm_seed, i))
        kernels = Kernels(mixture, sequences.every(SMALL.observations, SMALL.length))
        floors.append([theorem.floor(kernels, name, 0) for name in LIMITS_OF])
        bounds.append(theorem.bound(mixture, 0, SMALL.length, LENGTHS))
    median, worst = np.moveaxis(np.array(floors), -1, 0)
    return Limits(median=median, worst=worst, bound=np.array(bounds))
